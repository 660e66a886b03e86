//! Exponential moving average of parameters, with the decay and its warm-up as diffusers' `EMAModel` has them.

use burn::{
    module::{AutodiffModule, ParamId},
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CoreError,
    parameters::{ParameterVector, with_parameters},
};

/// The treatment of the average where the training data change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtExperience {
    /// It goes on, and the rise of its decay with it: the model that is evaluated after an experience is in part the one
    /// before it.
    Continue,
    /// It starts anew at the model as trained, and the rise of its decay with it.
    #[default]
    Restart,
}

/// How the decay of the average rises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// The decay in the long run, 0 or more and below 1.
    pub decay: f64,
    /// The decay is at least this, which is 0 or more and at most `decay`.
    pub min_decay: f64,
    /// Updates before the average starts; until then it equals the model.
    pub update_after_step: u64,
    /// Whether the decay follows `1 - (1 + step / inv_gamma)^-power` instead of `(1 + step) / (10 + step)`.
    pub use_ema_warmup: bool,
    /// See `use_ema_warmup`; above 0.
    pub inv_gamma: f64,
    /// See `use_ema_warmup`; above 0.
    pub power: f64,
    /// The treatment of the average at the start of an experience.
    pub at_experience: AtExperience,
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
            at_experience: AtExperience::default(),
        }
    }
}

impl EmaConfig {
    /// Checks the ranges. diffusers' `EMAModel` takes any numbers, and outside of these ranges averages nothing: a weight is
    /// not finite, or lies outside of 0 to 1, or the limit that was asked for is passed over.
    ///
    /// # Errors
    /// [`CoreError::Config`] that names the first key out of range.
    pub fn validate(&self) -> Result<(), CoreError> {
        let Self { decay, min_decay, inv_gamma, power, .. } = *self;
        if !(0.0..1.0).contains(&decay) {
            return Err(CoreError::config("decay", decay, "expected 0 or more and below 1"));
        }
        if !(0.0..=decay).contains(&min_decay) {
            let expected = format!("expected 0 or more and at most `decay`, {decay}");
            return Err(CoreError::config("min_decay", min_decay, expected));
        }
        for (key, value) in [("inv_gamma", inv_gamma), ("power", power)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(CoreError::config(key, value, "expected a number above 0"));
            }
        }
        Ok(())
    }

    /// The decay of the update that is the `updates`-th, counted from 1.
    pub fn decay_at(&self, updates: u64) -> f64 {
        let step = updates.saturating_sub(self.update_after_step).saturating_sub(1);
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

    /// The weight that the average after `from` updates has in the one after `to`: the product of the decays between.
    pub fn carried(&self, from: u64, to: u64) -> f64 {
        (from + 1..=to).map(|update| self.decay_at(update)).product()
    }
}

/// The moving average of a model's parameters, without autodiff.
#[derive(Debug, Clone)]
pub struct Ema<I: Backend> {
    config: EmaConfig,
    average: ParameterVector<I>,
    updates: u64,
}

impl<I: Backend> Ema<I> {
    /// An average that starts at `model`, whose parameters must be initialised.
    pub fn new<B: AutodiffBackend<InnerBackend = I>, M: AutodiffModule<B>>(
        config: EmaConfig,
        model: &M,
    ) -> Self {
        Self { config, average: ParameterVector::of(&model.valid()), updates: 0 }
    }

    /// An average as it was after some updates.
    pub fn restored(config: EmaConfig, average: ParameterVector<I>, updates: u64) -> Self {
        Self { config, average, updates }
    }

    /// The model with the averaged parameters.
    pub fn averaged<B: AutodiffBackend<InnerBackend = I>, M: AutodiffModule<B>>(
        &self,
        model: &M,
    ) -> M::InnerModule {
        with_parameters(model.valid(), self.average.clone())
    }

