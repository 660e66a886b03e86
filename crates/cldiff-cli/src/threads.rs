//! The number of threads of the CPU kernels: at most one a core, since threads that take turns on a core compute nothing
//! sooner and keep each other waiting. Results do not depend on the number.

use std::{env, num::NonZero, thread};

use rayon::ThreadPoolBuilder;

use crate::failure::Failure;

/// Asks for a number of threads where `--threads` does not; rayon's own variable.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Set by tests that compare more threads than a small machine has cores.
const NO_LIMIT: &str = "CLDIFF_MORE_THREADS_THAN_CORES";

/// The stack size of a main thread on Linux, in bytes.
pub(crate) const STACK: usize = 8 << 20;

/// A number that was asked for.
struct Asked {
    /// The option or variable, as it was given.
    by: String,
    number: usize,
}

impl Asked {
    /// The number, but at most `most`; a warning names a number that is lowered.
    fn lowered(&self, most: usize, because: &str) -> usize {
        let used = self.number.min(most);
        if used < self.number {
            tracing::warn!("{} is lowered to {used}, {because}", self.by);
        }
        used
    }
}

/// Makes the threads of the CPU kernels, as many as `--threads` says, else [`VARIABLE`], else one a core.
///
/// # Errors
/// [`Failure::Mistake`] for 0 threads, and for more than the system gives.
pub fn make(option: Option<usize>) -> Result<(), Failure> {
    if option == Some(0) {
        return Err(Failure::mistake("--threads 0: expected at least 1"));
    }
    let asked = asked(option, env::var(VARIABLE).ok().as_deref());
    let most = if has_limit() { cores() } else { usize::MAX };
    let because = "the number of cores that this process may use";
    let threads = asked.as_ref().map_or_else(cores, |asked| asked.lowered(most, because));
    let pool = ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK);
    let told = asked.map_or_else(String::new, |asked| format!("{}: ", asked.by));
    pool.build_global().map_err(|error| Failure::mistake(format!("{told}{error}")))
}

/// The number of cells to compute at a time: as many as `--jobs` says, and on the CPU at most one a thread.
pub fn cells_at_a_time(jobs: usize, is_gpu: bool) -> usize {
    let most = if is_gpu || !has_limit() { usize::MAX } else { rayon::current_num_threads() };
    let asked = Asked { by: format!("--jobs {jobs}"), number: jobs };
    asked.lowered(most, "the number of threads: each cell needs one of its own")
}

/// Cores that this process may use, by its affinity and its control group.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn has_limit() -> bool {
    env::var_os(NO_LIMIT).is_none()
}

/// The number of threads that the option or the variable asks for; as in rayon, a variable that is no number above 0
/// asks for nothing.
fn asked(option: Option<usize>, variable: Option<&str>) -> Option<Asked> {
    let of = |by: String, number: usize| Asked { by, number };
    let variable = || variable.and_then(|text| text.parse().ok()).filter(|&number| number > 0);
    option
        .map(|number| of(format!("--threads {number}"), number))
        .or_else(|| variable().map(|number| of(format!("{VARIABLE}={number}"), number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_variable() {
        let told = |option, variable| asked(option, variable).map(|asked| (asked.by, asked.number));
        assert_eq!(told(Some(3), Some("5")), Some(("--threads 3".into(), 3)));
        assert_eq!(told(None, Some("5")), Some(("RAYON_NUM_THREADS=5".into(), 5)));
        for nothing in [None, Some(""), Some("0"), Some("many"), Some("-1")] {
            assert_eq!(told(None, nothing), None);
        }
    }

    #[test]
    fn a_number_is_lowered_and_never_raised() {
        let lowered = |number: usize| Asked { by: String::new(), number }.lowered(4, "");
        assert_eq!([1, 4, 5, 1000].map(lowered), [1, 4, 4, 4]);
    }

    #[test]
    fn cells_on_a_gpu_may_be_more_than_threads() {
        assert_eq!(cells_at_a_time(1000, true), 1000);
        assert_eq!(cells_at_a_time(1, false), 1);
    }
}
