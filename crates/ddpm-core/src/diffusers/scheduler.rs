//! diffusers' `scheduler_config.json`: the process, and how its schedulers would sample from it.
//!
//! A file is written as it was read, with the keys that are not understood here: diffusers then draws from an exported
//! model what it drew from its source.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    VERSION,
    classes::{CLASSES, Class, OF_OTHERS, PLAIN},
    fields::{cut, pass_over, read_fields, warn_once},
    read_json,
};
use crate::{
    CoreError, ProcessConfig,
    diffusion::{Prediction, Threshold, Variance},
    sampler::SamplerConfig,
    schedule::{BetaSchedule, Spacing, check_offset},
};

/// The keys of diffusers' schedulers that matter here; one that is left out has the default of the file's class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the keys are diffusers' own, documented there")]
#[allow(clippy::struct_excessive_bools, reason = "the file has them")]
pub struct SchedulerConfig {
    /// `_class_name`
    #[serde(skip)]
    pub class: String,
    pub num_train_timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub beta_schedule: String,
    pub trained_betas: Option<Vec<f64>>,
    pub variance_type: Option<String>,
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
    /// The file that it was read from, key by key.
    #[serde(skip)]
    source: Map<String, Value>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            class: PLAIN.into(),
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            trained_betas: None,
            variance_type: Some("fixed_small".into()),
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
            source: Map::new(),
        }
    }
}

impl SchedulerConfig {
    /// Reads a `scheduler_config.json` of one of diffusers' schedulers of betas.
    ///
    /// # Errors
    /// [`CoreError::Io`]; [`CoreError::Format`] for what is not understood or not supported.
    pub fn read(path: &Path) -> Result<Self, CoreError> {
        let fields = read_json(path)?;
        let config = Self::of_fields(fields).map_err(CoreError::in_file(path))?;
        config.process().and_then(|process| process.build()).map_err(CoreError::in_file(path))?;
        Ok(config)
    }

    /// The configuration of a file's keys.
    fn of_fields(source: Map<String, Value>) -> Result<Self, CoreError> {
        let class = class_of(&source)?;
        let default = class.default_config();
        let mut fields = default.own_fields();
        let mut unknown = Vec::new();
        for (key, value) in &source {
            if fields.contains_key(key) {
                fields.insert(key.clone(), value.clone());
            } else if !key.starts_with('_') && !OF_OTHERS.contains(&key.as_str()) {
                unknown.push(key.clone());
            }
        }
        check_others(&source)?;
        pass_over("scheduler_config.json", &unknown);
        let (config, _) = read_fields::<Self>(fields)?;
        Ok(Self { class: default.class, source, ..config })
    }

    /// The scheduler of a process: `DDPMScheduler` with its defaults for everything else.
    pub fn of(process: &ProcessConfig) -> Self {
        let mut config = Self {
            num_train_timesteps: process.timesteps,
            prediction_type: process.prediction,
            rescale_betas_zero_snr: process.zero_terminal_snr,
            variance_type: Some(
                match process.variance {
                    Variance::FixedSmall => "fixed_small",
                    Variance::FixedLarge => "fixed_large",
                    Variance::LearnedRange => "learned_range",
                }
                .into(),
            ),
            ..Self::default()
        };
        process.schedule.to_scheduler(process.timesteps, &mut config);
        config
    }

    /// The scheduler with which diffusers draws as a sampler does. With a learned variance it stays `DDPMScheduler`, the
    /// only class that takes the variance out of the network's output for any number of channels.
    #[must_use]
    pub fn sampled_by(mut self, sampler: &SamplerConfig) -> Self {
        let plain = self.class.clone();
        sampler.to_scheduler(&mut self);
        if self.variance_type.as_deref() == Some("learned_range") {
            self.class = plain;
        }
        self
    }

    /// Whether diffusers draws with another scheduler as with this one, as far as that is not a matter of the process.
    pub fn samples_like(&self, other: &Self) -> bool {
        let of = |config: &Self| {
            let class = config.class.clone();
            let Self { clip_sample, clip_sample_range, thresholding, .. } = *config;
            let Self { dynamic_thresholding_ratio, sample_max_value, .. } = *config;
            let Self { timestep_spacing, steps_offset, set_alpha_to_one, .. } = *config;
            let clipped = (clip_sample, clip_sample_range);
            let thresholded = (thresholding, dynamic_thresholding_ratio, sample_max_value);
            (class, clipped, thresholded, timestep_spacing, steps_offset, set_alpha_to_one)
        };
        of(self) == of(other)
    }

    /// The keys that are known here.
    fn own_fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// The file's content. A key that its source did not have is written if it is not the default of its class; of a
    /// scheduler without a source, every key of the class is.
    pub(super) fn to_json(&self) -> Value {
        let class = Class::named(&self.class);
        let default = class.map_or_else(Self::default, Class::default_config).own_fields();
        let mut file = Map::from_iter([
            ("_class_name".to_owned(), json!(self.class)),
            ("_diffusers_version".to_owned(), json!(VERSION)),
        ]);
        for (key, value) in self.own_fields() {
            let is_told = if self.source.is_empty() {
                key != "set_alpha_to_one" || self.class != PLAIN
            } else {
                self.source.contains_key(&key)
            };
            if is_told || default.get(&key) != Some(&value) {
                file.insert(key, value);
            }
        }
        for (key, value) in &self.source {
            file.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(file)
    }

    /// The pipeline of diffusers that draws with it.
    pub(super) fn pipeline(&self) -> &'static str {
        Class::named(&self.class).map_or(CLASSES[0].pipeline, |class| class.pipeline)
    }

