//! Sums over the units of a cube, in an order that does not change from run to run.

use cubecl::prelude::*;

/// The sum of `value` over every run of `lanes` neighbouring units, which each unit of the run receives.
///
/// `lanes` is a power of two that divides the units of the cube, `shared` has a place for each unit. All units of
/// the cube must call this together.
#[cube]
pub fn sum_lanes<N: Size>(
    value: Vector<f32, N>,
    shared: &mut SharedMemory<Vector<f32, N>>,
    #[comptime] lanes: usize,
) -> Vector<f32, N> {
    let unit = UNIT_POS as usize;
    let lane = unit % lanes;
    // Somebody may still read the sum before this one.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut distance = comptime!(lanes / 2).runtime();
    while distance > 0 {
        if lane < distance {
            let other = shared[unit + distance];
            shared[unit] += other;
        }
        sync_cube();
        distance /= 2;
    }
    shared[unit - lane]
}

/// The sum of a vector's numbers.
#[cube]
pub fn sum_vector<N: Size>(vector: Vector<f32, N>) -> f32 {
    let mut sum = 0.0_f32;
    #[unroll]
    for k in 0..N::value() {
        sum += vector[k];
    }
    sum
}
