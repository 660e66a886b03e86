//! Of a step of the optimiser.

use cubecl::prelude::*;

use super::{
    super::adamw::{adamw_step, sum_squares},
    arguments::{Arguments, Wide},
};

/// Of two parameters.
pub(super) fn step<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (grads, scale) = (with.inputs::<Wide<WIDTH>>(2), with.input::<f32>());
    let [values, moments_1, moments_2, averages] = [(); 4].map(|()| with.outputs::<Wide<WIDTH>>(2));
    let [beta_1, beta_2, rate, root, epsilon, keep, weight] = [(); 7].map(|()| with.scalar::<f32>());
    adamw_step::expand::<Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        grads,
        scale.into(),
        values,
        moments_1,
        moments_2,
        averages,
        beta_1.into(),
        beta_2.into(),
        rate.into(),
        root.into(),
        epsilon.into(),
        keep.into(),
        weight.into(),
    );
    with.source(&format!("step_{WIDTH}"), 256)
}

/// Of two tensors.
pub(super) fn squares<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (tensors, sums) = (with.inputs::<Wide<WIDTH>>(2), with.output::<f32>());
    let first = with.scalar::<usize>();
    sum_squares::expand::<Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        tensors,
        sums.into(),
        first.into(),
        256,
    );
    with.source(&format!("sum_squares_{WIDTH}"), 256)
}
