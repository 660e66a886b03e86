//! How closely likelihood is looked at, as plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TimestepGrid;
use crate::MetricError;

/// How closely likelihood is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LikelihoodConfig {
    /// Images of each task's eval split that are evaluated.
    pub images_per_task: usize,
    /// Bins of timesteps that are reported.
    pub bins: usize,
    /// Strata of each bin, in each of which every image's timestep is drawn (the first bin has more strata); as many as a
    /// bin is wide: all timesteps.
    pub points_per_bin: usize,
    /// Draws of timestep and noise for each image and stratum: n draws take n times as long and divide their part of the
    /// squared standard error by n.
    pub draws: usize,
    /// Whether the predicted x_0 is clipped to [-1, 1] in the bound, as when sampling.
    pub clip: bool,
}

impl Default for LikelihoodConfig {
    fn default() -> Self {
        Self { images_per_task: 64, bins: 10, points_per_bin: 2, draws: 1, clip: true }
    }
}

impl LikelihoodConfig {
    /// The strata of a process of so many timesteps.
    ///
    /// # Errors
    /// [`MetricError::Config`] for the first option that cannot work with it.
    pub fn grid(&self, timesteps: usize) -> Result<TimestepGrid, MetricError> {
        if self.draws == 0 {
            return Err(MetricError::config("draws", 0, "expected at least 1"));
        }
        TimestepGrid::new(timesteps, self.bins, self.points_per_bin)
    }

    /// Evaluations of the model that each image takes on a grid.
    pub fn passes(&self, grid: &TimestepGrid) -> usize {
        self.draws * grid.strata().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_multiply_the_passes_and_none_are_refused() {
        let config = LikelihoodConfig { bins: 5, points_per_bin: 1, draws: 3, ..LikelihoodConfig::default() };
        // {0}, {1}, {2, 3}, {4 .. 7}, {8, 9} and four bins more.
        assert_eq!(config.passes(&config.grid(50).unwrap()), 27);
        let refused = LikelihoodConfig { draws: 0, ..config }.grid(50).unwrap_err().to_string();
        assert_eq!(refused, "`draws` is 0: expected at least 1");
        let old: LikelihoodConfig = serde_json::from_str(r#"{"images_per_task": 32, "bins": 10}"#).unwrap();
        assert_eq!((old.draws, old.images_per_task), (1, 32));
    }
}
