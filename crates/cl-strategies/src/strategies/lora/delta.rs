//! The parameters that an experience trains beside frozen weights. The adapters see the model through its gradients alone,
//! `d up = s dW down^T` and `d down = s up^T dW` with s = alpha / rank, so that any network can have them without a
//! change. A convolution's weight is the matrix `[c_out, c_in k k]`.

use burn::{
    module::{AutodiffModule, Module, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData, backend::Backend},
};
use ddpm_core::{
    Kernels, TrainBackend,
    noise::Key,
    parameters::{ParameterVector, gradients_from, parameter_names},
};
use rand::Rng;

use super::{
    super::shared::parts::{is_attention, is_class_embedding},
    LoraConfig, Trained,
    orthogonal::orthogonal_columns,
};

/// The part that a parameter of the model plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Rows and columns, if it has an adapter.
    matrix: Option<[usize; 2]>,
    /// Whether it is trained itself.
    trained: bool,
}

/// The parts of a model's parameters, in their order.
pub(super) fn parts<B: Backend, M: Module<B>>(config: &LoraConfig, model: &M) -> Vec<Part> {
    let part = |(name, shape): (String, Vec<usize>)| {
        let adapted = match shape.len() {
            4 => config.convolution,
            2 => config.attention && is_attention(&name),
            _ => false,
        };
        let matrix = || [shape[0], shape[1..].iter().product()];
        Part {
            matrix: (adapted && config.rank > 0).then(matrix),
            trained: config.train == Trained::Everything || is_class_embedding(&name),
        }
    };
    parameter_names(model).into_iter().map(part).collect()
}

/// Adapters, and values in the place of frozen ones; each list in the order of the model's parameters.
#[derive(Module, Debug)]
pub(super) struct Delta<B: Backend> {
    /// `[rank, columns]`
    down: Vec<Param<Tensor<B, 2>>>,
    /// `[rows, rank]`
    up: Vec<Param<Tensor<B, 2>>>,
    /// Flat.
    values: Vec<Param<Tensor<B, 1>>>,
}

impl<B: TrainBackend> Delta<B> {
    /// One that changes nothing yet: `up` is zero, `down` uniform as in a linear layer.
    pub fn new(
        parts: &[Part],
        rank: usize,
        base: &ParameterVector<B::InnerBackend>,
        key: Key,
        device: &B::Device,
    ) -> Self {
        let mut delta = Self { down: Vec::new(), up: Vec::new(), values: Vec::new() };
        for (i, (part, (_, value))) in parts.iter().zip(base.entries()).enumerate() {
            if let Some([rows, columns]) = part.matrix {
                let rank = rank.min(rows).min(columns);
                let (mut rng, bound) = (key.rng(i as u64), 1.0 / (columns as f32).sqrt());
                let down: Vec<f32> = (0..rank * columns).map(|_| rng.random_range(-bound..bound)).collect();
                let floats = ddpm_kernels::floats_on::<B>(device);
                let down = Tensor::from_data(TensorData::new(down, [rank, columns]), floats.clone());
                delta.down.push(Param::from_tensor(down));
                delta.up.push(Param::from_tensor(Tensor::zeros([rows, rank], floats)));
            }
            if part.trained {
                delta.values.push(Param::from_tensor(Tensor::from_inner(value.clone())));
            }
        }
        delta
    }

    /// Starts each `down` in columns orthogonal to those of a past one; `down` of rank 1, which have none, and all without
    /// a past stay as they are.
    #[must_use]
    pub fn across(mut self, past: &[Tensor<B::InnerBackend, 2>], device: &B::Device) -> Self {
        for (down, past) in self.down.iter_mut().zip(past) {
            let shape = past.dims();
            if shape[0] > 1 {
                let past: Vec<f32> = past.to_data().iter::<f32>().collect();
                let data = TensorData::new(orthogonal_columns(&past, shape[0]), shape);
                *down = Param::from_tensor(Tensor::from_data(data, ddpm_kernels::floats_on::<B>(device)));
            }
        }
        self
    }

