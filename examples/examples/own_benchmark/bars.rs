//! A data set of one's own: bright bars at some orientations, shifted, of random width, on a noisy ground.

use cldiff_choices::Describe;
use data_streams::{
    DataError, DatasetPair, ImageDataset, ImageShape,
    dataset::{DatasetOptions, Places},
};
use keyed_random::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DRAWING: Purpose = Purpose::named("bars");

/// The options of the bars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bars {
    /// Height and width of the images, in pixels.
    pub size: usize,
    /// Orientations, evenly spaced over half a turn: the classes.
    pub orientations: usize,
    /// Training images of each class.
    pub train_per_class: usize,
    /// Held-out images of each class.
    pub eval_per_class: usize,
    /// The seed of the drawing.
    pub seed: u64,
}

impl Default for Bars {
    fn default() -> Self {
        Self { size: 16, orientations: 8, train_per_class: 200, eval_per_class: 50, seed: 0 }
    }
}

impl Describe for Bars {
    const NAME: &'static str = "bars";
    const SUMMARY: &'static str = "Bars at some orientations, drawn by the program";
}

impl DatasetOptions for Bars {
    fn check(&self) -> Result<(), DataError> {
        if self.size < 4 {
            return Err(DataError::config("size", self.size, "expected at least 4"));
        }
        if !(2..=100).contains(&self.orientations) {
            return Err(DataError::config("orientations", self.orientations, "expected 2 to 100"));
        }
        let counts = [("train_per_class", self.train_per_class), ("eval_per_class", self.eval_per_class)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((key, count)) => Err(DataError::config(key, count, "expected at least 1")),
            None => Ok(()),
        }
    }

    fn build(&self, _places: &Places) -> Result<DatasetPair, DataError> {
        self.check()?;
        DatasetPair::new(self.drawn(0, self.train_per_class)?, self.drawn(1, self.eval_per_class)?)
    }
}

impl Bars {
    fn drawn(&self, split: usize, per_class: usize) -> Result<ImageDataset, DataError> {
        let shape = ImageShape { channels: 1, height: self.size, width: self.size };
        let degrees = |class| 180.0 * class as f64 / self.orientations as f64;
        let names = (0..self.orientations).map(|class| format!("{:.0} degrees", degrees(class))).collect();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for class in 0..self.orientations {
            for i in 0..per_class {
                let key = Key::new(self.seed, DRAWING).experience(class).step(split);
                pixels.extend(self.bar(degrees(class).to_radians(), &mut key.rng(i as u64)));
                labels.push(class);
            }
        }
        ImageDataset::new("bars", shape, names, pixels, labels)
    }

    fn bar(&self, angle: f64, rng: &mut impl Rng) -> Vec<u8> {
        let middle = (self.size as f64 - 1.0) / 2.0;
        let shift: f64 = rng.random_range(-0.15..0.15) * self.size as f64;
        let half_width: f64 = rng.random_range(0.06..0.12) * self.size as f64;
        let mut pixel = |i: usize| {
            let (x, y) = ((i % self.size) as f64 - middle, (i / self.size) as f64 - middle);
            let distance = (x * angle.sin() - y * angle.cos() - shift).abs() - half_width;
            let inside = (0.5 - distance).clamp(0.0, 1.0);
            (20.0 + 200.0 * inside + rng.random_range(0.0..20.0)) as u8
        };
        (0..self.size * self.size).map(&mut pixel).collect()
    }
}
