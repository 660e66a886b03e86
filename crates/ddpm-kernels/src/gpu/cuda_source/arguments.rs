//! The arguments of kernels that nobody launches.

use cubecl::{
    Compiler, ExecutionMode, KernelSettings, Runtime,
    cuda::CudaRuntime,
    ir::{ManagedVariable, Type},
    prelude::*,
};

/// Some numbers that are read at once.
pub(super) type Wide<const WIDTH: usize> = Vector<f32, Const<WIDTH>>;

/// The arguments of a kernel, as a launch would register them.
pub(super) struct Arguments {
    pub(super) builder: KernelBuilder,
}

impl Arguments {
    pub(super) fn new() -> Self {
        let mut builder = KernelBuilder::default();
        builder.runtime_properties(CudaRuntime::target_properties());
        AddressType::U32.register(&mut builder.scope);
        Self { builder }
    }

    pub(super) fn of<T: CubePrimitive>(&self) -> Type {
        T::as_type(&self.builder.scope)
    }

    pub(super) fn input<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>();
        self.builder.input_array(ty)
    }

    pub(super) fn output<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>();
        self.builder.output_array(ty)
    }

    pub(super) fn inputs<T: CubePrimitive>(&mut self, count: usize) -> SequenceExpand<Array<T>> {
        let mut arrays = Sequence::__expand_new(&mut self.builder.scope);
        for _ in 0..count {
            let array = self.input::<T>();
            arrays.__expand_push_method(&mut self.builder.scope, array.into());
        }
        arrays
    }

    pub(super) fn outputs<T: CubePrimitive>(&mut self, count: usize) -> SequenceExpand<Array<T>> {
        let mut arrays = Sequence::__expand_new(&mut self.builder.scope);
        for _ in 0..count {
            let array = self.output::<T>();
            arrays.__expand_push_method(&mut self.builder.scope, array.into());
        }
        arrays
    }

    pub(super) fn scalar<T: CubePrimitive>(&mut self) -> ManagedVariable {
        let ty = self.of::<T>().storage_type();
        self.builder.scalar(ty)
    }

    /// The source of a kernel with this name that was expanded into the builder.
    pub(super) fn source(self, name: &str, units: usize) -> String {
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
