//! The transformer as a choice: what the data decide, what it takes, how it is made and kept on disk.
//!
//! A class-conditional network is kept in the form of diffusers' `DiTTransformer2DModel`. One that diffusers' class does not
//! compute, an unconditional one or one of rectangles for example, is kept as [`OWN_CLASS`]: the keys of [`DiTConfig`] in `config.json`, and
//! the parameters under their names in the published code.

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData};
use cldiff_choices::Describe;
use serde_json::{Map, Value};

use super::{
    DiT, DiTConfig, FREQUENCIES,
    diffusers::{
        CLASS, config_from_diffusers, config_to_diffusers, names_from_diffusers, names_to_diffusers,
    },
};
use crate::{
    CoreError, Kernels, TrainBackend,
    network::{AnyNetwork, BuildNetwork, Fit, Network, NetworkOptions, NetworkShape, decide, read_config},
    noise::Key,
};

/// The `_class_name` of a network that diffusers' class does not compute.
pub const OWN_CLASS: &str = "DiT";

/// A name that only diffusers' form has.
const OF_DIFFUSERS: &str = "transformer_blocks.";

impl DiTConfig {
    /// Whether diffusers' class computes this network.
    fn is_of_diffusers(&self) -> bool {
        config_to_diffusers(self).is_ok()
    }
}

impl Describe for DiTConfig {
    const NAME: &'static str = "dit";
    const SUMMARY: &'static str = "A diffusion transformer with adaLN-zero conditioning";
    const CITATION: &'static str = "Peebles & Xie 2023, arXiv 2212.09748";
}

impl NetworkOptions for DiTConfig {
    fn fit(&mut self, data: &Fit, given: &dyn Fn(&str) -> bool) -> Result<(), CoreError> {
        decide("input_size", &mut self.input_size, data.size, given)?;
        decide("num_classes", &mut self.num_classes, data.conditions, given)?;
        decide("in_channels", &mut self.in_channels, data.channels, given)?;
        decide("learn_sigma", &mut self.learn_sigma, data.learned_variance, given)
    }

    fn validate(&self) -> Result<(), CoreError> {
        DiTConfig::validate(self)
    }

    fn shape(&self) -> NetworkShape {
        NetworkShape {
            in_channels: self.in_channels,
            out_channels: self.out_channels(),
            size: Some(self.input_size),
            multiple: self.patch_size,
            fixed_size: true,
            conditions: self.num_classes,
        }
    }

    /// All numbers but biases: each matrix is as wide as a token on one side.
    fn least_parameters(&self) -> usize {
        let width = self.hidden_size;
        let of_patch =
            |channels: usize| self.patch_size.saturating_mul(self.patch_size).saturating_mul(channels);
        // A block has query, key, value, output and six modulations, square matrices, and two of the hidden layer.
        let block = width.saturating_mul(10).saturating_add(self.inner().saturating_mul(2));
        let rows = [
            of_patch(self.in_channels),
            // The embedding of the timestep.
            width.saturating_add(FREQUENCIES),
            self.num_classes.unwrap_or(0),
            block.saturating_mul(self.depth),
            // Shift and scale of the final layer, and its linear map.
            width.saturating_mul(2),
            of_patch(self.out_channels()),
        ];
        rows.into_iter().fold(0, usize::saturating_add).saturating_mul(width)
    }

    fn class_name(&self) -> &'static str {
        if self.is_of_diffusers() { CLASS } else { OWN_CLASS }
    }

    fn reads_class(&self, class: &str) -> bool {
        [CLASS, OWN_CLASS].contains(&class)
    }

    fn to_config(&self) -> Result<Map<String, Value>, CoreError> {
        if self.is_of_diffusers() {
            return config_to_diffusers(self);
        }
        let fields = serde_json::to_value(self).ok();
        Ok(fields.and_then(|fields| fields.as_object().cloned()).unwrap_or_default())
    }

    fn take_config(&mut self, class: &str, fields: Map<String, Value>) -> Result<(), CoreError> {
        *self = if class == CLASS { config_from_diffusers(&fields)? } else { read_config(fields)? };
        Ok(())
    }

    fn to_file_names(
        &self,
        tensors: HashMap<String, TensorData>,
    ) -> Result<HashMap<String, TensorData>, CoreError> {
        if self.is_of_diffusers() { names_to_diffusers(tensors, self) } else { Ok(tensors) }
    }

    fn to_own_names(
        &self,
        tensors: HashMap<String, TensorData>,
    ) -> Result<HashMap<String, TensorData>, CoreError> {
        if tensors.keys().any(|name| name.starts_with(OF_DIFFUSERS)) {
            return names_from_diffusers(tensors, self);
        }
        Ok(tensors)
    }
}

