//! Class-incremental streams (van de Ven & Tolias 2019): each experience has classes that no other has.
//!
//! ```toml
//! [stream.class_incremental]
//! experiences = 5
//! class_order = { shuffled = { seed = 1 } }
//! ```

use cldiff_choices::Describe;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Experience, Stream, StreamBuilder};
use crate::{DataError, DatasetPair};

/// The order in which classes come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassOrder {
    /// As the source numbers them.
    #[default]
    Natural,
    /// Shuffled by a seed.
    Shuffled {
        /// The seed.
        seed: u64,
    },
    /// As listed, each class once: `[3, 1, 0, 2]`.
    Given(Vec<usize>),
}

impl ClassOrder {
    /// The classes of a data set in this order.
    pub(super) fn of(&self, classes: usize) -> Result<Vec<usize>, DataError> {
        let mut order: Vec<usize> = (0..classes).collect();
        match self {
            Self::Natural => {}
            Self::Shuffled { seed } => order.shuffle(&mut ChaCha8Rng::seed_from_u64(*seed)),
            Self::Given(given) => {
                let mut sorted = given.clone();
                sorted.sort_unstable();
                if sorted != order {
                    let last = classes.saturating_sub(1);
                    let expected = format!(
                        "expected each of the {classes} classes 0 to {last} once; `subset` leaves classes out"
                    );
                    return Err(DataError::config("given", given, expected));
                }
                order.clone_from(given);
            }
        }
        Ok(order)
    }
}

/// The classes of a data set, split over some experiences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassIncremental {
    /// The number of experiences; it must divide the number of classes, unless `sizes` are given.
    pub experiences: usize,
    /// Number of classes of each experience, if they differ: `[5, 2, 3]`. `experiences` does not count then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<usize>,
    /// The order in which classes come.
    pub class_order: ClassOrder,
}

impl Default for ClassIncremental {
    fn default() -> Self {
        Self { experiences: 5, sizes: Vec::new(), class_order: ClassOrder::Natural }
    }
}

impl ClassIncremental {
    /// Number of classes of each experience.
    fn sizes(&self, classes: usize, name: &str) -> Result<Vec<usize>, DataError> {
        if !self.sizes.is_empty() {
            let sum: usize = self.sizes.iter().sum();
            if sum != classes || self.sizes.contains(&0) {
                let expected =
                    format!("expected numbers above 0 that add up to the {classes} classes of {name}");
                return Err(DataError::config("sizes", &self.sizes, expected));
            }
            return Ok(self.sizes.clone());
        }
        if self.experiences == 0 || classes % self.experiences != 0 {
            let divisors: Vec<String> =
                (1..=classes).filter(|d| classes % d == 0).map(|d| d.to_string()).collect();
            let expected = format!(
                "it does not divide the {classes} classes of {name}; expected one of {}, or `sizes`",
                divisors.join(", ")
            );
            return Err(DataError::config("experiences", self.experiences, expected));
        }
        Ok(vec![classes / self.experiences; self.experiences])
    }
}

impl Describe for ClassIncremental {
    const NAME: &'static str = "class_incremental";
    const SUMMARY: &'static str = "A share of the classes in each experience";
    const CITATION: &'static str = "van de Ven & Tolias 2019, arXiv 1904.07734";
}

impl StreamBuilder for ClassIncremental {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let classes = data.train.class_names().len();
        let sizes = self.sizes(classes, data.train.name())?;
        let order = self.class_order.of(classes).map_err(|e| e.at("class_order"))?;
        let experiences = class_experiences(&data, &order, &sizes);
        Stream::new(format!("{}, class-incremental", data.train.name()), data, experiences)
    }
}

/// Experiences of `sizes` classes each, taken from `order` one after another.
pub(super) fn class_experiences(data: &DatasetPair, order: &[usize], sizes: &[usize]) -> Vec<Experience> {
    let mut first = 0;
    let experience = |&size: &usize| {
        let classes = &order[first..first + size];
        first += size;
        Experience {
            name: names(data, classes),
            classes: classes.to_vec(),
            train: data.train.of_classes(classes),
            eval: data.eval.of_classes(classes),
            removes: Vec::new(),
        }
    };
    sizes.iter().map(experience).collect()
}

