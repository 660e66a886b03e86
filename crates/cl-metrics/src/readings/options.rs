//! The options of the readings: tables of `evaluation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MetricError;

/// The outcome for each class of a class-conditional model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassesConfig {
    /// Whether the Fréchet distance of each class is measured; confusion and accuracy are in any case.
    pub fid: bool,
    /// The fewest samples, and real images, of a class for its Fréchet distance; with fewer it is null.
    pub fewest: usize,
}

impl Default for ClassesConfig {
    fn default() -> Self {
        Self { fid: true, fewest: 20 }
    }
}

/// Drift of samples from the same noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriftConfig {
    /// The first samples of each task that are kept right after the task and compared after each later one. They are part
    /// of a state. 0: no drift.
    pub samples: usize,
}

impl Default for DriftConfig {
    fn default() -> Self {
        Self { samples: 64 }
    }
}

/// Classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): the run's classifier is trained on samples of a
/// class-conditional model, with the classes that were asked for as labels, and tested on real images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CasConfig {
    /// Samples drawn for each class seen, and real training images of each class for the classifier beside it.
    pub samples_per_class: usize,
    /// Whether it is measured after every task, or after the last one only.
    pub every_task: bool,
}

impl Default for CasConfig {
    fn default() -> Self {
        Self { samples_per_class: 200, every_task: false }
    }
}

/// How the tasks seen are looked at within an experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WithinConfig {
    /// Images of each task's eval split for the losses.
    pub images_per_task: usize,
    /// Samples of each task for FID; 0: no FID.
    pub samples: usize,
}

impl Default for WithinConfig {
    fn default() -> Self {
        Self { images_per_task: 32, samples: 0 }
    }
}

impl ClassesConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`MetricError::Config`] for fewer images than a covariance needs.
    pub fn validate(&self) -> Result<(), MetricError> {
        at_least("fewest", self.fewest, 2)
    }
}

impl CasConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`MetricError::Config`] for no samples.
    pub fn validate(&self) -> Result<(), MetricError> {
        at_least("samples_per_class", self.samples_per_class, 1)
    }
}

impl WithinConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`MetricError::Config`] for no images, or for one sample, which has no covariance.
    pub fn validate(&self) -> Result<(), MetricError> {
        at_least("images_per_task", self.images_per_task, 1)?;
        if self.samples == 1 {
            return Err(MetricError::config("samples", 1, "expected 0 (no FID) or at least 2"));
        }
        Ok(())
    }
}

fn at_least(key: &str, value: usize, least: usize) -> Result<(), MetricError> {
    if value >= least {
        return Ok(());
    }
    Err(MetricError::config(key, value, format!("expected at least {least}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_named() {
        let message = |result: Result<(), MetricError>| result.err().map(|e| e.to_string());
        assert_eq!(message(ClassesConfig::default().validate()), None);
        assert_eq!(message(CasConfig::default().validate()), None);
        assert_eq!(message(WithinConfig::default().validate()), None);
        let fewest = ClassesConfig { fewest: 1, ..ClassesConfig::default() };
        assert_eq!(message(fewest.validate()).unwrap(), "`fewest` is 1: expected at least 2");
        let none = CasConfig { samples_per_class: 0, ..CasConfig::default() };
        assert_eq!(message(none.validate()).unwrap(), "`samples_per_class` is 0: expected at least 1");
        let one = WithinConfig { samples: 1, ..WithinConfig::default() };
        assert_eq!(message(one.validate()).unwrap(), "`samples` is 1: expected 0 (no FID) or at least 2");
        let none = WithinConfig { images_per_task: 0, ..WithinConfig::default() };
        assert_eq!(message(none.validate()).unwrap(), "`images_per_task` is 0: expected at least 1");
    }
}
