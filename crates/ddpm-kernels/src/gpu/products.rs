//! Products that are summed in f32, whatever their factors are: Burn's and cubek's own kernels, those among them that do so.
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
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use cubecl::{ir::StorageType, prelude::*, tf32};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems},
        launch::{Strategy, launch_ref},
        routines::{
            BlueprintStrategy, TileSizeSelection, simple::SimpleArgs, simple_unit::SimpleUnitSelectionArgs,
        },
    },
    std::InputBinding,
};
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
    /// As of [`multiply`].
    pub exact: bool,
}

/// A matrix product `[.., n, k] x [.., k, m]` of two tensors with the same leading sizes and of one type, in f32. Factors in
/// f32 are multiplied as they are where `exact`, and rounded to TF32 otherwise.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>, exact: bool) -> CubeTensor<R> {
    let (client, mut dims, of_b) = (a.client.clone(), a.shape(), b.shape());
    let columns = dims.num_dims() - 1;
    let fits = dims[..columns - 1] == of_b[..columns - 1] && dims[columns] == of_b[columns - 1];
    assert!(fits, "product: shapes {dims:?} and {of_b:?} do not fit");
    dims[columns] = of_b[columns];
    let y = empty_device_contiguous_dtype(client.clone(), a.device.clone(), dims, DType::F32);
    let (dtype, f32) = (StorageType::from(a.dtype), StorageType::from(DType::F32));
    let launch = |strategy: &Strategy| {
        let [a, b] = [&a, &b].map(|tensor| InputBinding::new(tensor.clone().binding(), dtype));
        let mut types = MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: f32 });
        launch_ref(strategy, &client, a, b, y.clone().binding(), &mut types)
    };
    let tiles = SimpleUnitSelectionArgs { tile_size: TileSizeSelection::MaxTileSize };
    // Each takes what those before it cannot: for want of tensor cores, or because a shape does not fit them.
    let strategies = [
        Strategy::SimpleCyclicCmma(BlueprintStrategy::Inferred(SimpleArgs::default())),
        Strategy::SimpleUnit(BlueprintStrategy::Inferred(tiles)),
        Strategy::Naive,
    ];
    let done = strategies[usize::from(exact)..].iter().any(|strategy| launch(strategy).is_ok());
    assert!(done, "the naive kernel takes every size");
    y
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
