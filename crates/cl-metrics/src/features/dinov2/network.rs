//! The network, for inference alone: patches to tokens, blocks of attention and a two-layer network, each behind a layer
//! norm and before a scale (Touvron et al. 2021's LayerScale), and a last norm. The features are the class token.

use burn::tensor::{Tensor, TensorData, activation::gelu};
use ddpm_core::Kernels;
use ddpm_kernels::GroupNorm;
use safetensors::SafeTensors;

use super::{
    architecture::{CHANNELS, Sizes},
    positions::interpolate,
};
use crate::{MetricError, features::weights::WeightsFile};

/// Added to a variance.
const EPSILON: f64 = 1e-6;

/// Reads tensors of a file to a device.
struct Reader<'a, B: Kernels> {
    weights: &'a WeightsFile,
    file: &'a SafeTensors<'a>,
    device: &'a B::Device,
}

impl<B: Kernels> Reader<'_, B> {
    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<B, D>, MetricError> {
        self.weights.tensor(self.file, name, shape, self.device)
    }

    fn affine(&self, name: &str, d_out: usize, d_in: usize) -> Result<Affine<B>, MetricError> {
        Ok(Affine {
            weight: self.tensor(&format!("{name}.weight"), [d_out, d_in])?,
            bias: self.tensor(&format!("{name}.bias"), [d_out])?,
        })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm<B>, MetricError> {
        Ok(Norm {
            weight: self.tensor(&format!("{name}.weight"), [width])?,
            bias: self.tensor(&format!("{name}.bias"), [width])?,
        })
    }
}

struct Affine<B: Kernels> {
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
}

impl<B: Kernels> Affine<B> {
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        B::affine(x, self.weight.clone(), self.bias.clone())
    }
}

struct Norm<B: Kernels> {
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
}

impl<B: Kernels> Norm<B> {
    /// A layer norm is a group norm of single tokens with one group.
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, length, width] = x.dims();
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let norm = GroupNorm { weight, bias, groups: 1, eps: EPSILON };
        B::group_norm(x.reshape([n * length, width]), norm).reshape([n, length, width])
    }
}

struct Block<B: Kernels> {
    norm_1: Norm<B>,
    qkv: Affine<B>,
    proj: Affine<B>,
    /// `[1, 1, width]`
    scale_1: Tensor<B, 3>,
    norm_2: Norm<B>,
    fc_1: Affine<B>,
    fc_2: Affine<B>,
    /// `[1, 1, width]`
    scale_2: Tensor<B, 3>,
}

impl<B: Kernels> Block<B> {
    fn read(reader: &Reader<'_, B>, i: usize, sizes: &Sizes) -> Result<Self, MetricError> {
        let (width, inner) = (sizes.width, sizes.inner());
        let name = |part: &str| format!("blocks.{i}.{part}");
        let scale = |part: &str| {
            let gamma = reader.tensor(&name(&format!("{part}.gamma")), [width])?;
            Ok::<_, MetricError>(gamma.reshape([1, 1, width]))
        };
        Ok(Self {
            norm_1: reader.norm(&name("norm1"), width)?,
            qkv: reader.affine(&name("attn.qkv"), 3 * width, width)?,
            proj: reader.affine(&name("attn.proj"), width, width)?,
            scale_1: scale("ls1")?,
            norm_2: reader.norm(&name("norm2"), width)?,
            fc_1: reader.affine(&name("mlp.fc1"), inner, width)?,
            fc_2: reader.affine(&name("mlp.fc2"), width, inner)?,
            scale_2: scale("ls2")?,
        })
    }

    fn forward(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let attended = self.attend(self.norm_1.forward(x.clone()), heads);
        let x = x + attended * self.scale_1.clone();
        let inner = gelu(self.fc_1.forward(self.norm_2.forward(x.clone())));
        x + self.fc_2.forward(inner) * self.scale_2.clone()
    }

    fn attend(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let [n, length, width] = x.dims();
        let d = width / heads;
        let qkv = self.qkv.forward(x).reshape([n, length, 3, heads, d]).permute([2, 0, 3, 4, 1]);
        let part = |i: usize| qkv.clone().narrow(0, i, 1).reshape([n, heads, d, length]);
        let mixed = B::dot_product_attention(part(0), part(1), part(2), 1.0 / (d as f64).sqrt());
        self.proj.forward(mixed.reshape([n, width, length]).swap_dims(1, 2))
    }
}

/// The network with its weights.
pub(super) struct Network<B: Kernels> {
    sizes: Sizes,
    patches: Affine<B>,
    /// The class token with its position: `[1, 1, width]`
    class: Tensor<B, 3>,
    /// The positions of the patches: `[1, grid * grid, width]`
    positions: Tensor<B, 3>,
    blocks: Vec<Block<B>>,
    norm: Norm<B>,
}

impl<B: Kernels> Network<B> {
    pub(super) fn read(weights: &WeightsFile, sizes: Sizes, device: &B::Device) -> Result<Self, MetricError> {
        let file = &weights.tensors()?;
        let reader = Reader::<B> { weights, file, device };
        let (width, grid, learned) = (sizes.width, sizes.grid(), sizes.learned_grid);
        let embedded = weights.floats(file, "pos_embed", &[1, 1 + learned * learned, width])?;
        let tokens = |values: Vec<f32>| {
            let shape = [1, values.len() / width, width];
            Tensor::<B, 3>::from_data(TensorData::new(values, shape), ddpm_kernels::floats_on::<B>(device))
        };
        let positions = tokens(interpolate(&embedded[width..], learned, grid, width));
        let class = reader.tensor("cls_token", [1, 1, width])? + tokens(embedded[..width].to_vec());
        let numbers = CHANNELS * sizes.patch * sizes.patch;
        let kernel = reader.tensor("patch_embed.proj.weight", [width, CHANNELS, sizes.patch, sizes.patch])?;
        let patches = Affine {
            weight: kernel.reshape([width, numbers]),
            bias: reader.tensor("patch_embed.proj.bias", [width])?,
        };
        let blocks = (0..sizes.depth).map(|i| Block::read(&reader, i, &sizes)).collect::<Result<_, _>>()?;
        Ok(Self { sizes, patches, class, positions, blocks, norm: reader.norm("norm", width)? })
    }

    /// The class token after the last norm.
    ///
    /// # Shapes
    /// - `x`: `[n, 3, side, side]`, normalised; output: `[n, width]`
    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let Sizes { patch, width, heads, .. } = self.sizes;
        let ([n, ..], grid) = (x.dims(), self.sizes.grid());
        // A convolution whose stride is its kernel is an affine map of each patch.
        let patches = x.reshape([n, CHANNELS, grid, patch, grid, patch]).permute([0, 2, 4, 1, 3, 5]);
        let patches = patches.reshape([n, grid * grid, CHANNELS * patch * patch]);
        let tokens = self.patches.forward(patches) + self.positions.clone();
        let x = Tensor::cat(vec![self.class.clone().repeat_dim(0, n), tokens], 1);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, heads));
        self.norm.forward(x.narrow(1, 0, 1)).reshape([n, width])
    }
}
