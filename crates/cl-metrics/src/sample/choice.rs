//! The metrics that a benchmark can measure samples by, and all of them at once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    accuracy::conditional_accuracy,
    ard::ard,
    density_coverage::{self, density_coverage},
    fid::frechet_distance,
    fid_infinity::{self, fid_infinity},
    inception_score::inception_score,
    kid::kid_of_all,
    kld::kld,
    memorisation::memorisation,
    moments::{Gaussian, Moments},
    precision_recall::{self, precision_recall},
    sliced_wasserstein::{self, sliced_wasserstein},
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Not a cell's: cells are compared along the same directions and subsets.
const SEED: u64 = 0;

/// A number that says how good samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleMetric {
    /// Fréchet distance of features of samples and held-out images (Heusel et al. 2017, arXiv 1706.08500)
    Fid,
    /// FID extrapolated to infinitely many samples; not among the defaults (Chong & Forsyth 2020, arXiv 1911.07023)
    FidInfinity,
    /// Kernel Inception distance over all samples, unbiased (Bińkowski et al. 2018, arXiv 1801.01401)
    Kid,
    /// Inception score of class probabilities, in one split; not among the defaults (Salimans et al. 2016, arXiv 1606.03498)
    InceptionScore,
    /// Samples among the 3 nearest neighbours of real images (Kynkäänniemi et al. 2019, arXiv 1904.06991)
    Precision,
    /// Real images among the 3 nearest neighbours of samples (Kynkäänniemi et al. 2019, arXiv 1904.06991)
    Recall,
    /// How densely samples lie among the 5 nearest neighbours of real images (Naeem et al. 2020, arXiv 2002.09797)
    Density,
    /// Real images with a sample among their 5 nearest neighbours (Naeem et al. 2020, arXiv 2002.09797)
    Coverage,
    /// Divergence of class frequencies, by the classifier's choice on samples (Masip et al. 2023, arXiv 2311.14028)
    Kld,
    /// Absolute ratio distance of class frequencies: mean of |q/p - 1|; no published definition was found
    Ard,
    /// How often the classifier sees the class that was asked for; null for unconditional models
    Accuracy,
    /// Sliced Wasserstein distance of pixels, in no network's features (Bonneel et al. 2015)
    Swd,
    /// Distance of samples to the strategy's stored images, relative to that of held-out images: copies are near 0; null
    /// without a buffer (after Meehan et al. 2020, arXiv 2004.05675)
    Memorisation,
}

impl SampleMetric {
    /// All metrics.
    pub const ALL: [Self; 13] = [
        Self::Fid,
        Self::FidInfinity,
        Self::Kid,
        Self::InceptionScore,
        Self::Precision,
        Self::Recall,
        Self::Density,
        Self::Coverage,
        Self::Kld,
        Self::Ard,
        Self::Accuracy,
        Self::Swd,
        Self::Memorisation,
    ];

    /// The ones that cost little: all but those that say little about forgetting or take several FIDs.
    pub fn defaults() -> Vec<Self> {
        let dear = [Self::FidInfinity, Self::InceptionScore];
        Self::ALL.into_iter().filter(|metric| !dear.contains(metric)).collect()
    }

    /// Its name in configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::FidInfinity => "fid_infinity",
            Self::Kid => "kid",
            Self::InceptionScore => "inception_score",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Density => "density",
            Self::Coverage => "coverage",
            Self::Kld => "kld",
            Self::Ard => "ard",
            Self::Accuracy => "accuracy",
            Self::Swd => "swd",
            Self::Memorisation => "memorisation",
        }
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Which way is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::Fid | Self::FidInfinity | Self::Kid | Self::Kld | Self::Ard | Self::Swd => {
                Direction::LowerIsBetter
            }
            Self::InceptionScore
            | Self::Precision
            | Self::Recall
            | Self::Density
            | Self::Coverage
            | Self::Accuracy
            | Self::Memorisation => Direction::HigherIsBetter,
        }
    }
}

/// What metrics may know about a set of images; what is missing leaves the metrics that need it unmeasured.
#[derive(Debug, Clone, Copy)]
pub struct ImageSet<'a> {
    /// Their features.
    pub features: &'a FeatureMatrix,
    /// Mean and covariance of the features, where they are known already.
    pub gaussian: Option<&'a Gaussian>,
    /// The classes' probabilities, by the classifier.
    pub class_probabilities: Option<&'a FeatureMatrix>,
    /// The classes of real images; of generated images those that were asked for.
    pub labels: Option<&'a [usize]>,
    /// The images themselves.
    pub pixels: Option<&'a FeatureMatrix>,
}

