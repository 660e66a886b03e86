//! A strategy's options: all that a program knows of it before there is a model.

use cldiff_choices::Options;
use data_streams::Stream;
use ddpm_core::{ProcessConfig, TrainBackend, TrainableDenoiser};

use super::{family::Family, needs::Needs, reference::ReferenceKind, tunable::Tunable};
use crate::{Strategy, StrategyError, TrainerConfig};

/// The training that a strategy is to be part of.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// How the model is trained.
    pub training: &'a TrainerConfig,
    /// The diffusion process.
    pub process: &'a ProcessConfig,
    /// The data, if they are there already.
    pub stream: Option<&'a Stream>,
}

/// The options of a strategy.
pub trait StrategyOptions: Options {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    fn validate(&self) -> Result<(), StrategyError>;

    /// The comparison that a cell of this strategy alone is the reference of; none for most.
    fn reference(&self) -> Option<ReferenceKind> {
        None
    }

    /// Requirements on the training, the model and the data.
    fn needs(&self) -> Needs;

    /// Whether the method is a bound for others rather than a competitor: it sees more data at once, or holds more models,
    /// than a continual learner does. Reports show bounds apart and rank none of them.
    fn is_bound(&self) -> bool {
        false
    }

    /// The means against forgetting, by which reports group and colour strategies.
    fn family(&self) -> Family {
        if self.is_bound() { Family::Bound } else { Family::Other }
    }

    /// The options that a search for good values (`cldiff tune`) may change, with the ranges that it draws from: what a
    /// paper would tune, such as weights and shares, by the options beside them. Not what decides how much is stored or
    /// computed. A bound and a baseline have none.
    fn tunables(&self) -> &'static [Tunable] {
        &[]
    }

    /// Checks the options against a training, beyond the [needs](Self::needs).
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option that does not fit, [`StrategyError::Training`] for an option of
    /// the training.
    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let _ = setting;
        Ok(())
    }

    /// Checks ranges, fit and needs, with the strategy's name before the keys of its options.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), [`check`](Self::check) and [`Needs::check`].
    fn check_all(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let checked = self.validate().and_then(|()| self.check(setting));
        checked.and_then(|()| self.needs().check(setting)).map_err(|error| error.at(self.name()))
    }
}

/// Makes a strategy from its options, for a backend and a network.
pub trait BuildStrategy<B: TrainBackend, D: TrainableDenoiser<B> + 'static>: StrategyOptions {
    /// The strategy before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError>;
}