    /// Its gradients, from those of the weights; `pulls` are added to the latter for the adapters alone, one for each, or
    /// none at all.
    pub fn gradients(
        &self,
        parts: &[Part],
        of_weights: ParameterVector<B::InnerBackend>,
        pulls: Vec<Tensor<B::InnerBackend, 1>>,
        scale: f64,
    ) -> GradientsParams {
        let inner = self.valid();
        let mut adapters = inner.down.iter().zip(&inner.up);
        let mut pulls = pulls.into_iter();
        let (mut downs, mut ups, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (part, (id, grad)) in parts.iter().zip(of_weights.into_entries()) {
            if let Some(shape) = part.matrix {
                let (down, up) = adapters.next().expect("an adapter for each such weight");
                let pulled = match pulls.next() {
                    Some(pull) => grad.clone() + pull,
                    None => grad.clone(),
                };
                let grad = pulled.reshape(shape).mul_scalar(scale);
                let product = B::InnerBackend::product_in_f32;
                downs.push((down.id, product(up.val().transpose(), grad.clone()).flatten(0, 1)));
                ups.push((up.id, product(grad, down.val().transpose()).flatten(0, 1)));
            }
            if part.trained {
                values.push((id, grad));
            }
        }
        let entries = downs.into_iter().chain(ups).chain(values).collect();
        gradients_from::<B, _>(self, ParameterVector::from_entries(entries))
    }
}

impl<I: Kernels> Delta<I> {
    /// The change that each adapter makes to its weight, `scale up down`, flat.
    pub fn changes(&self, scale: f64) -> impl Iterator<Item = Tensor<I, 1>> {
        self.up.iter().zip(&self.down).map(move |(up, down)| {
            let product: Tensor<I, 1> = I::product_in_f32(up.val(), down.val()).flatten(0, 1);
            product.mul_scalar(scale)
        })
    }

    /// The `down` of each adapter.
    pub fn downs(&self) -> impl Iterator<Item = Tensor<I, 2>> {
        self.down.iter().map(Param::val)
    }

    /// The weights with the adapters added and the values put in.
    pub fn applied(&self, parts: &[Part], base: &ParameterVector<I>, scale: f64) -> ParameterVector<I> {
        self.with_changes(parts, base, self.changes(scale))
    }