    /// The averaged parameters.
    pub fn parameters(&self) -> &ParameterVector<I> {
        &self.average
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// average <- decay average + (1 - decay) model; [`AdamW`](crate::AdamW) does the same within its step.
    pub fn update<B: AutodiffBackend<InnerBackend = I>, M: AutodiffModule<B>>(&mut self, model: &M) {
        let weight = self.next_weight();
        let model = ParameterVector::of(&model.valid());
        let average = std::mem::take(&mut self.average);
        self.average = average.zip(model, |a, m| a.clone() + (m - a).mul_scalar(weight));
    }

    /// Counts an update, and tells the weight that the model has in it: average <- average + weight (model - average).
    pub(crate) fn next_weight(&mut self) -> f64 {
        self.updates += 1;
        1.0 - self.config.decay_at(self.updates)
    }

    /// Takes the average out, to be [`put`](Self::put) back once it was moved.
    pub(crate) fn take(&mut self) -> Vec<(ParamId, Tensor<I, 1>)> {
        std::mem::take(&mut self.average).into_entries()
    }

    pub(crate) fn put(&mut self, average: Vec<(ParamId, Tensor<I, 1>)>) {
        self.average = ParameterVector::from_entries(average);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the rise (1 + s) / (10 + s) a product over the updates n + 1 to m telescopes: (n + 1) ... (n + 9) over (m + 1) ...
    /// (m + 9). After nine of ten experiences of 2000 steps that is 0.387 of the evaluated model; with a decay of 0.9 after 20
    /// more updates 0.9^20; a new average has nothing of its start after the first update.
    #[test]
    fn what_an_average_carries_is_the_product_of_its_decays() {
        let config = EmaConfig::default();
        let telescoped: f64 =
            (1..=9).map(|i| (18_000.0 + f64::from(i)) / (20_000.0 + f64::from(i))).product();
        assert!((telescoped - 0.387).abs() < 1e-3, "{telescoped}");
        assert!((config.carried(18_000, 20_000) - telescoped).abs() < 1e-9, "{telescoped}");
        let steady = EmaConfig { decay: 0.9, ..config };
        assert!((steady.carried(1000, 1020) - 0.9_f64.powi(20)).abs() < 1e-12);
        assert_eq!((steady.carried(0, 1), steady.carried(7, 7)), (0.0, 1.0));
    }
    /// Each range on both sides of its ends; with every number in its range every decay is one.
    #[test]
    fn ranges_end_where_they_are_said_to() {
        type Change = fn(&mut EmaConfig);
        let with = |change: Change| {
            let mut config = EmaConfig::default();
            change(&mut config);
            config
        };
        let fine: [Change; 7] = [
            |_| {},
            |c| c.decay = 0.0,
            |c| c.min_decay = c.decay,
            |c| c.inv_gamma = f64::MIN_POSITIVE,
            |c| c.inv_gamma = f64::MAX,
            |c| c.power = f64::MIN_POSITIVE,
            |c| c.power = f64::MAX,
        ];
        for (i, change) in fine.into_iter().enumerate() {
            let config = EmaConfig { use_ema_warmup: true, ..with(change) };
            assert!(config.validate().is_ok(), "change {i}");
            for updates in [0, 1, 2, 1000, u64::MAX] {
                let decay = config.decay_at(updates);
                assert!((0.0..=config.decay).contains(&decay), "change {i}: {decay} at {updates}");
            }
        }
        let wrong: [(&str, Change); 14] = [
            ("decay", |c| c.decay = 1.0),
            ("decay", |c| c.decay = -1e-9),
            ("decay", |c| c.decay = f64::NAN),
            ("min_decay", |c| c.min_decay = -1e-9),
            ("min_decay", |c| (c.decay, c.min_decay) = (0.5, 0.5 + 1e-9)),
            ("min_decay", |c| c.min_decay = f64::NAN),
            ("min_decay", |c| c.min_decay = f64::INFINITY),
            ("inv_gamma", |c| c.inv_gamma = 0.0),
            ("inv_gamma", |c| c.inv_gamma = -1.0),
            ("inv_gamma", |c| c.inv_gamma = f64::NAN),
            ("inv_gamma", |c| c.inv_gamma = f64::INFINITY),
            ("power", |c| c.power = 0.0),
            ("power", |c| c.power = -1.0),
            ("power", |c| c.power = f64::INFINITY),
        ];
        for (key, change) in wrong {
            let message = with(change).validate().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{key}` is ")), "{key}: {message}");
        }
    }

    /// An average that never starts equals the model; the count of updates does not overflow.
    #[test]
    fn an_average_that_starts_after_the_last_update_has_no_decay() {
        let never = EmaConfig { update_after_step: u64::MAX, ..EmaConfig::default() };
        assert_eq!([1, u64::MAX].map(|updates| never.decay_at(updates)), [0.0; 2]);
    }
}