fn names(data: &DatasetPair, classes: &[usize]) -> String {
    let names: Vec<&str> = classes.iter().map(|&c| data.train.class_names()[c].as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::glyphs::GlyphsConfig;

    fn data() -> DatasetPair {
        GlyphsConfig { train_per_class: 4, eval_per_class: 2, size: 8.into(), ..GlyphsConfig::default() }
            .build()
            .unwrap()
    }

    #[test]
    fn a_shuffled_stream_partitions_the_data() {
        let order = ClassOrder::Shuffled { seed: 3 };
        let stream = ClassIncremental { class_order: order, ..Default::default() }.build(data()).unwrap();
        let mut classes: Vec<usize> = stream.experiences().iter().flat_map(|e| e.classes.clone()).collect();
        assert_ne!(classes, (0..10).collect::<Vec<_>>());
        classes.sort_unstable();
        assert_eq!(classes, (0..10).collect::<Vec<_>>());
        let mut images: Vec<usize> = stream
            .experiences()
            .iter()
            .flat_map(|e| (0..e.train.len()).map(|i| e.train.source_index(i)))
            .collect();
        images.sort_unstable();
        assert_eq!(images, (0..40).collect::<Vec<_>>());
        for e in stream.experiences() {
            assert!(e.train.labels().iter().chain(&e.eval.labels()).all(|label| e.classes.contains(label)));
        }
    }

    /// Orders of ten classes that coincide for two of six seeds would be a coincidence of one in 240,000.
    #[test]
    fn the_seed_is_what_the_order_depends_on() {
        let order = |seed| ClassOrder::Shuffled { seed }.of(10).unwrap();
        let orders: std::collections::BTreeSet<Vec<usize>> = (0..6).map(order).collect();
        assert_eq!(orders.len(), 6);
        assert_eq!(order(3), order(3));
        let stream = |seed| {
            let config =
                ClassIncremental { class_order: ClassOrder::Shuffled { seed }, ..Default::default() };
            let stream = config.build(data()).unwrap();
            stream.experiences().iter().flat_map(|e| e.classes.clone()).collect::<Vec<_>>()
        };
        assert_eq!((stream(1), stream(2)), (order(1), order(2)));
    }

    #[test]
    fn uneven_experiences_have_their_sizes() {
        let build =
            |sizes: &[usize]| ClassIncremental { sizes: sizes.to_vec(), ..Default::default() }.build(data());
        let stream = build(&[5, 2, 3]).unwrap();
        let sizes: Vec<usize> = stream.experiences().iter().map(|e| e.classes.len()).collect();
        assert_eq!(sizes, [5, 2, 3]);
        assert_eq!(stream.experiences()[1].classes, [5, 6]);
        for wrong in [&[5, 2][..], &[5, 0, 5], &[11]] {
            assert!(build(wrong).unwrap_err().to_string().contains("10 classes"), "{wrong:?}");
        }
    }

    #[test]
    fn classes_come_in_a_given_order_and_images_know_their_task() {
        let given = |order: &[usize]| {
            let class_order = ClassOrder::Given(order.to_vec());
            ClassIncremental { class_order, ..Default::default() }.build(data())
        };
        let stream = given(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).unwrap();
        assert_eq!(stream.experiences()[0].classes, [9, 8]);
        let pooled = stream.all_train();
        assert!((0..pooled.len()).all(|i| pooled.task(i) == (9 - pooled.label(i)) / 2));
        assert_eq!(stream.experiences()[3].eval.tasks(), [3; 4]);
        for wrong in [&[0, 1][..], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 8], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]] {
            let message = given(wrong).unwrap_err().to_string();
            assert!(message.starts_with("`class_order.given`"), "{message}");
        }
    }

    #[test]
    fn tasks_that_do_not_divide_the_classes_are_refused_with_those_that_do() {
        let message =
            ClassIncremental { experiences: 3, ..Default::default() }.build(data()).unwrap_err().to_string();
        assert!(message.contains("10 classes") && message.contains("1, 2, 5, 10"), "{message}");
        assert!(ClassIncremental { experiences: 0, ..Default::default() }.build(data()).is_err());
    }
}
