//! A panic is a mistake of this program's or of one below it. It ends what it happened in, with one message, and nothing
//! else.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, PoisonError},
};

/// What was said, and where, oldest first; one that others follow from comes before them.
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

/// What a kept panic said, on whatever thread, that fits; it is kept no longer, nor are those like it. A backend whose own
/// thread panics leaves only those that wait for it with an error that says nothing.
pub fn take(fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let first = all.iter().position(|(said, _)| fits(said))?;
    let (said, _) = all.swap_remove(first);
    all.retain(|(said, _)| !fits(said));
    Some(said)
}

/// Whether a panic only says that nobody reads what is printed any more, as `head` does when it has enough.
pub fn is_unheard(said: &str) -> bool {
    ["failed printing to stdout", "failed printing to stderr"].iter().any(|words| said.starts_with(words))
}

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
}