    /// The process.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a schedule or variance that is not supported, and for a range that cannot work.
    pub fn process(&self) -> Result<ProcessConfig, CoreError> {
        let Some(schedule) = BetaSchedule::from_scheduler(self) else {
            let expected = format!("supported are {}", BetaSchedule::names_of_diffusers().join(", "));
            return Err(CoreError::config("beta_schedule", &self.beta_schedule, expected));
        };
        let variance = match self.variance_type.as_deref() {
            // Both forms draw the same; diffusers' two differ in where they take the logarithm. Solvers have none.
            None | Some("fixed_small" | "fixed_small_log") => Variance::FixedSmall,
            Some("fixed_large") => Variance::FixedLarge,
            Some("learned_range") => Variance::LearnedRange,
            Some(other) => {
                let expected = "supported are fixed_small, fixed_small_log, fixed_large and learned_range";
                return Err(CoreError::config("variance_type", other, expected));
            }
        };
        self.check_ranges()?;
        Ok(ProcessConfig {
            timesteps: self.num_train_timesteps,
            schedule,
            zero_terminal_snr: self.rescale_betas_zero_snr,
            prediction: self.prediction_type,
            variance,
        })
    }

    fn check_ranges(&self) -> Result<(), CoreError> {
        let is_range = |value: f64| value.is_finite() && value > 0.0;
        if self.thresholding && !is_range(self.sample_max_value) {
            let expected = "expected a number above 0";
            return Err(CoreError::config("sample_max_value", self.sample_max_value, expected));
        }
        if self.thresholding && !(0.0..=1.0).contains(&self.dynamic_thresholding_ratio) {
            let (key, ratio) = ("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio);
            return Err(CoreError::config(key, ratio, "expected a quantile, 0 to 1"));
        }
        if self.clip_sample && !is_range(self.clip_sample_range) {
            let expected = "expected a number above 0";
            return Err(CoreError::config("clip_sample_range", self.clip_sample_range, expected));
        }
        // No timestep at all is the process's to refuse.
        check_offset(self.steps_offset, self.num_train_timesteps.max(1))
    }

    /// The limits of a predicted x_0.
    pub fn threshold(&self) -> Threshold {
        match (self.thresholding, self.clip_sample) {
            (true, _) => {
                let max = Some(self.sample_max_value).filter(|max| *max < NO_MAXIMUM);
                Threshold::Dynamic { ratio: self.dynamic_thresholding_ratio, max }
            }
            (false, true) => self.clip(),
            (false, false) => Threshold::None,
        }
    }

    /// Clipping to the range of `clip_sample_range`.
    pub(crate) fn clip(&self) -> Threshold {
        if self.clip_sample_range == 1.0 {
            Threshold::Clip
        } else {
            Threshold::ClipTo(self.clip_sample_range)
        }
    }

    /// Sets the keys that say what is done to a predicted x_0.
    pub(crate) fn set_threshold(&mut self, threshold: Threshold) {
        (self.thresholding, self.clip_sample) = (false, false);
        match threshold {
            Threshold::None => {}
            Threshold::Clip => (self.clip_sample, self.clip_sample_range) = (true, 1.0),
            Threshold::ClipTo(range) => (self.clip_sample, self.clip_sample_range) = (true, range),
            Threshold::Dynamic { ratio, max } => {
                self.thresholding = true;
                self.dynamic_thresholding_ratio = ratio;
                self.sample_max_value = max.unwrap_or(NO_MAXIMUM);
            }
        }
    }
}

/// The largest `sample_max_value` that diffusers takes, for a threshold that has none.
const NO_MAXIMUM: f64 = f32::MAX as f64;

/// The class of a file; one that does not say is of the oldest.
fn class_of(source: &Map<String, Value>) -> Result<&'static Class, CoreError> {
    let name = match source.get("_class_name") {
        None | Some(Value::Null) => return Ok(&CLASSES[0]),
        Some(name) => name,
    };
    name.as_str().and_then(Class::named).ok_or_else(|| {
        let known: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
        let expected =
            format!("the process of this class is not supported; supported are {}", known.join(", "));
        CoreError::Config { key: "_class_name".into(), value: cut(&name.to_string()), expected }
    })
}

/// Refuses keys of other classes that make another process, and warns of those that only diffusers samples by.
fn check_others(source: &Map<String, Value>) -> Result<(), CoreError> {
    let is = |key: &str, value: Value| source.get(key) == Some(&value);
    let other_process = [
        ("use_flow_sigmas", json!(true), "flow matching is another process, and not supported"),
        (
            "timestep_type",
            json!("continuous"),
            "continuous noise levels are another process, and not supported",
        ),
    ];
    for (key, value, expected) in other_process {
        if is(key, value.clone()) {
            return Err(CoreError::Config {
                key: key.into(),
                value: value.to_string(),
                expected: expected.into(),
            });
        }
    }
    let followed = [
        ("use_karras_sigmas", json!(false)),
        ("use_exponential_sigmas", json!(false)),
        ("use_beta_sigmas", json!(false)),
        ("use_lu_lambdas", json!(false)),
        ("euler_at_final", json!(false)),
        ("final_sigmas_type", json!("zero")),
    ];
    for (key, value) in followed {
        if let Some(other) = source.get(key).filter(|given| !given.is_null() && **given != value) {
            warn_once(&format!(
                "scheduler_config.json: `{key}` is {}, which samplers here do not follow; an export keeps it",
                cut(&other.to_string())
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
