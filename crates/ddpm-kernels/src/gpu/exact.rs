//! Products in f32 on devices whose tensor cores would round their factors to TF32: Burn's and cubek's own kernels, those
//! among them that multiply without tensor cores. They are slower than what tuning picks.

use burn::tensor::{
    DType, Shape, TensorMetadata,
    ops::{ConvOptions, ConvTransposeOptions},
};
use burn_cubecl::{
    CubeRuntime,
    kernel::conv::{ConvStrategy, ConvTranspose2dStrategy, conv_forward, conv_transpose2d},
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use cubecl::{ir::StorageType, prelude::*, tf32};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems},
        launch::{Strategy, launch_ref},
        routines::{BlueprintStrategy, TileSizeSelection, simple_unit::SimpleUnitSelectionArgs},
    },
    std::InputBinding,
};

use super::fusion::Launch;

/// Whether the device has tensor cores for TF32, which f32 products are given to where nothing speaks against it.
pub fn has_tf32<R: CubeRuntime>(client: &ComputeClient<R>) -> bool {
    let tf32: StorageType = tf32::as_type_native_unchecked().storage_type();
    client.properties().supports_type(tf32)
}

/// A matrix product `[.., n, k] x [.., k, m]` of two tensors with the same leading sizes.
#[derive(Debug)]
pub struct Product;

/// A convolution of x with a weight.
#[derive(Debug)]
pub struct Convolution {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

/// The gradient of a convolution's input, of the output's gradient and the weight.
#[derive(Debug)]
pub struct ConvolutionGradX {
    pub stride: usize,
    pub padding: usize,
    /// Rows and columns of the input that no place of the kernel began at.
    pub left_over: [usize; 2],
}

impl Launch<2, 1> for Product {
    const NAME: &'static str = "exact_product";

    fn launch<R: CubeRuntime>(&self, [a, b]: [CubeTensor<R>; 2]) -> [CubeTensor<R>; 1] {
        let (client, mut dims) = (a.client.clone(), a.shape());
        let columns = dims.num_dims() - 1;
        dims[columns] = b.shape()[columns];
        let y = empty_device_contiguous_dtype(client.clone(), a.device.clone(), dims, DType::F32);
        let f32 = StorageType::from(DType::F32);
        let launch = |strategy: &Strategy| {
            let [a, b] = [&a, &b].map(|tensor| InputBinding::new(tensor.clone().binding(), f32));
            let mut types = MatmulElems::from_globals(&MatmulGlobalElems { lhs: f32, rhs: f32, out: f32 });
            launch_ref(strategy, &client, a, b, y.clone().binding(), &mut types)
        };
        let tiles = SimpleUnitSelectionArgs { tile_size: TileSizeSelection::MaxTileSize };
        launch(&Strategy::SimpleUnit(BlueprintStrategy::Inferred(tiles)))
            .or_else(|_| launch(&Strategy::Naive))
            .expect("the naive kernel takes every size");
        [y]
    }
}

impl Launch<2, 1> for Convolution {
    const NAME: &'static str = "exact_convolution";

    fn launch<R: CubeRuntime>(&self, [x, weight]: [CubeTensor<R>; 2]) -> [CubeTensor<R>; 1] {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [self.dilation; 2], 1);
        let y = conv_forward(x, weight, None, options, ConvStrategy::Direct);
        [y.expect("the direct kernel takes every size")]
    }
}

impl Launch<2, 1> for ConvolutionGradX {
    const NAME: &'static str = "exact_convolution_grad_x";

    fn launch<R: CubeRuntime>(&self, [grad, weight]: [CubeTensor<R>; 2]) -> [CubeTensor<R>; 1] {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let options = ConvTransposeOptions::new(stride, padding, self.left_over, [1; 2], 1);
        let x_grad = conv_transpose2d(grad, weight, None, options, ConvTranspose2dStrategy::Direct);
        [x_grad.expect("the direct kernel takes every size")]
    }
}

/// The shape of a product of tensors with these.
pub fn product_shape<const D: usize>(a: [usize; D], b: [usize; D]) -> Shape {
    let fits = a[..D - 2] == b[..D - 2] && a[D - 1] == b[D - 2];
    assert!(fits, "product: shapes {a:?} and {b:?} do not fit");
    let mut dims = a;
    dims[D - 1] = b[D - 1];
    dims.into()
}
