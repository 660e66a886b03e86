//! How long and on what a model trains.

use data_streams::{Arrival, Augmentation, DataError, ImageShape, Stream};
use ddpm_core::{AdamWConfig, Objective, ema::EmaConfig, objective::TimestepSampling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    budget::Budget,
    schedule::{Schedule, Span},
};
use crate::{ConditionOn, StrategyError};

/// AdamW (Loshchilov & Hutter 2019) and what is done to the gradients before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The learning rate, once warm.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises linearly, at the start of the stream or of each experience.
    pub warmup_steps: usize,
    /// The course of the learning rate after that.
    pub schedule: Schedule,
    /// The stretch that warm-up and schedule are laid over.
    pub schedule_over: Span,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Joint norm above which gradients are scaled down; absent: never.
    pub clip_grad_norm: Option<f64>,
    /// Whether the moments start anew with each experience.
    pub reset_each_experience: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            warmup_steps: 0,
            schedule: Schedule::Constant,
            schedule_over: Span::Stream,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_grad_norm: Some(1.0),
            reset_each_experience: false,
        }
    }
}

/// The treatment of a step whose loss or gradients are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDivergence {
    /// The training ends with an error, as soon as a loss that is [read](TrainerConfig::log_every) shows it.
    #[default]
    Stop,
    /// The step is left out and counted; a hundred in a row end the training. Loss and gradients of every step are read.
    Skip,
}

/// How long and on what a model trains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// Optimiser steps in each experience, unless `budget` is given.
    pub steps_per_experience: usize,
    /// How long each experience trains: `{ steps = N }`, `{ epochs = N }` or `{ passes = N }`; absent:
    /// `steps_per_experience`. Where every image comes once, that is how long it trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Images of the current data in each batch.
    pub batch_size: usize,
    /// Batches in each step, whose gradients are averaged.
    pub accumulated_batches: usize,
    /// Steps from one reading of the loss to the next; a loss that is read is checked and reported.
    pub log_every: usize,
    /// The treatment of a step whose loss or gradients are not finite.
    pub on_divergence: OnDivergence,
    /// The condition of the model.
    pub condition_on: ConditionOn,
    /// The share of the labels that are replaced by a class for "no label", so that the model can be guided.
    pub label_dropout: f64,
    /// The loss.
    pub objective: Objective,
    /// At which timesteps a batch is trained.
    pub timestep_sampling: TimestepSampling,
    /// Random changes of images before each step.
    #[serde(skip_serializing_if = "Augmentation::is_none")]
    pub augmentation: Augmentation,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The moving average, which is the model that is evaluated.
    pub ema: EmaConfig,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            steps_per_experience: 2000,
            budget: None,
            batch_size: 64,
            accumulated_batches: 1,
            log_every: 20,
            on_divergence: OnDivergence::Stop,
            condition_on: ConditionOn::Class,
            label_dropout: 0.0,
            objective: Objective::default(),
            timestep_sampling: TimestepSampling::default(),
            augmentation: Augmentation::default(),
            optimizer: OptimizerConfig::default(),
            ema: EmaConfig::default(),
        }
    }
}

impl OptimizerConfig {
    /// The constants of AdamW.
    pub fn adamw(&self) -> AdamWConfig {
        let Self { beta_1, beta_2, epsilon, weight_decay, .. } = *self;
        AdamWConfig { beta_1, beta_2, epsilon, weight_decay }
    }
}

impl TrainerConfig {
    /// How long an experience trains where its images are there for its duration.
    pub(super) fn budget(&self) -> Budget {
        self.budget.unwrap_or(Budget::Steps(self.steps_per_experience))
    }

    /// Images of the current data in each step.
    pub(super) fn images_a_step(&self) -> usize {
        (self.batch_size * self.accumulated_batches).max(1)
    }

    /// Optimiser steps in experience `k` of a stream, on its own images: those of the budget, or, where every image comes
    /// once, its batches. Of a budget of passes it is the most that there can be.
    pub fn steps_in(&self, stream: &Stream, k: usize) -> usize {
        self.steps_on(stream, stream.experiences()[k].train.len())
    }

