//! Domain-incremental streams (van de Ven & Tolias 2019): the same classes in each experience, seen otherwise.
//!
//! Each experience has all images of the data set under one transformation: rotated (Lopez-Paz & Ranzato 2017, arXiv
//! 1706.08840), with its pixels permuted (Goodfellow et al. 2013, arXiv 1312.6211), inverted, blurred, or with another
//! contrast. The transformed images are made once, so that an image keeps its identity whatever the view.
//!
//! ```toml
//! [stream.domain_incremental]
//! domains = ["identity", { rotation = { degrees = 90.0 } }, { permutation = { seed = 1 } }]
//! labels = "shared"
//! ```

mod transform;

use cldiff_choices::Describe;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Experience, Stream, StreamBuilder};
use crate::{DataError, DatasetPair, ImageDataset, Part};

/// More bytes of images than this are refused.
const MOST_BYTES: usize = 1 << 33;

/// How the images of an experience are seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Domain {
    /// As they are.
    Identity,
    /// Turned about their centre, interpolated bilinearly, with black where nothing was.
    Rotation {
        /// By how many degrees, counterclockwise.
        degrees: f64,
    },
    /// As negatives.
    Inversion,
    /// Blurred by a Gaussian.
    Blur {
        /// Its standard deviation in pixels, above 0.
        sigma: f64,
    },
    /// With distances from the mean of each channel multiplied (Hendrycks & Dietterich 2019).
    Contrast {
        /// The factor, 0 or more; below 1 is less contrast.
        factor: f64,
    },
    /// With all pixels in another order, the same for every image and channel.
    Permutation {
        /// The seed of the order.
        seed: u64,
    },
}

/// The labels of the images of a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainLabels {
    /// The same in every domain. A model that is conditioned on the class cannot be asked for the images of one domain, so
    /// that samples are measured over all tasks seen only, unless it is conditioned on the task.
    #[default]
    Shared,
    /// Others in every domain.
    ByDomain,
}

/// One experience for each domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DomainIncremental {
    /// How the images are seen, experience after experience.
    pub domains: Vec<Domain>,
    /// The labels of the images.
    pub labels: DomainLabels,
}

impl Default for DomainIncremental {
    fn default() -> Self {
        let domains = vec![Domain::Identity, Domain::Rotation { degrees: 90.0 }, Domain::Inversion];
        Self { domains, labels: DomainLabels::Shared }
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => write!(f, "identity"),
            Self::Rotation { degrees } => write!(f, "rotation {degrees}"),
            Self::Inversion => write!(f, "inversion"),
            Self::Blur { sigma } => write!(f, "blur {sigma}"),
            Self::Contrast { factor } => write!(f, "contrast {factor}"),
            Self::Permutation { seed } => write!(f, "permutation {seed}"),
        }
    }
}

