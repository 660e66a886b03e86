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

        let mut taker = Taker { taken: Vec::new() };
        let module = module.map(&mut taker);
        // Nobody but `with_grads` holds what is changed in place.
        let (mut places, mut with_grads, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for (((place, value), (averaged, average)), grad) in
            taker.taken.into_iter().zip(average.take()).zip(grads)
        {
            assert_eq!(averaged, place.id, "the moving average is that of another module");
            match grad {
                Some(grad) => {
                    with_grads.push(self.parameter(place.id, value, average, grad, learning_rate, weight));
                    without.push(None);
                }
                None => {
                    let moved = average.clone() + (value.clone() - average).mul_scalar(weight);
                    without.push(Some((value, moved)));
                }
            }
            places.push(place);
        }
        let steps: Vec<_> = with_grads.iter().map(|(step, ..)| step.step).collect();
        let mut states = I::adamw_of_all(scale, with_grads).into_iter().zip(steps);

        let (mut averages, mut given) = (Vec::new(), Vec::new());
        for (place, left_alone) in places.into_iter().zip(without) {
            let (value, average) = left_alone.unwrap_or_else(|| {
                let (state, steps) = states.next().expect("a state for each gradient");
                let AdamWState { value, moment_1: first, moment_2: second, average } = state;
                self.moments.insert(place.id, Moments { first, second, steps });
                (value, average)
            });
            averages.push((place.id, average));
            given.push((place, value));
        }
        average.put(averages);
        module.map(&mut Giver { given: given.into_iter() })
    }

    /// A parameter with what its next step takes.
    fn parameter(
        &mut self,
        id: ParamId,
        value: Tensor<I, 1>,
        average: Tensor<I, 1>,
        grad: Tensor<I, 1>,
        learning_rate: f64,
        average_weight: f64,
    ) -> (Step, Tensor<I, 1>, AdamWState<I>) {
        let Moments { first, second, steps } = self.moments.remove(&id).unwrap_or_else(|| Moments {
            first: value.zeros_like(),
            second: value.zeros_like(),
            steps: 0,
        });
        let AdamWConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let step = steps + 1;
        let step = Step { learning_rate, beta_1, beta_2, epsilon, weight_decay, step, average_weight };
        (step, grad, AdamWState { value, moment_1: first, moment_2: second, average })
    }
}

/// By how much gradients are scaled to have a joint Euclidean norm of at most `max_norm`, `[1]`.
fn clip_scale<I: Kernels>(grads: &[Option<Tensor<I, 1>>], max_norm: f64) -> Option<Tensor<I, 1>> {
    let squares = I::sum_of_all_squares(grads.iter().flatten().cloned().collect())?;
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

/// Where a parameter was taken from.
struct Place {
    id: ParamId,
    dims: Vec<usize>,
    require_grad: bool,
}

/// Takes a module's parameters out, flat, in their order; something small is left in their place.
struct Taker<I: Backend> {
    taken: Vec<(Place, Tensor<I, 1>)>,
}

impl<B: TrainBackend> ModuleMapper<B> for Taker<B::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let id = param.id;
        param.map(|tensor| {
            let (dims, device) = (tensor.dims(), tensor.device());
            let place = Place { id, dims: dims.to_vec(), require_grad: tensor.is_require_grad() };
            self.taken.push((place, tensor.inner().reshape([dims.iter().product::<usize>()])));
            Tensor::empty([1; D], ddpm_kernels::floats_on::<B>(&device))
        })
    }
}

/// Puts parameters back where they were taken from.
struct Giver<I: Backend> {
    given: std::vec::IntoIter<(Place, Tensor<I, 1>)>,
}

impl<B: TrainBackend> ModuleMapper<B> for Giver<B::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (Place { dims, require_grad, .. }, value) = self.given.next().expect("as many as were taken");
        let dims: [usize; D] = dims.try_into().expect("the rank that it had");
        param.map(|_| Tensor::from_inner(value.reshape(dims)).set_require_grad(require_grad))
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
