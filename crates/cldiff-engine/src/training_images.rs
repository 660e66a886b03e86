//! The training images that samples are compared with for copies, and the held-out images that set the threshold. Views of
//! the data set: nothing is stored twice.

use std::ops::Range;

use cl_metrics::{
    MetricError,
    features::{FeatureMatrix, pixels},
    sample::{
        Need, SampleMetric, Training,
        memorisation::{AskedFor, comparable},
    },
};
use data_streams::{ImageDataset, Stream};
use ddpm_core::noise::{Key, Purpose};

const TRAINING: Purpose = Purpose::named("training images to find copies of");
const HELD_OUT: Purpose = Purpose::named("held-out images that are no copies");

/// The most training images that samples are compared with. Copies of the others are not found: the share of copies is
/// understated by the share of training images that are left out.
pub(crate) const MOST_TRAINING: usize = 5000;
/// The most held-out images.
pub(crate) const MOST_HELD_OUT: usize = 1000;

/// The training and the evaluation images of each task.
#[derive(Debug)]
pub(crate) struct TrainingImages {
    train: Vec<ImageDataset>,
    eval: Vec<ImageDataset>,
}

/// Pixels of training images and of held-out images of the same kinds.
#[derive(Debug)]
pub(crate) struct TrainingPixels {
    training: FeatureMatrix,
    labels: Vec<usize>,
    held_out: FeatureMatrix,
}

impl TrainingImages {
    /// The training images of a stream; `None` where no metric needs them.
    pub(crate) fn of(stream: &Stream, wanted: &[SampleMetric]) -> Option<Self> {
        let needed = wanted.iter().any(|metric| metric.needs().contains(&Need::TrainingImages));
        let of = |part: fn(&data_streams::Experience) -> ImageDataset| {
            let tasks = stream.experiences().iter().enumerate();
            tasks.map(|(k, experience)| part(experience).with_task(k)).collect()
        };
        let mut train: Vec<ImageDataset> = of(|e| e.train.clone());
        // Noise in the place of a class is no image that a sample could be a copy of.
        let none = train[0].take(0);
        for (train, experience) in train.iter_mut().zip(stream.experiences()) {
            if experience.is_removal() {
                train.clone_from(&none);
            }
        }
        needed.then(|| Self { train, eval: of(|e| e.eval.clone()) })
    }

    /// The images that samples of some tasks may be copies of, after `seen` tasks: at most [`MOST_TRAINING`] of them and
    /// [`MOST_HELD_OUT`] held-out ones, stratified by class with a key that is the same in every cell. None where there
    /// are none.
    pub(crate) fn comparable(
        &self,
        seen: usize,
        tasks: &Range<usize>,
        asked_for: AskedFor,
    ) -> Result<Option<TrainingPixels>, MetricError> {
        let trained = ImageDataset::concat(&self.train[..seen].iter().collect::<Vec<_>>())?;
        let held_out: Vec<&ImageDataset> = self.eval[..seen].iter().collect();
        let Some((training, held_out)) = comparable(&trained, &held_out, tasks.clone(), asked_for) else {
            return Ok(None);
        };
        let training = training.select(&training.stratified(MOST_TRAINING, Key::new(0, TRAINING)));
        let held_out = held_out.select(&held_out.stratified(MOST_HELD_OUT, Key::new(0, HELD_OUT)));
        let labels = training.labels();
        Ok(Some(TrainingPixels { training: pixels(&training)?, labels, held_out: pixels(&held_out)? }))
    }
}

impl TrainingPixels {
    /// As metrics take them.
    pub(crate) fn set(&self) -> Training<'_> {
        Training { pixels: &self.training, labels: &self.labels, held_out: &self.held_out }
    }
}

#[cfg(test)]
mod tests {
    use cl_metrics::sample::SampleMetric;
    use data_streams::{StreamConfig, dataset::glyphs::GlyphsConfig};

    use super::*;

    fn stream() -> Stream {
        let glyphs = GlyphsConfig {
            size: 8.into(),
            train_per_class: 700,
            eval_per_class: 120,
            ..GlyphsConfig::default()
        };
        let config: StreamConfig = toml::from_str("class_incremental = { experiences = 5 }").unwrap();
        config.build(glyphs.build().unwrap()).unwrap()
    }

    #[test]
    fn tasks_seen_are_compared_with_their_own_images_in_their_classes() {
        let (stream, wanted) = (stream(), SampleMetric::defaults());
        let images = TrainingImages::of(&stream, &wanted).unwrap();
        for asked_for in [AskedFor::Classes, AskedFor::Tasks] {
            let task = images.comparable(3, &(1..2), asked_for).unwrap().unwrap();
            assert_eq!((task.set().pixels.rows(), task.set().held_out.rows()), (1400, 240));
            let mut expected = stream.experiences()[1].train.labels();
            let mut found = task.labels.clone();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
        // Of all tasks as many as are looked at, each class as often.
        let all = images.comparable(5, &(0..5), AskedFor::Classes).unwrap().unwrap();
        assert_eq!((all.set().pixels.rows(), all.set().held_out.rows()), (MOST_TRAINING, MOST_HELD_OUT));
        let count = |class: usize| all.labels.iter().filter(|label| **label == class).count();
        assert!((0..10).all(|class| count(class) == MOST_TRAINING / 10));
    }

    #[test]
    fn nothing_is_kept_where_no_metric_looks_at_it() {
        assert!(TrainingImages::of(&stream(), &[SampleMetric::FID]).is_none());
        let ct = SampleMetric::named("ct").unwrap();
        assert!(TrainingImages::of(&stream(), &[SampleMetric::FID, ct]).is_some());
    }
}
