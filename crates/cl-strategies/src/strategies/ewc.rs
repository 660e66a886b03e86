//! Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796, equation 3).
//!
//! L + (lambda / 2) sum_k sum_i F_ki (theta_i - theta*_ki)^2 over past experiences k, with F the Fisher information. For a
//! diffusion model, a sample of the likelihood is an image at a timestep with a noise; its log-likelihood is, up to a factor,
//! minus the simple loss. Labels are dropped as often as in training. Where timesteps are drawn from q instead of uniformly,
//! F is E_q[w g^2] with the importance weight w, not E_q[(w g)^2].
//!
//! Rank 1 (arXiv 2509.23593; code: Teachable-AI-Lab/diffusion-continual-learning, `rank1_opt`): F = c mu mu^T with the mean
//! gradient mu and c = mean((mu . g)^2) / |mu|^4, the least-squares optimum along mu mu^T; its published use is beside
//! generative distillation or replay, as in `configs/compositions/ewc-rank-1.toml`. Deviations: c is computed from the samples
//! that mu is the mean of, where the code draws others, so that for one parameter F is the mean of g^2 exactly; nothing is
//! added to |mu|^4, where the code adds 1e-12. The diagonal and the rank-1 form pass each sample through the model once and
//! twice.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, StrategyOptions, Tunable,
    shared::{
        fisher::Samples,
        penalty::{self, Quadratic},
    },
};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

/// How the Fisher information is estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fisher {
    /// Its diagonal: the mean over single samples of the squared gradient, as it is defined.
    #[default]
    PerSample,
    /// The mean over minibatches of the square of a minibatch's mean gradient, after Avalanche and CLoG: with B
    /// images a minibatch, `F = E[g]^2 + Var[g] / B`, smaller than the Fisher information by up to a factor of B.
    BatchMean,
    /// c times the outer product of the mean gradient with itself, `(lambda / 2) c (mu . (theta - theta*))^2`: in
    /// diffusion models the gradients of single samples are nearly parallel ("Avoid Catastrophic Forgetting with Rank-1
    /// Fisher from Diffusion Models", arXiv 2509.23593).
    RankOne,
}

/// The options of EWC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EwcConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// How the Fisher information is estimated.
    pub fisher: Fisher,
    /// Images that it is estimated from, at the end of each experience.
    pub samples: usize,
    /// Timesteps, each with a noise, for each of these images.
    pub timesteps_per_sample: usize,
    /// Samples in a minibatch of `batch_mean`; as many as the training's if absent. Of no effect on the others.
    pub batch_size: Option<usize>,
}

impl Default for EwcConfig {
    fn default() -> Self {
        Self {
            lambda: 100.0,
            fisher: Fisher::PerSample,
            samples: 64,
            timesteps_per_sample: 2,
            batch_size: None,
        }
    }
}

impl Describe for EwcConfig {
    const NAME: &'static str = "ewc";
    const SUMMARY: &'static str = "A quadratic penalty on parameters, weighted by the Fisher information";
    const CITATION: &'static str = "Kirkpatrick et al. 2017, arXiv 1612.00796; rank 1: arXiv 2509.23593";
}

impl StrategyOptions for EwcConfig {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // van de Ven & Tolias search 1 to 1e13 (`compare_hyperParams.py`); CLoG has 5e4 for `batch_mean`, 1e5 here. Of 1e2 to
        // 1e6, 1e5 was the best here, and 1e3 for rank 1 (evidence/effects-grid). Means of minibatches are smaller.
        match self.fisher {
            Fisher::PerSample => const { &[Tunable::log("lambda", 1e2, 1e7)] },
            Fisher::BatchMean => const { &[Tunable::log("lambda", 1e2, 1e8)] },
            Fisher::RankOne => const { &[Tunable::log("lambda", 10.0, 1e5)] },
        }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::at_least_1("samples", self.samples)?;
        check::at_least_1("timesteps_per_sample", self.timesteps_per_sample)?;
        check::batch_size("batch_size", self.batch_size)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for EwcConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Ewc::<B::InnerBackend>::new(*self)?))
    }
}

/// EWC, or its online form.
#[derive(Debug)]
pub struct Ewc<I: Backend> {
    config: EwcConfig,
    /// Of the online form.
    decay: Option<f64>,
    diagonal: Option<Quadratic<I>>,
    /// Of each experience, sqrt(c) mu and the parameters at its end.
    rank_one: Vec<[ParameterVector<I>; 2]>,
}

impl<I: Backend> Ewc<I> {
    /// EWC before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: EwcConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, decay: None, diagonal: None, rank_one: Vec::new() })
    }

    /// The same with one Fisher information, which `decay` is applied to at the end of each experience.
    pub(super) fn decaying(config: EwcConfig, decay: f64) -> Self {
        Self { config, decay: Some(decay), diagonal: None, rank_one: Vec::new() }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Ewc<B::InnerBackend> {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let lambda = self.config.lambda;
        let grads = match &self.diagonal {
            Some(diagonal) => penalty::add(step, grads, lambda, |theta| diagonal.gradient(theta)),
            None => grads,
        };
        Ok(self.rank_one.iter().fold(grads, |grads, [mean, anchor]| {
            penalty::add(step, grads, lambda, |theta| {
                let along = mean.dot(&theta.plus(anchor.clone(), -1.0));
                mean.clone().map(|mean| mean * along.clone())
            })
        }))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let theta = ParameterVector::of(&boundary.model.valid());
        let samples = Samples::of(self.config, boundary);
        let fisher = match self.config.fisher {
            Fisher::PerSample => samples.per_sample(),
            Fisher::BatchMean => samples.batch_mean(),
            Fisher::RankOne => {
                self.rank_one.push([samples.rank_one(), theta]);
                return Ok(());
            }
        };
        self.diagonal = Some(match (self.diagonal.take(), self.decay) {
            (None, _) => Quadratic::new(fisher, theta),
            (Some(past), None) => past.and(fisher, theta),
            (Some(past), Some(decay)) => Quadratic::new(fisher.plus(past.importance().clone(), decay), theta),
        });
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let diagonal = self.diagonal.as_ref().map_or(0, Quadratic::len);
        let rank_one = self.rank_one.iter().flatten().map(|vector| vector.len() as u64).sum::<u64>();
        HeldMemory { buffer_bytes: 0, extra_parameters: diagonal + rank_one }
    }

    fn save(&self, state: &mut State) {
        Quadratic::save(self.diagonal.as_ref(), state);
        state.put("experiences", self.rank_one.len());
        for (k, [mean, anchor]) in self.rank_one.iter().enumerate() {
            state.put_vector(&format!("mean.{k}"), Some(mean));
            state.put_vector(&format!("anchor.{k}"), Some(anchor));
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.diagonal = Quadratic::restore(state, &context.parameters())?;
        for k in 0..state.take("experiences")? {
            let mean = context.vector(state, &format!("mean.{k}"))?;
            let anchor = context.vector(state, &format!("anchor.{k}"))?;
            self.rank_one.extend(mean.zip(anchor).map(|(mean, anchor)| [mean, anchor]));
        }
        Ok(())
    }
}
