//! What surrounds the matrix products of a convolution's gradients: each is one pass over memory.
#![expect(
    clippy::used_underscore_binding,
    reason = "`_dtype` is used by what the macro makes, and not in the body"
)]

use cubecl::prelude::*;

use super::sums::{sum_lanes, sum_vector};

/// What each place of a convolution's kernel is multiplied with, written out, with channels last. A unit takes a vector of
/// channels of one position of the output.
///
/// `x`: `[n, height, width, channels]`, of whose images those from `first` on are taken; `y`: `[images, out_height,
/// out_width, kernel height, kernel width, channels]`; channels in vectors.
#[cube(launch, address_type = "dynamic")]
pub fn unfold<F: Float, N: Size>(
    x: &Array<Vector<F, N>>,
    y: &mut Array<Vector<F, N>>,
    first: usize,
    channels: usize,
    height: usize,
    width: usize,
    kernel_height: usize,
    kernel_width: usize,
    out_height: usize,
    out_width: usize,
    stride: usize,
    padding: usize,
    #[define(F)] _dtype: StorageType,
) {
    let (at, places) = (ABSOLUTE_POS, kernel_height * kernel_width);
    if at >= y.len() / places {
        terminate!();
    }
    let (channel, position) = (at % channels, at / channels);
    let (row, column) = (position / out_width % out_height * stride, position % out_width * stride);
    let from = (first + position / out_width / out_height) * height;
    let to = position * places * channels + channel;
    for i in 0..kernel_height {
        for j in 0..kernel_width {
            // Counted from the edge of the padding.
            let (row, column) = (row + i, column + j);
            let mut value = Vector::<F, N>::new(F::new(0.0));
            if row >= padding && row < height + padding && column >= padding && column < width + padding {
                value = x[((from + row - padding) * width + column - padding) * channels + channel];
            }
            y[to + (i * kernel_width + j) * channels] = value;
        }
    }
}

/// The sum of several gradients of a weight, which `more` adds to what is there.
///
/// `parts`: `[parts, c_out, places, channels]`, channels in vectors; `sums`: `[c_out, channels, places]`.
#[cube(launch, address_type = "dynamic")]
pub fn sum_parts<N: Size>(
    parts: &Array<Vector<f32, N>>,
    sums: &mut Array<f32>,
    channels: usize,
    places: usize,
    #[comptime] more: bool,
) {
    let (at, length) = (ABSOLUTE_POS, sums.len() / N::value());
    if at >= length {
        terminate!();
    }
    let mut sum = Vector::<f32, N>::new(0.0);
    for part in 0..parts.len() / length {
        sum += parts[part * length + at];
    }
    let (channel, place, row) = (at % channels, at / channels % places, at / channels / places);
    #[unroll]
    for k in 0..N::value() {
        let to = ((row * channels + channel) * N::value() + k) * places + place;
        if comptime!(more) {
            sums[to] += sum[k];
        } else {
            sums[to] = sum[k];
        }
    }
}

/// The sum of each channel of `maps`, a cube each.
///
/// `maps`: `[n, channels, length]` in vectors; `sums`: `[channels]`.
#[cube(launch, address_type = "dynamic")]
pub fn sum_maps<N: Size>(
    maps: &Array<Vector<f32, N>>,
    sums: &mut Array<f32>,
    length: usize,
    #[comptime] units: usize,
) {
    let (channel, channels) = (CUBE_POS, sums.len());
    if channel >= channels {
        terminate!();
    }
    let mut shared = SharedMemory::<Vector<f32, Const<1>>>::new(units);
    let mut sum = Vector::<f32, N>::new(0.0);
    for at in range_stepped(UNIT_POS as usize, maps.len() / channels, units) {
        sum += maps[(at / length * channels + channel) * length + at % length];
    }
    let sum = sum_lanes::<Const<1>>(Vector::new(sum_vector::<N>(sum)), &mut shared, units);
    if UNIT_POS == 0 {
        sums[channel] = sum[0];
    }
}
