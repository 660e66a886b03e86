//! The blocks of a UNet: down, middle and up, each with or without attention (diffusers' `unet_2d_blocks`).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    TimeScaleShift, UNet2DConfig,
    attention::Attention,
    resample::{Downsample, Upsample},
    resnet::ResnetBlock,
};
use crate::{Kernels, nn::Initializer};

/// diffusers' names of the down blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DownBlockType {
    /// Residual blocks only.
    DownBlock2D,
    /// Attention after each residual block.
    AttnDownBlock2D,
}

/// diffusers' names of the up blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpBlockType {
    /// Residual blocks only.
    UpBlock2D,
    /// Attention after each residual block.
    AttnUpBlock2D,
}

/// One level of the contracting path.
#[derive(Module, Debug)]
pub struct DownBlock<B: Backend> {
    resnets: Vec<ResnetBlock<B>>,
    attentions: Vec<Attention<B>>,
    downsamplers: Vec<Downsample<B>>,
}

impl<B: Backend> DownBlock<B> {
    /// A level from `c_in` to `c_out` channels; the last level does not downsample.
    pub fn new(
        config: &UNet2DConfig,
        kind: DownBlockType,
        (c_in, c_out): (usize, usize),
        downsample: bool,
        init: &mut Initializer<B>,
    ) -> Self {
        let layers = config.layers_per_block;
        let resnet = |i| ResnetBlock::new(config, (if i == 0 { c_in } else { c_out }, c_out), 1.0, init);
        let resnets = (0..layers).map(resnet).collect();
        let attentions = match kind {
            DownBlockType::DownBlock2D => Vec::new(),
            DownBlockType::AttnDownBlock2D => block_attentions(config, c_out, layers, init),
        };
        let downsamplers =
            downsample.then(|| Downsample::new(c_out, config.downsample_padding, init)).into_iter().collect();
        Self { resnets, attentions, downsamplers }
    }
}

impl<B: Kernels> DownBlock<B> {
    /// Appends each layer's output to `skips`.
    ///
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, `emb`: `[n, time_embed_dim]`
    /// - output: `[n, c_out, h / 2, w / 2]`, or of size `h`, `w` at the last level
    pub fn forward(
        &self,
        mut x: Tensor<B, 4>,
        emb: &Tensor<B, 2>,
        skips: &mut Vec<Tensor<B, 4>>,
    ) -> Tensor<B, 4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, emb.clone());
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x);
            }
            skips.push(x.clone());
        }
        for downsampler in &self.downsamplers {
            x = downsampler.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// The bottom of the UNet: a residual block, attention if configured, a residual block.
#[derive(Module, Debug)]
pub struct MidBlock<B: Backend> {
    attentions: Vec<Attention<B>>,
    resnets: Vec<ResnetBlock<B>>,
}

impl<B: Backend> MidBlock<B> {
    /// A middle block over `channels` channels.
    pub fn new(config: &UNet2DConfig, channels: usize, init: &mut Initializer<B>) -> Self {
        let factor = config.mid_block_scale_factor;
        // diffusers leaves the norm out under scale and shift, unless its groups are given.
        let groups = config.attn_norm_num_groups.or(match config.resnet_time_scale_shift {
            TimeScaleShift::Default => Some(config.norm_num_groups),
            TimeScaleShift::ScaleShift => None,
        });
        let resnets = (0..2).map(|_| ResnetBlock::new(config, (channels, channels), factor, init)).collect();
        let attentions = config
            .add_attention
            .then(|| Attention::new(config, channels, groups, factor, init))
            .into_iter()
            .collect();
        Self { attentions, resnets }
    }
}

impl<B: Kernels> MidBlock<B> {
    /// # Shapes
    /// - `x` and output: `[n, c, h, w]`, `emb`: `[n, time_embed_dim]`
    pub fn forward(&self, x: Tensor<B, 4>, emb: &Tensor<B, 2>) -> Tensor<B, 4> {
        let mut x = self.resnets[0].forward(x, emb.clone());
        for attention in &self.attentions {
            x = attention.forward(x);
        }
        self.resnets[1].forward(x, emb.clone())
    }
}

/// One level of the expanding path.
#[derive(Module, Debug)]
pub struct UpBlock<B: Backend> {
    resnets: Vec<ResnetBlock<B>>,
    attentions: Vec<Attention<B>>,
    upsamplers: Vec<Upsample<B>>,
}

/// Channels around an up block: of what comes from below, of its output, and of its last skip connection.
#[derive(Debug, Clone, Copy)]
pub struct UpChannels {
    /// Channels of the level below (of the middle block for the first).
    pub below: usize,
    /// Channels of the block's output.
    pub out: usize,
    /// Channels of the last skip connection, which comes from the level above.
    pub last_skip: usize,
}

impl<B: Backend> UpBlock<B> {
    /// A level of the expanding path; the last does not upsample.
    pub fn new(
        config: &UNet2DConfig,
        kind: UpBlockType,
        channels: UpChannels,
        upsample: bool,
        init: &mut Initializer<B>,
    ) -> Self {
        let layers = config.layers_per_block + 1;
        let UpChannels { below, out, last_skip } = channels;
        let mut resnet = |i| {
            let hidden = if i == 0 { below } else { out };
            let skip = if i == layers - 1 { last_skip } else { out };
            ResnetBlock::new(config, (hidden + skip, out), 1.0, init)
        };
        let resnets = (0..layers).map(&mut resnet).collect();
        let attentions = match kind {
            UpBlockType::UpBlock2D => Vec::new(),
            UpBlockType::AttnUpBlock2D => block_attentions(config, out, layers, init),
        };
        let upsamplers = upsample.then(|| Upsample::new(out, init)).into_iter().collect();
        Self { resnets, attentions, upsamplers }
    }
}

impl<B: Kernels> UpBlock<B> {
    /// Takes one tensor from the end of `skips` for each layer.
    ///
    /// # Shapes
    /// - `x`: `[n, below, h, w]`, `emb`: `[n, time_embed_dim]`
    /// - output: `[n, out, 2 h, 2 w]`, or of size `h`, `w` at the last level
    pub fn forward(
        &self,
        mut x: Tensor<B, 4>,
        emb: &Tensor<B, 2>,
        skips: &mut Vec<Tensor<B, 4>>,
    ) -> Tensor<B, 4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            let skip = skips.pop().expect("the contracting path left one skip connection a layer");
            x = resnet.forward(B::join_channels(x, skip), emb.clone());
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x);
            }
        }
        for upsampler in &self.upsamplers {
            x = upsampler.forward(x);
        }
        x
    }
}

fn block_attentions<B: Backend>(
    config: &UNet2DConfig,
    channels: usize,
    layers: usize,
    init: &mut Initializer<B>,
) -> Vec<Attention<B>> {
    (0..layers).map(|_| Attention::new(config, channels, Some(config.norm_num_groups), 1.0, init)).collect()
}
