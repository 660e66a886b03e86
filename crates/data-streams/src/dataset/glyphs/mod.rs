//! `glyphs`: ten classes of stroke-drawn symbols, drawn by the program itself.
//!
//! Every image is a function of (seed, split, index) alone: the symbol's strokes go through a random affine and a
//! smooth elastic distortion and are drawn with a random width and brightness. Any size, grey or in colour; in a rectangle
//! the symbol is in the middle, as large as the shorter side.
//!
//! ```toml
//! [data.glyphs]
//! size = 16
//! train_per_class = 500
//! eval_per_class = 200
//! ```

mod distort;
mod strokes;

use cldiff_choices::{Describe, ImageSize};
use keyed_random::{Key, Purpose};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    distort::Distortion,
    strokes::{CLASSES, strokes},
};
use super::{DatasetOptions, DatasetPair, ImageDataset, ImageShape, Places};
use crate::DataError;

/// More bytes of images than this are refused.
const MOST_BYTES: usize = 1 << 33;

/// The options of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlyphsConfig {
    /// One number for a square, or `[height, width]`, in pixels, 8 to 64 each.
    pub size: ImageSize,
    /// 1 (grey) or 3 (a random colour a symbol).
    pub channels: usize,
    /// Training images of each class.
    pub train_per_class: usize,
    /// Evaluation images of each class.
    pub eval_per_class: usize,
    /// The seed of the whole set.
    pub seed: u64,
}

impl Default for GlyphsConfig {
    fn default() -> Self {
        Self { size: ImageSize::square(16), channels: 1, train_per_class: 500, eval_per_class: 200, seed: 0 }
    }
}

impl Describe for GlyphsConfig {
    const NAME: &'static str = "glyphs";
    const SUMMARY: &'static str = "Ten symbols, drawn by the program itself";
}

impl DatasetOptions for GlyphsConfig {
    fn check(&self) -> Result<(), DataError> {
        let refuse = |key: &str, value: usize, expected: &str| {
            Err(DataError::config(key, value, format!("expected {expected}")))
        };
        match self {
            Self { size, .. } if !size.is_within(&(8..=64)) => {
                Err(DataError::config("size", size, "expected 8 to 64"))
            }
            Self { channels, .. } if ![1, 3].contains(channels) => refuse("channels", *channels, "1 or 3"),
            Self { train_per_class: n, .. } if !COUNT.contains(n) => {
                refuse("train_per_class", *n, "1 to 100000")
            }
            Self { eval_per_class: n, .. } if !COUNT.contains(n) => {
                refuse("eval_per_class", *n, "1 to 100000")
            }
            Self { train_per_class: n, .. } if self.bytes(*n) > MOST_BYTES => {
                refuse("train_per_class", *n, &format!("at most {MOST_BYTES} bytes of such images"))
            }
            Self { eval_per_class: n, .. } if self.bytes(*n) > MOST_BYTES => {
                refuse("eval_per_class", *n, &format!("at most {MOST_BYTES} bytes of such images"))
            }
            _ => Ok(()),
        }
    }

    fn build(&self, _places: &Places) -> Result<DatasetPair, DataError> {
        Self::build(self)
    }

    fn adapt(&mut self, channels: usize, size: Option<ImageSize>) {
        (self.channels, self.size) = (channels, size.unwrap_or(self.size));
    }

    fn contents(&self) -> &'static str {
        "Symbols drawn by the program, 8x8 to 64x64, grey or colour, 10 classes"
    }

    fn licence(&self) -> &'static str {
        "that of cldiff"
    }
}

impl GlyphsConfig {
    /// Draws the data set.
    ///
    /// # Errors
    /// [`DataError::Config`] for options out of range.
    pub fn build(&self) -> Result<DatasetPair, DataError> {
        self.check()?;
        let (train, eval) = (self.split(0, self.train_per_class)?, self.split(1, self.eval_per_class)?);
        Ok(DatasetPair { train, eval })
    }

    /// Bytes of a split, of options that are in range.
    fn bytes(&self, per_class: usize) -> usize {
        per_class * CLASSES.len() * self.channels * self.size.height * self.size.width
    }

