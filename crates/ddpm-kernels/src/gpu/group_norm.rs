//! Group normalisation, with SiLU behind it or not, and its gradients.
//!
//! A cube takes one group of one image. Its units stand in rows and lanes: rows go over the channels, the lanes of a row
//! over the positions of a channel, some at once as one vector. Nothing is added atomically, so that two runs give the
//! same bytes.

use cubecl::prelude::*;

use super::sums::{sum_lanes, sum_vector};

/// How the units of a cube stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Units {
    /// Channels that are taken at once.
    pub rows: usize,
    /// Vectors of a channel that are taken at once, a power of two as the rows.
    pub lanes: usize,
}

impl Units {
    /// At least so many units go to a cube where there is work for them: two planes of most devices.
    const ENOUGH: usize = 64;

    /// For groups of `channels` with `vectors` in each channel, at most `most` units.
    pub fn new(channels: usize, vectors: usize, most: usize) -> Self {
        let most = 1 << most.max(1).ilog2();
        // Rows that divide the channels leave none idle.
        let mut rows = (1 << channels.trailing_zeros()).min(most);
        let lanes = vectors.next_power_of_two().min(most / rows);
        while rows * lanes < Self::ENOUGH.min(most) && rows < channels {
            rows *= 2;
        }
        Self { rows, lanes }
    }

    /// All of them.
    pub fn count(self) -> usize {
        self.rows * self.lanes
    }
}

#[derive(CubeType, Clone, Copy)]
struct Statistics {
    mean: f32,
    inverse_std: f32,
}

/// Mean and inverse standard deviation of the `vectors` from `first` on: the mean, then the squares around it.
#[cube]
fn statistics<N: Size>(
    x: &Array<Vector<f32, N>>,
    first: usize,
    vectors: usize,
    eps: f32,
    #[comptime] units: usize,
) -> Statistics {
    let mut shared = SharedMemory::<Vector<f32, Const<1>>>::new(units);
    let count = f32::cast_from(vectors * N::value());
    let mut sum = Vector::<f32, N>::new(0.0);
    for at in range_stepped(UNIT_POS as usize, vectors, units) {
        sum += x[first + at];
    }
    let sum = sum_lanes::<Const<1>>(Vector::new(sum_vector::<N>(sum)), &mut shared, units);
    let mean = sum[0] / count;
    let mut squares = Vector::<f32, N>::new(0.0);
    for at in range_stepped(UNIT_POS as usize, vectors, units) {
        let centred = x[first + at] - Vector::new(mean);
        squares += centred * centred;
    }
    let squares = sum_lanes::<Const<1>>(Vector::new(sum_vector::<N>(squares)), &mut shared, units);
    Statistics { mean, inverse_std: 1.0 / (squares[0] / count + eps).sqrt() }
}

#[cube]
fn sigmoid<N: Size>(y: Vector<f32, N>) -> Vector<f32, N> {
    // Below -80 the sigmoid is less than 1e-34; the exponential of 89 would overflow.
    let y = max(y, Vector::new(-80.0));
    // Not `-y`: CubeCL 0.10 writes that for CUDA as a C++ operator that its vectors have not.
    Vector::new(1.0) / (Vector::new(1.0) + (Vector::new(0.0) - y).exp())
}

/// `y`: normalised `x` times weight plus bias, and through SiLU.
///
/// `x`, `y`: `[n, c, length]` in vectors; `length`: of a channel, in vectors; `channels`: of a group.
#[cube(launch, address_type = "dynamic")]
pub fn group_norm_forward<N: Size>(
    x: &Array<Vector<f32, N>>,
    weight: &Array<f32>,
    bias: &Array<f32>,
    y: &mut Array<Vector<f32, N>>,
    length: usize,
    channels: usize,
    eps: f32,
    #[comptime] units: Units,
    #[comptime] silu: bool,
) {
    let vectors = channels * length;
    let first = CUBE_POS * vectors;
    if first >= x.len() {
        terminate!();
    }
    let lanes = comptime!(units.lanes);
    let of = statistics::<N>(x, first, vectors, eps, comptime!(units.count()));
    let (row, lane) = (UNIT_POS as usize / lanes, UNIT_POS as usize % lanes);
    let first_channel = first / length % weight.len();
    for channel in range_stepped(row, channels, comptime!(units.rows)) {
        let scale = weight[first_channel + channel] * of.inverse_std;
        let shift = bias[first_channel + channel];
        for at in range_stepped(lane, length, lanes) {
            let place = first + channel * length + at;
            let mut value = (x[place] - Vector::new(of.mean)) * Vector::new(scale) + Vector::new(shift);
            if silu {
                value *= sigmoid::<N>(value);
            }
            y[place] = value;
        }
    }
}

