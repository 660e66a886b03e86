//! The optimiser's kernels, of which one launch takes several parameters: a network has hundreds, most of them small.

use cubecl::prelude::*;

use super::sums::{sum_lanes, sum_vector};

/// One step of AdamW and of the moving average, in place, each number read and written once; gradients are multiplied by
/// the number in `scale` first. Cubes with the same second coordinate take one parameter.
///
/// The formula is that of [`AdamW::factors`](crate::AdamW::factors).
#[cube(launch, address_type = "dynamic")]
pub fn adamw_step<N: Size>(
    grads: &Sequence<Array<Vector<f32, N>>>,
    scale: &Array<f32>,
    values: &mut Sequence<Array<Vector<f32, N>>>,
    firsts: &mut Sequence<Array<Vector<f32, N>>>,
    seconds: &mut Sequence<Array<Vector<f32, N>>>,
    averages: &mut Sequence<Array<Vector<f32, N>>>,
    beta_1: f32,
    beta_2: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
    keep: f32,
    weight: f32,
) {
    let scale = Vector::<f32, N>::new(scale[0]);
    let step = CUBE_COUNT_X as usize * CUBE_DIM as usize;
    let first_place = CUBE_POS_X as usize * CUBE_DIM as usize + UNIT_POS as usize;
    #[unroll]
    for k in 0..grads.len() {
        if CUBE_POS_Y as usize == k {
            let grad = grads.index(k);
            let (value, average) = (values.index_mut(k), averages.index_mut(k));
            let (moment_1, moment_2) = (firsts.index_mut(k), seconds.index_mut(k));
            for at in range_stepped(first_place, grad.len(), step) {
                let g = grad[at] * scale;
                let first = moment_1[at] * Vector::new(beta_1) + g * Vector::new(1.0 - beta_1);
                let second = moment_2[at] * Vector::new(beta_2) + g * g * Vector::new(1.0 - beta_2);
                let divisor = second.sqrt() * Vector::new(root) + Vector::new(epsilon);
                let new = value[at] * Vector::new(keep) - first * Vector::new(rate) / divisor;
                moment_1[at] = first;
                moment_2[at] = second;
                value[at] = new;
                let old = average[at];
                average[at] = old + (new - old) * Vector::new(weight);
            }
        }
    }
}

/// The squares of some tensors' numbers, summed by each cube: cubes with the same second coordinate take one tensor. Sums
/// go into `sums` from the place `first` on.
#[cube(launch, address_type = "dynamic")]
pub fn sum_squares<N: Size>(
    tensors: &Sequence<Array<Vector<f32, N>>>,
    sums: &mut Array<f32>,
    first: usize,
    #[comptime] units: usize,
) {
    let mut shared = SharedMemory::<Vector<f32, Const<1>>>::new(units);
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll]
    for k in 0..tensors.len() {
        if CUBE_POS_Y as usize == k {
            let numbers = tensors.index(k);
            let first_place = CUBE_POS_X as usize * units + UNIT_POS as usize;
            for at in range_stepped(first_place, numbers.len(), CUBE_COUNT_X as usize * units) {
                sum += numbers[at] * numbers[at];
            }
        }
    }
    let sum = sum_lanes::<Const<1>>(Vector::new(sum_vector::<N>(sum)), &mut shared, units);
    if UNIT_POS == 0 {
        sums[first + CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize] = sum[0];
    }
}
