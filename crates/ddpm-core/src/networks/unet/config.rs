//! The configuration of the UNet: the keys, defaults and meanings of diffusers' `UNet2DModel` `config.json`.

use cldiff_choices::ImageSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DownBlockType, UNet2D, UpBlockType};
use crate::{CoreError, network::check_side, nn::Activation, noise::Key};

/// How the timestep enters a residual block (diffusers' `resnet_time_scale_shift`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeScaleShift {
    /// Added between the two convolutions (Ho et al. 2020).
    #[default]
    Default,
    /// As scale and shift of the second norm (Dhariwal & Nichol 2021, "adaptive group normalisation").
    ScaleShift,
}

/// diffusers' `UNet2DModel` configuration, key for key; a key that is left out has diffusers' default.
///
/// Keys whose only supported value is diffusers' default (`mid_block_type`, `downsample_type`, ...) are accepted
/// with that value and refused with another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UNet2DConfig {
    /// Size of the images, in pixels: one number for a square, or `[height, width]`.
    pub sample_size: Option<ImageSize>,
    /// Channels of x_t.
    pub in_channels: usize,
    /// Channels of the prediction; twice `in_channels` for a learned variance.
    pub out_channels: usize,
    /// Whether the input is mapped from [0, 1] to [-1, 1] first.
    pub center_input_sample: bool,
    /// Only "positional".
    pub time_embedding_type: String,
    /// Width of the time embedding; four times the first block's channels if absent.
    pub time_embedding_dim: Option<usize>,
    /// Subtracted from the number of frequencies in their exponent's denominator (0 or 1).
    pub freq_shift: usize,
    /// Whether the cosines come before the sines.
    pub flip_sin_to_cos: bool,
    /// The blocks of the contracting path, largest images first.
    pub down_block_types: Vec<DownBlockType>,
    /// Only "UNetMidBlock2D".
    pub mid_block_type: Option<String>,
    /// The blocks of the expanding path, smallest images first.
    pub up_block_types: Vec<UpBlockType>,
    /// Channels of each level, largest images first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks in each down block; an up block has one more.
    pub layers_per_block: usize,
    /// Divisor of the outputs of the middle block's layers.
    pub mid_block_scale_factor: f64,
    /// 1, or 0 for the asymmetric padding of the original TensorFlow code.
    pub downsample_padding: usize,
    /// Only "conv".
    pub downsample_type: String,
    /// Only "conv".
    pub upsample_type: String,
    /// Of a model that was trained elsewhere: nothing where the model is used. Training here has none, and needs 0.
    pub dropout: f64,
    /// The activation function.
    pub act_fn: Activation,
    /// Width of an attention head; one head as wide as the block if absent.
    pub attention_head_dim: Option<usize>,
    /// Groups of every group norm.
    pub norm_num_groups: usize,
    /// Groups of the middle block's attention norm, where it differs.
    pub attn_norm_num_groups: Option<usize>,
    /// Added to the variance in every group norm.
    pub norm_eps: f64,
    /// How the timestep enters a residual block.
    pub resnet_time_scale_shift: TimeScaleShift,
    /// Absent for a table with `num_class_embeds` rows; no other type is supported.
    pub class_embed_type: Option<String>,
    /// Number of classes of a class-conditional model.
    pub num_class_embeds: Option<usize>,
    /// Written by diffusers for some class embeddings; not used here.
    pub num_train_timesteps: Option<usize>,
    /// Whether the middle block has attention.
    pub add_attention: bool,
}

impl Default for UNet2DConfig {
    fn default() -> Self {
        Self {
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            center_input_sample: false,
            time_embedding_type: "positional".into(),
            time_embedding_dim: None,
            freq_shift: 0,
            flip_sin_to_cos: true,
            down_block_types: [vec![DownBlockType::DownBlock2D], vec![DownBlockType::AttnDownBlock2D; 3]]
                .concat(),
            mid_block_type: Some("UNetMidBlock2D".into()),
            up_block_types: [vec![UpBlockType::AttnUpBlock2D; 3], vec![UpBlockType::UpBlock2D]].concat(),
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            mid_block_scale_factor: 1.0,
            downsample_padding: 1,
            downsample_type: "conv".into(),
            upsample_type: "conv".into(),
            dropout: 0.0,
            act_fn: Activation::Silu,
            attention_head_dim: Some(8),
            norm_num_groups: 32,
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            resnet_time_scale_shift: TimeScaleShift::Default,
            class_embed_type: None,
            num_class_embeds: None,
            num_train_timesteps: None,
            add_attention: true,
        }
    }
}

