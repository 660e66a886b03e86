//! A panic is a mistake of this program's or of one below it. It ends what it happened in, with one message, and nothing
//! else.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, PoisonError},
};

/// The messages of panics and their places, oldest first; one that others follow from comes before them.
static SAID: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Panics that are kept: far more than happen at a time.
const KEPT: usize = 100;

/// From now on panics are kept, not printed; with `RUST_BACKTRACE` they are printed too.
pub fn listen() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let unheard = panic.payload_as_str().is_some_and(is_unheard);
        if !unheard && std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            print(panic);
        }
        let said = panic.payload_as_str().unwrap_or(SILENT).to_owned();
        let place = panic.location().map_or_else(String::new, |place| format!(" ({place})"));
        let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT {
            all.push((said, place));
        }
    }));
}

const SILENT: &str = "no message";

/// Calls a function; if it panics, gives what was said and where.
pub fn catch<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(function)).map_err(|payload| {
        let said = words(&*payload);
        let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        // Another cell may have panicked meanwhile.
        let mine = all.iter().position(|(other, _)| *other == said);
        let place = mine.map_or_else(String::new, |i| all.remove(i).1);
        said + &place
    })
}

/// Takes out the message of a kept panic, on whatever thread, that fits, and all messages like it. Where a backend's own
/// thread panics, the callers that wait for it get an error that says nothing.
pub fn take(fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let first = all.iter().position(|(said, _)| fits(said))?;
    let (said, _) = all.swap_remove(first);
    all.retain(|(said, _)| !fits(said));
    Some(said)
}

/// Whether a panic only says that nobody reads what is printed any more, as `head` does when it has enough.
pub fn is_unheard(said: &str) -> bool {
    // Nothing can be said of a terminal that takes no message.
    said.starts_with("failed printing to stderr")
        || said.strip_prefix(TO_STDOUT).is_some_and(|why| CLOSED.iter().any(|code| why.contains(code)))
}

/// Why the output could not be written, for a panic that says so: a full disk behind a redirection, for example.
pub fn unwritten(said: &str) -> Option<String> {
    let why = said.strip_prefix(TO_STDOUT)?;
    let end = why.find(')').map_or(why.len(), |end| end + 1);
    Some(format!("the output cannot be written: {}", why[..end].trim()))
}

const TO_STDOUT: &str = "failed printing to stdout: ";

/// A closed pipe, on Unix and on Windows.
const CLOSED: [&str; 3] = ["(os error 32)", "(os error 109)", "(os error 232)"];

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or(SILENT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_place_are_told_and_panics_do_not_mix() {
        listen();
        let outer: Result<(), String> = catch(|| {
            let inner = catch(|| panic!("inner {}", 1));
            assert!(inner.unwrap_err().starts_with("inner 1 (crates/cldiff-cli/src/ui/panics.rs:"));
            std::thread::spawn(|| panic!("elsewhere")).join().unwrap_err();
            panic!("outer");
        });
        assert!(outer.unwrap_err().starts_with("outer ("));
        let elsewhere = |said: &str| said.contains("elsewhere");
        assert_eq!((take(elsewhere).as_deref(), take(elsewhere)), (Some("elsewhere"), None));
        assert_eq!(catch(|| 3), Ok(3));
    }

    #[test]
    fn a_closed_pipe_is_silent_and_a_full_disk_is_told() {
        assert!(is_unheard(
            "failed printing to stdout: Broken pipe (os error 32) (library/std/src/io/stdio.rs:1:1)"
        ));
        assert!(is_unheard("failed printing to stderr: No space left on device (os error 28)"));
        for (why, told) in [
            ("No space left on device (os error 28)", "No space left on device"),
            ("Input/output error (os error 5)", "Input/output error"),
            ("Disk quota exceeded (os error 122)", "Disk quota exceeded"),
        ] {
            let said = format!("failed printing to stdout: {why} (library/std/src/io/stdio.rs:1165:9)");
            assert!(!is_unheard(&said));
            let message = unwritten(&said).unwrap();
            assert!(message.contains(told) && !message.contains("stdio.rs"), "{message}");
        }
        assert_eq!(unwritten("index out of bounds"), None);
    }
}
