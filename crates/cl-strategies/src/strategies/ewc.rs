//! Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796, equation 3).
//!
//! L + (lambda / 2) sum_k sum_i F_ki (theta_i - theta*_ki)^2 over past experiences k, with F the Fisher information. For a diffusion model, a sample of the likelihood is an image at a timestep with a noise; its log-likelihood is, up to
//! a factor, minus the simple loss.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Purpose, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Needs, StrategyOptions,
    shared::penalty::{self, Quadratic},
};
use crate::{Boundary, HeldMemory, Pass, Restore, State, Step, Strategy, StrategyError, check};

const FISHER: Purpose = Purpose::named("fisher information");

/// How the Fisher information is estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fisher {
    /// Its diagonal: the mean over single samples of the squared gradient, as it is defined.
    #[default]
    PerSample,
    /// The square of the mean gradient over all samples: smaller by about their number; much published code has it.
    BatchMean,
    /// The outer product of the mean gradient with itself, `(lambda / 2) (mu . (theta - theta*))^2`: in diffusion models
    /// the gradients of single samples are nearly parallel ("Avoid Catastrophic Forgetting with Rank-1 Fisher from
    /// Diffusion Models", arXiv 2509.23593).
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
}

impl Default for EwcConfig {
    fn default() -> Self {
        Self { lambda: 100.0, fisher: Fisher::PerSample, samples: 64, timesteps_per_sample: 2 }
    }
}

impl Describe for EwcConfig {
    const NAME: &'static str = "ewc";
    const SUMMARY: &'static str = "That penalty weighted by the Fisher information";
    const CITATION: &'static str = "Kirkpatrick et al. 2017, arXiv 1612.00796; rank 1: arXiv 2509.23593";
}

impl StrategyOptions for EwcConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::at_least_1("samples", self.samples)?;
        check::at_least_1("timesteps_per_sample", self.timesteps_per_sample)
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
    /// Of each experience, the mean gradient and the parameters at its end.
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

    /// The mean of the gradients of single samples, each after `each` was applied.
    fn mean_gradient<B, D>(
        &self,
        boundary: &Boundary<'_, B, D>,
        each: impl Fn(ParameterVector<I>) -> ParameterVector<I>,
    ) -> ParameterVector<I>
    where
        B: TrainBackend<InnerBackend = I>,
        D: TrainableDenoiser<B>,
    {
        let EwcConfig { samples, timesteps_per_sample, .. } = self.config;
        let images = boundary.draw(samples, FISHER);
        let mut sum: Option<ParameterVector<I>> = None;
        for (i, image) in images.iter().enumerate() {
            for j in 0..timesteps_per_sample {
                let key = boundary.key.within(FISHER).step(i * timesteps_per_sample + j);
                let batch = boundary.noisy(&[*image], key);
                boundary.passes.add(Pass::Fisher, 1);
                let loss = boundary.objective.loss(boundary.model, &batch, boundary.process);
                let term = each(boundary.gradient(loss));
                sum = Some(match sum.take() {
                    None => term,
                    Some(sum) => sum.plus(term, 1.0),
                });
            }
        }
        let count = (samples * timesteps_per_sample) as f64;
        sum.expect("at least one sample").map(|sum| sum.div_scalar(count))
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
        let square = |g: ParameterVector<_>| g.map(|g| g.clone() * g);
        let fisher = match self.config.fisher {
            Fisher::PerSample => self.mean_gradient(boundary, square),
            Fisher::BatchMean => square(self.mean_gradient(boundary, |g| g)),
            Fisher::RankOne => {
                self.rank_one.push([self.mean_gradient(boundary, |g| g), theta]);
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