impl DomainIncremental {
    fn check(&self) -> Result<(), DataError> {
        let key = "domains";
        if self.domains.is_empty() {
            return Err(DataError::config(key, &self.domains, "expected at least one domain"));
        }
        for (k, domain) in self.domains.iter().enumerate() {
            let refuse = |option: &str, value: f64, expected: &str| {
                Err(DataError::config(&format!("{key}.{k}.{option}"), value, format!("expected {expected}")))
            };
            match *domain {
                Domain::Rotation { degrees } if !(-360.0..=360.0).contains(&degrees) => {
                    return refuse("rotation.degrees", degrees, "-360 to 360");
                }
                Domain::Blur { sigma } if !(sigma > 0.0 && sigma <= 100.0) => {
                    return refuse("blur.sigma", sigma, "a number above 0, at most 100");
                }
                Domain::Contrast { factor } if !(0.0..=100.0).contains(&factor) => {
                    return refuse("contrast.factor", factor, "0 to 100");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// All images under each domain, domain after domain.
    fn transformed(&self, data: &ImageDataset) -> Result<ImageDataset, DataError> {
        let (shape, domains) = (data.shape(), self.domains.len());
        let bytes = data.len().checked_mul(shape.len()).and_then(|bytes| bytes.checked_mul(domains));
        let Some(bytes) = bytes.filter(|bytes| *bytes <= MOST_BYTES) else {
            let expected = format!(
                "{} images of {shape} in so many domains are more than {MOST_BYTES} bytes: expected fewer",
                data.len()
            );
            return Err(DataError::config("domains", domains, expected));
        };
        let mut pixels = vec![0; bytes];
        for (domain, to) in self.domains.iter().zip(pixels.chunks_exact_mut(bytes / domains)) {
            let transform = transform::Transform::new(domain, shape);
            to.par_chunks_exact_mut(shape.len())
                .enumerate()
                .for_each(|(i, to)| transform.apply(data.pixels_of(i), to));
        }
        let classes = data.class_names().len();
        let offset = |k: usize| match self.labels {
            DomainLabels::Shared => 0,
            DomainLabels::ByDomain => k * classes,
        };
        let labels = (0..domains).flat_map(|k| data.labels().into_iter().map(move |label| (k, label)));
        let labels = labels.map(|(k, label)| offset(k) + label).collect();
        let (names, parts) = match self.labels {
            DomainLabels::Shared => (data.class_names().to_vec(), data.parts().to_vec()),
            DomainLabels::ByDomain => self.names_by_domain(data),
        };
        Ok(ImageDataset::new(data.name(), shape, names, pixels, labels)?.with_parts(parts))
    }

    fn names_by_domain(&self, data: &ImageDataset) -> (Vec<String>, Vec<Part>) {
        let classes = data.class_names().len();
        let named = |domain: &Domain| {
            data.class_names().iter().map(|class| format!("{domain}: {class}")).collect::<Vec<_>>()
        };
        let part = |(k, domain): (usize, &Domain)| Part {
            name: domain.to_string(),
            classes: k * classes..(k + 1) * classes,
        };
        (self.domains.iter().flat_map(named).collect(), self.domains.iter().enumerate().map(part).collect())
    }
}

impl Describe for DomainIncremental {
    const NAME: &'static str = "domain_incremental";
    const SUMMARY: &'static str = "All classes in each experience, seen otherwise";
    const CITATION: &'static str = "van de Ven & Tolias 2019, arXiv 1904.07734";
}

impl StreamBuilder for DomainIncremental {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        self.check()?;
        let all = DatasetPair::new(self.transformed(&data.train)?, self.transformed(&data.eval)?)?;
        let classes = data.train.class_names().len();
        let of_domain = |set: &ImageDataset, k: usize| {
            let n = set.len() / self.domains.len();
            set.select(&(k * n..(k + 1) * n).collect::<Vec<_>>())
        };
        let experience = |(k, domain): (usize, &Domain)| Experience {
            name: domain.to_string(),
            classes: match self.labels {
                DomainLabels::Shared => (0..classes).collect(),
                DomainLabels::ByDomain => (k * classes..(k + 1) * classes).collect(),
            },
            train: of_domain(&all.train, k),
            eval: of_domain(&all.eval, k),
            removes: Vec::new(),
        };
        let experiences = self.domains.iter().enumerate().map(experience).collect();
        let name = format!("{}, domain-incremental", data.train.name());
        Ok(Stream::new(name, all, experiences)?.in_domains(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::glyphs::GlyphsConfig;

    fn data() -> DatasetPair {
        GlyphsConfig { train_per_class: 3, eval_per_class: 2, size: 8.into(), channels: 3, seed: 0 }
            .build()
            .unwrap()
    }

    #[test]
    fn every_domain_has_all_images_and_images_stay_apart() {
        let stream = DomainIncremental::default().build(data()).unwrap();
        assert_eq!((stream.len(), stream.class_names().len()), (3, 10));
        let first = &stream.experiences()[0];
        assert_eq!(first.train.content_hash(), data().train.content_hash());
        let inverted = &stream.experiences()[2].train;
        assert!((0..30).all(|i| inverted.label(i) == first.train.label(i)));
        assert!(inverted.pixels_of(4).iter().zip(first.train.pixels_of(4)).all(|(a, b)| *a == 255 - b));
        assert!(stream.experiences().iter().all(|e| e.classes == (0..10).collect::<Vec<_>>()));
        let pooled = stream.all_train();
        assert_eq!((0..90).map(|i| pooled.source_index(i)).collect::<Vec<_>>(), (0..90).collect::<Vec<_>>());
        assert_eq!((pooled.task(0), pooled.task(89)), (0, 2));
        assert!(stream.shares_classes_across_domains());
    }

    #[test]
    fn labels_by_domain_are_distinct() {
        let stream =
            DomainIncremental { labels: DomainLabels::ByDomain, ..Default::default() }.build(data()).unwrap();
        assert_eq!(stream.class_names().len(), 30);
        assert!(stream.class_names()[10].starts_with("rotation 90: "));
        assert!(!stream.shares_classes_across_domains());
        for (k, e) in stream.experiences().iter().enumerate() {
            assert_eq!(e.classes, (10 * k..10 * k + 10).collect::<Vec<_>>());
            let parts: Vec<_> = e.train.parts().iter().map(|part| part.classes.clone()).collect();
            assert_eq!(parts, [0..10, 10..20, 20..30]);
            assert!(e.train.labels().iter().chain(&e.eval.labels()).all(|label| e.classes.contains(label)));
        }
    }

    #[test]
    fn options_out_of_range_are_named() {
        let message = |domains: Vec<Domain>| {
            let stream = DomainIncremental { domains, ..Default::default() };
            stream.build(data()).unwrap_err().to_string()
        };
        assert!(message(vec![]).contains("at least one"));
        let blur = vec![Domain::Identity, Domain::Blur { sigma: 0.0 }];
        assert!(message(blur).starts_with("`domains.1.blur.sigma`"));
        assert!(message(vec![Domain::Rotation { degrees: f64::INFINITY }]).contains("-360 to 360"));
        assert!(message(vec![Domain::Contrast { factor: -1.0 }]).contains("0 to 100"));
    }
}
