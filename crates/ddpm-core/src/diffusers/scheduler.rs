//! diffusers' `scheduler_config.json`: the process, and how its schedulers would sample from it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{VERSION, fields::read_fields, read_json};
use crate::{
    CoreError, ProcessConfig,
    diffusion::{Prediction, Threshold, Variance},
    schedule::{BetaSchedule, Spacing},
};

/// The keys of diffusers' schedulers that matter here; one that is left out has the default of `DDPMScheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the keys are diffusers' own, documented there")]
#[allow(clippy::struct_excessive_bools, reason = "the file has them")]
pub struct SchedulerConfig {
    pub num_train_timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub beta_schedule: String,
    pub trained_betas: Option<Vec<f64>>,
    pub variance_type: String,
    pub prediction_type: Prediction,
    pub clip_sample: bool,
    pub clip_sample_range: f64,
    pub thresholding: bool,
    pub dynamic_thresholding_ratio: f64,
    pub sample_max_value: f64,
    pub timestep_spacing: Spacing,
    pub steps_offset: usize,
    pub rescale_betas_zero_snr: bool,
    pub set_alpha_to_one: bool,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            trained_betas: None,
            variance_type: "fixed_small".into(),
            prediction_type: Prediction::Epsilon,
            clip_sample: true,
            clip_sample_range: 1.0,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            sample_max_value: 1.0,
            timestep_spacing: Spacing::Leading,
            steps_offset: 0,
            rescale_betas_zero_snr: false,
            set_alpha_to_one: true,
        }
    }
}

impl SchedulerConfig {
    /// Reads a `scheduler_config.json` of any of diffusers' discrete schedulers.
    ///
    /// # Errors
    /// [`CoreError::Io`]; [`CoreError::Format`] for what is not understood or not supported.
    pub fn read(path: &Path) -> Result<Self, CoreError> {
        let (config, _) = read_fields::<Self>(read_json(path)?).map_err(CoreError::in_file(path))?;
        config.process().and_then(|process| process.build()).map_err(CoreError::in_file(path))?;
        Ok(config)
    }

    /// The `DDPMScheduler` of a process.
    pub fn of(process: &ProcessConfig) -> Self {
        let mut config = Self {
            num_train_timesteps: process.timesteps,
            prediction_type: process.prediction,
            rescale_betas_zero_snr: process.zero_terminal_snr,
            variance_type: match process.variance {
                Variance::FixedSmall => "fixed_small",
                Variance::FixedLarge => "fixed_large",
                Variance::LearnedRange => "learned_range",
            }
            .into(),
            ..Self::default()
        };
        process.schedule.to_scheduler(process.timesteps, &mut config);
        config
    }

    /// The file's content, with the keys of `DDPMScheduler`.
    pub(super) fn to_json(&self) -> Value {
        let mut file = json!({ "_class_name": "DDPMScheduler", "_diffusers_version": VERSION });
        if let (Value::Object(file), Ok(Value::Object(mut fields))) = (&mut file, serde_json::to_value(self))
        {
            fields.remove("set_alpha_to_one");
            file.extend(fields);
        }
        file
    }

    /// The process.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a schedule or variance that is not supported.
    pub fn process(&self) -> Result<ProcessConfig, CoreError> {
        let Some(schedule) = BetaSchedule::from_scheduler(self) else {
            let expected = format!("supported are {}", BetaSchedule::names_of_diffusers().join(", "));
            return Err(CoreError::config("beta_schedule", &self.beta_schedule, expected));
        };
        let variance = match self.variance_type.as_str() {
            // Both forms draw the same; diffusers' two differ in where they take the logarithm.
            "fixed_small" | "fixed_small_log" => Variance::FixedSmall,
            "fixed_large" => Variance::FixedLarge,
            "learned_range" => Variance::LearnedRange,
            other => {
                let expected = "supported are fixed_small, fixed_small_log, fixed_large and learned_range";
                return Err(CoreError::config("variance_type", other, expected));
            }
        };
        if self.thresholding && (self.sample_max_value.is_nan() || self.sample_max_value <= 0.0) {
            let expected = "expected a number above 0";
            return Err(CoreError::config("sample_max_value", self.sample_max_value, expected));
        }
        if self.thresholding && !(0.0..=1.0).contains(&self.dynamic_thresholding_ratio) {
            let (key, ratio) = ("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio);
            return Err(CoreError::config(key, ratio, "expected a quantile, 0 to 1"));
        }
        if self.clip_sample && self.clip_sample_range != 1.0 {
            return Err(CoreError::config(
                "clip_sample_range",
                self.clip_sample_range,
                "only 1 is supported",
            ));
        }
        Ok(ProcessConfig {
            timesteps: self.num_train_timesteps,
            schedule,
            zero_terminal_snr: self.rescale_betas_zero_snr,
            prediction: self.prediction_type,
            variance,
        })
    }

    /// What is done to a predicted x_0.
    pub fn threshold(&self) -> Threshold {
        match (self.thresholding, self.clip_sample) {
            (true, _) => {
                let (ratio, max) = (self.dynamic_thresholding_ratio, Some(self.sample_max_value));
                Threshold::Dynamic { ratio, max }
            }
            (false, true) => Threshold::Clip,
            (false, false) => Threshold::None,
        }
    }
}