    /// As [`steps_in`](Self::steps_in), of an experience that trains on so many images.
    pub(super) fn steps_on(&self, stream: &Stream, images: usize) -> usize {
        match stream.arrival() {
            Arrival::Epochs => self.budget().steps(images, self.images_a_step()),
            Arrival::Once => images.div_ceil(self.images_a_step()),
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] that names the first key out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        let counts = [
            ("steps_per_experience", self.steps_per_experience),
            ("batch_size", self.batch_size),
            ("accumulated_batches", self.accumulated_batches),
            ("log_every", self.log_every),
        ];
        if let Some((key, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(StrategyError::config(key, value, "expected at least 1"));
        }
        self.budget.map_or(Ok(()), Budget::validate).map_err(|error| error.at("budget"))?;
        let o = &self.optimizer;
        let in_range = [
            (
                "learning_rate",
                o.learning_rate,
                o.learning_rate.is_finite() && o.learning_rate > 0.0,
                "above 0",
            ),
            ("beta_1", f64::from(o.beta_1), (0.0..1.0).contains(&o.beta_1), "0 or more and below 1"),
            ("beta_2", f64::from(o.beta_2), (0.0..1.0).contains(&o.beta_2), "0 or more and below 1"),
            ("epsilon", f64::from(o.epsilon), o.epsilon.is_finite() && o.epsilon > 0.0, "above 0"),
            ("weight_decay", f64::from(o.weight_decay), o.weight_decay >= 0.0, "0 or more"),
            (
                "clip_grad_norm",
                o.clip_grad_norm.unwrap_or(1.0),
                o.clip_grad_norm.is_none_or(|n| n > 0.0),
                "above 0",
            ),
        ];
        for (key, value, fine, expected) in in_range {
            if !fine {
                let key = format!("optimizer.{key}");
                return Err(StrategyError::config(&key, value, format!("expected a number {expected}")));
            }
        }
        if !(0.0..=1.0).contains(&self.label_dropout) {
            let expected = "expected a probability, 0 to 1";
            return Err(StrategyError::config("label_dropout", self.label_dropout, expected));
        }
        self.objective.validate().map_err(|error| StrategyError::from(error).at("objective"))?;
        let sampling = self.timestep_sampling.validate();
        sampling.map_err(|error| StrategyError::from(error).at("timestep_sampling"))?;
        self.ema.validate().map_err(|error| StrategyError::from(error).at("ema"))
    }

    /// Checks the ranges that depend on the images that are trained on.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for an augmentation that does not suit images of the shape, naming its key.
    pub fn check_images(&self, shape: ImageShape) -> Result<(), StrategyError> {
        self.augmentation.check(shape).map_err(|error| match error.at("augmentation") {
            DataError::Config { key, value, expected } => StrategyError::Config { key, value, expected },
            other => StrategyError::Data(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut TrainerConfig)) -> Result<(), String> {
        let mut config = TrainerConfig::default();
        change(&mut config);
        config.validate().map_err(|error| error.to_string())
    }

    /// Each range on both sides of its ends.
    #[test]
    fn ranges_end_where_they_are_said_to() {
        type Change = fn(&mut TrainerConfig);
        let fine: [Change; 12] = [
            |c| c.steps_per_experience = 1,
            |c| c.batch_size = 1,
            |c| c.accumulated_batches = 1,
            |c| c.optimizer.learning_rate = f64::MIN_POSITIVE,
            |c| c.optimizer.beta_1 = 0.0,
            |c| c.optimizer.beta_2 = 0.0,
            |c| c.optimizer.weight_decay = 0.0,
            |c| c.optimizer.clip_grad_norm = None,
            |c| c.optimizer.clip_grad_norm = Some(1e-9),
            |c| c.label_dropout = 1.0,
            |c| c.label_dropout = 0.0,
            |c| c.ema.decay = 0.0,
        ];
        for (i, change) in fine.into_iter().enumerate() {
            assert_eq!(with(change), Ok(()), "change {i}");
        }
        let wrong: [(&str, Change); 21] = [
            ("steps_per_experience", |c| c.steps_per_experience = 0),
            ("batch_size", |c| c.batch_size = 0),
            ("accumulated_batches", |c| c.accumulated_batches = 0),
            ("log_every", |c| c.log_every = 0),
            ("budget.epochs", |c| c.budget = Some(Budget::Epochs(0))),
            ("optimizer.learning_rate", |c| c.optimizer.learning_rate = 0.0),
            ("optimizer.learning_rate", |c| c.optimizer.learning_rate = f64::INFINITY),
            ("optimizer.beta_1", |c| c.optimizer.beta_1 = 1.0),
            ("optimizer.beta_1", |c| c.optimizer.beta_1 = -0.1),
            ("optimizer.beta_2", |c| c.optimizer.beta_2 = 1.0),
            ("optimizer.epsilon", |c| c.optimizer.epsilon = 0.0),
            ("optimizer.weight_decay", |c| c.optimizer.weight_decay = -1e-9),
            ("optimizer.weight_decay", |c| c.optimizer.weight_decay = f32::NAN),
            ("optimizer.clip_grad_norm", |c| c.optimizer.clip_grad_norm = Some(0.0)),
            ("label_dropout", |c| c.label_dropout = 1.0 + 1e-9),
            ("label_dropout", |c| c.label_dropout = -1e-9),
            ("ema.decay", |c| c.ema.decay = 1.0),
            ("ema.decay", |c| c.ema.decay = -0.1),
            ("ema.min_decay", |c| c.ema.min_decay = 1.5),
            ("ema.inv_gamma", |c| c.ema.inv_gamma = 0.0),
            ("ema.power", |c| c.ema.power = -1.0),
        ];
        for (key, change) in wrong {
            let message = with(change).unwrap_err();
            assert!(message.starts_with(&format!("`{key}` is ")), "{key}: {message}");
        }
    }

    /// Images of a step are those of all of its batches; epochs are of the images of the experience.
    #[test]
    fn steps_are_those_of_the_experience_asked_for() {
        use data_streams::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
        let glyphs =
            GlyphsConfig { size: 8.into(), train_per_class: 10, eval_per_class: 1, ..Default::default() };
        let sizes = ClassIncremental { sizes: vec![1, 3, 6], ..Default::default() };
        let stream = sizes.build(glyphs.build().unwrap()).unwrap();
        let config = TrainerConfig {
            batch_size: 4,
            accumulated_batches: 2,
            budget: Some(Budget::Epochs(3)),
            ..TrainerConfig::default()
        };
        // 30, 90 and 180 images in steps of 8.
        assert_eq!([0, 1, 2].map(|k| config.steps_in(&stream, k)), [4, 12, 23]);
        let plain = TrainerConfig { steps_per_experience: 7, budget: None, ..config };
        assert_eq!([0, 1, 2].map(|k| plain.steps_in(&stream, k)), [7; 3]);
    }
}
