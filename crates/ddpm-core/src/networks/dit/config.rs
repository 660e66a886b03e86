//! The configuration of the transformer, with the names of the published code's arguments; the two last have diffusers'.

use cldiff_choices::ImageSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DiT;
use crate::{CoreError, Kernels, network::check_side, noise::Key};

/// The sizes of a [`DiT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiTConfig {
    /// Size of the images, in pixels: one number for a square, or `[height, width]`.
    pub input_size: ImageSize,
    /// Height and width of a patch, which becomes one token.
    pub patch_size: usize,
    /// Channels of the images.
    pub in_channels: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of each block's attention.
    pub num_heads: usize,
    /// Width of a block's hidden layer, in widths of a token.
    pub mlp_ratio: f64,
    /// Rows of the table of classes, one more than there are classes where one stands for "no label"; absent for an
    /// unconditional network.
    pub num_classes: Option<usize>,
    /// Whether twice the channels come out, for a learned variance.
    pub learn_sigma: bool,
    /// Added to the variance in the layer norm before each block's two-layer network; the other norms add 1e-6.
    pub norm_eps: f64,
    /// Subtracted from the number of frequencies in their exponent's denominator: 1 as in diffusers' `DiTTransformer2DModel`,
    /// the default, 0 as in the published code.
    pub freq_shift: usize,
}

impl Default for DiTConfig {
    fn default() -> Self {
        Self {
            input_size: ImageSize::square(28),
            patch_size: 4,
            in_channels: 1,
            hidden_size: 128,
            depth: 4,
            num_heads: 4,
            mlp_ratio: 4.0,
            num_classes: None,
            learn_sigma: false,
            norm_eps: 1e-6,
            freq_shift: 1,
        }
    }
}

impl DiTConfig {
    /// Rows and columns of patches.
    pub(super) fn grid(&self) -> [usize; 2] {
        [self.input_size.height / self.patch_size, self.input_size.width / self.patch_size]
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        if self.learn_sigma { self.in_channels.saturating_mul(2) } else { self.in_channels }
    }

    /// Width of a block's hidden layer.
    pub(super) fn inner(&self) -> usize {
        (self.mlp_ratio * self.hidden_size as f64) as usize
    }

    /// Makes the network, with initial values drawn from `key`.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a configuration that cannot work, naming the key.
    pub fn init<B: Kernels>(&self, key: Key, device: &B::Device) -> Result<DiT<B>, CoreError> {
        self.validate()?;
        Ok(DiT::new(self, key, device))
    }

    /// Checks that the values fit each other.
    ///
    /// # Errors
    /// [`CoreError::Config`] that names the first key that does not.
    pub fn validate(&self) -> Result<(), CoreError> {
        let positive = [
            ("patch_size", self.patch_size),
            ("in_channels", self.in_channels),
            ("hidden_size", self.hidden_size),
            ("depth", self.depth),
            ("num_heads", self.num_heads),
            ("num_classes", self.num_classes.unwrap_or(1)),
        ];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(CoreError::config(key, value, "expected at least 1"));
        }
        // A learned variance has twice as many, and diffusers' form is looked for by that number too.
        if self.in_channels > usize::MAX / 2 {
            let expected = format!("expected at most {}", usize::MAX / 2);
            return Err(CoreError::config("in_channels", self.in_channels, expected));
        }
        self.validate_patches()?;
        if self.hidden_size % self.num_heads != 0 || self.hidden_size % 4 != 0 {
            let expected = format!(
                "expected a multiple of 4, for the positions, and of `num_heads`, {}",
                self.num_heads
            );
            return Err(CoreError::config("hidden_size", self.hidden_size, expected));
        }
        if !(self.mlp_ratio.is_finite() && self.mlp_ratio * self.hidden_size as f64 >= 1.0) {
            return Err(CoreError::config("mlp_ratio", self.mlp_ratio, "expected above 0"));
        }
        self.validate_numerics()
    }

    /// Both sides of the images are whole numbers of patches.
    fn validate_patches(&self) -> Result<(), CoreError> {
        let (size, patch) = (self.input_size, self.patch_size);
        check_side("input_size", size)?;
        match size.side_that_is_no_multiple_of(patch) {
            None => Ok(()),
            Some((_, 0)) => Err(CoreError::config("input_size", size, "expected at least 1")),
            Some(_) if size.is_square() => Err(CoreError::config(
                "patch_size",
                patch,
                format!("expected a divisor of `input_size`, {size}"),
            )),
            Some((name, side)) => {
                let expected = format!("expected a divisor of the {name}, {side}, of `input_size`, {size}");
                Err(CoreError::config("patch_size", patch, expected))
            }
        }
    }

    fn validate_numerics(&self) -> Result<(), CoreError> {
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(CoreError::config("norm_eps", self.norm_eps, "expected above 0"));
        }
        if self.freq_shift > 1 {
            return Err(CoreError::config("freq_shift", self.freq_shift, "expected 0 or 1"));
        }
        Ok(())
    }
}
