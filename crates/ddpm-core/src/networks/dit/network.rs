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
    DiT, DiTConfig,
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
            out_channels: if self.learn_sigma { 2 * self.in_channels } else { self.in_channels },
            size: Some(self.input_size),
            multiple: self.patch_size,
            fixed_size: true,
            conditions: self.num_classes,
        }
    }

    /// The linear layers of the blocks.
    fn least_parameters(&self) -> usize {
        let width = self.hidden_size;
        let classes = self.num_classes.unwrap_or(0).saturating_mul(width);
        // Query, key, value, output and six modulations: ten square matrices.
        width.saturating_mul(width).saturating_mul(10).saturating_mul(self.depth).saturating_add(classes)
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
