//! AdamW with the clipping of gradients before it and the moving average behind it: one pass over each parameter.
//!
//! AdamW is that of Loshchilov & Hutter 2019 (algorithm 2), as PyTorch's `torch.optim.AdamW` computes it; gradients are
//! clipped as `torch.nn.utils.clip_grad_norm_` does. Parameters without a gradient are left alone.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use ddpm_kernels::{AdamW as Step, AdamWState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Ema, Kernels, TrainBackend, parameters::ParameterVector};

/// The constants of AdamW; defaults are PyTorch's but for the weight decay, which diffusion models go without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay, in units of the learning rate.
    pub weight_decay: f32,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// AdamW's state: two moments for each parameter that has had a gradient.
#[derive(Debug, Clone)]
pub struct AdamW<I: Backend> {
    config: AdamWConfig,
    moments: HashMap<ParamId, Moments<I>>,
}

/// AdamW's state in the order of a module's parameters, as a checkpoint keeps it.
#[derive(Debug, Clone)]
pub struct AdamWMoments<I: Backend> {
    /// The first moments.
    pub first: ParameterVector<I>,
    /// The second moments.
    pub second: ParameterVector<I>,
    /// Steps that each parameter has made.
    pub steps: Vec<i32>,
}

#[derive(Debug, Clone)]
struct Moments<I: Backend> {
    first: Tensor<I, 1>,
    second: Tensor<I, 1>,
    steps: i32,
}

impl<I: Kernels> AdamW<I> {
    /// An optimiser that has made no step.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, moments: HashMap::new() }
    }

    /// Forgets the moments.
    pub fn reset(&mut self) {
        self.moments.clear();
    }

    /// The moments, in the order of a module's parameters; zeros and no steps for those that have had no gradient.
    pub fn moments<M: Module<I>>(&self, module: &M) -> AdamWMoments<I> {
        let zeros = ParameterVector::of(module).zeros_like();
        let of = |id: &ParamId| self.moments.get(id);
        let pick = |which: fn(&Moments<I>) -> &Tensor<I, 1>| {
            let entries = zeros.entries().map(|(id, zero)| (id, of(&id).map_or(zero, which).clone()));
            ParameterVector::from_entries(entries.collect())
        };
        let steps = zeros.entries().map(|(id, _)| of(&id).map_or(0, |moments| moments.steps)).collect();
        AdamWMoments { first: pick(|m| &m.first), second: pick(|m| &m.second), steps }
    }

    /// Goes on from moments of [`moments`](Self::moments).
    pub fn restore(&mut self, moments: AdamWMoments<I>) {
        let AdamWMoments { first, second, steps } = moments;
        let both = first.into_entries().into_iter().zip(second.into_entries());
        self.moments = both
            .zip(steps)
            .filter(|(_, steps)| *steps > 0)
            .map(|(((id, first), (_, second)), steps)| (id, Moments { first, second, steps }))
            .collect();
    }

    /// One step with gradients whose joint norm is clipped to `max_norm`, and an update of the average. Nothing is read
    /// by the host, and a parameter, its moments and its average that nobody else holds are changed in place.
    ///
    /// # Panics
    /// If `average` is that of another module.
    pub fn step<B, M>(
        &mut self,
        module: M,
        mut grads: GradientsParams,
        learning_rate: f64,
        max_norm: Option<f64>,
        average: &mut Ema<I>,
    ) -> M
    where
        B: TrainBackend<InnerBackend = I>,
        M: Module<B>,
    {
        let mut flat = FlatGrads { grads: &mut grads, found: Vec::new() };
        module.visit(&mut flat);
        let grads = flat.found;
        let scale = max_norm.and_then(|max_norm| clip_scale(&grads, max_norm));
        let weight = average.next_weight();
        let (averages, grads) = (average.take().into_iter(), grads.into_iter());
        let mut updater =
            Updater { optimizer: self, learning_rate, scale, weight, grads, averages, updated: Vec::new() };
        let module = module.map(&mut updater);
        let updated = updater.updated;
        average.put(updated);
        module
    }
}

