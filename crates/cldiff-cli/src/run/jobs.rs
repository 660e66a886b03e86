//! Pieces of work side by side: each worker takes the next that nobody has, and computes on threads of its own.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::threads::STACK;

/// Does `count` pieces of work, `work(worker, piece)`, by so many workers; what each gave, in the order of the pieces.
/// After a break no further piece is begun, and such a piece gives nothing.
///
/// All threads of the pool that this is called in are shared out, at least one to each worker. On a GPU each worker's
/// thread has a stream of its own.
///
/// # Errors
/// If no threads can be had.
pub fn side_by_side<T: Send>(
    workers: usize,
    count: usize,
    work: impl Fn(usize, usize) -> ControlFlow<T, T> + Sync,
) -> Result<Vec<Option<T>>, ThreadPoolBuildError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let take = |worker: usize| {
        while !stop.load(Ordering::SeqCst) {
            let piece = next.fetch_add(1, Ordering::SeqCst);
            let Some(place) = results.get(piece) else { break };
            let result = match work(worker, piece) {
                ControlFlow::Continue(result) => result,
                ControlFlow::Break(result) => {
                    stop.store(true, Ordering::SeqCst);
                    result
                }
            };
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    if workers <= 1 {
        take(0);
    } else {
        let threads = shares(rayon::current_num_threads(), workers).into_iter();
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build();
        let pools: Vec<_> = threads.map(pool).collect::<Result<_, _>>()?;
        thread::scope(|scope| {
            for (worker, pool) in pools.iter().enumerate() {
                let take = &take;
                scope.spawn(move || pool.install(|| take(worker)));
            }
        });
    }
    Ok(results.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

/// Threads of each worker: their numbers differ by one at most.
fn shares(threads: usize, workers: usize) -> Vec<usize> {
    (0..workers).map(|worker| (threads / workers + usize::from(worker < threads % workers)).max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_a_worker_and_every_worker_a_thread() {
        assert_eq!(shares(8, 2), [4, 4]);
        assert_eq!(shares(8, 3), [3, 3, 2]);
        assert_eq!(shares(2, 4), [1, 1, 1, 1]);
    }

    #[test]
    fn every_piece_is_done_once_and_in_its_place() {
        for workers in [1, 3, 9] {
            let done = side_by_side(workers, 5, |worker, piece| {
                assert!(worker < workers && rayon::current_num_threads() >= 1);
                ControlFlow::Continue(piece * piece)
            });
            assert_eq!(done.unwrap(), [0, 1, 4, 9, 16].map(Some));
        }
    }

    #[test]
    fn after_a_break_nothing_is_begun() {
        let done = side_by_side(1, 4, |_, piece| {
            if piece == 1 { ControlFlow::Break(piece) } else { ControlFlow::Continue(piece) }
        });
        assert_eq!(done.unwrap(), [Some(0), Some(1), None, None]);
    }
}
