//! Files that another machine has written a moment ago: a shared file system shows them when its cache of the directory is
//! old enough.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until something is seen or the patience has come to its end; the last refusal then.
///
/// # Errors
/// That of the last look.
pub fn seen<T, E>(dir: &Path, patience: Duration, mut look: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let begin = Instant::now();
    until(&mut look, || {
        let left = patience.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return false;
        }
        thread::sleep(EVERY.min(left));
        // Listing a directory has its entries asked for anew.
        let _ = fs::read_dir(dir).map(Iterator::count);
        true
    })
}

/// Looks as long as waiting makes sense.
fn until<T, E>(look: &mut impl FnMut() -> Result<T, E>, mut wait: impl FnMut() -> bool) -> Result<T, E> {
    loop {
        match look() {
            Err(_) if wait() => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_appears_late_is_seen_and_what_does_not_is_refused_in_the_end() {
        let (mut looks, mut waits) = (0, 0);
        let mut third = || {
            looks += 1;
            if looks < 3 { Err(looks) } else { Ok("there") }
        };
        let few = |most| {
            move || {
                waits += 1;
                waits <= most
            }
        };
        assert_eq!(until(&mut third, few(5)), Ok("there"));
        let mut never = || Err::<(), _>("not there");
        assert_eq!(until(&mut never, few(2)), Err("not there"));
        assert_eq!(seen(Path::new("."), Duration::ZERO, || Err::<(), _>("not there")), Err("not there"));
    }
}