    fn split(&self, split: usize, per_class: usize) -> Result<ImageDataset, DataError> {
        let shape = ImageShape::of(self.channels, self.size);
        let count = per_class * CLASSES.len();
        let mut pixels = vec![0; count * shape.len()];
        pixels.par_chunks_exact_mut(shape.len()).enumerate().for_each(|(i, image)| {
            self.draw(i % CLASSES.len(), &mut self.rng(split, i as u64), image);
        });
        let labels = (0..count).map(|i| i % CLASSES.len()).collect();
        let names = CLASSES.iter().map(|&name| name.to_owned()).collect();
        ImageDataset::new("glyphs", shape, names, pixels, labels)
    }

    fn rng(&self, split: usize, index: u64) -> ChaCha8Rng {
        Key::new(self.seed, DRAWING).experience(split).rng(index)
    }

    /// Draws one symbol into a black image.
    fn draw(&self, class: usize, rng: &mut ChaCha8Rng, image: &mut [u8]) {
        let distortion = Distortion::draw(rng);
        let lines: Vec<Vec<[f32; 2]>> = strokes(class)
            .into_iter()
            .map(|line| line.into_iter().map(|point| distortion.apply(point)).collect())
            .collect();
        let half_width = rng.random_range(0.045..0.075_f32);
        let brightness = rng.random_range(190.0..=255.0_f32);
        let colour: Vec<f32> = match self.channels {
            1 => vec![brightness],
            _ => (0..self.channels).map(|_| brightness * rng.random_range(0.25..=1.0_f32)).collect(),
        };
        let ImageSize { height, width } = self.size;
        let (side, plane) = (self.size.shorter(), height * width);
        let pixel = 1.0 / side as f32;
        // Beside a symbol that is as large as the shorter side; nothing of a square.
        let [above, left] = [height, width].map(|all| (all - side) as f32 / 2.0);
        for i in 0..plane {
            let (y, x) = ((i / width) as f32 + 0.5 - above, (i % width) as f32 + 0.5 - left);
            let centre = [x * pixel, y * pixel];
            let distance = lines.iter().map(|line| distance_to(line, centre)).fold(f32::MAX, f32::min);
            // Coverage of the pixel by a stroke with a straight edge: one pixel wide, from 1 to 0.
            let coverage = ((half_width - distance) / pixel + 0.5).clamp(0.0, 1.0);
            for (channel, value) in colour.iter().enumerate() {
                image[channel * plane + i] = (value * coverage).round() as u8;
            }
        }
    }
}

const COUNT: std::ops::RangeInclusive<usize> = 1..=100_000;
/// Tells these keys apart from others with the same seed.
const DRAWING: Purpose = Purpose::tagged(*b"glyphs01");