impl<'a> ImageSet<'a> {
    /// A set of which nothing but its features is known.
    pub fn of_features(features: &'a FeatureMatrix) -> Self {
        Self { features, gaussian: None, class_probabilities: None, labels: None, pixels: None }
    }
}

/// The images that a strategy holds, and what they are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Their pixels.
    pub pixels: &'a FeatureMatrix,
    /// The pixels of real images of the same kinds that were never trained on.
    pub held_out: &'a FeatureMatrix,
}

/// Measures generated images against real ones, and against those that a strategy stored. Metrics for
/// which there are too few images, or which need what is not known, are left out.
///
/// # Errors
/// [`MetricError::Width`] for features that do not compare.
pub fn measure(
    wanted: &[SampleMetric],
    real: &ImageSet<'_>,
    generated: &ImageSet<'_>,
    stored: Option<Stored<'_>>,
) -> Result<BTreeMap<SampleMetric, f64>, MetricError> {
    let mut found = BTreeMap::new();
    let sets = Sets { real, generated, stored };
    for &metric in wanted {
        if found.contains_key(&metric) {
            continue;
        }
        match sets.measure(metric) {
            Ok(values) => found.extend(values.into_iter().filter(|(_, value)| value.is_finite())),
            Err(MetricError::TooFew { .. }) => {}
            Err(error @ MetricError::Numerics { .. }) => tracing::warn!("not measured: {error}"),
            Err(other) => return Err(other),
        }
    }
    found.retain(|metric, _| wanted.contains(metric));
    Ok(found)
}

type Values = Vec<(SampleMetric, f64)>;

struct Sets<'a> {
    real: &'a ImageSet<'a>,
    generated: &'a ImageSet<'a>,
    stored: Option<Stored<'a>>,
}

