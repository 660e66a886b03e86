//! Class frequencies of samples against those of real images: a sum over classes of a term of the class's real share,
//! its number of samples and N, with what a perfect model has on average and the standard error. KLD and ARD are of
//! this form.
//!
//! A perfect model does not have the value 0: with few samples it misses frequencies by chance. Its mean is subtracted, so
//! that a perfect model has 0 on average at any N, and single values may be below 0. That mean depends on how the
//! classes came about:
//! - Samples of requested classes: a perfect model shows what was asked for, so that there is no chance in it. Its value is
//!   that of the requested classes, which is 0 or near 0 where they were asked for in the real proportions.
//! - Samples without a request: each shows a class by its real share, so that the number of samples of a class is binomial.
//!   The mean of a term is summed over that distribution, without a draw. (Miller 1955 has its leading order for an
//!   entropy, (C - 1) / 2N.)
//!
//! The real frequencies are given. The standard error is the jackknife's that leaves out one sample after the other, within
//! the requested classes where there are some, of at least two samples each. A classifier that mistakes classes adds to
//! each value, whatever the model is.

use std::collections::BTreeMap;

use super::{Estimate, frequencies::frequencies, groups::squared_deviations};

/// A term of the sum: the real share of a class, its number of samples, all samples.
pub(super) type Term<'t> = &'t dyn Fn(f64, f64, f64) -> f64;

/// Real shares and numbers of samples of each class.
#[derive(Debug)]
pub(super) struct Balance<'a> {
    shares: Vec<f64>,
    counts: Vec<f64>,
    seen: &'a [usize],
    requested: Option<&'a [usize]>,
}

impl<'a> Balance<'a> {
    /// The classes of real images, those seen in samples, and those that the samples were asked for.
    ///
    /// # Panics
    /// If a class is not below `classes`, or there are not as many requests as samples.
    pub(super) fn new(
        real: &[usize],
        seen: &'a [usize],
        requested: Option<&'a [usize]>,
        classes: usize,
    ) -> Self {
        assert!(
            requested.is_none_or(|requested| requested.len() == seen.len()),
            "one request for each sample"
        );
        Self { shares: frequencies(real, classes, 0.0), counts: counts(seen, classes), seen, requested }
    }

    /// The number of classes that the real images have.
    pub(super) fn real_classes(&self) -> usize {
        self.shares.iter().filter(|share| **share > 0.0).count()
    }

    /// The sum, uncorrected.
    pub(super) fn plug_in(&self, term: Term<'_>) -> f64 {
        self.sum(term, &self.counts, self.seen.len() as f64)
    }

    /// The mean of the sum for a perfect model with as many samples.
    pub(super) fn of_perfect_model(&self, term: Term<'_>) -> f64 {
        let n = self.seen.len();
        if let Some(requested) = self.requested {
            return self.sum(term, &counts(requested, self.shares.len()), n as f64);
        }
        // Classes of the same share have the same mean.
        let mut means: BTreeMap<u64, f64> = BTreeMap::new();
        let mut mean = |share: f64| {
            *means.entry(share.to_bits()).or_insert_with(|| {
                let terms = binomial(n, share).into_iter().enumerate();
                terms.map(|(count, probability)| probability * term(share, count as f64, n as f64)).sum()
            })
        };
        self.shares.iter().filter(|share| **share > 0.0).map(|share| mean(*share)).sum()
    }

    /// The sum less that of a perfect model, with its standard error.
    pub(super) fn corrected(&self, term: Term<'_>) -> Estimate {
        Estimate::with(self.plug_in(term) - self.of_perfect_model(term), self.standard_error(term))
    }

    /// None below two samples.
    pub(super) fn standard_error(&self, term: Term<'_>) -> Option<f64> {
        let n = self.seen.len();
        if n < 2 {
            return None;
        }
        let without: Vec<f64> = (0..self.shares.len())
            .map(|class| {
                let mut counts = self.counts.clone();
                counts[class] = (counts[class] - 1.0).max(0.0);
                self.sum(term, &counts, (n - 1) as f64)
            })
            .collect();
        let mut strata: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (i, &class) in self.seen.iter().enumerate() {
            let stratum = self.requested.map_or(0, |requested| requested[i]);
            strata.entry(stratum).or_default().push(without[class]);
        }
        if strata.values().any(|values| values.len() < 2) {
            strata = BTreeMap::from([(0, self.seen.iter().map(|&class| without[class]).collect())]);
        }
        Some(strata.values().map(|values| variance(values)).sum::<f64>().sqrt())
    }

