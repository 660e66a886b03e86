//! i-Blurry (Koh et al. 2022, "Online continual learning on class incremental blurry task configuration with anytime
//! inference", arXiv 2110.10031): some classes come in one experience only, the others mostly in one and a little in
//! all.
//!
//! Every class has an experience of its own, as in a class-incremental stream. A share of the classes (the paper's
//! N / 100) is disjoint. Of each other class a share of the training images (M / 100) is spread evenly over the other
//! experiences. What is measured against are the classes of an experience itself. Deviation: the paper's stream is
//! seen once; here that is [`Online`](super::Online) around this one.
//!
//! ```toml
//! [stream.blurry]
//! experiences = 5
//! disjoint = 0.5
//! blurry = 0.1
//! ```

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::{Rng, seq::SliceRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassIncremental, ClassOrder, Stream, StreamBuilder};
use crate::{DataError, DatasetPair, ImageDataset};

const CHOOSING: Purpose = Purpose::tagged(*b"disjoint");
const MOVING: Purpose = Purpose::tagged(*b"blurring");

/// Experiences that overlap in some of their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blurry {
    /// The number of experiences; it must divide the number of classes.
    pub experiences: usize,
    /// The share of the classes that come in one experience only, 0 to 1.
    pub disjoint: f64,
    /// The share of each other class's images that come in other experiences, 0 to 1.
    pub blurry: f64,
    /// The order in which classes come.
    pub class_order: ClassOrder,
    /// The seed of which classes are disjoint and which images move.
    pub seed: u64,
}

impl Default for Blurry {
    /// i-Blurry-50-10.
    fn default() -> Self {
        Self { experiences: 5, disjoint: 0.5, blurry: 0.1, class_order: ClassOrder::Natural, seed: 0 }
    }
}

impl Blurry {
    /// Whether each class is disjoint.
    fn disjoint_classes(&self, classes: usize) -> Vec<bool> {
        let mut order: Vec<usize> = (0..classes).collect();
        order.shuffle(&mut Key::new(self.seed, CHOOSING).rng(0));
        let count = (classes as f64 * self.disjoint).round() as usize;
        let mut disjoint = vec![false; classes];
        order[..count].iter().for_each(|&class| disjoint[class] = true);
        disjoint
    }

    /// The experience of every image of `train`, if class c belongs to experience `owner[c]`.
    fn experiences_of(&self, train: &ImageDataset, owner: &[usize]) -> Vec<usize> {
        let labels = train.labels();
        let mut experiences: Vec<usize> = labels.iter().map(|&label| owner[label]).collect();
        let others = self.experiences - 1;
        let disjoint = self.disjoint_classes(owner.len());
        for class in (0..owner.len()).filter(|&class| others > 0 && !disjoint[class]) {
            let mut rng = Key::new(self.seed, MOVING).experience(class).rng(0);
            let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
            members.shuffle(&mut rng);
            let moving = (members.len() as f64 * self.blurry).round() as usize;
            // Round and round over the others, from any of them.
            let first = rng.random_range(0..others);
            for (turn, &image) in members[..moving].iter().enumerate() {
                let other = (first + turn) % others;
                experiences[image] = other + usize::from(other >= owner[class]);
            }
        }
        experiences
    }
}

impl Describe for Blurry {
    const NAME: &'static str = "blurry";
    const SUMMARY: &'static str = "i-Blurry: some classes in one experience only, the others a little in all";
    const CITATION: &'static str = "Koh et al. 2022, arXiv 2110.10031";
}

impl StreamBuilder for Blurry {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        for (name, share) in [("disjoint", self.disjoint), ("blurry", self.blurry)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(DataError::config(name, share, "expected 0 to 1"));
            }
        }
        let own = ClassIncremental {
            experiences: self.experiences,
            sizes: Vec::new(),
            class_order: self.class_order.clone(),
        };
        let own = own.build(data.clone())?;
        let mut owner = vec![0; data.train.class_names().len()];
        for (k, e) in own.experiences().iter().enumerate() {
            e.classes.iter().for_each(|&class| owner[class] = k);
        }
        let of = self.experiences_of(&data.train, &owner);
        let mut experiences = own.experiences().to_vec();
        for (k, e) in experiences.iter_mut().enumerate() {
            let positions: Vec<usize> = (0..of.len()).filter(|&i| of[i] == k).collect();
            e.train = data.train.select(&positions);
        }
        Stream::new(format!("{}, blurry", data.train.name()), data, experiences)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::glyphs::GlyphsConfig;

    fn data(per_class: usize) -> DatasetPair {
        let config =
            GlyphsConfig { train_per_class: per_class, eval_per_class: 2, size: 8, ..Default::default() };
        config.build().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn shares_are_as_said_and_every_image_comes_once(
            experiences in prop::sample::select(vec![1_usize, 2, 5, 10]),
            disjoint in 0.0..=1.0_f64, blurry in 0.0..=0.95_f64, seed: u64,
        ) {
            let config = Blurry { experiences, disjoint, blurry, seed, ..Default::default() };
            let stream = config.build(data(20)).unwrap();
            let again = config.build(data(20)).unwrap();
            let mut images = Vec::new();
            let mut away = [0_usize; 10];
            for (k, (e, same)) in stream.experiences().iter().zip(again.experiences()).enumerate() {
                prop_assert_eq!(e.train.content_hash(), same.train.content_hash());
                prop_assert!(e.eval.labels().iter().all(|label| e.classes.contains(label)));
                prop_assert!(e.train.tasks().iter().all(|&task| task == k));
                for i in 0..e.train.len() {
                    images.push(e.train.source_index(i));
                    away[e.train.label(i)] += usize::from(!e.classes.contains(&e.train.label(i)));
                }
            }
            images.sort_unstable();
            prop_assert_eq!(images, (0..200).collect::<Vec<_>>());
            let moving = if experiences == 1 { 0 } else { (20.0 * blurry).round() as usize };
            let blurred = 10 - (10.0 * disjoint).round() as usize;
            prop_assert!(away.iter().all(|&n| n == 0 || n == moving));
            prop_assert_eq!(away.iter().sum::<usize>(), blurred * moving);
        }
    }

    #[test]
    fn images_that_move_are_spread_evenly() {
        let config = Blurry { disjoint: 0.0, blurry: 0.4, ..Default::default() };
        let stream = config.build(data(20)).unwrap();
        // Eight of twenty leave each class, two to each of the four other experiences.
        for e in stream.experiences() {
            for (class, count) in e.train.counts_per_class().into_iter().enumerate() {
                assert_eq!(count, if e.classes.contains(&class) { 12 } else { 2 });
            }
        }
    }

    #[test]
    fn options_out_of_range_are_named() {
        let message = |config: Blurry| config.build(data(2)).unwrap_err().to_string();
        assert!(message(Blurry { disjoint: 1.5, ..Default::default() }).starts_with("`disjoint`"));
        assert!(message(Blurry { blurry: f64::NAN, ..Default::default() }).starts_with("`blurry`"));
        assert!(message(Blurry { experiences: 3, ..Default::default() }).starts_with("`experiences`"));
        // Where all images of a class go elsewhere, others must come.
        let all = |disjoint| Blurry { experiences: 10, disjoint, blurry: 1.0, ..Default::default() };
        assert!(all(0.0).build(data(20)).is_ok());
        assert!(message(all(0.9)).contains("has 0 training"), "{}", message(all(0.9)));
    }
}
