//! The UNet of DDPM (Ho et al. 2020), with the architecture and the parameter names of diffusers' `UNet2DModel`.
//!
//! Deviations: only the block types `DownBlock2D`, `AttnDownBlock2D`, `UpBlock2D` and `AttnUpBlock2D`, no dropout,
//! no Fourier time embedding. A configuration that asks for more is refused, never approximated.

mod attention;
mod block;
mod config;
mod embedding;
mod network;
mod place;
mod resample;
mod resnet;

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};

use ddpm_kernels::Addend;

pub use block::{DownBlockType, UpBlockType};
pub use config::{TimeScaleShift, UNet2DConfig};
pub use embedding::sinusoids;
pub use place::Place;

use self::{
    block::{DownBlock, MidBlock, UpBlock, UpChannels},
    embedding::TimestepEmbedding,
};
use crate::{
    Denoiser, Kernels,
    nn::{Activation, Conv2d, Embedding, GroupNorm, Initializer},
    noise::Key,
};

/// A noise-predicting UNet, class-conditional if its configuration has `num_class_embeds`.
#[derive(Module, Debug)]
pub struct UNet2D<B: Backend> {
    conv_in: Conv2d<B>,
    time_embedding: TimestepEmbedding<B>,
    class_embedding: Option<Embedding<B>>,
    down_blocks: Vec<DownBlock<B>>,
    mid_block: MidBlock<B>,
    up_blocks: Vec<UpBlock<B>>,
    conv_norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    #[module(skip)]
    config: UNet2DConfig,
}

impl<B: Backend> UNet2D<B> {
    /// The network of a validated configuration.
    pub(super) fn new(config: &UNet2DConfig, key: Key, device: &B::Device) -> Self {
        let init = &mut Initializer::new(key, device);
        let channels = &config.block_out_channels;
        let (first, deepest) = (channels[0], channels[channels.len() - 1]);
        let embed_dim = config.time_embed_dim();
        Self {
            conv_in: Conv2d::new((config.in_channels, first), 3, init),
            time_embedding: TimestepEmbedding::new(first, embed_dim, init),
            class_embedding: config.num_class_embeds.map(|classes| Embedding::new(classes, embed_dim, init)),
            down_blocks: down_blocks(config, init),
            mid_block: MidBlock::new(config, deepest, init),
            up_blocks: up_blocks(config, init),
            conv_norm_out: GroupNorm::new(config.norm_num_groups, first, config.norm_eps, init),
            conv_out: Conv2d::new((first, config.out_channels), 3, init),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &UNet2DConfig {
        &self.config
    }
}

fn down_blocks<B: Backend>(config: &UNet2DConfig, init: &mut Initializer<B>) -> Vec<DownBlock<B>> {
    let channels = &config.block_out_channels;
    let last = channels.len() - 1;
    (0..=last)
        .map(|i| {
            let around = (channels[i.saturating_sub(1)], channels[i]);
            DownBlock::new(config, config.down_block_types[i], around, i != last, init)
        })
        .collect()
}

fn up_blocks<B: Backend>(config: &UNet2DConfig, init: &mut Initializer<B>) -> Vec<UpBlock<B>> {
    let rising: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
    let last = rising.len() - 1;
    (0..=last)
        .map(|i| {
            let channels = UpChannels {
                below: rising[i.saturating_sub(1)],
                out: rising[i],
                last_skip: rising[(i + 1).min(last)],
            };
            UpBlock::new(config, config.up_block_types[i], channels, i != last, init)
        })
        .collect()
}

impl<B: Kernels> UNet2D<B> {
    /// # Shapes
    /// - `x_t`: `[n, in_channels, h, w]`, `t`: `[n]`, `y`: `[n]` if and only if the network has classes
    /// - output: `[n, out_channels, h, w]`
    ///
    /// # Panics
    /// If `y` is missing for a class-conditional network or given to another.
    pub fn forward(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        self.forward_watched(x_t, t, y, |_, _| {})
    }

    /// [`forward`](Self::forward), with the output of every block shown to `watch` as it comes.
    ///
    /// A caller that does not watch pays nothing: a closure that does nothing is compiled away.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); what is watched is `[n, c, h, w]` of the block.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        mut watch: impl FnMut(Place, &Tensor<B, 4>),
    ) -> Tensor<B, 4> {
        let config = &self.config;
        let activation = config.act_fn;
        let x_t = if config.center_input_sample { x_t * 2.0 - 1.0 } else { x_t };
        // Every residual block applies the activation to the embedding first: once is enough.
        let emb = activation.forward(self.embed(t, y));
        let mut x = self.conv_in.forward(x_t);
        watch(Place::ConvIn, &x);
        let mut skips = vec![x.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = block.forward(x, &emb, &mut skips);
            watch(Place::Down(i), &x);
        }
        x = self.mid_block.forward(x, &emb);
        watch(Place::Mid, &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = block.forward(x, &emb, &mut skips);
            watch(Place::Up(i), &x);
        }
        // diffusers always uses SiLU here, whatever `act_fn` is.
        self.conv_out.forward_activated(x, &self.conv_norm_out, Activation::Silu, Addend::Nothing)
    }

    fn embed(&self, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
        let config = &self.config;
        let dim = config.block_out_channels[0];
        let emb = self.time_embedding.forward(sinusoids(t, dim, config.flip_sin_to_cos, config.freq_shift));
        match (&self.class_embedding, y) {
            (Some(table), Some(y)) => emb + table.forward(y),
            (None, None) => emb,
            (Some(_), None) => panic!("a class-conditional UNet needs the classes `y`"),
            (None, Some(_)) => panic!("an unconditional UNet takes no classes `y`"),
        }
    }
}

impl<B: Kernels> Denoiser<B> for UNet2D<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        self.forward(x_t, t, y)
    }
}
