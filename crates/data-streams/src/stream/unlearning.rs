//! Unlearning: another stream, and after it an experience that removes some of the classes that were learned.
//!
//! The training images of the last experience are noise, each number uniform on [-1, 1] (on the 256 values that 8 bits have),
//! with the labels of the classes to be lost: the surrogate q(x | c) of selective amnesia (Heng & Soh 2023, arXiv
//! 2305.10120; code: clear-nus/selective-amnesia, `train_forget`). Deviation: so many images, made once, where the code
//! draws new ones in every step. A strategy that does nothing else maps the classes to noise, and forgets the others too.
//!
//! The evaluation splits have no image of a class that is removed, before its removal neither: every number on a task, its
//! forgetting included, is of classes that are to be kept. The last experience is measured on images of all kept
//! classes that no other experience has: a share of the held-out images of each class.
//!
//! ```toml
//! [stream.unlearning]
//! stream = { joint = {} }
//! remove = [3]
//! ```

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::{RngCore, seq::SliceRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Experience, Joint, Stream, StreamBuilder, StreamConfig, must_only_learn};
use crate::{DataError, DatasetPair, ImageDataset};

const NOISE: Purpose = Purpose::named("noise in place of a class to be removed");
/// The most bytes of noise.
const MOST_BYTES: u128 = 1 << 32;
const HELD_OUT: Purpose = Purpose::named("held-out images of a removal");

/// Another stream, and the removal of classes after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Unlearning {
    /// The stream that classes are learned in; one that tells where its experiences end.
    pub stream: StreamConfig,
    /// The classes that are removed, as the data set numbers them.
    pub remove: Vec<usize>,
    /// Images of noise for each of these classes.
    pub images_per_class: usize,
    /// The share of the held-out images of each kept class that the last experience is measured on, above 0 and below 1; no
    /// other experience has these images.
    pub held_out_share: f64,
    /// The seed of the noise, and of which images are held out for the last experience.
    pub seed: u64,
}

impl Default for Unlearning {
    fn default() -> Self {
        let (stream, remove) = (StreamConfig::of(Joint {}), vec![0]);
        Self { stream, remove, images_per_class: 1000, held_out_share: 0.5, seed: 0 }
    }
}

impl Unlearning {
    fn check(&self, inner: &Stream) -> Result<(), DataError> {
        must_only_learn("stream", &self.stream, inner)?;
        if !inner.tells_boundaries() {
            let expected = "expected a stream that tells where its experiences end";
            return Err(DataError::config("stream", self.stream.name(), expected));
        }
        let classes = inner.class_names().len();
        let mut sorted = self.remove.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let known = sorted.last().is_some_and(|last| *last < classes);
        if !known || sorted.len() < self.remove.len() || sorted.len() == classes {
            let expected = format!(
                "expected some of the classes 0 to {}, each once, and not all",
                classes.saturating_sub(1)
            );
            return Err(DataError::config("remove", &self.remove, expected));
        }
        let bytes = (self.images_per_class as u128) * (sorted.len() * inner.shape().len()) as u128;
        if self.images_per_class == 0 || bytes > MOST_BYTES {
            let most = MOST_BYTES / (sorted.len() * inner.shape().len()).max(1) as u128;
            let expected = format!("expected 1 to {most}, as many as there is room for in 4 GiB");
            return Err(DataError::config("images_per_class", self.images_per_class, expected));
        }
        if !(self.held_out_share > 0.0 && self.held_out_share < 1.0) {
            let expected = "expected a number above 0 and below 1";
            return Err(DataError::config("held_out_share", self.held_out_share, expected));
        }
        self.check_learned(inner)
    }

    /// Every class that is removed must have been learned, and every experience must keep one.
    fn check_learned(&self, inner: &Stream) -> Result<(), DataError> {
        let counts = inner.all_train().counts_per_class();
        if let Some(never) = self.remove.iter().find(|&&class| counts[class] == 0) {
            let expected =
                format!("expected classes that the stream has images of, and it has none of {never}");
            return Err(DataError::config("remove", &self.remove, expected));
        }
        let keeps = |e: &Experience| e.classes.iter().any(|class| !self.remove.contains(class));
        match inner.experiences().iter().find(|e| !keeps(e)) {
            None => Ok(()),
            Some(e) => {
                let expected = format!(
                    "expected to leave each experience a class that it can be measured on, and \"{}\" has none then",
                    e.name
                );
                Err(DataError::config("remove", &self.remove, expected))
            }
        }
    }

    /// Noise with the labels of the removed classes in turn.
    fn noise(&self, like: &ImageDataset) -> Result<ImageDataset, DataError> {
        let (shape, images) = (like.shape(), self.images_per_class * self.remove.len());
        let mut pixels = vec![0; images * shape.len()];
        for (i, image) in pixels.chunks_exact_mut(shape.len()).enumerate() {
            Key::new(self.seed, NOISE).rng(i as u64).fill_bytes(image);
        }
        let labels = (0..images).map(|i| self.remove[i % self.remove.len()]).collect();
        let noise = ImageDataset::new(like.name(), shape, like.class_names().to_vec(), pixels, labels)?;
        Ok(noise.with_parts(like.parts().to_vec()))
    }

