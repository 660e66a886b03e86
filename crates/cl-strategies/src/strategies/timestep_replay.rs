//! Timestep-aware rehearsal: experience replay that rehearses some timesteps more than others.
//!
//! Forgetting differs across diffusion timesteps ("Exploring Continual Learning of Diffusion Models", arXiv 2303.15342),
//! so that one rehearsal coefficient for all of them spends effort where little is forgotten. Two answers, both this
//! project's own: the coefficient as a function of the timestep, or timesteps of the buffer drawn where its loss has
//! risen most since its experience ended. How they compare with plain replay: REPRODUCIBILITY.md.

use burn::tensor::Tensor;
use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{Key, NormalNoise, Purpose},
};
use rand::{Rng, distr::Distribution, distr::weighted::WeightedIndex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions, Tunable};
use crate::{
    AddedLoss, Boundary, HeldMemory, Observer, Pass, Restore, State, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig, ClassBalanced},
    check, images,
};

const REPLAYED: Purpose = Purpose::named("replayed batch");
const BASELINE: Purpose = Purpose::named("baseline of forgetting");
const NOISE: Purpose = Purpose::named("noise of a baseline");

/// The decay of the running mean of the losses.
const DECAY: f64 = 0.95;

/// No loss rises further: weights of bins have a finite sum.
const MOST_RISEN: f64 = 1e12;

/// Images of the buffer that the baseline is measured on, in each bin.
const BASELINE_IMAGES: usize = 32;

/// The timesteps that are rehearsed more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Emphasis {
    /// The coefficient is lambda (1 + exponent) u^exponent, where u is (t + 1/2) / T: lambda on average; noisy timesteps
    /// count more for an exponent above 0, clean ones for one below (down to -1, exclusive).
    Power {
        /// 0 is plain replay.
        exponent: f64,
    },
    /// Timesteps are drawn in proportion to `floor` plus the relative rise of the loss on the buffer, in bins. The losses
    /// of every step are read.
    Forgetting {
        /// Parts of the timesteps.
        bins: usize,
        /// The weight of a bin without forgetting.
        floor: f64,
    },
}

/// The options of timestep-aware rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimestepReplayConfig {
    /// lambda: the weight of the loss on the buffer.
    pub rehearsal_coefficient: f64,
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// The timesteps that are rehearsed more.
    pub emphasis: Emphasis,
    /// The buffer of stored images.
    pub buffer: BufferConfig,
}

impl Default for TimestepReplayConfig {
    fn default() -> Self {
        Self {
            rehearsal_coefficient: 1.0,
            batch_size: None,
            emphasis: Emphasis::Forgetting { bins: 10, floor: 0.1 },
            buffer: BufferConfig::of(ClassBalanced::per_class(20)),
        }
    }
}

impl Describe for TimestepReplayConfig {
    const NAME: &'static str = "timestep_replay";
    const SUMMARY: &'static str = "Replay that rehearses some timesteps more than others";
    const CITATION: &'static str = "this project, after arXiv 2303.15342";
}

impl StrategyOptions for TimestepReplayConfig {
    fn family(&self) -> Family {
        Family::Rehearsal
    }

    fn tunables(&self) -> &'static [Tunable] {
        // As for replay; the ranges of the emphasis are this project's.
        const COEFFICIENT: Tunable = Tunable::log("rehearsal_coefficient", 0.03, 10.0);
        match self.emphasis {
            Emphasis::Power { .. } => {
                const { &[COEFFICIENT, Tunable::linear("emphasis.power.exponent", -0.8, 3.0)] }
            }
            Emphasis::Forgetting { .. } => {
                const { &[COEFFICIENT, Tunable::log("emphasis.forgetting.floor", 0.01, 1.0)] }
            }
        }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("rehearsal_coefficient", self.rehearsal_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        match self.emphasis {
            Emphasis::Power { exponent } if exponent.is_finite() && exponent > -1.0 => {}
            Emphasis::Power { exponent } => {
                let expected = "expected a number above -1";
                return Err(StrategyError::config("emphasis.power.exponent", exponent, expected));
            }
            Emphasis::Forgetting { bins, floor } => {
                check::at_least_1("emphasis.forgetting.bins", bins)?;
                check::above_0("emphasis.forgetting.floor", floor)?;
            }
        }
        self.buffer.validate().map_err(|error| error.at("buffer"))
    }

    fn needs(&self) -> Needs {
        // Forgetting is measured at the end of an experience.
        let boundaries = matches!(self.emphasis, Emphasis::Forgetting { .. }) || !self.buffer.is_online();
        let (unless, buffer) = (Some("emphasis by power and a reservoir"), Some(self.buffer.clone()));
        Needs { boundaries, unless, looks_back: true, buffer, classes: None }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for TimestepReplayConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(TimestepReplay::new(self.clone())?))
    }
}

/// Timestep-aware rehearsal.
#[derive(Debug)]
pub struct TimestepReplay {
    config: TimestepReplayConfig,
    buffer: Box<dyn Buffer>,
    /// For each bin the loss on the buffer at the end of the last experience, and its running mean now.
    losses: Vec<(f64, f64)>,
}

