//! Convolutions, summed in f32 whatever their factors are: Burn's and cubek's own kernels, those among them that do so.
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

use super::tensor_cores;

/// Whether the device has tensor cores for TF32, which f32 products are given to where nothing speaks against it.
pub fn has_tf32<R: CubeRuntime>(client: &ComputeClient<R>) -> bool {
    let tf32: StorageType = tf32::as_type_native_unchecked().storage_type();
    client.properties().supports_type(tf32)
}

/// A convolution without a bias, of `[n, c_in, h, w]` with a weight `[c_out, c_in, k_h, k_w]`.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// The shape of its output.
    pub dims: [usize; 4],
    pub stride: usize,
    pub padding: usize,
}

impl Convolution {
    /// The output in f32. Factors in f32 are multiplied as they are where `exact`, and rounded to TF32 otherwise.
    pub fn launch<R: CubeRuntime>(
        self,
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        exact: bool,
    ) -> CubeTensor<R> {
        if exact { self.direct(x, weight) } else { tensor_cores::convolve(self, x, weight) }
    }

    /// By a kernel without tensor cores. It sums in the type of its factors, which is f32 here: factors of fewer bits have
    /// the same values in it.
    pub(super) fn direct<R: CubeRuntime>(&self, x: CubeTensor<R>, weight: CubeTensor<R>) -> CubeTensor<R> {
        let [x, weight] = [x, weight].map(|factor| cast(factor, DType::F32));
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], 1);
        conv_forward(x, weight, None, options, ConvStrategy::Direct).expect(EVERY_SIZE)
    }
}

/// The gradient of a convolution's input.
#[derive(Debug, Clone, Copy)]
pub struct InputGrad {
    /// The shape of the input.
    pub dims: [usize; 4],
    /// The stride of the convolution.
    pub stride: usize,
    /// The padding of the convolution.
    pub padding: usize,
}

impl InputGrad {
    /// From the gradient of the output and the weight, which are multiplied as they are.
    pub fn launch<R: CubeRuntime>(self, grad: CubeTensor<R>, weight: CubeTensor<R>) -> CubeTensor<R> {
        let Self { dims, stride, padding } = self;
        let [grad, weight] = [grad, weight].map(|factor| cast(factor, DType::F32));
        // Rows and columns of the input that no place of the kernel began at.
        let left_over = [2, 3].map(|d| (dims[d] + 2 * padding - weight.shape()[d]) % stride);
        let options = ConvTransposeOptions::new([stride; 2], [padding; 2], left_over, [1; 2], 1);
        conv_transpose2d(grad, weight, None, options, ConvTranspose2dStrategy::Direct).expect(EVERY_SIZE)
    }
}

const EVERY_SIZE: &str = "the direct kernels take every size";