    /// The held-out images of experience `k` that are of kept classes: those that stay, and those for the removal.
    fn split(&self, eval: &ImageDataset, k: usize) -> Result<[ImageDataset; 2], DataError> {
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for class in (0..eval.class_names().len()).filter(|class| !self.remove.contains(class)) {
            let mut members: Vec<usize> = (0..eval.len()).filter(|&i| eval.label(i) == class).collect();
            if members.is_empty() {
                continue;
            }
            if members.len() < 2 {
                let expected = format!(
                    "it takes 2 held-out images of each kept class in an experience, and there is 1 of {:?}",
                    eval.class_names()[class]
                );
                return Err(DataError::config("held_out_share", self.held_out_share, expected));
            }
            members.shuffle(&mut Key::new(self.seed, HELD_OUT).experience(k).rng(class as u64));
            let share = (members.len() as f64 * self.held_out_share).round() as usize;
            let staying = members.split_off(share.clamp(1, members.len() - 1));
            stay.extend(staying);
            go.extend(members);
        }
        Ok([stay, go].map(|mut positions| {
            positions.sort_unstable();
            eval.select(&positions)
        }))
    }
}

impl Describe for Unlearning {
    const NAME: &'static str = "unlearning";
    const SUMMARY: &'static str = "Another stream, and then the removal of some of its classes";
    const CITATION: &'static str = "Heng & Soh 2023, arXiv 2305.10120";
}

