//! The gradient of a convolution's weight.
//!
//! As one matrix product it has few numbers, each of them a sum over every pixel of every image, and a GPU gives each tile
//! of numbers to one of its processors: a weight of 32 x 32 x 3 x 3 took an H200 23 times as long as the output, which has
//! as many products. Several groups of images make as many products as keep all processors busy, which are added. (That of
//! a kernel of one pixel, made by cubek 0.2.0 as one product, came out wrong there in 16 bits.)

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{
    CubeRuntime,
    kernel::into_contiguous,
    ops::{numeric::empty_device_contiguous_dtype, permute, reshape},
    tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::{
    convolution::{regroup, sum_parts, unfold},
    launch::{addresses, cubes, most_units, vector_width},
    multiply::multiply,
};

/// The most bytes that the inputs of a product take when written out: larger ones are made in several rounds.
const LIMIT: usize = 1 << 28;

/// Rows and columns of the tile that one processor computes, at most.
const TILE: usize = 128;

/// Tiles for each processor, so that those that come last leave few of them idle: an H200 with half as many tiles as
/// processors made the products of `cifar-ddpm` at 40 TFLOP/s, with as many at 55 (benchmarks/gpu.md).
const TILES_EACH: usize = 4;

/// How the images are spread over products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// One after another.
    rounds: usize,
    /// Products of a round.
    groups: usize,
    /// Images of a product.
    images: usize,
}

impl Plan {
    /// For `n` images, each `bytes` long when it is written out, and products of `tiles` tiles on so many processors.
    fn new(n: usize, bytes: usize, tiles: usize, processors: usize) -> Self {
        let rounds = part(n, (n * bytes).div_ceil(LIMIT));
        let groups = part(n / rounds, (TILES_EACH * processors).div_ceil(tiles));
        Self { rounds, groups, images: n / rounds / groups }
    }
}

/// In how many equal parts `n` things are best divided to have `wanted`: some more rather than less.
fn part(n: usize, wanted: usize) -> usize {
    let mut divisors = (1..=n).filter(|divisor| n % divisor == 0);
    let enough = divisors.clone().find(|divisor| (wanted..4 * wanted).contains(divisor));
    enough.or_else(|| divisors.rfind(|divisor| *divisor <= wanted)).unwrap_or(1)
}

/// The gradient of a convolution's weight.
#[derive(Debug)]
pub struct WeightGrad {
    /// The weight's shape, `[c_out, c_in, k_h, k_w]`.
    pub dims: [usize; 4],
    pub stride: usize,
    pub padding: usize,
    /// The number format of the factors.
    pub factor: DType,
    /// Whether factors in f32 are multiplied as they are.
    pub exact: bool,
}

impl WeightGrad {
    /// Of the input and the gradient of the output; in f32.
    pub fn launch<R: CubeRuntime>(&self, x: CubeTensor<R>, grad: CubeTensor<R>) -> CubeTensor<R> {
        let ([c_out, c_in, k_h, k_w], [n, _, height, width]) = (self.dims, grad.shape().dims());
        let columns = c_in * k_h * k_w;
        let hardware = &x.client.properties().hardware;
        let processors = hardware.num_streaming_multiprocessors.unwrap_or(64) as usize;
        let tiles = c_out.div_ceil(TILE) * columns.div_ceil(TILE);
        let plan = Plan::new(n, columns * height * width * self.factor.size(), tiles, processors);
        self.by_plan(x, grad, plan)
    }

    fn by_plan<R: CubeRuntime>(&self, x: CubeTensor<R>, grad: CubeTensor<R>, plan: Plan) -> CubeTensor<R> {
        let [x, grad] = [x, grad].map(into_contiguous);
        let (client, device) = (x.client.clone(), x.device.clone());
        let &Self { dims, stride, padding, factor, exact } = self;
        let ([_, _, k_h, k_w], [_, _, height, width]) = (dims, grad.shape().dims());
        let (out, count) = ([height, width], dims.iter().product::<usize>());

        let found = empty_device_contiguous_dtype(client.clone(), device, dims.into(), DType::F32);
        for round in 0..plan.rounds {
            // Both are written with the pixels that are summed over one after another, as tensor cores take them best.
            let unfolded = Unfold { kernel: [k_h, k_w], out, stride, padding, factor };
            let unfolded = unfolded.launch(&x, plan, round);
            // Each place of a kernel of one pixel is multiplied with the map itself.
            let rows = Unfold { kernel: [1; 2], out, stride: 1, padding: 0, factor };
            let rows = rows.launch(&grad, plan, round);
            let parts = multiply(rows, permute(unfolded, &[0, 2, 1]), exact);
            let width = vector_width(&found, count);
            let cube = CubeDim::new_1d(most_units(&client));
            sum_parts::launch::<R>(
                &client,
                calculate_cube_count_elemwise(&client, count / width, cube),
                cube,
                addresses(&[&parts]),
                width,
                parts.into_array_arg(),
                found.clone().into_array_arg(),
                round > 0,
            );
        }
        found
    }
}

/// A convolution's kernel and how it moves.
struct Unfold {
    kernel: [usize; 2],
    out: [usize; 2],
    stride: usize,
    padding: usize,
    factor: DType,
}

