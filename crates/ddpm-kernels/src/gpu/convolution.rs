//! The operations around the matrix products of a convolution's gradients: each is one pass over memory.
#![expect(
    clippy::used_underscore_binding,
    reason = "`_dtype` is used by what the macro makes, and not in the body"
)]

use cubecl::prelude::*;

use super::sums::{sum_lanes, sum_vector};

/// Writes out, as a factor, the inputs that each place of a convolution's kernel is multiplied with. A cube takes one map of `x`, a unit
/// some neighbouring columns of one row of the output at a time, whose number divides `out_width`: what the places of one row
/// of the kernel need is read once.
///
/// `x`: `[n, channels, height, width]`, of which `maps` maps from the image `first` on are taken; `y`:
/// `[maps / channels / images, channels * kernel height * kernel width, images * out_height * out_width]` in vectors.
#[cube(launch, address_type = "dynamic")]
pub fn unfold<X: Float, Y: Float, N: Size>(
    x: &Array<X>,
    y: &mut Array<Vector<Y, N>>,
    first: usize,
    maps: usize,
    channels: usize,
    height: usize,
    width: usize,
    out_height: usize,
    out_width: usize,
    images: usize,
    padding: usize,
    #[comptime] kernel_height: usize,
    #[comptime] kernel_width: usize,
    #[comptime] stride: usize,
    #[comptime] units: usize,
    #[define(X)] _from: StorageType,
    #[define(Y)] _to: StorageType,
) {
    let map = CUBE_POS;
    if map >= maps {
        terminate!();
    }
    let wide = N::value().comptime();
    let length = out_height * out_width / wide;
    let (image, channel) = (map / channels, map % channels);
    let (group, place) = (image / images, image % images);
    let from = (first * channels + map) * height * width;
    let places = comptime!(kernel_height * kernel_width);
    let to = ((group * channels + channel) * places * images + place) * length;
    let reach = comptime!((wide - 1) * stride + kernel_width);
    let mut values = Array::<Y>::new(reach);
    for at in range_stepped(UNIT_POS as usize, length, units) {
        let position = at * wide;
        // Counted from the edge of the padding.
        let (first_row, first_column) = (position / out_width * stride, position % out_width * stride);
        #[unroll]
        for i in 0..kernel_height {
            let row = first_row + i;
            let inside = row >= padding && row < height + padding;
            #[unroll]
            for k in 0..reach {
                let column = first_column + k;
                let mut value = Y::new(0.0);
                if inside && column >= padding && column < width + padding {
                    value = Y::cast_from(x[from + (row - padding) * width + column - padding]);
                }
                values[k] = value;
            }
            #[unroll]
            for j in 0..kernel_width {
                let mut vector = Vector::<Y, N>::new(Y::new(0.0));
                #[unroll]
                for k in 0..wide {
                    vector[k] = values[comptime!(k * stride + j)];
                }
                y[to + comptime!(i * kernel_width + j) * images * length + at] = vector;
            }
        }
    }
}

/// Maps as a factor, those of one channel of some images one after another: what [`unfold`] makes for a kernel of one pixel.
///
/// `x`: `[n, channels, length]` in vectors, of which those from `first` on are taken; `y`:
/// `[groups, channels, images, length]` in as wide ones.
#[cube(launch, address_type = "dynamic")]
pub fn regroup<X: Float, Y: Float, N: Size>(
    x: &Array<Vector<X, N>>,
    y: &mut Array<Vector<Y, N>>,
    first: usize,
    channels: usize,
    images: usize,
    length: usize,
    #[define(X)] _from: StorageType,
    #[define(Y)] _to: StorageType,
) {
    let at = ABSOLUTE_POS;
    if at >= y.len() {
        terminate!();
    }
    let (map, place) = (at / length, at % length);
    let (image, channel) = (map % images, map / images % channels);
    let from = (map / images / channels * images + image) * channels + channel;
    y[at] = Vector::cast_from(x[first + from * length + place]);
}

/// The sum of the rows of `parts`, each as long as `sums`, which `more` adds to what is there.
#[cube(launch, address_type = "dynamic")]
pub fn sum_parts<N: Size>(
    parts: &Array<Vector<f32, N>>,
    sums: &mut Array<Vector<f32, N>>,
    #[comptime] more: bool,
) {
    let (at, length) = (ABSOLUTE_POS, sums.len());
    if at >= length {
        terminate!();
    }
    let mut sum = Vector::<f32, N>::new(0.0);
    if more {
        sum = sums[at];
    }
    for part in 0..parts.len() / length {
        sum += parts[part * length + at];
    }
    sums[at] = sum;
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
