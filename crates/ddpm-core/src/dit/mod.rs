//! A diffusion transformer with adaLN-zero conditioning (Peebles & Xie 2023, "Scalable Diffusion Models with
//! Transformers"), under the parameter names of the published code.
//!
//! Deviations: a network without classes is conditioned on the timestep alone; the positional embedding is not a
//! parameter, as it is never trained; what comes out are the image's channels, or twice as many with a learned variance.

mod block;
mod config;
mod network;
mod patches;

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};

pub use self::config::DiTConfig;
use self::{
    block::{Block, FinalLayer},
    patches::{PatchEmbed, positions, unpatchify},
};
use crate::{
    Denoiser, Kernels,
    nn::{Embedding, Initializer, Linear},
    noise::Key,
    unet::sinusoids,
};

/// Sinusoids of the timestep in the published code.
const FREQUENCIES: usize = 256;

/// A noise-predicting transformer, class-conditional if its configuration has `num_classes`.
#[derive(Module, Debug)]
pub struct DiT<B: Backend> {
    x_embedder: PatchEmbed<B>,
    t_embedder: TimestepEmbedder<B>,
    y_embedder: Option<LabelEmbedder<B>>,
    blocks: Vec<Block<B>>,
    final_layer: FinalLayer<B>,
    #[module(skip)]
    config: DiTConfig,
}

/// Two linear layers with a SiLU between them, which the published code numbers 0 and 2.
#[derive(Module, Debug)]
struct TimestepEmbedder<B: Backend> {
    mlp: Vec<Option<Linear<B>>>,
}

/// The table of classes.
#[derive(Module, Debug)]
struct LabelEmbedder<B: Backend> {
    embedding_table: Embedding<B>,
}

impl<B: Kernels> DiT<B> {
    /// The network of a validated configuration.
    fn new(config: &DiTConfig, key: Key, device: &B::Device) -> Self {
        let init = &mut Initializer::new(key, device);
        let width = config.hidden_size;
        Self {
            x_embedder: PatchEmbed::new(config, init),
            t_embedder: TimestepEmbedder {
                mlp: vec![
                    Some(Linear::normal(FREQUENCIES, width, init)),
                    None,
                    Some(Linear::normal(width, width, init)),
                ],
            },
            y_embedder: config.num_classes.map(|classes| LabelEmbedder {
                embedding_table: Embedding { weight: init.scaled_normal([classes, width], 0.02) },
            }),
            blocks: (0..config.depth).map(|_| Block::new(config, init)).collect(),
            final_layer: FinalLayer::new(config, init),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &DiTConfig {
        &self.config
    }

    /// # Shapes
    /// - `x_t`: `[n, in_channels, h, w]`, `t`: `[n]`, `y`: `[n]` if and only if the network has classes
    /// - output: `[n, c, h, w]`, with twice the channels for a learned variance
    ///
    /// # Panics
    /// If `y` is missing for a class-conditional network or given to another, or the image is not `input_size` wide.
    pub fn forward(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let (config, device) = (&self.config, x_t.device());
        let side = config.input_size / config.patch_size;
        assert_eq!(x_t.dims()[2..], [config.input_size; 2], "the DiT was made for images of another size");
        let mut x = self.x_embedder.forward(x_t) + positions::<B>(config.hidden_size, side, &device);
        let condition = B::silu(self.embed(t, y));
        for block in &self.blocks {
            x = block.forward(x, &condition);
        }
        unpatchify(self.final_layer.forward(x, &condition), side, config.patch_size)
    }

    fn embed(&self, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
        let mlp: Vec<&Linear<B>> = self.t_embedder.mlp.iter().flatten().collect();
        let emb = mlp[1].forward(B::silu(mlp[0].forward(sinusoids(t, FREQUENCIES, true, 0))));
        match (&self.y_embedder, y) {
            (Some(table), Some(y)) => emb + table.embedding_table.forward(y),
            (None, None) => emb,
            (Some(_), None) => panic!("a class-conditional DiT needs the classes `y`"),
            (None, Some(_)) => panic!("an unconditional DiT takes no classes `y`"),
        }
    }
}

impl<B: Kernels> Denoiser<B> for DiT<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        self.forward(x_t, t, y)
    }
}
