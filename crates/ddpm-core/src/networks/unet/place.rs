//! Places in a UNet whose activations can be watched.

use std::fmt;

/// A block of a UNet, by the name that its parameters have in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `conv_in`
    ConvIn,
    /// `down_blocks.I`
    Down(usize),
    /// `mid_block`
    Mid,
    /// `up_blocks.I`
    Up(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConvIn => write!(f, "conv_in"),
            Self::Down(i) => write!(f, "down_blocks.{i}"),
            Self::Mid => write!(f, "mid_block"),
            Self::Up(i) => write!(f, "up_blocks.{i}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        UNet2DConfig,
        noise::{Key, NormalNoise, Purpose, indices},
    };

    #[test]
    fn every_block_is_watched_in_order_and_watching_changes_nothing() {
        type B = burn_flex::Flex;
        let device = Default::default();
        let key = Key::new(0, Purpose::named("watched"));
        let unet = UNet2DConfig::small(8, 1, &[8, 16]).init::<B>(key, &device).unwrap();
        let x = key.normal::<B>(0, [2, 1, 8, 8], &device);
        let t = || indices::<B>(&[3, 900], &device);
        let mut seen = Vec::new();
        let output = unet.forward_watched(x.clone(), t(), None, |place, activation| {
            seen.push((place.to_string(), activation.dims()));
        });
        assert_eq!(output.into_data(), unet.forward(x, t(), None).into_data());
        let expected = [
            ("conv_in", [2, 8, 8, 8]),
            ("down_blocks.0", [2, 8, 4, 4]),
            ("down_blocks.1", [2, 16, 4, 4]),
            ("mid_block", [2, 16, 4, 4]),
            ("up_blocks.0", [2, 16, 8, 8]),
            ("up_blocks.1", [2, 8, 8, 8]),
        ];
        assert_eq!(seen, expected.map(|(name, dims)| (name.to_owned(), dims)));
    }
}
