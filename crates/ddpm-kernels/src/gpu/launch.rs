//! How the kernels are launched on tensors.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{
    CubeRuntime,
    kernel::into_contiguous,
    ops::{numeric::empty_device_contiguous_dtype, reshape},
    tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::{
    convolution::sum_maps,
    group_norm::{Units, group_norm_backward, group_norm_forward, group_norm_sum_images},
};
use crate::Norm;

/// Units of a cube, at most: what every Vulkan device must offer.
const UNITS: u32 = 256;

/// The same where cubes are few and have much to do.
const MANY_UNITS: u32 = 1024;

/// Units of a cube, at least: a plane of most devices.
const FEW_UNITS: usize = 32;

/// How a normalisation of `[n, c, length]` is spread over a device.
struct Grid {
    cubes: CubeCount,
    units: Units,
    /// Numbers that one unit reads at once; it divides `length`.
    width: usize,
    /// Channels of a group.
    channels: usize,
    /// Vectors of a channel.
    length: usize,
}

impl Grid {
    fn new<R: CubeRuntime>(x: &CubeTensor<R>, norm: Norm) -> Self {
        let [n, c, length] = x.shape().dims();
        let width = vector_width(x, length);
        let (channels, length) = (c / norm.groups, length / width);
        let units = Units::new(channels, length, most_units(&x.client) as usize);
        let cubes = cubes(&x.client, n * norm.groups);
        Self { cubes, units, width, channels, length }
    }

    fn cube(&self) -> CubeDim {
        CubeDim::new_1d(self.units.count() as u32)
    }
}

/// As many cubes, or some more, in as many dimensions as it takes.
pub(super) fn cubes<R: CubeRuntime>(client: &ComputeClient<R>, count: usize) -> CubeCount {
    calculate_cube_count_elemwise(client, count, CubeDim::new_single())
}

pub(super) fn most_units<R: CubeRuntime>(client: &ComputeClient<R>) -> u32 {
    UNITS.min(client.properties().hardware.max_units_per_cube)
}

/// The widest vector that the device reads at once and that divides runs of `length` numbers.
pub(super) fn vector_width<R: CubeRuntime>(tensor: &CubeTensor<R>, length: usize) -> usize {
    let widths = tensor.client.io_optimized_vector_sizes(tensor.dtype.size());
    widths.filter(|width| length % width == 0).max().unwrap_or(1)
}

/// Addresses that reach every number of the largest tensor.
pub(super) fn addresses<R: CubeRuntime>(tensors: &[&CubeTensor<R>]) -> AddressType {
    tensors.iter().map(|tensor| tensor.required_address_type()).max().unwrap_or_default()
}

pub(super) fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, DType::F32)
}

/// [`Kernels::normalize`](crate::Kernels::normalize).
pub fn normalize<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    bias: CubeTensor<R>,
    norm: Norm,
) -> CubeTensor<R> {
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let (client, grid) = (x.client.clone(), Grid::new(&x, norm));
    let y = empty(&x, x.shape());
    group_norm_forward::launch::<R>(
        &client,
        grid.cubes.clone(),
        grid.cube(),
        addresses(&[&x]),
        grid.width,
        x.into_array_arg(),
        weight.into_array_arg(),
        bias.into_array_arg(),
        y.clone().into_array_arg(),
        grid.length,
        grid.channels,
        norm.eps as f32,
        grid.units,
        norm.silu,
    );
    y
}

/// [`Kernels::normalize_backward`](crate::Kernels::normalize_backward).
pub fn normalize_backward<R: CubeRuntime>(
    x: CubeTensor<R>,
    [weight, bias]: [CubeTensor<R>; 2],
    grad: CubeTensor<R>,
    norm: Norm,
) -> [CubeTensor<R>; 3] {
    let [x, weight, bias, grad] = [x, weight, bias, grad].map(contiguous);
    let (client, grid, [n, c, _]) = (x.client.clone(), Grid::new(&x, norm), x.shape().dims());
    let x_grad = empty(&x, x.shape());
    let sums = empty(&x, [2, c, n].into());
    let [weight_grad, bias_grad] = [(); 2].map(|()| empty(&x, [c].into()));
    group_norm_backward::launch::<R>(
        &client,
        grid.cubes.clone(),
        grid.cube(),
        addresses(&[&x, &sums]),
        grid.width,
        x.into_array_arg(),
        weight.into_array_arg(),
        bias.into_array_arg(),
        grad.into_array_arg(),
        x_grad.clone().into_array_arg(),
        sums.clone().into_array_arg(),
        grid.length,
        grid.channels,
        norm.eps as f32,
        grid.units,
        norm.silu,
    );
    let units = most_units(&client).min((n as u32).next_power_of_two());
    group_norm_sum_images::launch::<R>(
        &client,
        cubes(&client, 2 * c),
        CubeDim::new_1d(units),
        addresses(&[&sums]),
        sums.into_array_arg(),
        bias_grad.clone().into_array_arg(),
        weight_grad.clone().into_array_arg(),
        n,
        units as usize,
    );
    [x_grad, weight_grad, bias_grad]
}

/// The sum of each channel of `[n, c, ..]`, over images and positions.
pub fn sum_channels<R: CubeRuntime>(maps: CubeTensor<R>) -> CubeTensor<R> {
    let shape = maps.shape();
    sum_middle(maps, shape[0], shape[1])
}

/// The sum of each feature map of `[n, c, ..]`, `[n, c]`.
pub fn sum_positions<R: CubeRuntime>(maps: CubeTensor<R>) -> CubeTensor<R> {
    let shape = maps.shape();
    reshape(sum_middle(maps, 1, shape[0] * shape[1]), [shape[0], shape[1]].into())
}

/// The sums over the first and the last of three dimensions, of which the first two are given.
fn sum_middle<R: CubeRuntime>(maps: CubeTensor<R>, first: usize, middle: usize) -> CubeTensor<R> {
    let maps = contiguous(maps);
    let (client, length) = (maps.client.clone(), maps.shape().num_elements() / (first * middle));
    let sums = empty(&maps, [middle].into());
    let width = vector_width(&maps, length);
    // Where there are many sums, one needs few units.
    let most = client.properties().hardware.max_units_per_cube.min(MANY_UNITS);
    let units = most.min((first * length / width).next_power_of_two().max(FEW_UNITS) as u32);
    sum_maps::launch::<R>(
        &client,
        cubes(&client, middle),
        CubeDim::new_1d(units),
        addresses(&[&maps]),
        width,
        maps.into_array_arg(),
        sums.clone().into_array_arg(),
        length / width,
        units as usize,
    );
    sums
}

pub(super) fn contiguous<R: CubeRuntime>(tensor: CubeTensor<R>) -> CubeTensor<R> {
    assert!(tensor.dtype == DType::F32, "these kernels take f32, not {:?}", tensor.dtype);
    into_contiguous(tensor)
}
