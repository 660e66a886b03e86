//! Two tensors as one whose channels follow one another, and one as two: skip connections.

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::launch::{addresses, contiguous, empty, most_units, vector_width};

/// `y`: for each image the `of_a` vectors of `a`, then the `of_b` of `b`.
#[cube(launch, address_type = "dynamic")]
pub fn join<N: Size>(
    a: &Array<Vector<f32, N>>,
    b: &Array<Vector<f32, N>>,
    y: &mut Array<Vector<f32, N>>,
    of_a: usize,
    of_b: usize,
) {
    let at = ABSOLUTE_POS;
    if at >= y.len() {
        terminate!();
    }
    let (image, place) = (at / (of_a + of_b), at % (of_a + of_b));
    if place < of_a {
        y[at] = a[image * of_a + place];
    } else {
        y[at] = b[image * of_b + place - of_a];
    }
}

/// Splits what [`join`] has joined.
#[cube(launch, address_type = "dynamic")]
pub fn split<N: Size>(
    y: &Array<Vector<f32, N>>,
    a: &mut Array<Vector<f32, N>>,
    b: &mut Array<Vector<f32, N>>,
    of_a: usize,
    of_b: usize,
) {
    let at = ABSOLUTE_POS;
    if at >= y.len() {
        terminate!();
    }
    let (image, place) = (at / (of_a + of_b), at % (of_a + of_b));
    if place < of_a {
        a[image * of_a + place] = y[at];
    } else {
        b[image * of_b + place - of_a] = y[at];
    }
}

/// [`Kernels::concat_channels`](crate::Kernels::concat_channels).
pub fn concat_channels<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let ([n, c_a, h, w], [n_b, c_b, h_b, w_b]) = (a.shape().dims(), b.shape().dims());
    assert!([n, h, w] == [n_b, h_b, w_b], "concat_channels: {:?} and {:?} do not fit", a.shape(), b.shape());
    let [a, b] = [a, b].map(contiguous);
    let client = a.client.clone();
    let y = empty(&a, [n, c_a + c_b, h, w].into());
    let wide = vector_width(&y, h * w);
    let (cube, vectors) = (CubeDim::new_1d(most_units(&client)), h * w / wide);
    join::launch::<R>(
        &client,
        calculate_cube_count_elemwise(&client, n * (c_a + c_b) * vectors, cube),
        cube,
        addresses(&[&y]),
        wide,
        a.into_array_arg(),
        b.into_array_arg(),
        y.clone().into_array_arg(),
        c_a * vectors,
        c_b * vectors,
    );
    y
}

/// [`Kernels::concat_channels_backward`](crate::Kernels::concat_channels_backward).
pub fn split_channels<R: CubeRuntime>(y: CubeTensor<R>, c_a: usize) -> [CubeTensor<R>; 2] {
    let [n, c, h, w] = y.shape().dims();
    assert!(c_a <= c, "concat_channels: a gradient of {c} channels, of which the first has {c_a}");
    let y = contiguous(y);
    let client = y.client.clone();
    let [a, b] = [c_a, c - c_a].map(|channels| empty(&y, [n, channels, h, w].into()));
    let wide = vector_width(&y, h * w);
    let (cube, vectors) = (CubeDim::new_1d(most_units(&client)), h * w / wide);
    split::launch::<R>(
        &client,
        calculate_cube_count_elemwise(&client, n * c * vectors, cube),
        cube,
        addresses(&[&y]),
        wide,
        y.into_array_arg(),
        a.clone().into_array_arg(),
        b.clone().into_array_arg(),
        c_a * vectors,
        (c - c_a) * vectors,
    );
    [a, b]
}