impl Unfold {
    /// Writes out the inputs that each place of the kernel is multiplied with in a round, `[groups, channels * places, images * pixels]`.
    fn launch<R: CubeRuntime>(&self, maps: &CubeTensor<R>, plan: Plan, round: usize) -> CubeTensor<R> {
        let &Self { kernel: [k_h, k_w], out: [out_h, out_w], stride, padding, factor } = self;
        let (client, [_, channels, height, width]) = (&maps.client, maps.shape().dims());
        let Plan { rounds, groups, images } = plan;
        let shape: Shape = [groups, channels * k_h * k_w, images * out_h * out_w].into();
        if [rounds, images, k_h, k_w, stride] == [1; 5] && padding == 0 && maps.dtype == factor {
            return reshape(maps.clone(), shape);
        }
        let unfolded = empty_device_contiguous_dtype(client.clone(), maps.device.clone(), shape, factor);
        let (first, types) = (round * groups * images, (maps.dtype.into(), factor.into()));
        if [k_h, k_w, stride] == [1; 3] && padding == 0 {
            let wide = vector_width(maps, height * width);
            let (cube, length) = (CubeDim::new_1d(most_units(client)), height * width / wide);
            regroup::launch::<R>(
                client,
                calculate_cube_count_elemwise(client, groups * channels * images * length, cube),
                cube,
                addresses(&[maps, &unfolded]),
                wide,
                maps.clone().into_array_arg(),
                unfolded.clone().into_array_arg(),
                first * channels * length,
                channels,
                images,
                length,
                types.0,
                types.1,
            );
            return unfolded;
        }
        let wide = vector_width(&unfolded, out_w);
        let units = most_units(client).min(((out_h * out_w / wide) as u32).next_power_of_two().max(32));
        let count = groups * images * channels;
        unfold::launch::<R>(
            client,
            cubes(client, count),
            CubeDim::new_1d(units),
            addresses(&[maps, &unfolded]),
            wide,
            maps.clone().into_array_arg(),
            unfolded.clone().into_array_arg(),
            first,
            count,
            channels,
            height,
            width,
            out_h,
            out_w,
            images,
            padding,
            k_h,
            k_w,
            stride,
            units as usize,
            types.0,
            types.1,
        );
        unfolded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn plan(rounds: usize, groups: usize, images: usize) -> Plan {
        Plan { rounds, groups, images }
    }

    #[test]
    fn images_are_spread_over_what_there_is() {
        // One tile needs all images, many need none apart; what is large is made in rounds.
        assert_eq!(Plan::new(64, 1 << 10, 1, 132), plan(1, 64, 1));
        assert_eq!(Plan::new(128, 1 << 10, 36, 132), plan(1, 16, 8));
        assert_eq!(Plan::new(128, 1 << 10, 1000, 132), plan(1, 1, 128));
        assert_eq!(Plan::new(128, 1 << 23, 36, 132), plan(4, 16, 2));
        assert_eq!(Plan::new(100, 1 << 10, 36, 132), plan(1, 20, 5));
        assert_eq!(Plan::new(97, 1 << 10, 36, 132), plan(1, 1, 97));
        assert_eq!(Plan::new(1, 1 << 30, 36, 132), plan(1, 1, 1));
    }

    /// Without tensor cores, as Burn's own; where there is a device.
    #[cfg(feature = "wgpu")]
    #[test]
    fn every_plan_gives_the_same() {
        use burn::tensor::{
            Tensor, TensorPrimitive,
            backend::Backend,
            ops::{ConvOptions, ModuleOps},
        };
        use burn_wgpu::{WgpuDevice, WgpuRuntime};

        type B = burn_cubecl::CubeBackend<WgpuRuntime, f32, i32, u32>;

        if !std::panic::catch_unwind(|| B::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok()) {
            println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
            return;
        }
        let values = |dims: [usize; 4], seed: f32| {
            let numbers: Vec<f32> =
                (0..dims.iter().product()).map(|i: usize| (i as f32 * 1.7 + seed).sin()).collect();
            Tensor::<B, 1>::from_floats(&numbers[..], &WgpuDevice::default()).reshape(dims)
        };
        let primitive = |tensor: Tensor<B, 4>| tensor.into_primitive().tensor();
        let tensor = |found| Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(found));
        // 7 x 9 pixels: with a stride of 2 nothing is left over, or a row and a column are.
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (2, 2, 0), (1, 1, 0)] {
            let out = [7, 9].map(|size| (size + 2 * padding - kernel) / stride + 1);
            let dims = [6, 5, kernel, kernel];
            let weight_grad = WeightGrad { dims, stride, padding, factor: DType::F32, exact: true };
            let (x, grad) = (values([12, 5, 7, 9], 0.1), values([12, 6, out[0], out[1]], 0.2));
            let [x, grad, weight] = [x, grad, values(dims, 0.3)].map(primitive);
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let expected = tensor(B::conv2d_weight_backward(x.clone(), weight, grad.clone(), options));
            let scale = expected.clone().abs().max().into_scalar();
            for plan in [plan(1, 1, 12), plan(1, 12, 1), plan(1, 3, 4), plan(2, 3, 2), plan(12, 1, 1)] {
                let found = tensor(weight_grad.by_plan(x.clone(), grad.clone(), plan));
                let difference = (found - expected.clone()).abs().max().into_scalar();
                assert!(difference <= 1e-5 * scale, "{kernel} {stride} {padding} {plan:?}: {difference}");
            }
        }
    }
}