    /// The weights with these changes added, one for each adapter, and the values put in.
    pub fn with_changes(
        &self,
        parts: &[Part],
        base: &ParameterVector<I>,
        mut changes: impl Iterator<Item = Tensor<I, 1>>,
    ) -> ParameterVector<I> {
        let mut values = self.values.iter();
        let mut weight = |part: &Part, frozen: &Tensor<I, 1>| {
            let value = if part.trained {
                values.next().expect("a value for each that is trained").val()
            } else {
                frozen.clone()
            };
            if part.matrix.is_none() {
                return value;
            }
            value + changes.next().expect("an adapter for each such weight")
        };
        let entries = parts.iter().zip(base.entries());
        ParameterVector::from_entries(entries.map(|(part, (id, value))| (id, weight(part, value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use ddpm_core::parameters::take_gradients;

    use super::*;

    type B = Autodiff<Flex>;

    /// alpha = 6 with rank 2: adapters count three times.
    fn config() -> LoraConfig {
        LoraConfig { rank: 2, alpha: 6.0, ..LoraConfig::default() }
    }

    fn matrix<const D: usize>(values: &[f32], shape: [usize; D]) -> Param<Tensor<B, D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default()))
    }

    fn weights(values: &[f32]) -> ParameterVector<Flex> {
        let tensor = Tensor::from_floats(values, &Default::default());
        ParameterVector::from_entries(vec![(burn::module::ParamId::new(), tensor)])
    }

    /// A weight of 2 x 3 with `up` (2 x 2) and `down` (2 x 3).
    fn delta() -> (Vec<Part>, Delta<B>) {
        let down = vec![matrix(&[1.0, 0.0, 2.0, 0.0, -1.0, 1.0], [2, 3])];
        let up = vec![matrix(&[1.0, 2.0, 0.5, 0.0], [2, 2])];
        let parts = vec![Part { matrix: Some([2, 3]), trained: false }];
        (parts, Delta { down, up, values: Vec::new() })
    }

    /// up down = [[1, -2, 4], [0.5, 0, 1]].
    #[test]
    fn adapters_count_alpha_over_rank_times() {
        assert_eq!(config().scale(), 3.0);
        let (parts, delta) = delta();
        let base = weights(&[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        let applied = delta.valid().applied(&parts, &base, config().scale()).to_floats();
        assert_eq!(applied, [13.0, 14.0, 42.0, 41.5, 50.0, 63.0]);
    }

    /// The first adapter has the past columns (3, 4) and (1, 2); the second, of rank 1, stays. `up` stays too.
    #[test]
    fn adapters_start_across_the_past() {
        let down = || vec![matrix(&[1.0, 0.0, 0.0, 1.0], [2, 2]), matrix(&[5.0, 6.0], [1, 2])];
        let up = vec![matrix(&[0.0, 0.0], [1, 2]), matrix(&[0.0], [1, 1])];
        let delta = Delta { down: down(), up, values: Vec::new() };
        let past = |delta: Delta<B>| -> Vec<Vec<f32>> {
            delta.valid().downs().map(|down| down.into_data().to_vec().unwrap()).collect()
        };
        let device = Default::default();
        assert_eq!(past(delta.clone().across(&[], &device)), [vec![1.0, 0.0, 0.0, 1.0], vec![5.0, 6.0]]);
        let of_past = [
            Tensor::from_floats([[3.0, 1.0], [4.0, 2.0]], &device),
            Tensor::from_floats([[1.0, 1.0]], &device),
        ];
        let found = past(delta.across(&of_past, &device));
        let root = 5.0_f32.sqrt();
        for (found, expected) in found[0].iter().zip([-0.8, -2.0 / root, 0.6, 1.0 / root]) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
        assert_eq!(found[1], [5.0, 6.0]);
    }

    /// With dW = [[1, 0, 2], [0, 1, 0]]: d up = 3 dW down^T = 3 [[5, 2], [0, -1]], and d down = 3 up^T dW =
    /// 3 [[1, 0.5, 2], [2, 0, 4]].
    #[test]
    fn their_gradients_do_too() {
        let (parts, delta) = delta();
        let of_weights = weights(&[1.0, 0.0, 2.0, 0.0, 1.0, 0.0]);
        let mut grads = delta.gradients(&parts, of_weights, Vec::new(), config().scale());
        let found = take_gradients::<B, _>(&delta, &mut grads).to_floats();
        assert_eq!(found, [3.0, 1.5, 6.0, 6.0, 0.0, 12.0, 15.0, 6.0, 0.0, -3.0]);
    }

    /// That gradient as dW = [[0, 1, 2], [0, 1, -1]] and a pull of [[1, -1, 0], [0, 0, 1]], which a weight that is trained
    /// itself does not feel.
    #[test]
    fn a_pull_is_that_of_the_adapters_alone() {
        let (_, mut delta) = delta();
        let parts = vec![Part { matrix: Some([2, 3]), trained: true }];
        let value = Tensor::from_floats([0.0; 6], &Default::default());
        delta.values.push(Param::from_tensor(value));
        let of_weights = weights(&[0.0, 1.0, 2.0, 0.0, 1.0, -1.0]);
        let pull = Tensor::from_floats([1.0, -1.0, 0.0, 0.0, 0.0, 1.0], &Default::default());
        let mut grads = delta.gradients(&parts, of_weights, vec![pull], config().scale());
        let found = take_gradients::<B, _>(&delta, &mut grads).to_floats();
        assert_eq!(found[..10], [3.0, 1.5, 6.0, 6.0, 0.0, 12.0, 15.0, 6.0, 0.0, -3.0]);
        assert_eq!(found[10..], [0.0, 1.0, 2.0, 0.0, 1.0, -1.0]);
    }
}