/// The gradient of the affine map's output, from that of SiLU's output where it follows.
#[cube]
fn before_silu<N: Size>(
    grad: Vector<f32, N>,
    x_hat: Vector<f32, N>,
    weight: f32,
    bias: f32,
    #[comptime] silu: bool,
) -> Vector<f32, N> {
    if silu {
        let y = x_hat * Vector::new(weight) + Vector::new(bias);
        let s = sigmoid::<N>(y);
        grad * s * (Vector::new(1.0) + y * (Vector::new(1.0) - s))
    } else {
        grad
    }
}

/// `x_grad`, and what each feature map adds to the gradients of bias (the first half of `sums`) and weight.
///
/// As of [`group_norm_forward`]; `grad`, `x_grad`: as `x`; `sums`: `[2, c, n]`.
#[cube(launch, address_type = "dynamic")]
pub fn group_norm_backward<N: Size>(
    x: &Array<Vector<f32, N>>,
    weight: &Array<f32>,
    bias: &Array<f32>,
    grad: &Array<Vector<f32, N>>,
    x_grad: &mut Array<Vector<f32, N>>,
    sums: &mut Array<f32>,
    length: usize,
    channels: usize,
    eps: f32,
    #[comptime] units: Units,
    #[comptime] silu: bool,
) {
    let vectors = channels * length;
    let first = CUBE_POS * vectors;
    if first >= x.len() {
        terminate!();
    }
    let lanes = comptime!(units.lanes);
    let of = statistics::<N>(x, first, vectors, eps, comptime!(units.count()));
    let (row, lane) = (UNIT_POS as usize / lanes, UNIT_POS as usize % lanes);
    let all_channels = weight.len();
    let first_channel = first / length % all_channels;
    let (image, images) = (first / length / all_channels, x.len() / length / all_channels);

    // Bias and weight, the gradients of one channel after the other; and over all channels, their products with the weight.
    let mut pairs = SharedMemory::<Vector<f32, Const<2>>>::new(comptime!(units.count()));
    let mut along = Vector::<f32, Const<2>>::new(0.0);
    for step in 0..channels.div_ceil(comptime!(units.rows)) {
        let channel = step * comptime!(units.rows) + row;
        let mut bias_sum = Vector::<f32, N>::new(0.0);
        let mut weight_sum = Vector::<f32, N>::new(0.0);
        if channel < channels {
            let (scale, shift) = (weight[first_channel + channel], bias[first_channel + channel]);
            for at in range_stepped(lane, length, lanes) {
                let place = first + channel * length + at;
                let x_hat = (x[place] - Vector::new(of.mean)) * Vector::new(of.inverse_std);
                let g = before_silu::<N>(grad[place], x_hat, scale, shift, silu);
                bias_sum += g;
                weight_sum += g * x_hat;
            }
        }
        let mut pair = Vector::<f32, Const<2>>::empty();
        pair[0] = sum_vector::<N>(bias_sum);
        pair[1] = sum_vector::<N>(weight_sum);
        let pair = sum_lanes::<Const<2>>(pair, &mut pairs, lanes);
        if channel < channels && lane == 0 {
            let place = (first_channel + channel) * images + image;
            sums[place] = pair[0];
            sums[all_channels * images + place] = pair[1];
            along += pair * Vector::new(weight[first_channel + channel]);
        }
    }
    let along = sum_lanes::<Const<2>>(along, &mut pairs, comptime!(units.count()));
    let count = f32::cast_from(vectors * N::value());
    let (mean, slope) = (along[0] / count, along[1] / count);

    for channel in range_stepped(row, channels, comptime!(units.rows)) {
        let (scale, shift) = (weight[first_channel + channel], bias[first_channel + channel]);
        for at in range_stepped(lane, length, lanes) {
            let place = first + channel * length + at;
            let x_hat = (x[place] - Vector::new(of.mean)) * Vector::new(of.inverse_std);
            let g = before_silu::<N>(grad[place], x_hat, scale, shift, silu) * Vector::new(scale);
            x_grad[place] =
                (g - Vector::new(mean) - x_hat * Vector::new(slope)) * Vector::new(of.inverse_std);
        }
    }
}

/// The sum of each row of `images` numbers, a cube each: `rows` is `[2, c, n]`, `bias_grad` and `weight_grad` are `[c]`.
#[cube(launch, address_type = "dynamic")]
pub fn group_norm_sum_images(
    rows: &Array<f32>,
    bias_grad: &mut Array<f32>,
    weight_grad: &mut Array<f32>,
    images: usize,
    #[comptime] units: usize,
) {
    let channels = bias_grad.len();
    let row = CUBE_POS;
    if row >= 2 * channels {
        terminate!();
    }
    let mut shared = SharedMemory::<Vector<f32, Const<1>>>::new(units);
    let mut sum = 0.0_f32;
    for image in range_stepped(UNIT_POS as usize, images, units) {
        sum += rows[row * images + image];
    }
    let sum = sum_lanes::<Const<1>>(Vector::new(sum), &mut shared, units);
    if UNIT_POS == 0 {
        if row < channels {
            bias_grad[row] = sum[0];
        } else {
            weight_grad[row - channels] = sum[0];
        }
    }
}