impl UNet2DConfig {
    /// A network without attention, one layer per block, for images of a size (a number for a square) with `channels`
    /// channels.
    pub fn small(size: impl Into<ImageSize>, channels: usize, block_out_channels: &[usize]) -> Self {
        let levels = block_out_channels.len();
        let narrowest = block_out_channels.iter().copied().min().unwrap_or(1);
        Self {
            sample_size: Some(size.into()),
            in_channels: channels,
            out_channels: channels,
            down_block_types: vec![DownBlockType::DownBlock2D; levels],
            up_block_types: vec![UpBlockType::UpBlock2D; levels],
            block_out_channels: block_out_channels.to_vec(),
            layers_per_block: 1,
            norm_num_groups: narrowest.min(8),
            add_attention: false,
            ..Self::default()
        }
    }

    /// A lower bound of the number of parameters: first and last convolution, those of the contracting path, and what
    /// brings the time into its blocks.
    pub fn least_parameters(&self) -> usize {
        let of_level = |channels: &usize| {
            let inputs = channels.saturating_mul(9).saturating_add(self.time_embed_dim());
            channels.saturating_mul(inputs).saturating_mul(self.layers_per_block)
        };
        let images = self.in_channels.saturating_add(self.out_channels);
        let first = self.block_out_channels.first().copied().unwrap_or(0);
        let ends = images.saturating_mul(first).saturating_mul(9);
        let classes = self.num_class_embeds.unwrap_or(0).saturating_mul(self.time_embed_dim());
        let embedding = self.time_embed_dim().saturating_mul(self.time_embed_dim());
        self.block_out_channels
            .iter()
            .map(of_level)
            .fold(classes.saturating_add(embedding).saturating_add(ends), usize::saturating_add)
    }

    /// Width of the embedding of time and class; 0 where it follows from `block_out_channels` and these are empty, which
    /// [`validate`](Self::validate) refuses.
    pub fn time_embed_dim(&self) -> usize {
        let first = self.block_out_channels.first().copied().unwrap_or(0);
        self.time_embedding_dim.unwrap_or(first.saturating_mul(4))
    }

    /// Makes the network, with initial values drawn from `key`.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a configuration that cannot work, naming the key.
    pub fn init<B: crate::Kernels>(&self, key: Key, device: &B::Device) -> Result<UNet2D<B>, CoreError> {
        self.validate()?;
        Ok(UNet2D::new(self, key, device))
    }

    /// Checks that the values fit each other.
    ///
    /// # Errors
    /// [`CoreError::Config`] that names the first key that does not.
    pub fn validate(&self) -> Result<(), CoreError> {
        self.validate_supported()?;
        self.validate_numerics()?;
        self.validate_levels()?;
        self.validate_groups()?;
        self.validate_size()
    }

    fn validate_supported(&self) -> Result<(), CoreError> {
        let only = |key: &str, value: &str, supported: &str| {
            if value == supported {
                return Ok(());
            }
            Err(CoreError::config(key, value, format!("only \"{supported}\" is supported")))
        };
        only("time_embedding_type", &self.time_embedding_type, "positional")?;
        only("downsample_type", &self.downsample_type, "conv")?;
        only("upsample_type", &self.upsample_type, "conv")?;
        only("mid_block_type", self.mid_block_type.as_deref().unwrap_or("null"), "UNetMidBlock2D")?;
        if let Some(other) = &self.class_embed_type {
            return Err(CoreError::config(
                "class_embed_type",
                other,
                "only a table of classes (null) is supported",
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(CoreError::config("dropout", self.dropout, "expected 0 or more, and less than 1"));
        }
        if self.downsample_padding > 1 {
            return Err(CoreError::config("downsample_padding", self.downsample_padding, "expected 0 or 1"));
        }
        Ok(())
    }

    /// Checks, besides, that nothing is asked for that training here does not do.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_training(&self) -> Result<(), CoreError> {
        self.validate()?;
        if self.dropout != 0.0 {
            return Err(CoreError::config("dropout", self.dropout, "only 0 is supported in training"));
        }
        Ok(())
    }

    fn validate_numerics(&self) -> Result<(), CoreError> {
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(CoreError::config("norm_eps", self.norm_eps, "expected a number above 0"));
        }
        if !self.mid_block_scale_factor.is_finite() || self.mid_block_scale_factor == 0.0 {
            let (key, factor) = ("mid_block_scale_factor", self.mid_block_scale_factor);
            return Err(CoreError::config(key, factor, "expected a number other than 0"));
        }
        Ok(())
    }

