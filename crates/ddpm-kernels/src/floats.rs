//! The type of floating-point tensors that code makes: its backend's own.
//!
//! Burn 0.21 takes the type of a new tensor from settings of the *device*, which hold for the whole process and are fixed by
//! the first backend that makes a tensor there. `NdArray<f32>` and `NdArray<f64>` share their device: in a process that
//! uses both, the tensors of the second come out in the type of the first, in silence, unless the type is given.

use burn::tensor::{Element, FloatDType, TensorCreationOptions, backend::Backend};

/// The floating-point type of a backend, whatever other backends did to its device's settings.
pub fn float_dtype<B: Backend>() -> FloatDType {
    <B::FloatElem as Element>::dtype().into()
}

/// Creates tensors on a device in the backend's own floating-point type.
///
/// Code that is generic over backends passes this to Burn instead of the device alone, wherever a floating-point tensor
/// is made from nothing or from host data.
///
/// ```
/// use burn::tensor::{DType, Tensor};
/// use burn_ndarray::NdArray;
/// use ddpm_kernels::floats_on;
///
/// let device = Default::default();
/// let single = Tensor::<NdArray<f32>, 1>::zeros([2], floats_on::<NdArray<f32>>(&device));
/// let double = Tensor::<NdArray<f64>, 1>::from_data([0.1_f64], floats_on::<NdArray<f64>>(&device));
/// assert_eq!((single.dtype(), double.dtype()), (DType::F32, DType::F64));
/// ```
pub fn floats_on<B: Backend>(device: &B::Device) -> TensorCreationOptions<B> {
    TensorCreationOptions::from((device, float_dtype::<B>().into()))
}
