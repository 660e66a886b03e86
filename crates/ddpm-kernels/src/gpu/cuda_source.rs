//! The CUDA C++ of every kernel, generated without a device or a driver.

use cubecl::{
    Compiler, ExecutionMode, KernelBuilder, KernelSettings, Runtime,
    cuda::CudaRuntime,
    ir::{ManagedVariable, Type},
    prelude::*,
};

use super::{
    adamw,
    group_norm::{self, Units},
};

type Four = Const<4>;

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

    fn scalar<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>().storage_type();
        self.builder.scalar(ty)
    }

    /// The source of a kernel with this name that was expanded into the builder.
    fn source(self, name: &str, units: usize) -> String {
        let settings =
            KernelSettings::default().cube_dim(CubeDim::new_1d(units as u32)).kernel_name(name.to_owned());
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

fn forward() -> String {
    let mut with = Arguments::new();
    let [x, weight, bias] = [with.input::<Vector<f32, Four>>(), with.input::<f32>(), with.input::<f32>()];
    let y = with.output::<Vector<f32, Four>>();
    let [length, channels, eps] = [with.scalar::<usize>(), with.scalar::<usize>(), with.scalar::<f32>()];
    group_norm::forward::expand::<Four>(
        &mut with.builder.scope,
        x.into(),
        weight.into(),
        bias.into(),
        y.into(),
        length.into(),
        channels.into(),
        eps.into(),
        units(),
        true,
    );
    with.source("forward", units().count())
}

fn backward() -> String {
    let mut with = Arguments::new();
    let [x, weight, bias] = [with.input::<Vector<f32, Four>>(), with.input::<f32>(), with.input::<f32>()];
    let grad = with.input::<Vector<f32, Four>>();
    let [x_grad, sums] = [with.output::<Vector<f32, Four>>(), with.output::<f32>()];
    let [length, channels, eps] = [with.scalar::<usize>(), with.scalar::<usize>(), with.scalar::<f32>()];
    group_norm::backward::expand::<Four>(
        &mut with.builder.scope,
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
        true,
    );
    with.source("backward", units().count())
}

fn sum_images() -> String {
    let mut with = Arguments::new();
    let rows = with.input::<f32>();
    let [bias_grad, weight_grad] = [with.output::<f32>(), with.output::<f32>()];
    let images = with.scalar::<usize>();
    group_norm::sum_images::expand(
        &mut with.builder.scope,
        rows.into(),
        bias_grad.into(),
        weight_grad.into(),
        images.into(),
        128,
    );
    with.source("sum_images", 128)
}

fn step() -> String {
    let mut with = Arguments::new();
    let [grad, scale] = [with.input::<Vector<f32, Four>>(), with.input::<f32>()];
    let state = [(); 4].map(|()| with.output::<Vector<f32, Four>>());
    let scalars = [(); 7].map(|()| with.scalar::<f32>());
    let [value, moment_1, moment_2, average] = state;
    let [beta_1, beta_2, rate, root, epsilon, keep, weight] = scalars;
    adamw::step::expand::<Four>(
        &mut with.builder.scope,
        grad.into(),
        scale.into(),
        value.into(),
        moment_1.into(),
        moment_2.into(),
        average.into(),
        beta_1.into(),
        beta_2.into(),
        rate.into(),
        root.into(),
        epsilon.into(),
        keep.into(),
        weight.into(),
    );
    with.source("step", 256)
}

#[test]
fn every_kernel_has_a_cuda_form() {
    for (name, source) in
        [("forward", forward()), ("backward", backward()), ("sum_images", sum_images()), ("step", step())]
    {
        assert!(source.contains("extern \"C\" __global__ void"), "{source}");
        assert!(source.contains(name), "{source}");
        assert!(!source.contains("atomic"), "sums have a fixed order: {source}");
    }
    // Four numbers are read at once, and units wait for each other.
    for source in [forward(), backward()] {
        assert!(source.contains("float_4") && source.contains("__syncthreads()"), "{source}");
    }
    assert!(step().contains("float_4"));
}
