//! The order in which training data are visited: shuffled epochs, or once as they arrive, with no state but the
//! position.

use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;

const ORDERING: Purpose = Purpose::tagged(*b"ordering");

/// Every epoch is a permutation that depends on (seed, experience, epoch) alone, so that the batch of any step can
/// be told without those before it: a resumed run sees the data that the uninterrupted one would have seen.
#[derive(Debug, Clone)]
pub struct EpochOrder {
    seed: u64,
    experience: u64,
    len: usize,
    current: Option<(u64, Vec<u32>)>,
}

impl EpochOrder {
    /// The order of `len` images in an experience.
    pub fn new(seed: u64, experience: u64, len: usize) -> Self {
        Self { seed, experience, len, current: None }
    }

    /// The positions of a step's batch. Batches run across the ends of epochs, so that all have the same size.
    ///
    /// # Panics
    /// If there are no images.
    pub fn batch(&mut self, step: u64, size: usize) -> Vec<usize> {
        assert!(self.len > 0, "an empty data set has no batches");
        let first = step * size as u64;
        (first..first + size as u64).map(|position| self.at(position)).collect()
    }

    fn at(&mut self, position: u64) -> usize {
        let epoch = position / self.len as u64;
        let within = (position % self.len as u64) as usize;
        match &self.current {
            Some((current, order)) if *current == epoch => order[within] as usize,
            _ => {
                let order = self.permutation(epoch);
                let index = order[within] as usize;
                self.current = Some((epoch, order));
                index
            }
        }
    }

    fn permutation(&self, epoch: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len as u32).collect();
        let key = Key::new(self.seed, ORDERING).experience(self.experience as usize).step(epoch as usize);
        order.shuffle(&mut key.rng(0));
        order
    }
}

/// Every image once, in the order of the data set: the order of arrival in an online stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalOrder {
    len: usize,
}

impl ArrivalOrder {
    /// The order of `len` images.
    pub fn new(len: usize) -> Self {
        Self { len }
    }

    /// The positions of a step's batch; the last may be smaller, and those after it are empty.
    pub fn batch(&self, step: u64, size: usize) -> Vec<usize> {
        let at = |step: u64| step.saturating_mul(size as u64).min(self.len as u64) as usize;
        (at(step)..at(step.saturating_add(1))).collect()
    }

    /// How many steps there are.
    ///
    /// # Panics
    /// If batches are empty.
    pub fn steps(&self, size: usize) -> u64 {
        self.len.div_ceil(size) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_epoch_visits_everything_once(len in 1_usize..50, size in 1_usize..20, seed: u64) {
            let mut order = EpochOrder::new(seed, 1, len);
            let steps = 3 * len; // enough for `size` whole rounds of 3 epochs
            let visited: Vec<usize> = (0..steps as u64).flat_map(|s| order.batch(s, size)).collect();
            for epoch in visited.chunks_exact(len) {
                let mut epoch = epoch.to_vec();
                epoch.sort_unstable();
                prop_assert_eq!(epoch, (0..len).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_step_needs_no_steps_before_it(len in 1_usize..50, size in 1_usize..20, step in 0_u64..40) {
            let mut whole = EpochOrder::new(5, 2, len);
            let history: Vec<_> = (0..=step).map(|s| whole.batch(s, size)).collect();
            prop_assert_eq!(EpochOrder::new(5, 2, len).batch(step, size), history[step as usize].clone());
        }
    }

    #[test]
    fn arrival_visits_everything_once_and_ends() {
        let order = ArrivalOrder::new(10);
        assert_eq!(order.steps(4), 3);
        assert_eq!(
            [order.batch(1, 4), order.batch(2, 4), order.batch(3, 4)],
            [vec![4, 5, 6, 7], vec![8, 9], vec![]]
        );
        assert!(order.batch(u64::MAX, 4).is_empty());
    }

    #[test]
    fn epochs_and_experiences_differ() {
        let batch = |experience, step| EpochOrder::new(0, experience, 32).batch(step, 32);
        assert_ne!(batch(0, 0), batch(0, 1));
        assert_ne!(batch(0, 0), batch(1, 0));
        let of_seed = |seed| EpochOrder::new(seed, 0, 32).batch(0, 32);
        assert_ne!(of_seed(0), of_seed(1));
        assert_eq!(of_seed(1), of_seed(1));
    }
}