/// The distance of a point to a polyline.
fn distance_to(line: &[[f32; 2]], p: [f32; 2]) -> f32 {
    let segment = |ends: &[[f32; 2]]| {
        let ([ax, ay], [bx, by]) = (ends[0], ends[1]);
        let (dx, dy) = (bx - ax, by - ay);
        let along = ((p[0] - ax) * dx + (p[1] - ay) * dy) / (dx * dx + dy * dy).max(1e-12);
        let along = along.clamp(0.0, 1.0);
        (p[0] - ax - along * dx).hypot(p[1] - ay - along * dy)
    };
    line.windows(2).map(segment).fold(f32::MAX, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: u64) -> DatasetPair {
        GlyphsConfig { train_per_class: 8, eval_per_class: 4, seed, ..GlyphsConfig::default() }
            .build()
            .unwrap()
    }

    #[test]
    fn images_depend_on_seed_split_and_index_only() {
        let few = small(1);
        let more =
            GlyphsConfig { train_per_class: 16, eval_per_class: 4, seed: 1, ..GlyphsConfig::default() };
        let more = more.build().unwrap();
        assert_eq!(few.train.content_hash(), more.train.take(few.train.len()).content_hash());
        assert_ne!(few.train.pixels_of(0), few.eval.pixels_of(0));
        assert_ne!(few.train.content_hash(), small(2).train.content_hash());
        assert_eq!(few.train.counts_per_class(), [8; 10]);
    }

    /// Another way to draw, or other keys, would change every number that was ever measured on this set.
    #[test]
    fn the_default_images_are_those_of_the_first_release() {
        let eval = GlyphsConfig { train_per_class: 1, ..GlyphsConfig::default() }.build().unwrap().eval;
        let sum: u64 = (0..eval.len()).flat_map(|i| eval.pixels_of(i)).map(|&p| u64::from(p)).sum();
        assert_eq!((eval.len(), sum), (2000, 22_149_981));
    }

    #[test]
    fn every_symbol_is_on_the_canvas_at_every_size() {
        for (size, channels) in [(8, 1), (16, 3), (64, 1)] {
            let config = GlyphsConfig {
                size: ImageSize::square(size),
                channels,
                train_per_class: 10,
                eval_per_class: 1,
                seed: 0,
            };
            let data = config.build().unwrap().train;
            for i in 0..data.len() {
                let lit = data.pixels_of(i).iter().filter(|&&p| p > 40).count();
                let share = lit as f32 / data.shape().len() as f32;
                assert!((0.04..0.6).contains(&share), "{size}: image {i} has {share} of its pixels lit");
            }
        }
    }

    #[test]
    fn a_rectangle_has_the_square_in_its_middle() {
        let drawn = |height, width| {
            let size = ImageSize { height, width };
            let config = GlyphsConfig { size, channels: 3, train_per_class: 3, eval_per_class: 1, seed: 5 };
            config.build().unwrap().train
        };
        let (square, wide, high) = (drawn(8, 8), drawn(8, 16), drawn(14, 8));
        assert_eq!(wide.shape(), ImageShape { channels: 3, height: 8, width: 16 });
        for i in 0..square.len() {
            let middle: Vec<u8> = wide.pixels_of(i).chunks(16).flat_map(|row| row[4..12].to_vec()).collect();
            assert_eq!(middle, square.pixels_of(i));
            let middle: Vec<u8> = high.pixels_of(i).chunks(14 * 8).flat_map(|c| c[24..88].to_vec()).collect();
            assert_eq!(middle, square.pixels_of(i));
        }
    }

    #[test]
    fn classes_are_told_apart_by_their_nearest_mean() {
        let (train, eval) = {
            let pair = GlyphsConfig { train_per_class: 100, eval_per_class: 20, ..GlyphsConfig::default() };
            let pair = pair.build().unwrap();
            (pair.train, pair.eval)
        };
        let mean = |class: usize| {
            let members = train.of_classes(&[class]);
            let mut sum = vec![0.0_f32; members.shape().len()];
            for i in 0..members.len() {
                sum.iter_mut().zip(members.pixels_of(i)).for_each(|(s, &p)| *s += f32::from(p));
            }
            sum.into_iter().map(|s| s / members.len() as f32).collect::<Vec<_>>()
        };
        let means: Vec<_> = (0..10).map(mean).collect();
        let nearest = |pixels: &[u8]| {
            let distance =
                |m: &[f32]| m.iter().zip(pixels).map(|(m, &p)| (m - f32::from(p)).powi(2)).sum::<f32>();
            (0..10).min_by(|&a, &b| distance(&means[a]).total_cmp(&distance(&means[b]))).unwrap()
        };
        let right = (0..eval.len()).filter(|&i| nearest(eval.pixels_of(i)) == eval.label(i)).count();
        // Chance is 10%; a linear rule gets most, not all: the distortions are not trivial.
        assert!(right as f32 / eval.len() as f32 > 0.7, "{right} of {}", eval.len());
    }

    #[test]
    fn options_out_of_range_are_named() {
        let message = |config: GlyphsConfig| config.build().unwrap_err().to_string();
        assert!(message(GlyphsConfig { size: 7.into(), ..Default::default() }).starts_with("`size` is 7"));
        let low = GlyphsConfig { size: ImageSize { height: 7, width: 16 }, ..Default::default() };
        assert_eq!(message(low), "`size` is [7, 16]: expected 8 to 64");
        assert!(message(GlyphsConfig { channels: 2, ..Default::default() }).contains("1 or 3"));
        assert!(message(GlyphsConfig { eval_per_class: 0, ..Default::default() }).contains("eval_per_class"));
    }
}
