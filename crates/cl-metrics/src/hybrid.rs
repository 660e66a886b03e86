//! Hybrid sampling, a probe of this project's own: which part of the trajectory has to be remembered for samples of an
//! old task to survive?
//!
//! The model right after the task (old) and the final model (new) share a trajectory: one denoises at the timesteps from
//! a threshold on, the other below it ([`ddpm_core::TimestepSwitch`]). Old above and new below keeps what the task's
//! global structure needs; where the FID of that stays good, what was forgotten of the fine detail does not matter, and
//! the other way round. It is a causal statement, which a loss by timestep is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MetricError;

/// Hybrid sampling after the last experience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HybridSamplingConfig {
    /// Where the trajectory is cut, as shares of the timesteps, rising and between 0 and 1 (the ends are the two models
    /// alone, and measured anyway). Each costs two sets of samples. Empty: no hybrid sampling.
    pub thresholds: Vec<f64>,
    /// The tasks whose samples are drawn by two models.
    pub tasks: HybridTasks,
}

/// The tasks whose samples are drawn by two models together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HybridTasks {
    /// The first, which has had the longest time to be forgotten.
    #[default]
    First,
    /// Every task but the last.
    All,
}

impl Default for HybridSamplingConfig {
    fn default() -> Self {
        Self { thresholds: vec![0.15, 0.4, 0.7], tasks: HybridTasks::First }
    }
}

impl HybridSamplingConfig {
    /// The tasks (from 0) that are looked at, whether or not the stream has them.
    pub fn tasks(&self) -> std::ops::Range<usize> {
        match (self.thresholds.is_empty(), self.tasks) {
            (true, _) => 0..0,
            (false, HybridTasks::First) => 0..1,
            (false, HybridTasks::All) => 0..usize::MAX,
        }
    }

    /// The timesteps at which the trajectory is cut, 0 and T included.
    pub fn timesteps(&self, timesteps: usize) -> Vec<usize> {
        let inner = self.thresholds.iter().map(|share| (share * timesteps as f64).round() as usize);
        let mut all: Vec<usize> = std::iter::once(0).chain(inner).chain([timesteps]).collect();
        all.dedup();
        all
    }

    /// Sets of samples that are drawn on a stream of so many tasks.
    pub fn draws(&self, tasks: usize) -> usize {
        2 * self.thresholds.len() * self.tasks().end.min(tasks.saturating_sub(1))
    }

    /// Checks the thresholds.
    ///
    /// # Errors
    /// [`MetricError::Config`] if they do not rise between 0 and 1.
    pub fn validate(&self) -> Result<(), MetricError> {
        let inside = self.thresholds.iter().all(|share| *share > 0.0 && *share < 1.0);
        if inside && self.thresholds.windows(2).all(|pair| pair[0] < pair[1]) {
            return Ok(());
        }
        Err(MetricError::Config {
            key: "thresholds".into(),
            value: format!("{:?}", self.thresholds),
            expected:
                "expected shares of the timesteps, rising and between 0 and 1, such as [0.25, 0.5]; 0 and 1 \
                       themselves are measured anyway"
                    .into(),
        })
    }
}

/// FID on a task as a function of where the trajectory is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HybridCurve {
    /// The task, from 0.
    pub task: usize,
    /// Where the trajectory is cut: from 0 to T.
    pub thresholds: Vec<usize>,
    /// FID with the old model at t >= threshold and the new one below; none where it cannot be measured.
    pub old_above: Vec<Option<f64>>,
    /// FID with the new model at t >= threshold and the old one below.
    pub new_above: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_become_timesteps_between_the_ends() {
        let config = HybridSamplingConfig { thresholds: vec![0.001, 0.25, 0.5], tasks: HybridTasks::All };
        assert_eq!(config.timesteps(1000), [0, 1, 250, 500, 1000]);
        // With few timesteps two thresholds may be one.
        assert_eq!(config.timesteps(10), [0, 3, 5, 10]);
        assert_eq!((config.draws(5), config.draws(1)), (24, 0));
        assert!(config.validate().is_ok());
        for thresholds in [vec![0.0], vec![0.5, 0.5], vec![1.0], vec![f64::NAN]] {
            assert!(
                HybridSamplingConfig { thresholds, ..HybridSamplingConfig::default() }.validate().is_err()
            );
        }
    }
}
