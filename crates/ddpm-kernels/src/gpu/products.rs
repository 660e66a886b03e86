//! Convolutions and the gradients of their inputs, summed in f32 whatever their factors are: Burn's and cubek's own kernels,
//! those among them that do so.
//!
//! Factors in f32 come here on devices whose tensor cores round them to TF32, and are multiplied with tensor cores or
//! exactly: slower. Factors of 16 bits go through tensor cores, and what these sum in f32 is kept in f32. Burn's own
//! operations would round it to 16 bits, and may find a direct convolution fastest that sums in 16 bits. They also try
//! some twenty kernels for each shape before its first product, each of which CUDA compiles for seconds.

use burn::tensor::{
    DType, TensorMetadata,
    ops::{ConvOptions, ConvTransposeOptions},
};
use burn_cubecl::{
    CubeRuntime,
    kernel::{
        cast,
        conv::{ConvStrategy, ConvTranspose2dStrategy, conv_forward, conv_transpose2d},
    },
    tensor::CubeTensor,
};
use cubecl::{ir::StorageType, prelude::*, tf32};
use serde::{Deserialize, Serialize};

use super::tensor_cores;

/// Whether the device has tensor cores for TF32, which f32 products are given to where nothing speaks against it.
pub fn has_tf32<R: CubeRuntime>(client: &ComputeClient<R>) -> bool {
    let tf32: StorageType = tf32::as_type_native_unchecked().storage_type();
    client.properties().supports_type(tf32)
}

/// What is computed of a convolution by [`Convolution`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Part {
    /// The output `[n, c_out, ..]`, of the input and the weight.
    Output,
    /// The gradient of the input, of that of the output and the weight.
    InputGrad,
}

/// A part of a convolution of `[n, c_in, h, w]` with a weight `[c_out, c_in, k_h, k_w]`.
#[derive(Debug, Clone)]
pub struct Convolution {
    pub part: Part,
    /// The shape of that part.
    pub dims: [usize; 4],
    pub stride: usize,
    pub padding: usize,
    /// Whether factors in f32 are multiplied as they are; they are rounded to TF32 otherwise.
    pub exact: bool,
}

impl Convolution {
    /// Of the two factors that the part is of; in f32.
    pub fn launch<R: CubeRuntime>(self, a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
        if self.exact { self.direct(a, b) } else { tensor_cores::convolve(self, a, b) }
    }

    /// By kernels without tensor cores. They sum in the type of their factors, which is f32 here: factors of fewer bits have
    /// the same values in it.
    pub(super) fn direct<R: CubeRuntime>(&self, a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
        let [a, b] = [a, b].map(|factor| cast(factor, DType::F32));
        let (stride, padding, one) = ([self.stride; 2], [self.padding; 2], [1; 2]);
        let part = match self.part {
            Part::Output => {
                let options = ConvOptions::new(stride, padding, one, 1);
                conv_forward(a, b, None, options, ConvStrategy::Direct)
            }
            Part::InputGrad => {
                // Rows and columns of the input that no place of the kernel began at.
                let left_over =
                    [2, 3].map(|d| (self.dims[d] + 2 * self.padding - b.shape()[d]) % self.stride);
                let options = ConvTransposeOptions::new(stride, padding, left_over, one, 1);
                conv_transpose2d(a, b, None, options, ConvTranspose2dStrategy::Direct)
            }
        };
        part.expect("the direct kernels take every size")
    }
}