impl Sets<'_> {
    /// The metric, and what is found on the way to it.
    fn measure(&self, metric: SampleMetric) -> Result<Values, MetricError> {
        use SampleMetric as M;
        let (real, generated) = (self.real.features, self.generated.features);
        match metric {
            M::Fid => {
                let samples = Moments::of(generated).gaussian()?;
                self.against_real(metric, |real| frechet_distance(real, &samples))
            }
            M::FidInfinity => {
                self.against_real(metric, |real| fid_infinity(real, generated, fid_infinity::POINTS, SEED))
            }
            M::Kid => Ok(vec![(metric, kid_of_all(real, generated)?.kid)]),
            M::InceptionScore => self.of_probabilities(metric, |p| Ok(inception_score(p, 1, SEED)?.score)),
            M::Precision | M::Recall => {
                let both = precision_recall(real, generated, precision_recall::NEIGHBOURS)?;
                Ok(vec![(M::Precision, both.precision), (M::Recall, both.recall)])
            }
            M::Density | M::Coverage => {
                let both = density_coverage(real, generated, density_coverage::NEIGHBOURS)?;
                Ok(vec![(M::Density, both.density), (M::Coverage, both.coverage)])
            }
            M::Kld => self.of_classes(metric, kld),
            M::Ard => self.of_classes(metric, ard),
            M::Accuracy => self.accuracy(),
            M::Swd => self.of_pixels(metric, |real, generated| {
                sliced_wasserstein(real, generated, sliced_wasserstein::PROJECTIONS, SEED)
            }),
            M::Memorisation => self.of_pixels(metric, |_, generated| match self.stored {
                Some(stored) => Ok(memorisation(stored.pixels, generated, stored.held_out)?.ratio),
                None => Err(MetricError::TooFew { metric: "memorisation", needed: 1, found: 0 }),
            }),
        }
    }

    fn against_real(
        &self,
        metric: SampleMetric,
        distance: impl FnOnce(&Gaussian) -> Result<f64, MetricError>,
    ) -> Result<Values, MetricError> {
        let value = match self.real.gaussian {
            Some(real) => distance(real)?,
            None => distance(&Moments::of(self.real.features).gaussian()?)?,
        };
        Ok(vec![(metric, value)])
    }

    fn of_probabilities(
        &self,
        metric: SampleMetric,
        score: impl FnOnce(&FeatureMatrix) -> Result<f64, MetricError>,
    ) -> Result<Values, MetricError> {
        self.generated.class_probabilities.map_or(Ok(Vec::new()), |p| Ok(vec![(metric, score(p)?)]))
    }

    fn of_classes(
        &self,
        metric: SampleMetric,
        distance: impl FnOnce(&[usize], &[usize], usize) -> Result<f64, MetricError>,
    ) -> Result<Values, MetricError> {
        let Some(probabilities) = self.generated.class_probabilities else { return Ok(Vec::new()) };
        let real = match (self.real.labels, self.real.class_probabilities) {
            (Some(labels), _) => labels.to_vec(),
            (None, Some(probabilities)) => probabilities.argmax(),
            (None, None) => return Ok(Vec::new()),
        };
        Ok(vec![(metric, distance(&real, &probabilities.argmax(), probabilities.width())?)])
    }

    fn accuracy(&self) -> Result<Values, MetricError> {
        match (self.generated.labels, self.generated.class_probabilities) {
            (Some(requested), Some(p)) => {
                Ok(vec![(SampleMetric::Accuracy, conditional_accuracy(requested, &p.argmax())?)])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn of_pixels(
        &self,
        metric: SampleMetric,
        distance: impl FnOnce(&FeatureMatrix, &FeatureMatrix) -> Result<f64, MetricError>,
    ) -> Result<Values, MetricError> {
        match (self.real.pixels, self.generated.pixels) {
            (Some(real), Some(generated)) => Ok(vec![(metric, distance(real, generated)?)]),
            _ => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn names_are_those_of_configurations() {
        for metric in SampleMetric::ALL {
            assert_eq!(serde_json_name(metric), metric.name());
            assert_eq!(SampleMetric::named(metric.name()), Some(metric));
        }
        assert_eq!(SampleMetric::named("fidd"), None);
    }

    fn serde_json_name(metric: SampleMetric) -> String {
        let debug = format!("{metric:?}");
        let mut name = String::new();
        for (i, c) in debug.chars().enumerate() {
            if c.is_uppercase() && i > 0 {
                name.push('_');
            }
            name.extend(c.to_lowercase());
        }
        name
    }

    #[test]
    fn all_that_is_known_is_measured_and_nothing_else() {
        let (a, b) = (gaussian_rows(60, 4, 1.0, 0.0, 1), gaussian_rows(50, 4, 1.0, 0.0, 2));
        let plain = measure(&SampleMetric::ALL, &ImageSet::of_features(&a), &ImageSet::of_features(&b), None)
            .unwrap();
        let names: Vec<&str> = plain.keys().map(|metric| metric.name()).collect();
        assert_eq!(names, ["fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage"]);
        let p = FeatureMatrix::new(2, [[0.9, 0.1], [0.2, 0.8]].concat().repeat(25)).unwrap();
        let (real_labels, requested) = (vec![0; 60], vec![0; 50]);
        let real = ImageSet { labels: Some(&real_labels), pixels: Some(&a), ..ImageSet::of_features(&a) };
        let samples = ImageSet {
            class_probabilities: Some(&p),
            labels: Some(&requested),
            pixels: Some(&b),
            ..ImageSet::of_features(&b)
        };
        let all =
            measure(&SampleMetric::ALL, &real, &samples, Some(Stored { pixels: &b, held_out: &a })).unwrap();
        assert_eq!(all.len(), SampleMetric::ALL.len());
        assert_eq!(all[&SampleMetric::Accuracy], 0.5);
        assert_eq!(all[&SampleMetric::Ard], 0.5);
        assert_eq!(all[&SampleMetric::Memorisation], 0.0);
        let one = measure(&[SampleMetric::Recall], &real, &samples, None).unwrap();
        assert_eq!(one.keys().collect::<Vec<_>>(), [&SampleMetric::Recall]);
    }

    #[test]
    fn too_few_images_leave_a_metric_out_and_other_widths_are_an_error() {
        let (a, few) = (gaussian_rows(60, 4, 1.0, 0.0, 1), gaussian_rows(2, 4, 1.0, 0.0, 2));
        let (a, few) = (ImageSet::of_features(&a), ImageSet::of_features(&few));
        let found = measure(&SampleMetric::defaults(), &a, &few, None).unwrap();
        let names: Vec<&str> = found.keys().map(|metric| metric.name()).collect();
        assert_eq!(names, ["fid", "density", "coverage"]);
        let wide = gaussian_rows(60, 5, 1.0, 0.0, 2);
        let wide = ImageSet::of_features(&wide);
        assert!(matches!(measure(&[SampleMetric::Kid], &a, &wide, None), Err(MetricError::Width { .. })));
    }
}
