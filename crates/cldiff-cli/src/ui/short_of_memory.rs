//! Whether memory was short: backends and systems say so in many ways, and at times where nobody hears it.

use super::panics;

/// Words of messages that tell of memory.
const WORDS: [&str; 4] = ["out of memory", "outofmemory", "can't allocate buffer", "memory allocation of"];

/// Whether a message tells of memory.
pub fn says(said: &str) -> bool {
    let low = said.to_lowercase();
    WORDS.iter().any(|words| low.contains(words))
}

/// Takes out the line of a panic, on whatever thread, that tells of memory. A backend's own panics come first: a caller
/// that waits for it says nothing of the reason.
pub fn cause() -> Option<String> {
    let said = panics::take(says)?;
    let line = said.lines().find(|line| says(line))?;
    // In front of it stands which call panicked.
    Some(line.rsplit_once("value: ").map_or(line, |(_, cause)| cause).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_on_another_thread_is_found_once() {
        panics::listen();
        let said = "an `Err` value: can't allocate buffer of size: 7\nNo backtrace available";
        assert!(std::thread::spawn(move || panic!("{said}")).join().is_err());
        assert_eq!(cause().as_deref(), Some("can't allocate buffer of size: 7"));
        assert_eq!(cause(), None);
    }
}
