//! The UNet as a choice: what the data decide, what it takes, how it is made and kept on disk.

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData};
use cldiff_choices::Describe;
use serde_json::{Map, Value};

use super::{DownBlockType, UNet2D, UNet2DConfig, UpBlockType};
use crate::{
    CoreError, Kernels, TrainBackend,
    diffusers::modern_names,
    network::{AnyNetwork, BuildNetwork, Fit, Network, NetworkOptions, NetworkShape, decide, read_config},
    noise::Key,
};

impl Describe for UNet2DConfig {
    const NAME: &'static str = "unet2d";
    const SUMMARY: &'static str = "diffusers' UNet2DModel, by its keys; the default";
    const CITATION: &'static str = "Ho et al. 2020, arXiv 2006.11239";
}

impl NetworkOptions for UNet2DConfig {
    fn fit(&mut self, data: &Fit, given: &dyn Fn(&str) -> bool) -> Result<(), CoreError> {
        let levels = self.block_out_channels.len();
        if !given("down_block_types") {
            self.down_block_types = vec![DownBlockType::DownBlock2D; levels];
        }
        if !given("up_block_types") {
            self.up_block_types = vec![UpBlockType::UpBlock2D; levels];
        }
        decide("sample_size", &mut self.sample_size, Some(data.size), given)?;
        decide("num_class_embeds", &mut self.num_class_embeds, data.conditions, given)?;
        decide("in_channels", &mut self.in_channels, data.channels, given)?;
        decide("out_channels", &mut self.out_channels, data.out_channels(), given)
    }

    fn validate(&self) -> Result<(), CoreError> {
        UNet2DConfig::validate(self)
    }

    fn validate_training(&self) -> Result<(), CoreError> {
        UNet2DConfig::validate_training(self)
    }

    fn shape(&self) -> NetworkShape {
        NetworkShape {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            size: self.sample_size,
            multiple: u32::try_from(self.block_out_channels.len().saturating_sub(1))
                .ok()
                .and_then(|halvings| 1_usize.checked_shl(halvings))
                .unwrap_or(usize::MAX),
            fixed_size: false,
            conditions: self.num_class_embeds,
        }
    }

    fn least_parameters(&self) -> usize {
        UNet2DConfig::least_parameters(self)
    }

    fn class_name(&self) -> &'static str {
        "UNet2DModel"
    }

    fn take_config(&mut self, _class: &str, fields: Map<String, Value>) -> Result<(), CoreError> {
        *self = read_config(fields)?;
        Ok(())
    }

    fn to_own_names(
        &self,
        tensors: HashMap<String, TensorData>,
    ) -> Result<HashMap<String, TensorData>, CoreError> {
        Ok(modern_names(tensors))
    }
}

impl<B: TrainBackend> BuildNetwork<B> for UNet2DConfig {
    fn build(&self, key: Key, device: &B::Device) -> Result<AnyNetwork<B>, CoreError> {
        Ok(AnyNetwork::new(self.init::<B>(key, device)?))
    }
}

impl<B: Kernels> Network<B> for UNet2D<B> {
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
        self.forward_watched(x_t, t, y, |place, activation| {
            watch(&place.to_string(), activation.clone().flatten(1, 3));
        })
    }
}
