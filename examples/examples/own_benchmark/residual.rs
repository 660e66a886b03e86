//! A network of one's own: a plain residual network at full resolution, as small as a noise predictor can be.
//!
//! Each block adds two 3 x 3 convolutions of its normalised input; timestep and condition shift the middle of a block.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use cldiff_choices::Describe;
use ddpm_core::{
    AnyNetwork, BuildNetwork, CoreError, Denoiser, Kernels, Network, NetworkOptions, TrainBackend,
    network::{Fit, NetworkShape, decide, read_config},
    nn::{Activation, Conv2d, Embedding, GroupNorm, Initializer, Linear},
    noise::Key,
    unet::sinusoids,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The options of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualConfig {
    /// Channels of every block: a multiple of 8.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Conditions; absent for an unconditional network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<usize>,
}

impl Default for ResidualConfig {
    fn default() -> Self {
        Self { channels: 32, blocks: 4, in_channels: 1, out_channels: 1, conditions: None }
    }
}

impl Describe for ResidualConfig {
    const NAME: &'static str = "residual";
    const SUMMARY: &'static str = "Residual blocks at full resolution";
    const CITATION: &'static str = "after He et al. 2016, arXiv 1512.03385";
}

impl NetworkOptions for ResidualConfig {
    fn fit(&mut self, data: &Fit, given: &dyn Fn(&str) -> bool) -> Result<(), CoreError> {
        decide("in_channels", &mut self.in_channels, data.channels, given)?;
        decide("out_channels", &mut self.out_channels, data.out_channels(), given)?;
        decide("conditions", &mut self.conditions, data.conditions, given)
    }

    fn validate(&self) -> Result<(), CoreError> {
        let wrong = |key: &str, value: usize, expected: &str| {
            Err(CoreError::Config { key: key.into(), value: value.to_string(), expected: expected.into() })
        };
        match (self.channels, self.blocks) {
            (channels, _) if channels == 0 || channels % 8 != 0 => {
                wrong("channels", channels, "expected a multiple of 8")
            }
            (_, blocks) if blocks == 0 => wrong("blocks", blocks, "expected at least 1"),
            _ => Ok(()),
        }
    }

    fn shape(&self) -> NetworkShape {
        NetworkShape {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            size: None,
            multiple: 1,
            fixed_size: false,
            conditions: self.conditions,
        }
    }

    fn least_parameters(&self) -> usize {
        self.channels.saturating_mul(self.channels).saturating_mul(18).saturating_mul(self.blocks)
    }

    fn take_config(&mut self, _class: &str, fields: Map<String, Value>) -> Result<(), CoreError> {
        *self = read_config(fields)?;
        Ok(())
    }
}

impl<B: TrainBackend> BuildNetwork<B> for ResidualConfig {
    fn build(&self, key: Key, device: &B::Device) -> Result<AnyNetwork<B>, CoreError> {
        self.validate()?;
        Ok(AnyNetwork::new(Residual::<B>::new(self, &mut Initializer::new(key, device))))
    }
}

/// The network.
#[derive(Module, Debug)]
struct Residual<B: Backend> {
    conv_in: Conv2d<B>,
    time: Linear<B>,
    condition: Option<Embedding<B>>,
    blocks: Vec<Block<B>>,
    norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    #[module(skip)]
    config: ResidualConfig,
}

/// Two convolutions around a shift.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    norm_1: GroupNorm<B>,
    conv_1: Conv2d<B>,
    shift: Linear<B>,
    norm_2: GroupNorm<B>,
    conv_2: Conv2d<B>,
}

impl<B: Kernels> Residual<B> {
    fn new(config: &ResidualConfig, init: &mut Initializer<B>) -> Self {
        let width = config.channels;
        let conv_in = Conv2d::new((config.in_channels, width), 3, init);
        let time = Linear::new(width, width, init);
        let condition = config.conditions.map(|rows| Embedding::new(rows, width, init));
        let blocks = (0..config.blocks).map(|_| Block::new(width, init)).collect();
        let norm_out = GroupNorm::new(8, width, 1e-5, init);
        let conv_out = Conv2d::new((width, config.out_channels), 3, init);
        Self { conv_in, time, condition, blocks, norm_out, conv_out, config: config.clone() }
    }

    fn embed(&self, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
        let time = self.time.forward(sinusoids(t, self.config.channels, true, 0));
        match (&self.condition, y) {
            (Some(table), Some(y)) => time + table.forward(y),
            _ => time,
        }
    }
}

impl<B: Kernels> Block<B> {
    fn new(width: usize, init: &mut Initializer<B>) -> Self {
        Self {
            norm_1: GroupNorm::new(8, width, 1e-5, init),
            conv_1: Conv2d::new((width, width), 3, init),
            shift: Linear::new(width, width, init),
            norm_2: GroupNorm::new(8, width, 1e-5, init),
            conv_2: Conv2d::new((width, width), 3, init),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, embedding: &Tensor<B, 2>) -> Tensor<B, 4> {
        let [n, c, _, _] = x.dims();
        let hidden = self.conv_1.forward(self.norm_1.forward_activated(x.clone(), Activation::Silu));
        let hidden = hidden + self.shift.forward(embedding.clone()).reshape([n, c, 1, 1]);
        x + self.conv_2.forward(self.norm_2.forward_activated(hidden, Activation::Silu))
    }
}

impl<B: Kernels> Denoiser<B> for Residual<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        self.denoise_watched(x_t, t, y, &mut |_, _| {})
    }
}

impl<B: Kernels> Network<B> for Residual<B> {
    fn options(&self) -> &dyn NetworkOptions {
        &self.config
    }

    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4> {
        let embedding = self.embed(t, y);
        let mut x = self.conv_in.forward(x_t);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, &embedding);
            watch(&format!("blocks.{i}"), x.clone().flatten(1, 3));
        }
        self.conv_out.forward(self.norm_out.forward_activated(x, Activation::Silu))
    }
}
