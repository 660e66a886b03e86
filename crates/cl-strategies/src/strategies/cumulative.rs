//! Cumulative training: each experience trains on its own data and on those of all before it, as from a buffer without
//! bounds.
//!
//! On a stream whose images come once, the images of a step are drawn from all that have arrived: that in the place of the
//! i-th image of the stream is one of the first i, each as likely. There are as many steps as elsewhere, and no image is
//! seen before it arrives. The draws are a property of the stream, the same for every seed of the training. Where a stream
//! removes classes, it goes on with the images of the others.

use cldiff_choices::Describe;
use data_streams::{Arrival, ImageDataset, Stream};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Needs, ReferenceKind, StrategyOptions};
use crate::{Observer, Strategy, StrategyError};

const DRAWN: Purpose = Purpose::named("draws of cumulative training");

/// The options of cumulative training: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CumulativeConfig {}

impl Describe for CumulativeConfig {
    const NAME: &'static str = "cumulative";
    const SUMMARY: &'static str = "All data so far, as from a buffer without bounds";
}

impl StrategyOptions for CumulativeConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }

    fn reference(&self) -> Option<ReferenceKind> {
        Some(ReferenceKind::Cumulative)
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn is_bound(&self) -> bool {
        true
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for CumulativeConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Cumulative))
    }
}

/// All data so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cumulative;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Cumulative {
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        let all = stream.kept_train(k);
        if stream.arrival() == Arrival::Epochs {
            return Ok(Some(all));
        }
        let first = all.len() - stream.experiences()[k].train.len();
        let key = Key::new(0, DRAWN);
        let draw = |place: usize| key.rng(place as u64).random_range(0..=place);
        Ok(Some(all.select(&(first..all.len()).map(draw).collect::<Vec<_>>())))
    }

    fn observer(&mut self) -> Option<&mut dyn Observer> {
        Some(self)
    }
}

/// The stream itself has the data.
impl Observer for Cumulative {
    fn observe(&mut self, _arrived: &ImageDataset, _key: Key) -> Result<(), StrategyError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use data_streams::{
        ClassIncremental, Online, StreamBuilder, StreamConfig, dataset::glyphs::GlyphsConfig,
    };
    use ddpm_core::UNet2D;

    use super::*;
    use crate::Joint;

    type B = Autodiff<Flex>;

    fn stream(online: bool) -> Stream {
        let glyphs =
            GlyphsConfig { size: 8.into(), train_per_class: 30, eval_per_class: 1, ..Default::default() };
        let classes = ClassIncremental::default();
        if online {
            Online { stream: StreamConfig::of(classes), ..Online::default() }.build(glyphs.build().unwrap())
        } else {
            classes.build(glyphs.build().unwrap())
        }
        .unwrap()
    }

    fn chosen(strategy: &dyn Strategy<B, UNet2D<B>>, stream: &Stream, k: usize) -> ImageDataset {
        strategy.training_data(stream, k).unwrap().unwrap()
    }

    fn sources(data: &ImageDataset) -> Vec<usize> {
        (0..data.len()).map(|i| data.source_index(i)).collect()
    }

    #[test]
    fn the_data_are_those_of_all_experiences_so_far_with_the_last() {
        let stream = stream(false);
        for k in 0..5 {
            let counts = chosen(&Cumulative, &stream, k).counts_per_class();
            let expected: Vec<usize> = (0..10).map(|class| if class / 2 <= k { 30 } else { 0 }).collect();
            assert_eq!(counts, expected);
            assert_eq!(chosen(&Joint, &stream, k).counts_per_class(), [30; 10]);
        }
    }

    #[test]
    fn online_no_image_is_seen_before_it_arrives() {
        let stream = stream(true);
        let arrival: Vec<usize> = stream.experiences().iter().flat_map(|e| sources(&e.train)).collect();
        let seen: Vec<usize> = (0..5).flat_map(|k| sources(&chosen(&Cumulative, &stream, k))).collect();
        assert_eq!(seen.len(), 300);
        let mut ages = 0.0;
        for (i, image) in seen.iter().enumerate() {
            let arrived = arrival.iter().position(|other| other == image).unwrap();
            assert!(arrived <= i, "{arrived} at {i}");
            ages += (arrived as f64 + 0.5) / (i as f64 + 1.0);
        }
        // Each that has arrived is as likely: halfway on average, with a standard deviation of 0.289 / sqrt(300).
        assert!((ages / 300.0 - 0.5).abs() < 5.0 * 0.289 / 300.0_f64.sqrt(), "{ages}");
        let last: BTreeSet<usize> = chosen(&Cumulative, &stream, 4).tasks().into_iter().collect();
        assert_eq!(last, (0..5).collect());
    }

    #[test]
    fn online_joint_training_sees_every_image_once_in_one_shuffled_order() {
        let stream = stream(true);
        let parts: Vec<ImageDataset> = (0..5).map(|k| chosen(&Joint, &stream, k)).collect();
        assert!(parts.iter().all(|part| part.len() == 60));
        let mut seen: Vec<usize> = parts.iter().flat_map(sources).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        // Sixty images of ten classes, of each of which there are thirty, have six of a class on average.
        for part in parts {
            let counts = part.counts_per_class();
            assert!(counts.iter().filter(|n| **n > 0).count() >= 8, "{counts:?}");
            assert!(counts.iter().all(|n| *n < 20), "{counts:?}");
        }
    }
}
