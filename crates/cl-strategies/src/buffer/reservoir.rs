//! Reservoir sampling (Vitter 1985, algorithm R): after any number of images, each of them is as likely to be stored.

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Buffer, BufferOptions, joined, without};
use crate::{State, StrategyError, check};

const PLACE: Purpose = Purpose::named("reservoir");

/// The options of a reservoir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reservoir {
    /// Images in all.
    pub total: usize,
}

impl Describe for Reservoir {
    const NAME: &'static str = "reservoir";
    const SUMMARY: &'static str = "Every image that passed by is as likely to be stored";
    const CITATION: &'static str = "Vitter 1985";
}

impl BufferOptions for Reservoir {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Sample::new(self.total))
    }

    fn is_online(&self) -> bool {
        true
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_1("total", self.total)
    }
}

/// A uniform sample of the images that have passed by.
#[derive(Debug)]
struct Sample {
    total: usize,
    /// Images that have passed by.
    seen: usize,
    stored: Option<ImageDataset>,
}

impl Sample {
    /// An empty buffer for `total` images.
    fn new(total: usize) -> Self {
        Self { total, seen: 0, stored: None }
    }
}

impl Buffer for Sample {
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let old = self.stored.as_ref().map_or(0, ImageDataset::len);
        let all = joined(self.stored.take(), data.clone())?;
        let mut kept: Vec<usize> = (0..old).collect();
        let mut rng = key.within(PLACE).rng(0);
        for i in old..all.len() {
            self.seen += 1;
            if kept.len() < self.total {
                kept.push(i);
            } else {
                let place = rng.random_range(0..self.seen);
                if place < self.total {
                    kept[place] = i;
                }
            }
        }
        self.stored = Some(all.select(&kept));
        Ok(())
    }

    /// Of the images that passed by, the same share is forgotten as of those stored; the next ones fill the places.
    fn forget(&mut self, classes: &[usize]) {
        let Some(stored) = self.stored.take() else { return };
        let kept = without(&stored, classes);
        self.seen = (self.seen * kept.len()).div_ceil(stored.len().max(1));
        self.stored = Some(kept);
    }

    fn contents(&self) -> Option<&ImageDataset> {
        self.stored.as_ref().filter(|stored| !stored.is_empty())
    }

    fn save(&self, state: &mut State) {
        state.put_images("buffer.images", self.contents());
        state.put("buffer.seen", self.seen);
    }

    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError> {
        self.stored = state.take_images("buffer.images", data)?;
        self.seen = state.take("buffer.seen")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;

    /// 20 images in three portions, 5 stored, 2000 times: each is stored 500 times on average. Chi-square with 19
    /// degrees of freedom (weighted for sampling without repetition) exceeds 43.8 once in a thousand.
    #[test]
    fn every_image_is_as_likely_to_be_stored() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let data = ImageDataset::new("x", shape, vec!["a".into()], (0..20).collect(), vec![0; 20]).unwrap();
        let mut counts = [0.0_f64; 20];
        for seed in 0..2000 {
            let mut buffer = Sample::new(5);
            for (k, portion) in [0..3, 3..11, 11..20].into_iter().enumerate() {
                let key = Key::new(seed, Purpose::named("test")).experience(k);
                buffer.absorb(&data.select(&portion.collect::<Vec<_>>()), key).unwrap();
            }
            let stored = buffer.contents().unwrap();
            assert_eq!(stored.len(), 5);
            (0..5).for_each(|i| counts[stored.source_index(i)] += 1.0);
        }
        let chi_square =
            counts.iter().map(|c| (c - 500.0).powi(2) / 500.0).sum::<f64>() / (1.0 - 0.25) * 0.95;
        assert!(chi_square < 43.8, "{chi_square}: {counts:?}");
    }
}
