//! Random flips and shifts of training images, as pure functions of a key.
//!
//! Padding crops (zeros around the image, then a random part of its size) and horizontal flips, as He et al. 2016
//! (arXiv 1512.03385, section 4.2) train on CIFAR-10. The change of an image depends on its key alone: not on the
//! images beside it, nor on threads.

use keyed_random::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DataError, ImageShape};

const AUGMENTING: Purpose = Purpose::tagged(*b"augments");

/// Random changes of training images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Whether half of the images are mirrored, left and right exchanged.
    pub horizontal_flip: bool,
    /// Zeros added on every side, before a random part of the image's own size is cut out: a shift by up to as many
    /// pixels, at most half of the image's shorter side.
    pub padding_crop: usize,
}

/// The identity of an augmentation's random draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AugmentationKey {
    /// The seed of the run.
    pub seed: u64,
    /// The experience that is trained on.
    pub experience: u64,
    /// The step of training.
    pub step: u64,
    /// The image's place in the batch.
    pub sample: u64,
}

impl Augmentation {
    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the options suit images of a shape.
    ///
    /// # Errors
    /// [`DataError::Config`] for a crop that could miss the image.
    pub fn check(&self, shape: ImageShape) -> Result<(), DataError> {
        let side = shape.height.min(shape.width);
        if self.padding_crop > side / 2 {
            let expected = format!("expected at most {}, half of the image's side", side / 2);
            return Err(DataError::config("padding_crop", self.padding_crop, expected));
        }
        Ok(())
    }

    /// Changes an image, channel after channel of `height * width` bytes, in place.
    ///
    /// # Panics
    /// If the image is not of the shape.
    pub fn apply(&self, pixels: &mut [u8], shape: ImageShape, key: AugmentationKey) {
        assert_eq!(pixels.len(), shape.len(), "an image of {shape}");
        if self.is_none() {
            return;
        }
        let address = Key::new(key.seed, AUGMENTING);
        let address = address.experience(key.experience as usize).step(key.step as usize);
        let mut rng = address.rng(key.sample);
        // All are drawn, wanted or not, so that one option does not change the other's draws.
        let flip = rng.random::<bool>();
        let reach = self.padding_crop as i64;
        let (down, right) = (rng.random_range(-reach..=reach), rng.random_range(-reach..=reach));
        if self.horizontal_flip && flip {
            pixels.chunks_exact_mut(shape.width).for_each(<[u8]>::reverse);
        }
        if (down, right) != (0, 0) {
            pixels
                .chunks_exact_mut(shape.height * shape.width)
                .for_each(|plane| shift(plane, shape.width, down, right));
        }
    }
}

/// Moves a plane; what comes in from outside is zero.
fn shift(plane: &mut [u8], width: usize, down: i64, right: i64) {
    let before = plane.to_vec();
    let height = plane.len() / width;
    for (i, pixel) in plane.iter_mut().enumerate() {
        let (y, x) = ((i / width) as i64 - down, (i % width) as i64 - right);
        let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
        *pixel = if inside { before[y as usize * width + x as usize] } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 2, height: 4, width: 3 };

    fn key(sample: u64) -> AugmentationKey {
        AugmentationKey { seed: 1, experience: 2, step: 3, sample }
    }

    fn image() -> Vec<u8> {
        (1..=24).collect()
    }

    fn applied(augmentation: Augmentation, key: AugmentationKey) -> Vec<u8> {
        let mut pixels = image();
        augmentation.apply(&mut pixels, SHAPE, key);
        pixels
    }

    #[test]
    fn a_flip_mirrors_every_row_of_half_of_the_images() {
        let flip = Augmentation { horizontal_flip: true, padding_crop: 0 };
        let mirrored: Vec<u8> = image().chunks(3).flat_map(|row| row.iter().rev().copied()).collect();
        let mut flips = 0;
        for sample in 0..1000 {
            let pixels = applied(flip, key(sample));
            assert!(pixels == image() || pixels == mirrored);
            flips += usize::from(pixels == mirrored);
        }
        // Six standard deviations around a half.
        assert!((405..=595).contains(&flips), "{flips}");
    }

    #[test]
    fn a_crop_shifts_by_every_distance_equally_often() {
        let crop = Augmentation { horizontal_flip: false, padding_crop: 1 };
        let mut counts: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for sample in 0..9000 {
            *counts.entry(applied(crop, key(sample))).or_default() += 1.0;
        }
        // 3 x 3 shifts; chi-square with 8 degrees of freedom exceeds 37 once in 100,000.
        assert_eq!(counts.len(), 9);
        let statistic: f64 = counts.values().map(|n| (n - 1000.0).powi(2) / 1000.0).sum();
        assert!(statistic < 37.0, "{statistic}");
        let down = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert!(counts.keys().any(|pixels| pixels[..12] == down), "no shift by a row down");
    }

    /// Two rows of six: a flip mirrors rows of six, and a shift by a row moves six pixels.
    #[test]
    fn an_image_wider_than_high_is_mirrored_and_shifted_along_its_own_sides() {
        let shape = ImageShape { channels: 1, height: 2, width: 6 };
        let both = Augmentation { horizontal_flip: true, padding_crop: 1 };
        assert!(both.check(shape).is_ok());
        assert!(Augmentation { padding_crop: 2, ..both }.check(shape).is_err());
        let seen: std::collections::BTreeSet<Vec<u8>> = (0..500)
            .map(|sample| {
                let mut pixels: Vec<u8> = (1..=12).collect();
                both.apply(&mut pixels, shape, key(sample));
                pixels
            })
            .collect();
        // 3 x 3 shifts of either image.
        assert_eq!(seen.len(), 18);
        assert!(seen.contains(&vec![6, 5, 4, 3, 2, 1, 12, 11, 10, 9, 8, 7]));
        assert!(seen.contains(&vec![0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]));
        assert!(seen.contains(&vec![8, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn what_happens_depends_on_the_whole_key_and_nothing_else() {
        let both = Augmentation { horizontal_flip: true, padding_crop: 2 };
        let of = |change: fn(&mut AugmentationKey)| {
            let shifted = |sample| {
                let mut key = key(sample);
                change(&mut key);
                applied(both, key)
            };
            (0..8).map(shifted).collect::<Vec<_>>()
        };
        let base = of(|_| {});
        assert_eq!(base, of(|_| {}));
        let changes: [fn(&mut AugmentationKey); 4] =
            [|k| k.seed += 1, |k| k.experience += 1, |k| k.step += 1, |k| k.sample += 8];
        for change in changes {
            assert_ne!(base, of(change));
        }
        // Without flips the shifts are the same.
        let crop = Augmentation { horizontal_flip: false, ..both };
        let zeros = |pixels: &[u8]| pixels.iter().map(|&p| usize::from(p == 0)).sum::<usize>();
        for (sample, flipped) in base.iter().enumerate() {
            assert_eq!(zeros(flipped), zeros(&applied(crop, key(sample as u64))));
        }
    }

    #[test]
    fn a_crop_cannot_miss_the_image() {
        let wide = Augmentation { padding_crop: 2, ..Default::default() };
        let message = wide.check(SHAPE).unwrap_err().at("training.augmentation").to_string();
        assert!(
            message.contains("`training.augmentation.padding_crop` is 2: expected at most 1"),
            "{message}"
        );
    }
}
