//! Kernels of ours as operations of Burn's fusion: what is fused ends in front of one and begins anew behind it.

use std::fmt::Debug;

use burn::tensor::{DType, Shape};
use burn_cubecl::{CubeBackend, CubeRuntime, fusion::FusionCubeRuntime, tensor::CubeTensor};
use burn_fusion::{
    FusionHandle, FusionTensor,
    stream::{Operation, OperationStreams},
};
use burn_ir::{CustomOpIr, HandleContainer, OperationIr, TensorIr};

/// Something that runs on the tensors of a device when fusion comes to it.
pub trait Launch<const INPUTS: usize, const OUTPUTS: usize>: Debug + Send + Sync + 'static {
    /// Its name in the description of a stream.
    const NAME: &'static str;

    /// Whether it takes inputs of this type.
    fn takes(dtype: DType) -> bool {
        dtype == DType::F32
    }

    /// Runs it; its outputs are in f32.
    fn launch<R: CubeRuntime>(&self, inputs: [CubeTensor<R>; INPUTS]) -> [CubeTensor<R>; OUTPUTS];
}

/// A tensor of Burn's fusion on a device of `R`.
pub type Lazy<R> = FusionTensor<FusionCubeRuntime<R>>;

/// Queues an operation behind those that its inputs wait for; returns its outputs, of these shapes.
///
/// # Panics
/// If an input has a type that the operation does not take.
pub fn register<R, L, const INPUTS: usize, const OUTPUTS: usize>(
    operation: L,
    inputs: [Lazy<R>; INPUTS],
    shapes: [Shape; OUTPUTS],
) -> [Lazy<R>; OUTPUTS]
where
    R: CubeRuntime,
    L: Launch<INPUTS, OUTPUTS>,
{
    let types = inputs.each_ref().map(|input| input.dtype);
    assert!(types.into_iter().all(L::takes), "{}: inputs in {types:?}", L::NAME);
    let client = inputs[0].client.clone();
    let streams = OperationStreams::with_inputs(&inputs);
    let outputs = shapes.map(|shape| TensorIr::uninit(client.create_empty_handle(), shape, DType::F32));
    let description = CustomOpIr::new(L::NAME, &inputs.map(FusionTensor::into_ir), &outputs);
    let queued = Queued { operation, description: description.clone() };
    let outputs: Result<[Lazy<R>; OUTPUTS], _> = client
        .register::<Queued<L, INPUTS, OUTPUTS>>(streams, OperationIr::Custom(description), queued)
        .try_into();
    outputs.unwrap_or_else(|_| unreachable!("an output for each shape"))
}

#[derive(Debug)]
struct Queued<L, const INPUTS: usize, const OUTPUTS: usize> {
    operation: L,
    description: CustomOpIr,
}

impl<R, L, const INPUTS: usize, const OUTPUTS: usize> Operation<FusionCubeRuntime<R>>
    for Queued<L, INPUTS, OUTPUTS>
where
    R: CubeRuntime,
    L: Launch<INPUTS, OUTPUTS>,
{
    fn execute(&self, handles: &mut HandleContainer<FusionHandle<FusionCubeRuntime<R>>>) {
        let (inputs, outputs) = self.description.as_fixed::<INPUTS, OUTPUTS>();
        // The types of elements are of no account here: a tensor knows its own.
        let inputs =
            inputs.each_ref().map(|ir| handles.get_float_tensor::<CubeBackend<R, f32, i32, u32>>(ir));
        for (ir, output) in outputs.iter().zip(self.operation.launch(inputs)) {
            handles.register_float_tensor::<CubeBackend<R, f32, i32, u32>>(&ir.id, output);
        }
    }
}
