//! Ranks with ties: a method is only counted as better than another where the interval of their paired difference does
//! not contain 0.

use super::{
    Direction,
    seeds::{BySeed, paired_difference},
};

/// The rank of each method, from 1: one more than the number of methods that are better than it beyond doubt. None
/// for a method without values.
///
/// Methods that cannot be told apart share a rank. "Cannot be told apart" is not transitive: of three methods in a row
/// the outer two may differ although neither differs from the middle one, which then shares the rank of the best.
pub fn ranks(methods: &[BySeed], direction: Direction) -> Vec<Option<usize>> {
    let rank =
        |i: usize| 1 + (0..methods.len()).filter(|&j| is_better(&methods[j], &methods[i], direction)).count();
    (0..methods.len()).map(|i| (!methods[i].is_empty()).then(|| rank(i))).collect()
}

/// Whether a is better than b, beyond the doubt that the seeds leave.
pub fn is_better(a: &BySeed, b: &BySeed, direction: Direction) -> bool {
    paired_difference(a, b).is_some_and(|difference| {
        difference.interval.is_some_and(|interval| match direction {
            Direction::LowerIsBetter => interval.high < 0.0,
            Direction::HigherIsBetter => interval.low > 0.0,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_seed(values: &[f64]) -> BySeed {
        (0..).zip(values.iter().copied()).collect()
    }

    #[test]
    fn what_the_seeds_do_not_tell_apart_shares_a_rank() {
        let clear = by_seed(&[1.0, 1.1, 0.9, 1.0]);
        let (second, like_second) = (by_seed(&[5.0, 6.0, 5.5, 5.0]), by_seed(&[6.0, 5.0, 5.0, 5.6]));
        let last = by_seed(&[9.0, 9.5, 9.1, 9.2]);
        let methods = [last.clone(), second, clear, like_second, BySeed::new()];
        let lower = ranks(&methods, Direction::LowerIsBetter);
        assert_eq!(lower, [Some(4), Some(2), Some(1), Some(2), None]);
        let higher = ranks(&methods, Direction::HigherIsBetter);
        assert_eq!(higher, [Some(1), Some(2), Some(4), Some(2), None]);
    }

    #[test]
    fn too_few_seeds_leave_all_tied() {
        let methods = [by_seed(&[1.0, 1.0]), by_seed(&[100.0, 100.0])];
        assert_eq!(ranks(&methods, Direction::LowerIsBetter), [Some(1), Some(1)]);
    }

    proptest! {
        #[test]
        fn no_two_methods_are_each_better_than_the_other(
            a in proptest::collection::vec(-3.0..3.0_f64, 4),
            b in proptest::collection::vec(-3.0..3.0_f64, 4),
        ) {
            let (a, b) = (by_seed(&a), by_seed(&b));
            prop_assert!(!(is_better(&a, &b, Direction::LowerIsBetter) && is_better(&b, &a, Direction::LowerIsBetter)));
            let ranks = ranks(&[a, b], Direction::LowerIsBetter);
            prop_assert!(ranks.contains(&Some(1)));
        }
    }
}