    fn sum(&self, term: Term<'_>, counts: &[f64], n: f64) -> f64 {
        let classes = self.shares.iter().zip(counts).filter(|(share, _)| **share > 0.0);
        classes.map(|(share, count)| term(*share, *count, n)).sum()
    }
}

/// The jackknife's variance, from the values without each sample.
fn variance(without: &[f64]) -> f64 {
    let n = without.len() as f64;
    (n - 1.0) / n * squared_deviations(without)
}

fn counts(labels: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    labels.iter().for_each(|&label| counts[label] += 1.0);
    counts
}

/// The probabilities of 0 to `n` successes, each of probability `p` > 0.
fn binomial(n: usize, p: f64) -> Vec<f64> {
    if p >= 1.0 {
        return (0..=n).map(|count| f64::from(u8::from(count == n))).collect();
    }
    let odds = (p / (1.0 - p)).ln();
    let mut logarithm = n as f64 * (1.0 - p).ln();
    let mut probabilities = vec![logarithm.exp()];
    for count in 1..=n {
        logarithm += odds + ((n - count + 1) as f64 / count as f64).ln();
        probabilities.push(logarithm.exp());
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_probabilities_add_up_and_have_their_mean() {
        for (n, p) in [(1, 0.5), (128, 0.01), (5000, 0.3), (4, 1.0)] {
            let probabilities = binomial(n, p);
            let sum: f64 = probabilities.iter().sum();
            let mean: f64 = probabilities.iter().enumerate().map(|(k, q)| k as f64 * q).sum();
            assert!(
                (sum - 1.0).abs() < 1e-9 && (mean - n as f64 * p).abs() < 1e-7 * n as f64,
                "{n} {p}: {sum}"
            );
        }
        assert!((binomial(3, 0.25)[1] - 3.0 * 0.25 * 0.75 * 0.75).abs() < 1e-12);
    }

    /// With the term n_c^2 / N the mean of a perfect model is p (1 - p) + N p^2 for each class.
    #[test]
    fn the_mean_of_a_perfect_model_is_that_of_multinomial_counts_or_of_the_request() {
        let (real, seen) = ([0, 0, 0, 1, 2], [0, 0, 1, 0, 2, 2, 0, 0, 1, 0]);
        let term: Term<'_> = &|_, count, n| count * count / n;
        let balance = Balance::new(&real, &seen, None, 4);
        assert_eq!(balance.real_classes(), 3);
        assert!((balance.plug_in(term) - (36.0 + 4.0 + 4.0) / 10.0).abs() < 1e-12);
        let expected: f64 = [0.6, 0.2, 0.2].iter().map(|p: &f64| p * (1.0 - p) + 10.0 * p * p).sum();
        assert!((balance.of_perfect_model(term) - expected).abs() < 1e-12);
        let asked = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2];
        let asked = Balance::new(&real, &seen, Some(&asked), 4);
        assert!((asked.of_perfect_model(term) - (36.0 + 4.0 + 4.0) / 10.0).abs() < 1e-12);
        assert_eq!(asked.corrected(term).value, 0.0);
        assert!(Balance::new(&real, &seen[..1], None, 4).standard_error(term).is_none());
    }

    /// The share of class 0, of four samples three: 2/3 without one of these, 1 without the other. The squared deviations add
    /// up to 1/12, and 3/4 of it is 1/16. With the request as strata the first two do not differ, and the others give
    /// 1/2 of 1/18.
    #[test]
    fn the_standard_error_is_the_jackknifes_within_what_was_asked_for() {
        let (real, seen) = ([0, 0, 0, 1], [0, 0, 0, 1]);
        let term: Term<'_> = &|share, count, n| if share > 0.5 { count / n } else { 0.0 };
        let of = |requested: Option<&[usize]>| {
            Balance::new(&real, &seen, requested, 2).standard_error(term).unwrap()
        };
        assert!((of(None) - 0.25).abs() < 1e-12);
        assert!((of(Some(&[0, 0, 1, 1])) - 1.0 / 6.0).abs() < 1e-12);
        // A class that was asked for once has no deviation of its own.
        assert!((of(Some(&[0, 0, 0, 1])) - 0.25).abs() < 1e-12);
    }
}
