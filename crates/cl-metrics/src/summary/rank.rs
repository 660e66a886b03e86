//! Ranks with ties, and the methods that lead: both follow from the verdicts.

use super::{Direction, verdicts::Comparison};

impl Comparison {
    /// The rank of each method, from 1: one more than the number of methods that are better than it beyond doubt. None
    /// for a method that was not tested against any other.
    ///
    /// Methods that are not told apart share a rank. "Not told apart" is not transitive: of three methods in a row the
    /// outer two may differ although neither differs from the middle one, which then shares the rank of the best.
    pub fn ranks(&self) -> Vec<Option<usize>> {
        let methods = 0..self.means().len();
        let rank = |i: usize| 1 + methods.clone().filter(|&j| self.is_better(j, i)).count();
        methods.clone().map(|i| self.is_tested(i).then(|| rank(i))).collect()
    }

    /// The leading group: the method with the best mean and every method that is not told apart from it, if each of
    /// these is better than each method outside, of which there is at least one. Else nothing. Methods without values
    /// are neither in the group nor outside.
    pub fn leaders(&self) -> Vec<usize> {
        let with_values = || (0..self.means().len()).filter(|&i| self.means()[i].is_some());
        let mean = |i: usize| match (self.direction(), self.means()[i].unwrap_or(f64::NAN)) {
            (Direction::LowerIsBetter, mean) => mean,
            (Direction::HigherIsBetter, mean) => -mean,
        };
        let Some(best) = with_values().min_by(|&a, &b| mean(a).total_cmp(&mean(b))) else {
            return Vec::new();
        };
        let (rest, group): (Vec<usize>, Vec<usize>) = with_values().partition(|&i| self.is_better(best, i));
        let apart = group.iter().all(|&i| rest.iter().all(|&j| self.is_better(i, j)));
        if apart && !rest.is_empty() { group } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::summary::BySeed;

    fn by_seed(values: &[f64]) -> BySeed {
        (0..).zip(values.iter().copied()).collect()
    }

    #[test]
    fn what_the_seeds_do_not_tell_apart_shares_a_rank() {
        let clear = by_seed(&[1.0, 1.1, 0.9, 1.0, 1.05]);
        let second = by_seed(&[5.0, 6.0, 5.5, 5.0, 5.2]);
        let like_second = by_seed(&[6.0, 5.0, 5.0, 5.6, 5.3]);
        let last = by_seed(&[19.0, 19.5, 19.1, 19.2, 19.3]);
        let methods = [last, second, clear, like_second, BySeed::new()];
        let lower = Comparison::of(&methods, Direction::LowerIsBetter);
        assert_eq!(lower.ranks(), [Some(4), Some(2), Some(1), Some(2), None]);
        assert_eq!(lower.leaders(), [2]);
        let higher = Comparison::of(&methods, Direction::HigherIsBetter);
        assert_eq!(higher.ranks(), [Some(1), Some(2), Some(4), Some(2), None]);
        assert_eq!(higher.leaders(), [0]);
        // Without the clear one the two of the middle lead together.
        let without = [methods[0].clone(), methods[1].clone(), methods[3].clone()];
        assert_eq!(Comparison::of(&without, Direction::LowerIsBetter).leaders(), [1, 2]);
    }

    #[test]
    fn nothing_leads_alone_among_equals_or_with_too_few_seeds() {
        let of = |methods: &[BySeed]| Comparison::of(methods, Direction::LowerIsBetter);
        let few = [by_seed(&[1.0, 1.1]), by_seed(&[100.0, 100.3])];
        assert_eq!((of(&few).ranks(), of(&few).leaders()), (vec![None, None], vec![]));
        let alone = [by_seed(&[1.0, 2.0, 3.0, 4.0, 5.0])];
        assert_eq!((of(&alone).ranks(), of(&alone).leaders()), (vec![None], vec![]));
        let equal = [alone[0].clone(), by_seed(&[2.0, 1.0, 3.0, 5.0, 4.0])];
        assert_eq!((of(&equal).ranks(), of(&equal).leaders()), (vec![Some(1), Some(1)], vec![]));
    }

    /// The outer two differ, the middle one from neither: the group of the best is not apart from the rest.
    #[test]
    fn a_chain_has_no_leaders() {
        let low = by_seed(&[1.0, 1.1, 0.9, 1.0, 1.05]);
        let middle = by_seed(&[1.0, 5.0, 1.2, 4.8, 3.0]);
        let high = by_seed(&[5.0, 5.1, 5.2, 4.9, 5.0]);
        let found = Comparison::of(&[low, middle, high], Direction::LowerIsBetter);
        assert!(found.is_better(0, 2) && !found.is_better(0, 1) && !found.is_better(1, 2));
        assert_eq!((found.ranks(), found.leaders()), (vec![Some(1), Some(1), Some(2)], vec![]));
    }

    /// A method with fewer seeds is not told apart from any, so that nobody leads before it.
    #[test]
    fn a_method_with_few_seeds_keeps_the_others_from_leading() {
        let (a, b) = (by_seed(&[1.0, 1.1, 0.9, 1.0, 1.05]), by_seed(&[9.0, 9.5, 9.1, 9.2, 9.3]));
        let found = Comparison::of(&[a, b, by_seed(&[0.5, 0.6])], Direction::LowerIsBetter);
        assert_eq!((found.ranks(), found.leaders()), (vec![Some(1), Some(2), None], vec![]));
    }

    proptest! {
        #[test]
        fn no_two_methods_are_each_better_than_the_other(
            a in proptest::collection::vec(-3.0..3.0_f64, 6),
            b in proptest::collection::vec(-3.0..3.0_f64, 6),
        ) {
            let found = Comparison::of(&[by_seed(&a), by_seed(&b)], Direction::LowerIsBetter);
            prop_assert!(!(found.is_better(0, 1) && found.is_better(1, 0)));
            prop_assert!(found.ranks().contains(&Some(1)));
            let leaders = found.leaders();
            prop_assert_eq!(leaders.len(), usize::from(found.is_better(0, 1) || found.is_better(1, 0)));
        }
    }
}
