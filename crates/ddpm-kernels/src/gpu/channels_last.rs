//! Feature maps with channels last, as the kernels for tensor cores read and write them, and back; and matrices turned.
//!
//! A cube takes a tile of channels and positions through shared memory, so that both are read and written in runs.
#![expect(
    clippy::used_underscore_binding,
    reason = "types of elements are used by what the macro makes, and not in the body"
)]

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{
    CubeRuntime,
    kernel::{cast, into_contiguous},
    ops::{numeric::empty_device_contiguous_dtype, permute, permute_nchw_to_nhwc, permute_nhwc_to_nchw},
    tensor::CubeTensor,
};
use cubecl::prelude::*;

use super::launch::{addresses, cubes, most_units, vector_width};

/// Channels, and positions, of a tile.
const TILE: usize = 32;

/// Bytes that a unit writes at once, at most, where a number has fewer: as many as it reads.
const WRITTEN: usize = 4;

/// A row of a tile in shared memory: one place more, so that neither rows nor columns share a bank.
const ROW: usize = TILE + 1;

/// `y`, `[n, length, channels]` in vectors, of `x`, `[n, channels, length]`. A tile has that many times as many channels.
///
/// Each run of so many positions as there are `taps` is turned round.
#[cube(launch, address_type = "dynamic")]
pub fn to_channels_last<X: Float, Y: Float, N: Size>(
    x: &Array<X>,
    y: &mut Array<Vector<Y, N>>,
    channels: usize,
    length: usize,
    #[comptime] taps: usize,
    #[comptime] rows: usize,
    #[define(X)] _from: StorageType,
    #[define(Y)] _to: StorageType,
) {
    let width = N::value().comptime();
    let (tiles, tiles_of_length) = (channels.div_ceil(comptime!(TILE * width)), length.div_ceil(TILE));
    let image = CUBE_POS / (tiles * tiles_of_length);
    let first = image * channels * length;
    if first >= x.len() {
        terminate!();
    }
    let first_channel = CUBE_POS / tiles_of_length % tiles * comptime!(TILE * width);
    let first_position = CUBE_POS % tiles_of_length * TILE;
    let (row, lane) = (UNIT_POS as usize / TILE, UNIT_POS as usize % TILE);
    let mut tile = SharedMemory::<f32>::new(comptime!(TILE * width * ROW));
    let position = first_position + lane;
    for at in range_stepped(row, comptime!(TILE * width), rows) {
        let channel = first_channel + at;
        if channel < channels && position < length {
            tile[at * ROW + lane] = f32::cast_from(x[first + channel * length + position]);
        }
    }
    sync_cube();
    let channel = first_channel + lane * width;
    for at in range_stepped(row, TILE, rows) {
        let position = first_position + at;
        if channel < channels && position < length {
            let mut values = Vector::<Y, N>::new(Y::new(0.0));
            #[unroll]
            for k in 0..width {
                values[k] = Y::cast_from(tile[(lane * width + k) * ROW + at]);
            }
            let tap = position % taps;
            let place = position - tap + (taps - 1 - tap);
            y[(first + place * channels + channel) / width] = values;
        }
    }
}

/// An addition to feature maps, besides a number for each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Added {
    Nothing,
    /// `[n, channels]`
    Shift,
    /// `[n, channels, ..]`
    Residual,
}

/// `y`, `[n, channels, length]`, of `x`, `[n, length, channels]`, and what is added to it: `terms` has the number of each
/// channel, where there is one, and then what `added` says.
#[cube(launch, address_type = "dynamic")]
pub fn from_channels_last(
    x: &Array<f32>,
    terms: &Sequence<Array<f32>>,
    y: &mut Array<f32>,
    channels: usize,
    length: usize,
    #[comptime] rows: usize,
    #[comptime] bias: bool,
    #[comptime] added: Added,
) {
    let (tiles, tiles_of_length) = (channels.div_ceil(TILE), length.div_ceil(TILE));
    let image = CUBE_POS / (tiles * tiles_of_length);
    let first = image * channels * length;
    if first >= x.len() {
        terminate!();
    }
    let first_channel = CUBE_POS / tiles_of_length % tiles * TILE;
    let first_position = CUBE_POS % tiles_of_length * TILE;
    let (row, lane) = (UNIT_POS as usize / TILE, UNIT_POS as usize % TILE);
    let mut tile = SharedMemory::<f32>::new(comptime!(TILE * ROW));
    let channel = first_channel + lane;
    for at in range_stepped(row, TILE, rows) {
        let position = first_position + at;
        if channel < channels && position < length {
            tile[lane * ROW + at] = x[first + position * channels + channel];
        }
    }
    sync_cube();
    let position = first_position + lane;
    for at in range_stepped(row, TILE, rows) {
        let channel = first_channel + at;
        if channel < channels && position < length {
            let place = first + channel * length + position;
            let mut value = tile[at * ROW + lane];
            if comptime!(bias) {
                let bias = terms.index(comptime!(0_usize));
                value += bias[channel];
            }
            match added {
                Added::Nothing => {}
                Added::Shift => {
                    let shift = terms.index(comptime!(usize::from(bias)));
                    value += shift[image * channels + channel];
                }
                Added::Residual => {
                    let residual = terms.index(comptime!(usize::from(bias)));
                    value += residual[place];
                }
            }
            y[place] = value;
        }
    }
}