impl StreamBuilder for Unlearning {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let inner = self.stream.build(data).map_err(|e| e.at("stream"))?;
        self.check(&inner)?;
        let (mut experiences, mut held_out) = (Vec::new(), Vec::new());
        for (k, e) in inner.experiences().iter().enumerate() {
            let [eval, go] = self.split(&e.eval, k)?;
            held_out.push(go.with_task(inner.len()));
            let mut kept = e.clone();
            kept.classes.retain(|class| !self.remove.contains(class));
            experiences.push(Experience { eval, ..kept });
        }
        let eval = ImageDataset::concat(&held_out.iter().collect::<Vec<_>>())?;
        let counts = eval.counts_per_class();
        let names: Vec<&str> = self.remove.iter().map(|&class| inner.class_names()[class].as_str()).collect();
        experiences.push(Experience {
            name: format!("without {}", names.join(", ")),
            classes: (0..counts.len()).filter(|&class| counts[class] > 0).collect(),
            train: self.noise(&inner.source().train)?.with_task(inner.len()),
            eval,
            removes: self.remove.clone(),
        });
        let name = format!("{}, then without {}", inner.name(), names.join(", "));
        let stream = Stream::tagged(name, inner.source().clone(), experiences)?;
        Ok(stream.in_domains(inner.shares_classes_across_domains()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrival, ClassIncremental, Online, Subset, dataset::glyphs::GlyphsConfig};

    fn data() -> DatasetPair {
        GlyphsConfig { train_per_class: 5, eval_per_class: 4, size: 8.into(), ..Default::default() }
            .build()
            .unwrap()
    }

    fn classes() -> Unlearning {
        let stream = StreamConfig::of(ClassIncremental::default());
        Unlearning { stream, remove: vec![3, 8], images_per_class: 6, held_out_share: 0.25, seed: 1 }
    }

    #[test]
    fn the_last_experience_has_noise_with_the_labels_of_the_classes_to_be_lost() {
        let stream = classes().build(data()).unwrap();
        assert_eq!((stream.len(), stream.arrival(), stream.tells_boundaries()), (6, Arrival::Epochs, true));
        let last = &stream.experiences()[5];
        assert_eq!((last.name.as_str(), last.is_removal()), ("without arrow, wave", true));
        assert_eq!(last.removes, [3, 8]);
        assert_eq!(last.train.labels(), [3, 8, 3, 8, 3, 8, 3, 8, 3, 8, 3, 8]);
        assert_eq!(last.train.tasks(), [5; 12]);
        // 768 numbers uniform on 0 to 255: the mean 127.5, with a standard error of 73.9 / sqrt(768) = 2.67.
        let pixels: Vec<u8> = (0..12).flat_map(|i| last.train.pixels_of(i).to_vec()).collect();
        let mean = pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / 768.0;
        assert!((mean - 127.5).abs() < 5.0 * 2.67, "{mean}");
        let each = |from: u8| pixels.iter().filter(|p| **p / 64 == from).count();
        // A quarter each: 192, with a standard deviation of 12.
        assert!((0..4).all(|from| each(from).abs_diff(192) < 60));
        assert_ne!(last.train.pixels_of(0), last.train.pixels_of(1));
    }

    #[test]
    fn no_held_out_image_is_of_a_removed_class_or_in_two_experiences() {
        let stream = classes().build(data()).unwrap();
        let mut images = Vec::new();
        for (k, e) in stream.experiences().iter().enumerate() {
            assert!(e.eval.labels().iter().all(|label| e.classes.contains(label)), "{k}");
            assert_eq!(e.eval.tasks(), vec![k; e.eval.len()]);
            images.extend((0..e.eval.len()).map(|i| e.eval.source_index(i)));
        }
        // A quarter of 4 images of each of 8 classes for the last, three quarters for the others.
        assert_eq!(stream.experiences()[5].eval.counts_per_class(), [1, 1, 1, 0, 1, 1, 1, 1, 0, 1]);
        assert_eq!(stream.experiences()[1].eval.counts_per_class(), [0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(stream.experiences()[1].classes, [2]);
        images.sort_unstable();
        let before = images.len();
        images.dedup();
        assert_eq!((before, images.len()), (32, 32));
        // The training images are as they were, those of the removed classes included.
        assert_eq!(stream.experiences()[1].train.counts_per_class(), [0, 0, 5, 5, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_images_to_be_known_are_without_noise_and_removed_classes() {
        let stream = classes().build(data()).unwrap();
        assert_eq!(
            (stream.removed(), stream.removed_by(4), stream.removed_by(5)),
            (vec![3, 8], vec![], vec![3, 8])
        );
        assert_eq!(stream.all_train().counts_per_class(), [5; 10]);
        assert_eq!(stream.kept_train(1).counts_per_class(), [5, 5, 5, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(stream.kept_train(4).counts_per_class(), [5; 10]);
        assert_eq!(stream.kept_train(5).counts_per_class(), [5, 5, 5, 0, 5, 5, 5, 5, 0, 5]);
        assert_eq!(stream.all_eval().counts_per_class(), [4, 4, 4, 0, 4, 4, 4, 4, 0, 4]);
        // Without a removal these are all images.
        let plain = ClassIncremental::default().build(data()).unwrap();
        assert_eq!((plain.removed(), plain.kept_train(4).len(), plain.kept_train(0).len()), (vec![], 50, 10));
    }

    #[test]
    fn the_seed_is_what_noise_and_held_out_images_depend_on() {
        let of = |seed| {
            let stream = Unlearning { seed, ..classes() }.build(data()).unwrap();
            let last = &stream.experiences()[5];
            (last.train.content_hash(), last.eval.content_hash())
        };
        assert_eq!(of(1), of(1));
        assert!(of(1).0 != of(2).0 && of(1).1 != of(2).1);
    }

    #[test]
    fn what_cannot_be_removed_is_told() {
        let message = |stream: Unlearning| stream.build(data()).unwrap_err().to_string();
        for remove in [vec![], vec![10], vec![1, 1], (0..10).collect()] {
            let told = message(Unlearning { remove: remove.clone(), ..Default::default() });
            assert!(told.starts_with("`remove`") && told.contains("0 to 9"), "{remove:?}: {told}");
        }
        let told = message(Unlearning { remove: vec![3, 2], ..classes() });
        assert!(told.starts_with("`remove`") && told.contains("\"triangle, arrow\" has none then"), "{told}");
        for held_out_share in [0.0, 1.0, f64::NAN] {
            let told = message(Unlearning { held_out_share, ..classes() });
            assert!(told.starts_with("`held_out_share`"), "{told}");
        }
        for images_per_class in [0, 1_000_000_000_000] {
            let told = message(Unlearning { images_per_class, ..classes() });
            // 2 classes of 64 bytes an image: 2^32 / 2^7.
            assert!(told.starts_with("`images_per_class`") && told.contains("1 to 33554432"), "{told}");
        }
        let part = Subset { classes: vec![0, 1], ..Default::default() };
        let told = message(Unlearning { stream: StreamConfig::of(part), ..classes() });
        assert!(told.contains("it has none of 3"), "{told}");
        let told = message(Unlearning { stream: StreamConfig::of(Online::default()), ..classes() });
        assert!(told.starts_with("`stream` is \"online\""), "{told}");
        let few =
            GlyphsConfig { train_per_class: 5, eval_per_class: 1, size: 8.into(), ..Default::default() };
        let told = classes().build(few.build().unwrap()).unwrap_err().to_string();
        assert!(told.contains("2 held-out images"), "{told}");
    }

    #[test]
    fn other_streams_do_not_take_one_that_removes() {
        let inner = StreamConfig::of(classes());
        let online = Online { stream: inner.clone(), ..Default::default() }.build(data());
        let subset = Subset { stream: inner.clone(), ..Default::default() }.build(data());
        let twice = Unlearning { stream: inner, ..Default::default() }.build(data());
        for refused in [online, subset, twice] {
            let message = refused.unwrap_err().to_string();
            assert!(
                message.starts_with("`stream` is \"unlearning\": expected a stream that removes no"),
                "{message}"
            );
        }
    }
}
