//! Threads that stay awake from one operation to the next.
//!
//! A rayon thread that finds no job goes to sleep within some ten microseconds, and the operation that follows has to wake it: a
//! call to the system, an interrupt on another core and, in a virtual machine, a way through its host, for each of several
//! hundred operations of a training step. So the threads that an operation can use go on looking for jobs for a moment after
//! its end, as those of OpenMP do. Between two looks they give way to whatever else the machine has to run. Threads beyond the
//! cores sleep: awake they would take the time of those that compute.

use std::{
    cell::Cell,
    num::NonZero,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a thread goes without a job before it may sleep.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long a thread looks for jobs before it has to be asked again. It may have been asked while it waited for the end of
/// something else, which it goes on with after that.
const TURN: Duration = Duration::from_millis(20);

thread_local! {
    /// How many threads look for jobs on behalf of this one.
    static AWAKE: Arc<AtomicUsize> = Arc::default();
    /// Whether this thread looks for jobs.
    static LOOKS: Cell<bool> = const { Cell::new(false) };
}

/// Has the other threads of the caller's pool look for jobs for a moment. Convolutions ask for it, unless they are small;
/// whatever else a network does lies between two of them. Without effect for a thread of no pool, which sleeps itself while
/// its operation is computed.
pub(super) fn keep_awake() {
    // Miri takes turns between threads: each look would be at the expense of the work.
    let Some(caller) = rayon::current_thread_index().filter(|_| !cfg!(miri)) else { return };
    let others = rayon::current_num_threads().min(cores()) - 1;
    AWAKE.with(|awake| {
        // Only the caller counts up.
        for _ in awake.load(Ordering::Relaxed)..others {
            awake.fetch_add(1, Ordering::Relaxed);
            let awake = Arc::clone(awake);
            rayon::spawn(move || {
                // While it waits for its jobs the caller may be given this one.
                if rayon::current_thread_index() != Some(caller) {
                    look_for_jobs();
                }
                awake.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

/// Cores that this process may use. The system looks into several files for their number, so that it is asked once.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

fn look_for_jobs() {
    // One of the jobs that were found may ask for the same.
    if LOOKS.replace(true) {
        return;
    }
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < TURN && last.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ => thread::yield_now(),
        }
    }
    LOOKS.set(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awake() -> usize {
        AWAKE.with(|awake| awake.load(Ordering::Relaxed))
    }

    #[test]
    fn all_other_threads_look_for_jobs_and_stop() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            keep_awake();
            keep_awake();
            assert!(awake() <= 2, "{} of 2 threads", awake());
            // They do what there is to do in the meantime.
            let (a, b) = rayon::join(|| 1, || 2);
            assert_eq!(a + b, 3);
            while awake() > 0 {
                rayon::yield_now();
                thread::yield_now();
            }
        });
    }

    #[test]
    fn threads_beyond_the_cores_are_not_asked() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores() + 5).build().unwrap();
        pool.install(|| {
            keep_awake();
            assert!(awake() < cores(), "{} beside the caller on {} cores", awake(), cores());
        });
    }

    #[test]
    fn a_thread_of_no_pool_asks_nobody() {
        keep_awake();
        assert_eq!(awake(), 0);
    }
}
