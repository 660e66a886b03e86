//! Of what surrounds the products of convolutions.

use cubecl::prelude::*;

use super::{
    super::{
        channels_last::{Added, from_channels_last, to_channels_last},
        convolution::{regroup, sum_maps, sum_parts, unfold},
        joined::{join, split},
    },
    arguments::{Arguments, Wide},
};

pub(super) fn unfolded<F: Float, const WIDTH: usize>(stride: usize) -> String {
    let mut with = Arguments::new();
    let (x, y) = (with.input::<f32>(), with.output::<Vector<F, Const<WIDTH>>>());
    let [first, maps, channels, height, width] = [(); 5].map(|()| with.scalar::<usize>());
    let [out_height, out_width, images, padding] = [(); 4].map(|()| with.scalar::<usize>());
    let [from, to] = [f32::as_type_native_unchecked(), F::as_type_native_unchecked()];
    unfold::expand::<f32, F, Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        x.into(),
        y.into(),
        first.into(),
        maps.into(),
        channels.into(),
        height.into(),
        width.into(),
        out_height.into(),
        out_width.into(),
        images.into(),
        padding.into(),
        3,
        3,
        stride,
        256,
        from.storage_type(),
        to.storage_type(),
    );
    with.source(&format!("unfold_{}_{WIDTH}_{stride}", to.size()), 256)
}

pub(super) fn regrouped<F: Float, const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (x, y) = (with.input::<Wide<WIDTH>>(), with.output::<Vector<F, Const<WIDTH>>>());
    let [first, channels, images, length] = [(); 4].map(|()| with.scalar::<usize>());
    let [from, to] = [f32::as_type_native_unchecked(), F::as_type_native_unchecked()];
    regroup::expand::<f32, F, Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        x.into(),
        y.into(),
        first.into(),
        channels.into(),
        images.into(),
        length.into(),
        from.storage_type(),
        to.storage_type(),
    );
    with.source(&format!("regroup_{}_{WIDTH}", to.size()), 256)
}

pub(super) fn joined<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (a, b) = (with.input::<Wide<WIDTH>>(), with.input::<Wide<WIDTH>>());
    let y = with.output::<Wide<WIDTH>>();
    let [of_a, of_b] = [(); 2].map(|()| with.scalar::<usize>());
    let scope = &mut with.builder.scope;
    join::expand::<Const<WIDTH>>(scope, WIDTH, a.into(), b.into(), y.into(), of_a.into(), of_b.into());
    with.source(&format!("join_{WIDTH}"), 256)
}

pub(super) fn taken_apart<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let y = with.input::<Wide<WIDTH>>();
    let (a, b) = (with.output::<Wide<WIDTH>>(), with.output::<Wide<WIDTH>>());
    let [of_a, of_b] = [(); 2].map(|()| with.scalar::<usize>());
    let scope = &mut with.builder.scope;
    split::expand::<Const<WIDTH>>(scope, WIDTH, y.into(), a.into(), b.into(), of_a.into(), of_b.into());
    with.source(&format!("split_{WIDTH}"), 256)
}

pub(super) fn parts<const WIDTH: usize>(more: bool) -> String {
    let mut with = Arguments::new();
    let (parts, sums) = (with.input::<Wide<WIDTH>>(), with.output::<Wide<WIDTH>>());
    sum_parts::expand::<Const<WIDTH>>(&mut with.builder.scope, WIDTH, parts.into(), sums.into(), more);
    with.source(&format!("sum_parts_{WIDTH}_{more}"), 256)
}

pub(super) fn last<F: Float, const WIDTH: usize>(taps: usize) -> String {
    let mut with = Arguments::new();
    let (x, y) = (with.input::<f32>(), with.output::<Vector<F, Const<WIDTH>>>());
    let [channels, length] = [(); 2].map(|()| with.scalar::<usize>());
    let [from, to] = [f32::as_type_native_unchecked(), F::as_type_native_unchecked()];
    to_channels_last::expand::<f32, F, Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        x.into(),
        y.into(),
        channels.into(),
        length.into(),
        taps,
        8,
        from.storage_type(),
        to.storage_type(),
    );
    with.source(&format!("to_channels_last_{}_{taps}", to.size()), 256)
}

pub(super) fn first(bias: bool, added: Added) -> String {
    let mut with = Arguments::new();
    let x = with.input::<f32>();
    let terms = with.inputs::<f32>(usize::from(bias) + usize::from(added != Added::Nothing));
    let y = with.output::<f32>();
    let [channels, length] = [(); 2].map(|()| with.scalar::<usize>());
    from_channels_last::expand(
        &mut with.builder.scope,
        x.into(),
        terms,
        y.into(),
        channels.into(),
        length.into(),
        8,
        bias,
        added,
    );
    with.source(&format!("from_channels_last_{bias}_{added:?}"), 256)
}

pub(super) fn maps<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (maps, sums) = (with.input::<Wide<WIDTH>>(), with.output::<f32>());
    let length = with.scalar::<usize>();
    sum_maps::expand::<Const<WIDTH>>(
        &mut with.builder.scope,
        WIDTH,
        maps.into(),
        sums.into(),
        length.into(),
        1024,
    );
    with.source(&format!("sum_maps_{WIDTH}"), 1024)
}