/// Cubes for every tile of so many channels, and the rows of their units.
fn grid<R: CubeRuntime>(
    client: &ComputeClient<R>,
    [n, channels, length]: [usize; 3],
    tile_channels: usize,
) -> (CubeCount, usize) {
    let rows = most_units(client) as usize / TILE;
    (cubes(client, n * channels.div_ceil(tile_channels) * length.div_ceil(TILE)), rows)
}

const fn cube(rows: usize) -> CubeDim {
    CubeDim::new_1d((TILE * rows) as u32)
}

/// Whether the channels of `[n, c, h, w]` follow one another in memory.
pub fn is_channels_last<R: CubeRuntime>(x: &CubeTensor<R>) -> bool {
    permute_nchw_to_nhwc(x.clone()).is_contiguous()
}

/// `[n, c, h, w]` in f32, as numbers of a type that lie with channels last.
pub fn channels_last<R: CubeRuntime>(x: CubeTensor<R>, dtype: DType) -> CubeTensor<R> {
    if x.dtype == dtype && is_channels_last(&x) {
        return x;
    }
    let [n, c, h, w] = x.shape().dims();
    permute_nhwc_to_nchw(turned(x, dtype, [n, c, h * w], 1, [n, h, w, c]))
}

/// A convolution's weight `[c_out, c_in, k_h, k_w]` in f32, as the one that gives the gradient of its input from that of
/// its output: `[c_in, c_out, k_h, k_w]` with its places turned round, in numbers of a type that lie with channels last.
pub fn mirrored<R: CubeRuntime>(weight: CubeTensor<R>, dtype: DType) -> CubeTensor<R> {
    let [c_out, c_in, k_h, k_w] = weight.shape().dims();
    permute_nhwc_to_nchw(turned(
        weight,
        dtype,
        [1, c_out, c_in * k_h * k_w],
        k_h * k_w,
        [c_in, k_h, k_w, c_out],
    ))
}

/// `[.., rows, columns]` in f32, as numbers of a type whose columns lie one after another.
pub fn rows_along<R: CubeRuntime>(x: CubeTensor<R>, dtype: DType) -> CubeTensor<R> {
    let dims = x.shape();
    let last = dims.num_dims() - 1;
    let columns_first = transposed(x.clone());
    if x.meta.strides()[last] == 1 || !columns_first.is_contiguous() {
        return cast(into_contiguous(x), dtype);
    }
    let matrices = dims[..last - 1].iter().product();
    turned(columns_first, dtype, [matrices, dims[last], dims[last - 1]], 1, dims)
}

/// `[.., m, n]` as `[.., n, m]`, by its strides.
pub fn transposed<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let mut axes: Vec<usize> = (0..x.meta.num_dims()).collect();
    let last = axes.len() - 1;
    axes.swap(last - 1, last);
    permute(x, &axes)
}

/// `[n, channels, length]` as `[n, length, channels]` of this shape.
fn turned<R: CubeRuntime>(
    x: CubeTensor<R>,
    dtype: DType,
    [n, channels, length]: [usize; 3],
    taps: usize,
    shape: impl Into<Shape>,
) -> CubeTensor<R> {
    let x = into_contiguous(x);
    let client = x.client.clone();
    let y = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape.into(), dtype);
    let width = vector_width(&y, channels).min(WRITTEN / dtype.size());
    let (cubes, rows) = grid(&client, [n, channels, length], TILE * width);
    let types = (x.dtype.into(), dtype.into());
    to_channels_last::launch::<R>(
        &client,
        cubes,
        cube(rows),
        addresses(&[&x]),
        width,
        x.into_array_arg(),
        y.clone().into_array_arg(),
        channels,
        length,
        taps,
        rows,
        types.0,
        types.1,
    );
    y
}

/// `[n, c, h, w]` in f32 that lies with channels last as it lies usually, plus a number for each channel, `[c]`, and plus
/// one more term.
pub fn channels_first<R: CubeRuntime>(
    x: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    (added, term): (Added, Option<CubeTensor<R>>),
) -> CubeTensor<R> {
    let [n, c, h, w] = x.shape().dims();
    let x = into_contiguous(permute_nchw_to_nhwc(x));
    let (client, shape) = (x.client.clone(), Shape::from([n, c, h, w]));
    let y = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, DType::F32);
    let (cubes, rows) = grid(&client, [n, c, h * w], TILE);
    let mut terms = SequenceArg::new();
    let with_bias = bias.is_some();
    for tensor in [bias, term].into_iter().flatten() {
        terms.push(into_contiguous(tensor).into_array_arg());
    }
    from_channels_last::launch::<R>(
        &client,
        cubes,
        cube(rows),
        addresses(&[&x]),
        x.into_array_arg(),
        terms,
        y.clone().into_array_arg(),
        c,
        h * w,
        rows,
        with_bias,
        added,
    );
    y
}
