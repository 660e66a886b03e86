//! Online streams: every image comes once, in order of arrival, and nobody says where a task ends.
//!
//! Any other stream gives the tasks. Their images come shuffled, task after task, or with gradual drift: in a window
//! around each boundary the next task's images are mixed in with rising probability. The window takes as many images
//! from either side and every image still comes exactly once, so that experience k remains a stretch as long as task k.
//! Images keep the tag of the task that they are from. `gaussian` is the schedule of Shanahan et al. 2021 (arXiv
//! 2105.13327) between two neighbours: each task's share is a bell curve, here around the ends of the window with a
//! third of it as standard deviation.
//!
//! ```toml
//! [stream.online]
//! stream = { class_incremental = { experiences = 5 } }
//! drift = { linear = { width = 0.5 } }
//! ```

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Arrival, Experience, Stream, StreamBuilder, StreamConfig, must_only_learn, sampling::fixed_size_sample,
};
use crate::{DataError, DatasetPair, ImageDataset};

const ARRIVING: Purpose = Purpose::tagged(*b"arriving");
const DRIFTING: Purpose = Purpose::tagged(*b"drifting");

/// How one task passes into the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Drift {
    /// At once.
    #[default]
    None,
    /// The next task's share rises evenly.
    Linear {
        /// The window's length, as a share of the shorter of the two tasks, above 0 and at most 1.
        width: f64,
    },
    /// The shares of the two tasks are bell curves.
    Gaussian {
        /// The window's length, as a share of the shorter of the two tasks, above 0 and at most 1.
        width: f64,
    },
}

impl Drift {
    fn width(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Linear { width } | Self::Gaussian { width } => width,
        }
    }

    /// The probability of the next task at a place of the window, 0 its beginning and 1 its end; the sum of those at
    /// mirrored places is 1.
    fn probability(self, place: f64) -> f64 {
        match self {
            Self::None => f64::from(place > 0.5),
            Self::Linear { .. } => place,
            Self::Gaussian { .. } => {
                // exp(-(u - 1)^2 / 2 s^2) over itself and exp(-u^2 / 2 s^2).
                let s = 1.0 / 3.0;
                1.0 / (1.0 + ((1.0 - 2.0 * place) / (2.0 * s * s)).exp())
            }
        }
    }
}

/// Another stream, seen once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Online {
    /// The stream that gives the tasks.
    pub stream: StreamConfig,
    /// How one task passes into the next.
    pub drift: Drift,
    /// The seed of the order of arrival.
    pub seed: u64,
}

impl Online {
    /// The images of all experiences in their order of arrival.
    fn arriving(&self, experiences: &[Experience]) -> Result<ImageDataset, DataError> {
        let shuffled = |(k, e): (usize, &Experience)| {
            let mut order: Vec<usize> = (0..e.train.len()).collect();
            order.shuffle(&mut Key::new(self.seed, ARRIVING).experience(k).rng(0));
            e.train.select(&order)
        };
        let parts: Vec<ImageDataset> = experiences.iter().enumerate().map(shuffled).collect();
        let all = ImageDataset::concat(&parts.iter().collect::<Vec<_>>())?;
        let mut order: Vec<usize> = (0..all.len()).collect();
        let mut boundary = 0;
        for (k, neighbours) in parts.windows(2).enumerate() {
            boundary += neighbours[0].len();
            let shorter = neighbours[0].len().min(neighbours[1].len());
            let half = (self.drift.width() * shorter as f64 / 2.0).floor() as usize;
            self.mix(&mut order[boundary - half..boundary + half], k);
        }
        Ok(all.select(&order))
    }

    /// Mixes a window whose first half is of one task, and its second of the next.
    fn mix(&self, window: &mut [usize], k: usize) {
        let slots = window.len();
        let place = |i: usize| (i as f64 + 0.5) / slots as f64;
        let probabilities = (0..slots).map(|i| self.drift.probability(place(i))).collect();
        let key = Key::new(self.seed, DRIFTING).experience(k);
        let is_next = fixed_size_sample(probabilities, &mut key.rng(0));
        let (old, next) = window.split_at(slots / 2);
        let mixed: Vec<usize> = {
            let (mut old, mut next) = (old.iter().copied(), next.iter().copied());
            let take = |is_next| if is_next { next.next() } else { old.next() };
            is_next.into_iter().map(take).map(|image| image.expect("half are the next task's")).collect()
        };
        window.copy_from_slice(&mixed);
    }
}

impl Describe for Online {
    const NAME: &'static str = "online";
    const SUMMARY: &'static str = "Another stream seen once, in order of arrival, with no boundaries told and gradual \
                                   drift if asked for";
    const CITATION: &'static str = "Shanahan et al. 2021, arXiv 2105.13327";
}

