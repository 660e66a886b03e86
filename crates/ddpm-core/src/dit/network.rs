//! The transformer as a choice: what the data decide, what it takes, how it is made and kept on disk.

use cldiff_choices::Describe;
use serde_json::{Map, Value};

use super::{DiT, DiTConfig};
use crate::{
    CoreError, Kernels, TrainBackend,
    network::{AnyNetwork, BuildNetwork, Fit, Network, NetworkOptions, NetworkShape, decide, read_config},
    noise::Key,
};

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

    fn take_config(&mut self, fields: Map<String, Value>) -> Result<(), CoreError> {
        *self = read_config(fields)?;
        Ok(())
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
}
