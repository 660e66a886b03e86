//! A panic is a mistake of this program's or of one below it. It ends what it happened in, with one message, and nothing
//! else.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, PoisonError},
};

/// The first since [`catch`] began: those after it follow from it.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on panics are kept, not printed; with `RUST_BACKTRACE` they are printed too.
pub fn listen() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            print(panic);
        }
        let said = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, |place| format!(" ({place})"));
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("{said}{place}"));
    }));
}

/// Calls a function; if it panics, gives what was said first.
pub fn catch<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    let first = || FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
    first();
    panic::catch_unwind(AssertUnwindSafe(function))
        .map_err(|_| first().unwrap_or_else(|| "no message".into()))
}