impl StreamBuilder for Online {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let width = self.drift.width();
        if !matches!(self.drift, Drift::None) && (width.is_nan() || width <= 0.0 || width > 1.0) {
            let kind = if matches!(self.drift, Drift::Linear { .. }) { "linear" } else { "gaussian" };
            let expected = "expected a number above 0 and at most 1";
            let key = format!("drift.{kind}.width");
            return Err(DataError::config(&key, width, expected));
        }
        let inner = self.stream.build(data).map_err(|e| e.at("stream"))?;
        must_only_learn("stream", &self.stream, &inner)?;
        let mut experiences = inner.experiences().to_vec();
        let all = self.arriving(&experiences)?;
        let mut first = 0;
        for e in &mut experiences {
            let positions: Vec<usize> = (first..first + e.train.len()).collect();
            first += e.train.len();
            e.train = all.select(&positions);
        }
        let stream =
            Stream::tagged(format!("{}, online", inner.name()), inner.source().clone(), experiences)?;
        Ok(stream.arriving(Arrival::Once, false).in_domains(inner.shares_classes_across_domains()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ClassIncremental, dataset::glyphs::GlyphsConfig};

    fn data() -> DatasetPair {
        GlyphsConfig { train_per_class: 20, eval_per_class: 1, size: 8.into(), ..Default::default() }
            .build()
            .unwrap()
    }

    fn online(drift: Drift, seed: u64) -> Online {
        Online { stream: StreamConfig::default(), drift, seed }
    }

    fn arrival(stream: &Stream) -> ImageDataset {
        let parts: Vec<&ImageDataset> = stream.experiences().iter().map(|e| &e.train).collect();
        ImageDataset::concat(&parts).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_image_comes_once_and_drift_stays_in_its_window(
            kind in 0..3, width in 0.01..=1.0_f64, seed: u64,
        ) {
            let drift = [Drift::None, Drift::Linear { width }, Drift::Gaussian { width }][kind as usize];
            let data = data();
            let stream = online(drift, seed).build(data.clone()).unwrap();
            prop_assert_eq!((stream.arrival(), stream.tells_boundaries()), (Arrival::Once, false));
            prop_assert!(stream.experiences().iter().all(|e| e.train.len() == 40));
            let arriving = arrival(&stream);
            let mut images: Vec<usize> = (0..200).map(|i| arriving.source_index(i)).collect();
            let half = (20.0 * drift.width()).floor() as usize;
            for i in 0..200 {
                // Tasks keep their tags, and only neighbours meet, near their boundary.
                prop_assert_eq!(arriving.task(i), arriving.label(i) / 2);
                let (own, within) = (i / 40, i % 40);
                let task = arriving.task(i);
                let fine = task == own
                    || (task + 1 == own && within < half)
                    || (task == own + 1 && within >= 40 - half);
                prop_assert!(fine, "an image of task {} arrives at {} with half a window of {}", task, i, half);
            }
            let again = arrival(&online(drift, seed).build(data).unwrap());
            prop_assert_eq!(&images, &(0..200).map(|i| again.source_index(i)).collect::<Vec<_>>());
            images.sort_unstable();
            prop_assert_eq!(images, (0..200).collect::<Vec<_>>());
            for (k, e) in stream.experiences().iter().enumerate() {
                prop_assert_eq!(&e.classes, &[2 * k, 2 * k + 1]);
                prop_assert!(e.eval.labels().iter().all(|label| e.classes.contains(label)));
            }
        }
    }

    /// How often each place of a window has the next task, over many seeds, against the schedule.
    #[test]
    fn the_mixture_follows_its_schedule() {
        let data = data();
        let runs = 600;
        for drift in [Drift::Linear { width: 1.0 }, Drift::Gaussian { width: 1.0 }] {
            // The windows of four boundaries, 40 places each.
            let mut counts = [0_u32; 40];
            for seed in 0..runs {
                let arriving = arrival(&online(drift, seed).build(data.clone()).unwrap());
                for boundary in [40, 80, 120, 160] {
                    for (place, count) in counts.iter_mut().enumerate() {
                        let i = boundary - 20 + place;
                        *count += u32::from(arriving.task(i) == boundary / 40);
                    }
                }
            }
            let trials = 4.0 * runs as f64;
            let p = |place: usize| drift.probability((place as f64 + 0.5) / 40.0);
            assert!((0..40).all(|i| (p(i) + p(39 - i) - 1.0).abs() < 1e-12 && p(i) < p(i + 1)));
            // Each place is a binomial of its own: chi-square with one degree of freedom, of which 18.2 is exceeded
            // once in 50,000.
            for (place, n) in counts.into_iter().enumerate() {
                let p = p(place);
                let statistic = (f64::from(n) - trials * p).powi(2) / (trials * p * (1.0 - p));
                assert!(statistic < 18.2, "{drift:?} {place}: {n} of {trials}, {p} expected");
            }
        }
    }

    #[test]
    fn the_seed_is_what_the_order_of_arrival_depends_on() {
        let order = |drift, seed| {
            let arriving = arrival(&online(drift, seed).build(data()).unwrap());
            (0..200).map(|i| arriving.source_index(i)).collect::<Vec<_>>()
        };
        assert_ne!(order(Drift::None, 0), order(Drift::None, 1));
        // The mixing of neighbours too: which places of the windows the next task has.
        let tasks = |seed| {
            let drift = Drift::Linear { width: 1.0 };
            arrival(&online(drift, seed).build(data()).unwrap()).tasks()
        };
        assert_ne!(tasks(0), tasks(1));
    }

    #[test]
    fn widths_out_of_range_are_named() {
        for width in [0.0, -1.0, 1.5, f64::NAN] {
            let message = online(Drift::Gaussian { width }, 0).build(data()).unwrap_err().to_string();
            assert!(message.starts_with("`drift.gaussian.width`"), "{message}");
        }
        let inner = ClassIncremental { experiences: 3, ..Default::default() };
        let stream = Online { stream: StreamConfig::of(inner), ..Default::default() };
        let message = stream.build(data()).unwrap_err().to_string();
        assert!(message.starts_with("`stream.class_incremental.experiences`"), "{message}");
    }
}