impl<B: TrainBackend> BuildNetwork<B> for DiTConfig {
    fn build(&self, key: Key, device: &B::Device) -> Result<AnyNetwork<B>, CoreError> {
        Ok(AnyNetwork::new(self.init::<B>(key, device)?))
    }
}

impl<B: Kernels> Network<B> for DiT<B> {
    fn options(&self) -> &dyn NetworkOptions {
        self.config()
    }

    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4> {
        self.forward_watched(x_t, t, y, &mut |place, tokens| watch(place, tokens.flatten(1, 2)))
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use cldiff_choices::ImageSize;

    use super::*;
    use crate::{noise::Purpose, parameters::named_parameters};

    /// A network has just as many numbers as the bound says, its biases aside.
    #[test]
    fn the_least_number_of_parameters_is_that_of_the_matrices() {
        let small =
            DiTConfig { input_size: ImageSize::square(8), hidden_size: 16, depth: 3, ..DiTConfig::default() };
        let wide = ImageSize { height: 4, width: 8 };
        for config in [
            small.clone(),
            DiTConfig { num_classes: Some(11), learn_sigma: true, in_channels: 3, ..small.clone() },
            DiTConfig { mlp_ratio: 2.55, patch_size: 2, input_size: wide, depth: 1, ..small },
        ] {
            let key = Key::new(0, Purpose::named("parameters"));
            let dit = config.init::<Flex>(key, &Default::default()).unwrap();
            let matrices = named_parameters(&dit).into_iter().filter(|(_, value)| value.shape.num_dims() > 1);
            let numbers: usize = matrices.map(|(_, value)| value.num_elements()).sum();
            assert_eq!(config.least_parameters(), numbers, "{config:?}");
        }
    }

    /// 10 x 16^2 + 2 x 16 x 64 numbers in each of two blocks, 16 x 16 of a patch at either end, 256 x 16 + 16^2 of the
    /// timestep and 2 x 16^2 of the final norm.
    #[test]
    fn no_claim_overflows_the_least_number_of_parameters() {
        type Change = fn(&mut DiTConfig);
        let small = DiTConfig { hidden_size: 16, depth: 2, ..DiTConfig::default() };
        assert_eq!(small.least_parameters(), 2 * (2560 + 2048) + 2 * 256 + 4352 + 512);
        let (least, most) = (small.least_parameters(), usize::MAX);
        let changes: [Change; 8] = [
            |c| c.mlp_ratio = 1e12,
            |c| c.mlp_ratio = f64::MAX,
            |c| c.in_channels = usize::MAX,
            |c| c.patch_size = usize::MAX,
            |c| c.hidden_size = usize::MAX,
            |c| c.depth = usize::MAX,
            |c| c.num_classes = Some(usize::MAX),
            |c| (c.in_channels, c.learn_sigma) = (usize::MAX, true),
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut config = small.clone();
            change(&mut config);
            let claimed = config.least_parameters();
            // A ratio of 10^12 is the only one that does not reach the end of the numbers.
            let expected = if i == 0 { least - 2 * 2048 + 2 * 2 * 16 * 16_000_000_000_000 } else { most };
            assert_eq!(claimed, expected, "change {i}");
        }
    }

    #[test]
    fn twice_the_channels_are_no_more_than_a_number() {
        let of = |in_channels| DiTConfig { in_channels, learn_sigma: true, ..DiTConfig::default() };
        assert_eq!(of(usize::MAX).shape().out_channels, usize::MAX);
        assert!(of(usize::MAX / 2).validate().is_ok());
        let message = of(usize::MAX / 2 + 1).validate().unwrap_err().to_string();
        assert!(message.starts_with("`in_channels` is ") && message.contains("at most"), "{message}");
    }
}
