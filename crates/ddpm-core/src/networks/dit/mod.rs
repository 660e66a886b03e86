//! A diffusion transformer with adaLN-zero conditioning (Peebles & Xie 2023, "Scalable Diffusion Models with
//! Transformers"), under the parameter names of the published code.
//!
//! Deviations: images may be rectangles, of which a patch's row and column are embedded as in a square; a network without
//! classes is conditioned on the timestep alone; the positional embedding is not a parameter, as it is never trained; what comes out are the image's channels, or twice as many with a learned variance.
//! [`diffusers`] has the form in which diffusers keeps a class-conditional one.

mod block;
mod config;
pub mod diffusers;
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
    /// If `y` is missing for a class-conditional network or given to another, or the images are not of `input_size`.
    pub fn forward(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        self.forward_watched(x_t, t, y, &mut |_, _| {})
    }

    /// [`forward`](Self::forward), which shows `watch` the tokens that enter the first block (`x_embedder`, with their
    /// positions) and those that leave each block (`blocks.0`, `blocks.1`, ...), in this order.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); the watched activations are `[n, tokens, hidden_size]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 3>),
    ) -> Tensor<B, 4> {
        let (config, device) = (&self.config, x_t.device());
        let grid = config.grid();
        let size = <[usize; 2]>::from(config.input_size);
        assert_eq!(x_t.dims()[2..], size, "the DiT was made for images of another size");
        let mut x = self.x_embedder.forward(x_t) + positions::<B>(config.hidden_size, grid, &device);
        watch("x_embedder", x.clone());
        let condition = B::silu(self.embed(t, y));
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, &condition);
            watch(&format!("blocks.{i}"), x.clone());
        }
        unpatchify(self.final_layer.forward(x, &condition), grid, config.patch_size)
    }

    fn embed(&self, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
        let mlp: Vec<&Linear<B>> = self.t_embedder.mlp.iter().flatten().collect();
        let sinusoids = sinusoids(t, FREQUENCIES, true, self.config.freq_shift);
        let emb = mlp[1].forward(B::silu(mlp[0].forward(sinusoids)));
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

#[cfg(test)]
mod tests {
    use super::DiTConfig;
    use crate::{
        noise::{Key, NormalNoise, Purpose, indices},
        parameters::{ParameterVector, with_parameters},
    };

    #[test]
    fn every_block_is_watched_in_order_and_watching_changes_nothing() {
        type B = burn_flex::Flex;
        let device = Default::default();
        let key = Key::new(0, Purpose::named("watched"));
        let config = DiTConfig { input_size: 8.into(), hidden_size: 16, depth: 3, ..DiTConfig::default() };
        let dit = config.init::<B>(key, &device).unwrap();
        // The gates of a new network are zero: its blocks change nothing.
        let parameters = ParameterVector::of(&dit);
        let random = parameters.with_floats(&key.normal_values(0, 1, parameters.len()));
        let dit = with_parameters(dit, random);
        let x = key.normal::<B>(0, [2, 1, 8, 8], &device);
        let t = || indices::<B>(&[3, 900], &device);
        let mut seen = Vec::new();
        let output = dit.forward_watched(x.clone(), t(), None, &mut |place, activation| {
            seen.push((place.to_owned(), activation.dims()));
        });
        let unwatched = dit.forward(x, t(), None);
        assert!(unwatched.clone().abs().max().into_scalar() > 0.0);
        assert_eq!(output.into_data(), unwatched.into_data());
        let expected = ["x_embedder", "blocks.0", "blocks.1", "blocks.2"];
        assert_eq!(seen, expected.map(|name| (name.to_owned(), [2, 4, 16])));
    }
}
