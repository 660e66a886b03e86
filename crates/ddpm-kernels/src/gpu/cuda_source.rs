//! The CUDA C++ of every kernel, generated without a device or a driver.

use cubecl::{
    Compiler, ExecutionMode, KernelSettings, Runtime,
    cuda::CudaRuntime,
    ir::{ManagedVariable, Type},
    prelude::*,
};

use super::{
    adamw::{adamw_step, sum_squares},
    channels_last::{Added, from_channels_last, to_channels_last},
    convolution::{regroup, sum_maps, sum_parts, unfold},
    group_norm::{Units, group_norm_backward, group_norm_forward, group_norm_sum_images},
    joined::{join, split},
};

/// Some numbers that are read at once.
type Wide<const WIDTH: usize> = Vector<f32, Const<WIDTH>>;

/// The arguments of a kernel, as a launch would register them.
struct Arguments {
    builder: KernelBuilder,
}

impl Arguments {
    fn new() -> Self {
        let mut builder = KernelBuilder::default();
        builder.runtime_properties(CudaRuntime::target_properties());
        AddressType::U32.register(&mut builder.scope);
        Self { builder }
    }

    fn of<T: CubePrimitive>(&self) -> Type {
        T::as_type(&self.builder.scope)
    }

    fn input<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>();
        self.builder.input_array(ty)
    }

    fn output<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>();
        self.builder.output_array(ty)
    }

    fn inputs<T: CubePrimitive>(&mut self, count: usize) -> SequenceExpand<Array<T>> {
        let mut arrays = Sequence::__expand_new(&mut self.builder.scope);
        for _ in 0..count {
            let array = self.input::<T>();
            arrays.__expand_push_method(&mut self.builder.scope, array.into());
        }
        arrays
    }

    fn outputs<T: CubePrimitive>(&mut self, count: usize) -> SequenceExpand<Array<T>> {
        let mut arrays = Sequence::__expand_new(&mut self.builder.scope);
        for _ in 0..count {
            let array = self.output::<T>();
            arrays.__expand_push_method(&mut self.builder.scope, array.into());
        }
        arrays
    }

    fn scalar<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>().storage_type();
        self.builder.scalar(ty)
    }

    /// The source of a kernel with this name that was expanded into the builder.
    fn source(self, name: &str, units: usize) -> String {
        let settings = KernelSettings::default().cube_dim(CubeDim::new_1d(units as u32)).kernel_name(name);
        let definition = self.builder.build(settings);
        let mut compiler = <CudaRuntime as Runtime>::Compiler::default();
        let address = AddressType::U32.unsigned_type();
        let compiled =
            compiler.compile(definition, &Default::default(), ExecutionMode::Checked, address).unwrap();
        let source = compiled.to_string();
        // For a compiler, if there is one: `CLDIFF_CUDA_SOURCE=DIR cargo test .. cuda_source`.
        if let Some(dir) = std::env::var_os("CLDIFF_CUDA_SOURCE") {
            std::fs::write(std::path::Path::new(&dir).join(format!("{name}.cu")), &source).unwrap();
        }
        source
    }
}

fn units() -> Units {
    Units::new(4, 256, 256)
}

fn forward<const WIDTH: usize>(silu: bool) -> String {
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

fn backward<const WIDTH: usize>(silu: bool) -> String {
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

fn sum_images() -> String {
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

fn unfolded<F: Float, const WIDTH: usize>(stride: usize) -> String {
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

fn regrouped<F: Float, const WIDTH: usize>() -> String {
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

fn joined<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let (a, b) = (with.input::<Wide<WIDTH>>(), with.input::<Wide<WIDTH>>());
    let y = with.output::<Wide<WIDTH>>();
    let [of_a, of_b] = [(); 2].map(|()| with.scalar::<usize>());
    let scope = &mut with.builder.scope;
    join::expand::<Const<WIDTH>>(scope, WIDTH, a.into(), b.into(), y.into(), of_a.into(), of_b.into());
    with.source(&format!("join_{WIDTH}"), 256)
}

fn taken_apart<const WIDTH: usize>() -> String {
    let mut with = Arguments::new();
    let y = with.input::<Wide<WIDTH>>();
    let (a, b) = (with.output::<Wide<WIDTH>>(), with.output::<Wide<WIDTH>>());
    let [of_a, of_b] = [(); 2].map(|()| with.scalar::<usize>());
    let scope = &mut with.builder.scope;
    split::expand::<Const<WIDTH>>(scope, WIDTH, y.into(), a.into(), b.into(), of_a.into(), of_b.into());
    with.source(&format!("split_{WIDTH}"), 256)
}

fn parts<const WIDTH: usize>(more: bool) -> String {
    let mut with = Arguments::new();
    let (parts, sums) = (with.input::<Wide<WIDTH>>(), with.output::<Wide<WIDTH>>());
    sum_parts::expand::<Const<WIDTH>>(&mut with.builder.scope, WIDTH, parts.into(), sums.into(), more);
    with.source(&format!("sum_parts_{WIDTH}_{more}"), 256)
}

fn last<F: Float, const WIDTH: usize>(taps: usize) -> String {
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

fn first(bias: bool, added: Added) -> String {
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

fn maps<const WIDTH: usize>() -> String {
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

/// Of two parameters.
fn step<const WIDTH: usize>() -> String {
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
fn squares<const WIDTH: usize>() -> String {
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

#[test]
fn every_kernel_has_a_cuda_form() {
    let norms = [false, true]
        .into_iter()
        .flat_map(|silu| [forward::<1>(silu), forward::<4>(silu), backward::<1>(silu), backward::<4>(silu)]);
    let convolutions = [
        unfolded::<f32, 1>(2),
        unfolded::<half::bf16, 8>(1),
        regrouped::<f32, 1>(),
        regrouped::<half::bf16, 4>(),
        joined::<1>(),
        joined::<4>(),
        taken_apart::<1>(),
        taken_apart::<4>(),
        last::<f32, 1>(1),
        last::<half::bf16, 2>(9),
        first(false, Added::Nothing),
        first(true, Added::Shift),
        first(true, Added::Residual),
        parts::<1>(false),
        parts::<4>(true),
        maps::<1>(),
        maps::<4>(),
        step::<1>(),
        step::<4>(),
    ];
    let sources: Vec<String> =
        norms.chain([sum_images(), squares::<1>(), squares::<4>()]).chain(convolutions).collect();
    for source in &sources {
        assert!(source.contains("extern \"C\" __global__ void"), "{source}");
        assert!(!source.contains("atomic"), "sums have a fixed order: {source}");
        // CubeCL 0.10 writes a vector's negation as an operator that NVRTC refuses.
        let negated = source.lines().find(|line| line.contains("float_4 l_") && line.contains("= -"));
        assert_eq!(negated, None, "{source}");
    }
    assert!(sources[..11].iter().all(|source| source.contains("__syncthreads()")));
}

/// One load of 16 bytes takes four numbers.
#[test]
fn wide_kernels_read_four_numbers_at_once() {
    let wide =
        [forward::<4>(true), backward::<4>(true), step::<4>(), parts::<4>(true), maps::<4>(), joined::<4>()];
    for source in wide {
        assert!(source.contains("const float_4* __restrict__ buffer_0"), "{source}");
    }
}
