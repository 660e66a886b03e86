//! Kernel Inception distance (Bińkowski et al. 2018, arXiv 1801.01401): the squared maximum mean discrepancy of
//! features under the kernel (x . y / d + 1)^3, by its unbiased estimator, which may be below zero.
//!
//! Two forms: over keyed subsets of equal size, whose mean and (population) standard deviation the literature reports;
//! and over all rows at once, with the jackknife's standard error of a statistic of two samples (Arvesen 1969).
//!
//! Of that error the samples' own part, the real images being given, is the metric's standard error.

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rayon::prelude::*;

use super::{
    Comparison, Estimate, Metric, Need, Parameter, Sets, Takes, Values, comparison::check_count,
    pairs::fold_products,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const SUBSETS: Purpose = Purpose::named("kernel inception distance");

/// Images in a subset, where there are so many.
const SUBSET_SIZE: usize = 1000;

/// KID as a metric of samples, over all of them.
#[derive(Debug, Clone, Copy)]
pub struct Kid;

impl Describe for Kid {
    const NAME: &'static str = "kid";
    const SUMMARY: &'static str = "Kernel Inception distance over all samples, unbiased";
    const CITATION: &'static str = "Bińkowski et al. 2018, arXiv 1801.01401";
}

impl Metric for Kid {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.features();
        check(real, generated, 3)?;
        let sums = Sums::of(real, generated);
        Ok(vec![(Self::NAME, Estimate::new(sums.estimate(), sums.standard_error_of_samples()))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Kid::NAME,
    aliases: &[],
    summary: "Kernel Inception distance",
    takes: Takes::Pair,
    parameters: &[SUBSETS_GIVEN, SUBSET_SIZE_GIVEN, SEED_GIVEN],
    compare: |sets, given| {
        let (a, b) = sets.features()?;
        let found = match given.count(&SUBSETS_GIVEN) {
            0 => kid_of_all(a, b)?,
            subsets => {
                let usual = || SUBSET_SIZE.min(a.rows()).min(b.rows());
                let size = given.get(&SUBSET_SIZE_GIVEN).map_or_else(usual, |size| size as usize);
                kid_of_subsets(a, b, subsets, size, given.number(&SEED_GIVEN))?
            }
        };
        let mut found = vec![(Kid::NAME, found.kid), ("kid_std", found.deviation)];
        if a.rows().min(b.rows()) > 2 {
            found.push(("kid_standard_error", Sums::of(a, b).standard_error_of_samples()));
        }
        Ok(found)
    },
};

const SUBSETS_GIVEN: Parameter = Parameter {
    name: "subsets",
    placeholder: "N",
    meaning: "Pairs of subsets, whose mean and standard deviation are given; 0: all rows at once, with the standard error",
    default: Some(100),
};

const SUBSET_SIZE_GIVEN: Parameter = Parameter {
    name: "subset_size",
    placeholder: "N",
    meaning: "Images in a subset [default: 1000, or as many as the smaller set has]",
    default: None,
};

const SEED_GIVEN: Parameter = Parameter::seed("The seed of the subsets");

/// An estimate and how uncertain it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KidEstimate {
    /// The mean over subsets, or the estimate over all rows.
    pub kid: f64,
    /// The standard deviation over subsets, or the standard error.
    pub deviation: f64,
}

/// Mean and standard deviation over `subsets` pairs of subsets of `size` rows. The positions of a subset depend on the
/// seed, its number and the number of rows alone.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] if a set has fewer than `size` rows or `size` is below 2;
/// [`MetricError::Config`] for no subsets, and for more than a million.
pub fn kid_of_subsets(
    real: &FeatureMatrix,
    generated: &FeatureMatrix,
    subsets: usize,
    size: usize,
    seed: u64,
) -> Result<KidEstimate, MetricError> {
    check(real, generated, size.max(2))?;
    check_count("subsets", subsets, 1)?;
    if size < 2 {
        return Err(MetricError::config("subset_size", size, "expected at least 2"));
    }
    let key = Key::new(seed, SUBSETS);
    let pick = |set: &FeatureMatrix, subset: usize, side: usize| {
        let mut rng = key.step(subset).rng(side as u64);
        set.select(&rand::seq::index::sample(&mut rng, set.rows(), size).into_vec())
    };
    let estimates: Vec<f64> = (0..subsets)
        .into_par_iter()
        .map(|subset| Sums::of(&pick(real, subset, 0), &pick(generated, subset, 1)).estimate())
        .collect();
    let mean = estimates.iter().sum::<f64>() / subsets as f64;
    let variance = estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / subsets as f64;
    Ok(KidEstimate { kid: mean, deviation: variance.sqrt() })
}

/// The estimate over all rows and its standard error.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] below three rows.
pub fn kid_of_all(real: &FeatureMatrix, generated: &FeatureMatrix) -> Result<KidEstimate, MetricError> {
    check(real, generated, 3)?;
    let sums = Sums::of(real, generated);
    Ok(KidEstimate { kid: sums.estimate(), deviation: sums.standard_error() })
}

fn check(a: &FeatureMatrix, b: &FeatureMatrix, needed: usize) -> Result<(), MetricError> {
    if a.width() != b.width() {
        return Err(MetricError::Width { a: a.width(), b: b.width() });
    }
    let found = a.rows().min(b.rows());
    if found < needed { Err(MetricError::TooFew { metric: Kid::NAME, needed, found }) } else { Ok(()) }
}

/// Sums of the kernel over one row with all others: of its own set, and of the other.
struct Sums {
    within: [Vec<f64>; 2],
    across: [Vec<f64>; 2],
}

impl Sums {
    fn of(a: &FeatureMatrix, b: &FeatureMatrix) -> Self {
        Self {
            within: [row_sums(a, a, true), row_sums(b, b, true)],
            across: [row_sums(a, b, false), row_sums(b, a, false)],
        }
    }

    fn estimate(&self) -> f64 {
        let [n, m] = [self.within[0].len() as f64, self.within[1].len() as f64];
        let [a, b] = [0, 1].map(|side| self.within[side].iter().sum::<f64>());
        let across: f64 = self.across[0].iter().sum();
        a / (n * (n - 1.0)) + b / (m * (m - 1.0)) - 2.0 * across / (n * m)
    }

    /// Over draws of both sets.
    fn standard_error(&self) -> f64 {
        (self.variance_of(0) + self.variance_of(1)).sqrt()
    }

    /// Over draws of the second set, the first being given.
    fn standard_error_of_samples(&self) -> f64 {
        self.variance_of(1).sqrt()
    }

    /// Leaves out each row of one set in turn.
    fn variance_of(&self, side: usize) -> f64 {
        let across: f64 = self.across[0].iter().sum();
        let (rows, other) = (&self.within[side], self.within[1 - side].len() as f64);
        let (n, sum) = (rows.len() as f64, rows.iter().sum::<f64>());
        // The other set's own term is the same whoever is left out.
        let without: Vec<f64> = rows
            .iter()
            .zip(&self.across[side])
            .map(|(own, cross)| {
                (sum - 2.0 * own) / ((n - 1.0) * (n - 2.0)) - 2.0 * (across - cross) / ((n - 1.0) * other)
            })
            .collect();
        let mean = without.iter().sum::<f64>() / n;
        (n - 1.0) / n * without.iter().map(|w| (w - mean).powi(2)).sum::<f64>()
    }
}

fn row_sums(a: &FeatureMatrix, b: &FeatureMatrix, without_itself: bool) -> Vec<f64> {
    let gamma = 1.0 / a.width() as f64;
    fold_products(
        a,
        b,
        || 0.0,
        |sum, i, j, product| {
            if !(without_itself && i == j) {
                *sum += (product * gamma + 1.0).powi(3);
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Arguments, Compared, test_data::gaussian_rows};

    #[test]
    fn by_hand() {
        // One feature: the kernel is (x y + 1)^3. Within: (0 * 1 + 1)^3 = 1 and (2 * 3 + 1)^3 = 343; across: 1, 1, 27, 64.
        let a = FeatureMatrix::new(1, vec![0.0, 1.0]).unwrap();
        let b = FeatureMatrix::new(1, vec![2.0, 3.0]).unwrap();
        let kid = kid_of_subsets(&a, &b, 3, 2, 0).unwrap();
        assert!((kid.kid - (1.0 + 343.0 - 2.0 * 93.0 / 4.0)).abs() < 1e-12);
        assert!(kid.deviation.abs() < 1e-12);
    }

    #[test]
    fn it_is_unbiased_and_its_standard_error_is_the_spread_over_draws() {
        let draws: Vec<KidEstimate> = (0..200)
            .map(|seed| {
                let (a, b) =
                    (gaussian_rows(60, 4, 1.0, 0.0, 2 * seed), gaussian_rows(40, 4, 1.0, 0.0, 2 * seed + 1));
                kid_of_all(&a, &b).unwrap()
            })
            .collect();
        let mean = draws.iter().map(|k| k.kid).sum::<f64>() / 200.0;
        let spread = (draws.iter().map(|k| (k.kid - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
        assert!(mean.abs() < 4.0 * spread / 200_f64.sqrt(), "{mean}, spread {spread}");
        let told = draws.iter().map(|k| k.deviation).sum::<f64>() / 200.0;
        assert!((0.7..1.6).contains(&(told / spread)), "told {told}, found {spread}");
    }

    /// The real images are given, so that only the samples are drawn again.
    #[test]
    fn the_metrics_standard_error_is_the_spread_over_draws_of_the_samples() {
        let real = gaussian_rows(80, 4, 1.0, 0.0, 1);
        let draws: Vec<[f64; 2]> = (0..300)
            .map(|seed| {
                let sums = Sums::of(&real, &gaussian_rows(50, 4, 1.2, 0.4, 10 + seed));
                [sums.estimate(), sums.standard_error_of_samples()]
            })
            .collect();
        let mean = |of: usize| draws.iter().map(|draw| draw[of]).sum::<f64>() / 300.0;
        let spread = (draws.iter().map(|draw| (draw[0] - mean(0)).powi(2)).sum::<f64>() / 299.0).sqrt();
        assert!((0.85..1.2).contains(&(mean(1) / spread)), "told {}, found {spread}", mean(1));
    }

    #[test]
    fn subsets_repeat_with_their_seed_and_noise_raises_it() {
        let a = gaussian_rows(300, 6, 1.0, 0.0, 1);
        let kid = |b: &FeatureMatrix, seed| kid_of_subsets(&a, b, 8, 100, seed).unwrap();
        let same = gaussian_rows(300, 6, 1.0, 0.0, 2);
        assert_eq!(kid(&same, 5), kid(&same, 5));
        assert_ne!(kid(&same, 5), kid(&same, 6));
        assert!(kid(&gaussian_rows(300, 6, 1.5, 0.0, 2), 5).kid > kid(&same, 5).kid + 0.1);
    }

    /// Subsets can have two rows; the standard error over samples needs three.
    #[test]
    fn the_standard_error_is_told_from_three_rows_on() {
        let names = |rows: usize| -> Vec<&'static str> {
            let (a, b) = (gaussian_rows(9, 2, 1.0, 0.0, 1), gaussian_rows(rows, 2, 1.0, 0.0, 2));
            let sets = Compared { a: &a, b: &b, held_out: None };
            let given = Arguments::default().with(&SUBSETS_GIVEN, 1).with(&SUBSET_SIZE_GIVEN, 2);
            (COMPARISON.compare)(&sets, &given).unwrap().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(2), ["kid", "kid_std"]);
        assert_eq!(names(3), ["kid", "kid_std", "kid_standard_error"]);
    }

    #[test]
    fn too_few_rows_are_refused() {
        let (a, b) = (gaussian_rows(10, 2, 1.0, 0.0, 1), gaussian_rows(5, 2, 1.0, 0.0, 2));
        assert!(matches!(
            kid_of_subsets(&a, &b, 1, 6, 0),
            Err(MetricError::TooFew { needed: 6, found: 5, .. })
        ));
        assert!(kid_of_subsets(&a, &b, 0, 5, 0).unwrap_err().to_string().contains("`subsets`"));
        assert!(kid_of_subsets(&a, &b, 1, 1, 0).unwrap_err().to_string().contains("at least 2"));
        let many = kid_of_subsets(&a, &b, usize::MAX, 5, 0).unwrap_err().to_string();
        assert!(many.starts_with("`subsets` is ") && many.ends_with("at most 1000000"), "{many}");
        assert!(matches!(kid_of_all(&a, &b.select(&[0, 1])), Err(MetricError::TooFew { needed: 3, .. })));
    }
}
