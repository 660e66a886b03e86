//! Of normalisation.

use cubecl::prelude::*;

use super::{
    super::group_norm::{Units, group_norm_backward, group_norm_forward, group_norm_sum_images},
    arguments::{Arguments, Wide},
};

fn units() -> Units {
    Units::new(4, 256, 256)
}

pub(super) fn forward<const WIDTH: usize>(silu: bool) -> String {
    let mut with = Arguments::new();
    let [x, weight, bias] = [with.input::<Wide<WIDTH>>(), with.input::<f32>(), with.input::<f32>()];
    let y = with.output::<Wide<WIDTH>>();
    let [length, channels, eps] = [with.scalar::<usize>(), with.scalar::<usize>(), with.scalar::<f32>()];
    group_norm_forward::expand::<Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        x.into(),
        weight.into(),
        bias.into(),
        y.into(),
        length.into(),
        channels.into(),
        eps.into(),
        units(),
        silu,
    );
    with.source(&format!("forward_{WIDTH}_{silu}"), units().count())
}

pub(super) fn backward<const WIDTH: usize>(silu: bool) -> String {
    let mut with = Arguments::new();
    let [x, weight, bias] = [with.input::<Wide<WIDTH>>(), with.input::<f32>(), with.input::<f32>()];
    let grad = with.input::<Wide<WIDTH>>();
    let [x_grad, sums] = [with.output::<Wide<WIDTH>>(), with.output::<f32>()];
    let [length, channels, eps] = [with.scalar::<usize>(), with.scalar::<usize>(), with.scalar::<f32>()];
    group_norm_backward::expand::<Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        x.into(),
        weight.into(),
        bias.into(),
        grad.into(),
        x_grad.into(),
        sums.into(),
        length.into(),
        channels.into(),
        eps.into(),
        units(),
        silu,
    );
    with.source(&format!("backward_{WIDTH}_{silu}"), units().count())
}

pub(super) fn sum_images() -> String {
    let mut with = Arguments::new();
    let rows = with.input::<f32>();
    let [bias_grad, weight_grad] = [with.output::<f32>(), with.output::<f32>()];
    let images = with.scalar::<usize>();
    group_norm_sum_images::expand(
        &mut with.builder.scope,
        rows.into(),
        bias_grad.into(),
        weight_grad.into(),
        images.into(),
        128,
    );
    with.source("sum_images", 128)
}
