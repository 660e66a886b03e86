//! How the kernels are launched on tensors.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{
    CubeRuntime, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::{
    adamw::adamw_step,
    convolution::sum_maps,
    fusion::Launch,
    group_norm::{Units, group_norm_backward, group_norm_forward, group_norm_sum_images},
};
use crate::{AdamW, Norm};

/// Units of a cube, at most: what every Vulkan device must offer.
const UNITS: u32 = 256;

/// The same where cubes are few and have much to do.
const MANY_UNITS: u32 = 1024;

/// [`Kernels::normalize`](crate::Kernels::normalize) of x, weight and bias.
#[derive(Debug)]
pub struct Normalize(pub Norm);

/// [`Kernels::normalize_backward`](crate::Kernels::normalize_backward) of x, weight, bias and the gradient.
#[derive(Debug)]
pub struct NormalizeBackward(pub Norm);

/// The sum of each channel of `[n, c, ..]`.
#[derive(Debug)]
pub struct SumMaps;

/// [`Kernels::adamw`](crate::Kernels::adamw) of the gradient, its scale, and value, moments and average.
#[derive(Debug)]
pub struct Step(pub AdamW);

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

fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, DType::F32)
}

impl Launch<3, 1> for Normalize {
    const NAME: &'static str = "group_norm";

    fn launch<R: CubeRuntime>(&self, inputs: [CubeTensor<R>; 3]) -> [CubeTensor<R>; 1] {
        let [x, weight, bias] = inputs.map(into_contiguous);
        let (client, grid) = (x.client.clone(), Grid::new(&x, self.0));
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
            self.0.eps as f32,
            grid.units,
            self.0.silu,
        );
        [y]
    }
}

impl Launch<4, 3> for NormalizeBackward {
    const NAME: &'static str = "group_norm_backward";

    fn launch<R: CubeRuntime>(&self, inputs: [CubeTensor<R>; 4]) -> [CubeTensor<R>; 3] {
        let [x, weight, bias, grad] = inputs.map(into_contiguous);
        let (client, grid, [n, c, _]) = (x.client.clone(), Grid::new(&x, self.0), x.shape().dims());
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
            self.0.eps as f32,
            grid.units,
            self.0.silu,
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
}

impl Launch<1, 1> for SumMaps {
    const NAME: &'static str = "sum_maps";

    fn launch<R: CubeRuntime>(&self, [maps]: [CubeTensor<R>; 1]) -> [CubeTensor<R>; 1] {
        let maps = into_contiguous(maps);
        let (client, shape) = (maps.client.clone(), maps.shape());
        let (c, length) = (shape[1], shape[2..].iter().product());
        let sums = empty(&maps, [c].into());
        let width = vector_width(&maps, length);
        let units = client.properties().hardware.max_units_per_cube.min(MANY_UNITS);
        sum_maps::launch::<R>(
            &client,
            cubes(&client, c),
            CubeDim::new_1d(units),
            addresses(&[&maps]),
            width,
            maps.into_array_arg(),
            sums.clone().into_array_arg(),
            length / width,
            units as usize,
        );
        [sums]
    }
}

impl Launch<6, 4> for Step {
    const NAME: &'static str = "adamw";

    fn launch<R: CubeRuntime>(&self, inputs: [CubeTensor<R>; 6]) -> [CubeTensor<R>; 4] {
        let [grad, scale, state @ ..] = inputs.map(into_contiguous);
        // What somebody else holds is changed in a copy.
        let state: [_; 4] = state.map(|tensor| if tensor.can_mut() { tensor } else { tensor.copy() });
        let [value, moment_1, moment_2, average] =
            state.each_ref().map(|tensor| tensor.clone().into_array_arg());
        let client = grad.client.clone();
        let count = grad.shape().num_elements();
        let width = vector_width(&grad, count);
        let cube = CubeDim::new_1d(most_units(&client));
        let (rate, root, epsilon, keep, weight) = self.0.factors();
        adamw_step::launch::<R>(
            &client,
            calculate_cube_count_elemwise(&client, count / width, cube),
            cube,
            addresses(&[&grad]),
            width,
            grad.into_array_arg(),
            scale.into_array_arg(),
            value,
            moment_1,
            moment_2,
            average,
            self.0.beta_1,
            self.0.beta_2,
            rate,
            root,
            epsilon,
            keep,
            weight,
        );
        state
    }
}