    fn validate_levels(&self) -> Result<(), CoreError> {
        let levels = self.block_out_channels.len();
        if levels == 0 {
            return Err(CoreError::config(
                "block_out_channels",
                &self.block_out_channels,
                "expected at least one level",
            ));
        }
        for (key, found) in
            [("down_block_types", self.down_block_types.len()), ("up_block_types", self.up_block_types.len())]
        {
            if found != levels {
                let expected = format!("expected {levels}, one for each of `block_out_channels`");
                return Err(CoreError::config(key, format_args!("a list of {found}"), expected));
            }
        }
        let positive = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("layers_per_block", self.layers_per_block),
            ("norm_num_groups", self.norm_num_groups),
            ("attention_head_dim", self.attention_head_dim.unwrap_or(1)),
            ("attn_norm_num_groups", self.attn_norm_num_groups.unwrap_or(1)),
            ("num_class_embeds", self.num_class_embeds.unwrap_or(1)),
            ("time_embedding_dim", self.time_embedding_dim.unwrap_or(1)),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((key, value)) => Err(CoreError::config(key, value, "expected at least 1")),
            None => Ok(()),
        }
    }

    fn validate_groups(&self) -> Result<(), CoreError> {
        let groups = self.norm_num_groups;
        for &channels in &self.block_out_channels {
            if channels == 0 || channels % groups != 0 {
                let expected = format!(
                    "`norm_num_groups` = {groups} does not divide {channels}; choose channel counts that are \
                     multiples of {groups}, or fewer groups"
                );
                return Err(CoreError::config("block_out_channels", &self.block_out_channels, expected));
            }
            if self.attention_head_dim.is_some_and(|d| d > channels) && self.has_attention_at(channels) {
                let expected =
                    format!("expected at most the {channels} channels of the narrowest block with attention");
                return Err(CoreError::config("attention_head_dim", self.attention_head_dim, expected));
            }
        }
        let deepest = self.block_out_channels[self.block_out_channels.len() - 1];
        match self.attn_norm_num_groups {
            Some(g) if deepest % g != 0 => {
                let expected = format!("expected a divisor of the deepest level's {deepest} channels");
                Err(CoreError::config("attn_norm_num_groups", g, expected))
            }
            _ if self.block_out_channels[0] % 2 != 0 => {
                let expected = "the first must be even, for the sines and cosines of the time embedding";
                Err(CoreError::config("block_out_channels", &self.block_out_channels, expected))
            }
            _ if self.block_out_channels[0] / 2 <= self.freq_shift => Err(CoreError::config(
                "freq_shift",
                self.freq_shift,
                "expected less than half the first block's channels",
            )),
            _ => Ok(()),
        }
    }

    fn has_attention_at(&self, channels: usize) -> bool {
        let levels = self.block_out_channels.len();
        let deepest = self.block_out_channels[levels - 1] == channels;
        let level = |i: usize| self.block_out_channels[i] == channels;
        (deepest && self.add_attention)
            || (0..levels).any(|i| {
                level(i)
                    && (self.down_block_types[i] == DownBlockType::AttnDownBlock2D
                        || self.up_block_types[levels - 1 - i] == UpBlockType::AttnUpBlock2D)
            })
    }

    fn validate_size(&self) -> Result<(), CoreError> {
        let halvings = self.block_out_channels.len() - 1;
        let multiple = 1 << halvings.min(31);
        let Some(size) = self.sample_size else { return Ok(()) };
        check_side("sample_size", size)?;
        let Some((name, side)) = size.side_that_is_no_multiple_of(multiple) else { return Ok(()) };
        let which = if size.is_square() {
            "size must be".into()
        } else {
            format!("{name}, {side}, would have to be")
        };
        let expected = format!(
            "{} levels halve the image {halvings} times, so the {which} a multiple of {multiple}; pad the images or \
             use fewer levels",
            halvings + 1,
        );
        Err(CoreError::config("sample_size", size, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options that no network has are refused, and their sizes can be asked for all the same: numbers of a first and a last
    /// convolution, of the levels and of the embedding are 0 without levels.
    #[test]
    fn a_network_without_levels_has_sizes_and_is_refused() {
        let empty = UNet2DConfig { block_out_channels: Vec::new(), ..UNet2DConfig::default() };
        assert_eq!((empty.time_embed_dim(), empty.least_parameters()), (0, 0));
        let wide = UNet2DConfig { time_embedding_dim: Some(6), ..empty.clone() };
        assert_eq!((wide.time_embed_dim(), wide.least_parameters()), (6, 36));
        let message = empty.validate().unwrap_err().to_string();
        assert!(
            message.contains("`block_out_channels`") && message.contains("at least one level"),
            "{message}"
        );
    }

    #[test]
    fn a_side_of_an_image_has_a_bound() {
        let of = |height, width| UNet2DConfig::small(ImageSize { height, width }, 1, &[8]).validate();
        assert!(of(4096, 8).is_ok());
        let message = of(8, 4097).unwrap_err().to_string();
        assert_eq!(message, "`sample_size` is [8, 4097]: expected at most 4096 pixels a side");
    }
}
