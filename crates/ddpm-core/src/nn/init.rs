//! Initial values of parameters, as PyTorch's layers choose them.

use burn::{
    module::Param,
    tensor::{Shape, Tensor, TensorData, backend::Backend},
};
use rand::Rng;
use rand_distr::{StandardNormal, Uniform};

use crate::noise::Key;

/// Makes the parameters of a model one after another, the i-th from the i-th stream of a key.
#[derive(Debug)]
pub struct Initializer<'a, B: Backend> {
    key: Key,
    made: u64,
    device: &'a B::Device,
}

impl<'a, B: Backend> Initializer<'a, B> {
    /// An initializer whose parameters live on `device`.
    pub fn new(key: Key, device: &'a B::Device) -> Self {
        Self { key, made: 0, device }
    }

    /// Uniform on `[-1/sqrt(fan_in), 1/sqrt(fan_in)]`: PyTorch's default for the weight (its Kaiming uniform with
    /// a = sqrt(5)) and the bias of a convolution or linear layer.
    ///
    /// # Panics
    /// Never: the bound is positive and finite.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Param<Tensor<B, D>> {
        self.uniform_within(shape, 1.0 / (fan_in.max(1) as f32).sqrt())
    }

    /// Uniform with the variance `2 / (fan_in + fan_out)` (Glorot & Bengio 2010).
    pub fn xavier<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
        fan_out: usize,
    ) -> Param<Tensor<B, D>> {
        self.uniform_within(shape, (6.0 / (fan_in + fan_out).max(1) as f32).sqrt())
    }

    fn uniform_within<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<B, D>> {
        let range = Uniform::new_inclusive(-bound, bound).expect("the bound is positive and finite");
        self.draw(shape, |rng| rng.sample(range))
    }

    /// Standard normal: PyTorch's default for an embedding.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<B, D>> {
        self.draw(shape, |rng| rng.sample(StandardNormal))
    }

    /// Normal with a standard deviation.
    pub fn scaled_normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<B, D>> {
        self.draw(shape, |rng| rng.sample::<f32, _>(StandardNormal) * std)
    }

    /// The same value everywhere.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<B, D>> {
        self.made += 1;
        Param::from_tensor(Tensor::full(shape, value, ddpm_kernels::floats_on::<B>(self.device)))
    }

    fn draw<const D: usize>(
        &mut self,
        shape: [usize; D],
        mut value: impl FnMut(&mut rand_chacha::ChaCha8Rng) -> f32,
    ) -> Param<Tensor<B, D>> {
        let mut rng = self.key.rng(self.made);
        self.made += 1;
        let values: Vec<f32> = (0..Shape::new(shape).num_elements()).map(|_| value(&mut rng)).collect();
        let data = TensorData::new(values, shape);
        Param::from_tensor(Tensor::from_data(data, ddpm_kernels::floats_on::<B>(self.device)))
    }
}