/// By how much gradients are scaled to have a joint Euclidean norm of at most `max_norm`, `[1]`.
fn clip_scale<I: Kernels>(grads: &[Option<Tensor<I, 1>>], max_norm: f64) -> Option<Tensor<I, 1>> {
    let squares = grads.iter().flatten().cloned().map(I::sum_of_squares).reduce(|a, b| a + b)?;
    // PyTorch adds 1e-6 to the norm, and never enlarges.
    Some(squares.sqrt().add_scalar(1e-6).recip().mul_scalar(max_norm).clamp_max(1.0))
}

/// Takes the gradients of a module out of their container, flat and in the order of its parameters.
struct FlatGrads<'a, I: Backend> {
    grads: &'a mut GradientsParams,
    found: Vec<Option<Tensor<I, 1>>>,
}

impl<B: TrainBackend> ModuleVisitor<B> for FlatGrads<'_, B::InnerBackend> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let grad = self.grads.remove::<B::InnerBackend, D>(param.id);
        self.found.push(grad.map(|grad| {
            let n = grad.shape().num_elements();
            grad.reshape([n])
        }));
    }
}

struct Updater<'a, I: Backend> {
    optimizer: &'a mut AdamW<I>,
    learning_rate: f64,
    scale: Option<Tensor<I, 1>>,
    weight: f64,
    grads: std::vec::IntoIter<Option<Tensor<I, 1>>>,
    averages: std::vec::IntoIter<(ParamId, Tensor<I, 1>)>,
    updated: Vec<(ParamId, Tensor<I, 1>)>,
}

impl<I: Kernels> Updater<'_, I> {
    /// The parameter and its average after the step.
    fn update(
        &mut self,
        id: ParamId,
        value: Tensor<I, 1>,
        average: Tensor<I, 1>,
        grad: Tensor<I, 1>,
    ) -> (Tensor<I, 1>, Tensor<I, 1>) {
        let AdamW { config, moments } = &mut *self.optimizer;
        let Moments { first, second, steps } = moments.remove(&id).unwrap_or_else(|| Moments {
            first: value.zeros_like(),
            second: value.zeros_like(),
            steps: 0,
        });
        let step = Step {
            learning_rate: self.learning_rate,
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
            step: steps + 1,
            average_weight: self.weight,
        };
        let state = AdamWState { value, moment_1: first, moment_2: second, average };
        let AdamWState { value, moment_1, moment_2, average } =
            I::adamw(step, self.scale.clone(), grad, state);
        moments.insert(id, Moments { first: moment_1, second: moment_2, steps: steps + 1 });
        (value, average)
    }
}

