//! Keyed randomness as tensors. The addresses are those of [`keyed_random`].

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
pub use keyed_random::{Key, Purpose};

/// Standard normal tensors of a [`Key`].
pub trait NormalNoise {
    /// Standard normal noise for the samples `first .. first + n`, each from its own generator.
    ///
    /// # Shapes
    /// - output: `shape` = `[n, c, h, w]`
    fn normal<B: Backend>(self, first: u64, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4>;

    /// The numbers of [`normal`](Self::normal), on no device yet.
    fn normal_data(self, first: u64, shape: [usize; 4]) -> TensorData;
}

impl NormalNoise for Key {
    fn normal<B: Backend>(self, first: u64, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
        Tensor::from_data(self.normal_data(first, shape), ddpm_kernels::floats_on::<B>(device))
    }

    fn normal_data(self, first: u64, shape: [usize; 4]) -> TensorData {
        let values = self.normal_values(first, shape[0], shape[1..].iter().product());
        TensorData::new::<f32, _>(values, shape)
    }
}

/// Indices (timesteps or classes) as an integer tensor.
///
/// # Shapes
/// - output: `[values.len()]`
pub fn indices<B: Backend>(values: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