impl TimestepReplay {
    /// With an empty buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: TimestepReplayConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { buffer: config.buffer.build(), config, losses: Vec::new() })
    }

    /// The weight of each image's loss, which is 1 on average.
    fn weights(exponent: f64, t: &[usize], total: usize) -> Vec<f64> {
        let weight = |t: &usize| (1.0 + exponent) * ((*t as f64 + 0.5) / total as f64).powf(exponent);
        t.iter().map(weight).collect()
    }

    /// Timesteps of a batch of the buffer, more of them where more was forgotten.
    fn timesteps(&self, n: usize, floor: f64, total: usize, key: Key) -> Vec<usize> {
        let bins = self.losses.len();
        let weights: Vec<f64> = self.losses.iter().map(|&losses| floor + risen(losses)).collect();
        let sum: f64 = weights.iter().sum();
        let Some(Ok(distribution)) = sum.is_finite().then(|| WeightedIndex::new(&weights)) else {
            return key.timesteps(n, total);
        };
        let draw = |i: usize| {
            let mut rng = key.rng(i as u64);
            let bin = distribution.sample(&mut rng);
            let (from, to) = (bin * total / bins, (bin + 1) * total / bins);
            rng.random_range(from..to.max(from + 1)).min(total - 1)
        };
        (0..n).map(draw).collect()
    }

    /// Reads the losses of a step into the running means.
    fn record(&mut self, t: &[usize], losses: &[f64], total: usize) {
        let bins = self.losses.len();
        for (t, loss) in t.iter().zip(losses) {
            let (_, now) = &mut self.losses[(t * bins / total).min(bins - 1)];
            *now = DECAY * *now + (1.0 - DECAY) * loss;
        }
    }

    /// The mean loss on the buffer in each bin, without autodiff.
    fn measure<B: TrainBackend, D: TrainableDenoiser<B>>(
        &self,
        boundary: &Boundary<'_, B, D>,
        bins: usize,
    ) -> Vec<(f64, f64)> {
        let Some(stored) = self.buffer.contents() else { return Vec::new() };
        let (model, total) = (boundary.model.valid(), boundary.process.timesteps());
        let mean = |bin: usize| {
            let key = boundary.key.within(BASELINE).step(bin);
            let positions = buffer::draw(stored.len(), BASELINE_IMAGES.min(stored.len()), key);
            let (from, to) = (bin * total / bins, ((bin + 1) * total / bins).max(bin * total / bins + 1));
            let at = |i: usize| key.rng(i as u64).random_range(from..to).min(total - 1);
            let t = (0..positions.len()).map(at).collect();
            let x_0 = images::<B::InnerBackend>(stored, &positions, boundary.device);
            let y = boundary.condition_on.conditions_with_dropout::<B::InnerBackend>(
                stored,
                &positions,
                boundary.label_dropout,
                key,
                boundary.device,
            );
            let eps = key.within(NOISE).normal(0, x_0.dims(), boundary.device);
            boundary.passes.add(Pass::Probe, positions.len());
            let batch = NoisyBatch::at(boundary.process, x_0, y, t, eps);
            numbers(boundary.objective.losses(&model, &batch, boundary.process).mean())[0]
        };
        (0..bins).map(mean).map(|loss| (loss, loss)).collect()
    }
}

/// How much the loss of a bin has risen, as a part of what it was. Losses that are not finite say nothing of that, which of
/// NaN and the infinities they may be: a state has one word for these.
fn risen((before, now): (f64, f64)) -> f64 {
    if before.is_finite() && now.is_finite() {
        (now / before.max(1e-12) - 1.0).clamp(0.0, MOST_RISEN)
    } else {
        0.0
    }
}

fn numbers<B: burn::tensor::backend::Backend>(tensor: Tensor<B, 1>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().iter::<f64>().collect()
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for TimestepReplay {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let Some(stored) = self.buffer.contents() else { return Ok(None) };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let total = step.process.timesteps();
        let replayed = match self.config.emphasis {
            Emphasis::Power { exponent } => {
                let batch = step.noisy(stored, &positions, REPLAYED);
                let mut weights = Self::weights(exponent, &batch.t, total);
                // Beside the weights of timesteps that were not drawn uniformly.
                for (weight, drawn) in weights.iter_mut().zip(batch.weights.iter().flatten()) {
                    *weight *= drawn;
                }
                step.loss_on(&NoisyBatch { weights: Some(weights), ..batch })
            }
            Emphasis::Forgetting { floor, .. } => {
                let t = self.timesteps(n, floor, total, step.key.within(REPLAYED));
                let batch = step.noisy_at(stored, &positions, t, REPLAYED);
                let losses = step.losses_on(&batch);
                self.record(&batch.t, &numbers(losses.clone().inner()), total);
                losses.mean()
            }
        };
        Ok(Some(AddedLoss::beside(replayed.mul_scalar(self.config.rehearsal_coefficient))))
    }

    fn observer(&mut self) -> Option<&mut dyn Observer> {
        if self.config.needs().boundaries { None } else { Some(self) }
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.buffer.forget(classes);
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        if !boundary.experience.is_removal() {
            let absorbed = self.buffer.absorb(&boundary.experience.train, boundary.key);
            absorbed.map_err(|error| error.at("buffer"))?;
        }
        if let Emphasis::Forgetting { bins, .. } = self.config.emphasis {
            self.losses = self.measure(boundary, bins);
        }
        Ok(())
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.buffer.contents().cloned())
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: self.buffer.bytes(), extra_parameters: 0 }
    }

    fn save(&self, state: &mut State) {
        self.buffer.save(state);
        state.put("losses", &self.losses);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        let losses: Vec<(Option<f64>, Option<f64>)> = state.take("losses")?;
        // JSON has `null` for losses that are not finite.
        let known = |loss: Option<f64>| loss.unwrap_or(f64::NAN);
        self.losses = losses.into_iter().map(|(before, now)| (known(before), known(now))).collect();
        self.buffer.restore(state, context.data)
    }
}

impl Observer for TimestepReplay {
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.buffer.absorb(arrived, key).map_err(|error| error.at("buffer"))
    }
}

#[cfg(test)]
mod tests;
