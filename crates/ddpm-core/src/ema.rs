//! Exponential moving average of parameters, with the decay and its warm-up as diffusers' `EMAModel` has them.

use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::{
    Kernels,
    parameters::{ParameterVector, with_parameters},
};

/// How the decay of the average rises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// The decay in the long run.
    pub decay: f64,
    /// The decay is at least this.
    pub min_decay: f64,
    /// Updates before the average starts; until then it equals the model.
    pub update_after_step: u64,
    /// Whether the decay follows `1 - (1 + step / inv_gamma)^-power` instead of `(1 + step) / (10 + step)`.
    pub use_ema_warmup: bool,
    /// See `use_ema_warmup`.
    pub inv_gamma: f64,
    /// See `use_ema_warmup`.
    pub power: f64,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self {
            decay: 0.9999,
            min_decay: 0.0,
            update_after_step: 0,
            use_ema_warmup: false,
            inv_gamma: 1.0,
            power: 2.0 / 3.0,
        }
    }
}

impl EmaConfig {
    /// The decay of the update that is the `updates`-th, counted from 1.
    pub fn decay_at(&self, updates: u64) -> f64 {
        let step = updates.saturating_sub(self.update_after_step + 1);
        if step == 0 {
            return 0.0;
        }
        let step = step as f64;
        let rising = if self.use_ema_warmup {
            1.0 - (1.0 + step / self.inv_gamma).powf(-self.power)
        } else {
            (1.0 + step) / (10.0 + step)
        };
        rising.min(self.decay).max(self.min_decay)
    }
}

/// The moving average of a model without autodiff.
#[derive(Debug, Clone)]
pub struct Ema<M> {
    config: EmaConfig,
    average: M,
    updates: u64,
}

impl<M> Ema<M> {
    /// An average that starts at `model`, whose parameters must be initialised.
    pub fn new(config: EmaConfig, model: M) -> Self {
        Self { config, average: model, updates: 0 }
    }

    /// The averaged model.
    pub fn model(&self) -> &M {
        &self.average
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// average <- decay average + (1 - decay) model
    pub fn update<B: Kernels>(&mut self, model: &M)
    where
        M: Module<B>,
    {
        self.updates += 1;
        let weight = 1.0 - self.config.decay_at(self.updates);
        let average = ParameterVector::<B>::of(&self.average);
        let model = ParameterVector::<B>::of(model);
        let moved = average.zip(model, |a, m| a.clone() + (m - a).mul_scalar(weight));
        self.average = with_parameters(self.average.clone(), moved);
    }
}
