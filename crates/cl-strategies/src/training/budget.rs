//! How long an experience trains: steps, epochs, or passes through networks.
//!
//! Equal steps are not equal compute: with replay a step takes two images where finetuning takes one, and a generator
//! takes a pass for each of its sampler's steps. Under a budget of passes each strategy takes as many steps as it can pay for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StrategyError;

/// How long an experience trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Budget {
    /// Number of optimiser steps.
    Steps(usize),
    /// Number of times that the images of the experience are trained on; the last batch may go on into one more epoch.
    Epochs(usize),
    /// Number of passes of one image through a network, of those counted in `cost`, with which the experience ends; at
    /// least one step is made.
    /// An experience also pays for what its strategy did between the last step of the one before and its own first step.
    Passes(u64),
}

impl Budget {
    /// Steps on so many images, `batch` a step; at most, where passes are what counts: a step takes one for each image of its
    /// batch at least.
    pub(super) fn steps(self, images: usize, batch: usize) -> usize {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => (epochs * images).div_ceil(batch),
            Self::Passes(passes) => usize::try_from(passes.div_ceil(batch as u64)).unwrap_or(usize::MAX),
        }
    }

    /// The share of it that is used after `step` of `steps` steps, in which `passes` passes were made.
    pub(super) fn used(self, (step, steps): (usize, usize), passes: u64) -> f64 {
        match self {
            Self::Passes(most) => (passes as f64 / most as f64).min(1.0),
            Self::Steps(_) | Self::Epochs(_) => step as f64 / steps.max(1) as f64,
        }
    }

    /// Checks that it is not zero.
    pub(super) fn validate(self) -> Result<(), StrategyError> {
        let (key, value) = match self {
            Self::Steps(steps) => ("steps", steps as u64),
            Self::Epochs(epochs) => ("epochs", epochs as u64),
            Self::Passes(passes) => ("passes", passes),
        };
        if value > 0 {
            return Ok(());
        }
        Err(StrategyError::config(key, value, "expected at least 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_written_as_what_it_counts() {
        for (text, budget) in [
            (r#"{"steps":3}"#, Budget::Steps(3)),
            (r#"{"epochs":200}"#, Budget::Epochs(200)),
            (r#"{"passes":7}"#, Budget::Passes(7)),
        ] {
            assert_eq!(serde_json::from_str::<Budget>(text).unwrap(), budget);
            assert_eq!(serde_json::to_string(&budget).unwrap(), text);
            budget.validate().unwrap();
        }
        let message = Budget::Passes(0).validate().unwrap_err().at("budget").to_string();
        assert_eq!(message, "`budget.passes` is 0: expected at least 1");
    }

    /// 3 epochs of 10 images are 30 images, or 8 batches of 4.
    #[test]
    fn epochs_and_passes_make_steps() {
        assert_eq!(Budget::Steps(5).steps(10, 4), 5);
        assert_eq!(Budget::Epochs(3).steps(10, 4), 8);
        assert_eq!(Budget::Passes(30).steps(1000, 4), 8);
        assert_eq!(Budget::Steps(5).used((2, 5), 999), 0.4);
        assert_eq!((Budget::Passes(40).used((2, 5), 10), Budget::Passes(40).used((2, 5), 50)), (0.25, 1.0));
    }
}
