//! What several seeds say together: mean, standard deviation, interval; and the difference of two methods on the same
//! seeds, in which what the seeds have in common cancels.

use std::collections::BTreeMap;

use super::bootstrap::{Interval, bootstrap_mean};

/// The level of every interval here.
pub const LEVEL: f64 = 0.95;

/// One number for each seed.
pub type BySeed = BTreeMap<u64, f64>;

/// A number over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverSeeds {
    /// How many seeds.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (with n - 1); none for one seed.
    pub standard_deviation: Option<f64>,
    /// The 95 % BCa bootstrap interval of the mean; none for fewer than three seeds.
    pub interval: Option<Interval>,
}

/// The values of the seeds together; none of nothing. What is not finite counts as missing.
pub fn over_seeds(values: impl IntoIterator<Item = f64>) -> Option<OverSeeds> {
    let values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let standard_deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    Some(OverSeeds { n, mean, standard_deviation, interval: bootstrap_mean(&values, LEVEL) })
}

/// a - b on the seeds that both have; none if there are no such seeds.
pub fn paired_difference(a: &BySeed, b: &BySeed) -> Option<OverSeeds> {
    over_seeds(a.iter().filter_map(|(seed, a)| Some(a - b.get(seed)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_seed(values: &[(u64, f64)]) -> BySeed {
        values.iter().copied().collect()
    }

    #[test]
    fn a_hand_worked_case() {
        let all = over_seeds([1.0, 2.0, 6.0, f64::NAN]).unwrap();
        assert_eq!((all.n, all.mean), (3, 3.0));
        assert_eq!(all.standard_deviation, Some(7.0_f64.sqrt()));
        assert!(all.interval.unwrap().contains(3.0));
        let one = over_seeds([4.0]).unwrap();
        assert_eq!((one.standard_deviation, one.interval), (None, None));
        assert_eq!(over_seeds([]), None);
    }

    #[test]
    fn only_common_seeds_are_paired() {
        let a = by_seed(&[(0, 10.0), (1, 20.0), (2, 30.0), (9, 1e9)]);
        let b = by_seed(&[(0, 9.0), (1, 18.0), (2, 29.0), (5, -1e9)]);
        let difference = paired_difference(&a, &b).unwrap();
        assert_eq!((difference.n, difference.mean), (3, 4.0 / 3.0));
        // The seeds differ by far more than the methods do; the pairs show the methods all the same.
        assert!(!difference.interval.unwrap().contains(0.0));
        assert_eq!(paired_difference(&a, &by_seed(&[(7, 1.0)])), None);
    }
}
