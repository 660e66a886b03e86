//! Simultaneous statements: several differences of which each is called one only if all statements together are wrong with a
//! probability of at most 5 % (Bonferroni).
//!
//! With at least five seeds a difference is judged over seeds, by Student's t; with fewer, over the images that it was
//! measured on, by its standard error. The second says nothing of other seeds.

use std::cmp::Ordering;

use cl_metrics::summary::{ERROR_RATE, FEWEST_SEEDS, OverSeeds, two_sided_quantile};

/// A family of statements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Family {
    /// The number of statements.
    pub tests: usize,
}

/// A difference with its simultaneous interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub low: f64,
    pub high: f64,
    /// Whether it is more or less than 0 beyond doubt; equal if neither is told.
    pub sign: Ordering,
}

impl Family {
    fn error(self) -> f64 {
        ERROR_RATE / self.tests.max(1) as f64
    }

    /// A difference over seeds; none for fewer than five.
    pub(super) fn over_seeds(self, difference: &OverSeeds) -> Option<Judged> {
        if difference.n < FEWEST_SEEDS {
            return None;
        }
        let interval = difference.interval_with_error(self.error())?;
        let told = difference.p_value()? <= self.error();
        let sign = if told { difference.mean.total_cmp(&0.0) } else { Ordering::Equal };
        Some(Judged { low: interval.low, high: interval.high, sign })
    }

    /// A difference over images, from its standard error on some degrees of freedom.
    pub(super) fn over_images(self, value: f64, error: f64, degrees: f64) -> Judged {
        let half = two_sided_quantile(self.error(), degrees) * error;
        let (low, high) = (value - half, value + half);
        let sign = match () {
            () if low > 0.0 => Ordering::Greater,
            () if high < 0.0 => Ordering::Less,
            () => Ordering::Equal,
        };
        Judged { low, high, sign }
    }
}

#[cfg(test)]
mod tests {
    use cl_metrics::summary::over_seeds;

    use super::*;

    /// Mean 2, standard deviation sqrt(2.5) / 2 over 5 seeds: a standard error of 0.3536, t = 5.657 and p = 0.0048.
    #[test]
    fn more_statements_need_more_evidence() {
        let difference = over_seeds([1.0, 1.5, 2.0, 2.5, 3.0]).unwrap();
        let judged = |tests| Family { tests }.over_seeds(&difference).unwrap();
        assert_eq!(
            (judged(1).sign, judged(10).sign, judged(11).sign),
            (Ordering::Greater, Ordering::Greater, Ordering::Equal)
        );
        // 2 -+ 2.776445 times 0.353553.
        assert!((judged(1).low - 1.018_378).abs() < 1e-5 && (judged(1).high - 2.981_622).abs() < 1e-5);
        assert_eq!(Family { tests: 1 }.over_seeds(&over_seeds([1.0, 1.1, 1.2, 1.3]).unwrap()), None);
        // On 1000 degrees of freedom 1.9623 standard errors for one statement, 3.3002 for fifty.
        let images = |tests| Family { tests }.over_images(-3.0, 1.0, 1000.0);
        assert_eq!((images(1).sign, images(50).sign), (Ordering::Less, Ordering::Equal));
        assert!((images(1).low + 4.962_34).abs() < 1e-4 && (images(50).high - 0.300_2).abs() < 1e-3);
    }
}