impl<B: TrainBackend> ModuleMapper<B> for Updater<'_, B::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let id = param.id;
        let grad = self.grads.next().flatten();
        let (averaged, average) = self.averages.next().expect("an average for each parameter");
        assert_eq!(averaged, id, "the moving average is that of another module");
        param.map(|old| {
            let (dims, require_grad) = (old.dims(), old.is_require_grad());
            let n = dims.iter().product::<usize>();
            let value = old.inner().reshape([n]);
            let (value, average) = match grad {
                Some(grad) => self.update(id, value, average, grad),
                None => {
                    let moved = average.clone() + (value.clone() - average).mul_scalar(self.weight);
                    (value, moved)
                }
            };
            self.updated.push((id, average));
            Tensor::from_inner(value.reshape(dims)).set_require_grad(require_grad)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamWConfig as BurnAdamW, Optimizer};
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;

    use super::*;
    use crate::{
        nn::{Initializer, Linear},
        noise::{Key, Purpose},
    };

    type B = Autodiff<Flex>;

    fn numbers(module: &Linear<B>) -> Vec<f32> {
        ParameterVector::of(module)
            .entries()
            .flat_map(|(_, tensor)| tensor.to_data().to_vec::<f32>().unwrap())
            .collect()
    }

    fn grads(module: &Linear<B>, factor: f64) -> GradientsParams {
        let x = Tensor::<B, 2>::ones([3, 5], &Default::default()) * factor;
        let loss = module.forward(x).powi_scalar(2).mean();
        GradientsParams::from_grads(loss.backward(), module)
    }

    fn start() -> Linear<B> {
        let key = Key::new(3, Purpose::named("test"));
        Linear::new(5, 40, &mut Initializer::new(key, &Default::default()))
    }

    /// Burn's own AdamW, which is independent of the kernel, gives the same parameters.
    #[test]
    fn steps_are_those_of_burns_optimizer() {
        let config = AdamWConfig { beta_1: 0.8, beta_2: 0.95, epsilon: 1e-3, weight_decay: 0.1 };
        let (mut ours, mut theirs) = (start(), start());
        let mut adamw = AdamW::new(config);
        let mut ema = Ema::new(crate::ema::EmaConfig::default(), &ours);
        let mut reference = BurnAdamW::new()
            .with_beta_1(config.beta_1)
            .with_beta_2(config.beta_2)
            .with_epsilon(config.epsilon)
            .with_weight_decay(config.weight_decay)
            .init();
        for step in 1..=5 {
            let factor = f64::from(step);
            let of_ours = grads(&ours, factor);
            ours = adamw.step::<B, _>(ours, of_ours, 1e-2, None, &mut ema);
            let of_theirs = grads(&theirs, factor);
            theirs = reference.step(1e-2, theirs, of_theirs);
        }
        for (a, b) in numbers(&ours).iter().zip(numbers(&theirs)) {
            assert!((a - b).abs() < 1e-6, "{a} instead of {b}");
        }
    }

    /// An optimiser with moments that were taken out and put back goes on as the other one.
    #[test]
    fn moments_survive_a_checkpoint() {
        let steps = |interrupted: bool| {
            let (mut module, mut adamw) = (start(), AdamW::new(AdamWConfig::default()));
            let mut ema = Ema::new(crate::ema::EmaConfig::default(), &module);
            for step in 1..=4 {
                if step == 3 && interrupted {
                    let moments = adamw.moments(&burn::module::AutodiffModule::valid(&module));
                    adamw = AdamW::new(AdamWConfig::default());
                    adamw.restore(moments);
                }
                let of_module = grads(&module, f64::from(step));
                module = adamw.step::<B, _>(module, of_module, 1e-2, None, &mut ema);
            }
            numbers(&module)
        };
        assert_eq!(steps(true), steps(false));
    }

    #[test]
    fn clipping_scales_by_the_joint_norm() {
        let step = |clip: Option<f64>, scale: f32| {
            let module = start();
            let mut ema = Ema::new(crate::ema::EmaConfig::default(), &module);
            // With no moments, an epsilon far above the gradients makes the step proportional to them.
            let config = AdamWConfig { beta_1: 0.0, beta_2: 0.0, epsilon: 1e6, weight_decay: 0.0 };
            let of_module = grads(&module, 1.0);
            let before = numbers(&module);
            let after = AdamW::new(config).step::<B, _>(module, of_module, 1e6, clip, &mut ema);
            numbers(&after).iter().zip(before).map(|(a, b)| (a - b) * scale).collect::<Vec<_>>()
        };
        let free = step(None, 1.0);
        let norm = free.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!(norm > 0.1);
        let clipped = step(Some(f64::from(norm) / 4.0), 4.0);
        for (a, b) in clipped.iter().zip(&free) {
            assert!((a - b).abs() < 1e-4 * norm, "{a} instead of {b}");
        }
        assert_eq!(step(Some(f64::from(norm) * 2.0), 1.0), free);
    }
}
