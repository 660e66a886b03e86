//! `cldiff_sampling.json`: how a run drew samples from a checkpoint, beside the scheduler of diffusers, which has no keys for
//! some of it: the number of steps, eta and guidance, and samplers that diffusers does not have.
//!
//! `cldiff sample` follows the file where no sampler is named, so that it draws as the run did. diffusers passes it over.
//! Where the scheduler beside it was changed since, that one is followed in all that it has keys for.

use std::{fs, io, path::Path};

use cl_strategies::ConditionOn;
use ddpm_core::{CoreError, diffusers::SchedulerConfig, plain_words, sampler::SamplerConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{CellSpec, EvaluationConfig};

/// Its name.
const FILE: &str = "cldiff_sampling.json";

/// How samples are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sampling {
    pub sampler: SamplerConfig,
    /// The scale of classifier-free guidance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// Whether the last condition stands for "no label": labels were dropped in training. Absent in files of old models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_label: Option<bool>,
}

impl Sampling {
    /// That of a cell. A model without conditions has nothing to guide.
    pub(crate) fn of(spec: &CellSpec) -> Self {
        let EvaluationConfig { sampler, guidance, .. } = &spec.evaluation;
        let is_conditional = spec.training.condition_on != ConditionOn::None;
        Self {
            sampler: sampler.clone(),
            guidance: guidance.filter(|_| is_conditional),
            no_label: is_conditional.then_some(spec.training.label_dropout > 0.0),
        }
    }

    /// Reads that of a model; none where a model has none.
    ///
    /// # Errors
    /// [`CoreError::Io`]; [`CoreError::Format`] for a file that is not understood, one of an unknown sampler for example.
    pub(crate) fn read(model: &Path) -> Result<Option<Self>, CoreError> {
        let path = model.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CoreError::Io { path, source }),
        };
        let parsed = serde_json::from_str(&text);
        parsed.map(Some).map_err(|e| CoreError::Format { path, problem: plain_words(&e.to_string()) })
    }

    /// Writes it into a model's directory, and reads it back.
    ///
    /// # Errors
    /// As [`Sampling::read`].
    pub(crate) fn save(&self, model: &Path) -> Result<(), CoreError> {
        let path = model.join(FILE);
        let problem = |e: serde_json::Error| CoreError::Format { path: path.clone(), problem: e.to_string() };
        let text = serde_json::to_string_pretty(self).map_err(problem)? + "\n";
        cl_strategies::durable::write(&path, text.as_bytes())
            .map_err(|source| CoreError::Io { path: path.clone(), source })?;
        Self::read(model).map(|_| ())
    }

    /// The sampler for a model with this scheduler, with other steps and another eta, where these are given.
    ///
    /// # Errors
    /// [`CoreError::Config`] for an option that the sampler does not have.
    pub(crate) fn sampler(
        mut self,
        scheduler: &SchedulerConfig,
        steps: Option<usize>,
        eta: Option<f64>,
    ) -> Result<SamplerConfig, CoreError> {
        let written = SchedulerConfig::of(&scheduler.process()?).sampled_by(&self.sampler);
        if scheduler.samples_like(&written) {
            return self.with(steps, eta);
        }
        tracing::warn!(
            "the scheduler of this model is not the one that its run wrote: its settings are followed"
        );
        check_eta(&self.sampler, eta)?;
        let options = serde_json::to_value(&self.sampler).unwrap_or_default();
        let own = &options[self.sampler.name()];
        let steps = steps.or_else(|| usize::try_from(own["steps"].as_u64()?).ok());
        let eta = eta.or_else(|| own["eta"].as_f64()).unwrap_or(0.0);
        self.sampler.edit().follow(scheduler, steps, eta);
        Ok(self.sampler)
    }

    /// The sampler with other steps and another eta, where these are given.
    fn with(self, steps: Option<usize>, eta: Option<f64>) -> Result<SamplerConfig, CoreError> {
        let given = [("steps", steps.map(|steps| json!(steps))), ("eta", eta.map(|eta| json!(eta)))];
        let mut sampler = self.sampler;
        for (key, value) in given.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            let Some(with) = changed(&sampler, key, &value) else {
                let whose = ", by which the run of this model drew,";
                return Err(no_option(&sampler, key, &value, whose));
            };
            sampler = with;
        }
        Ok(sampler)
    }
}

/// Refuses an eta that a sampler would pass over.
///
/// # Errors
/// [`CoreError::Config`] for an eta beside a sampler without that option.
pub(crate) fn check_eta(sampler: &SamplerConfig, eta: Option<f64>) -> Result<(), CoreError> {
    let given = eta.map(|eta| json!(eta));
    match given.filter(|eta| changed(sampler, "eta", eta).is_none()) {
        Some(eta) => Err(no_option(sampler, "eta", &eta, "")),
        None => Ok(()),
    }
}

/// The sampler with another value of an option; none if it has no such option.
fn changed(sampler: &SamplerConfig, key: &str, value: &Value) -> Option<SamplerConfig> {
    let mut table = serde_json::to_value(sampler).ok()?;
    let options = table.get_mut(sampler.name())?.as_object_mut()?;
    options.insert(key.to_owned(), value.clone());
    serde_json::from_value(table).ok()
}

fn no_option(sampler: &SamplerConfig, key: &str, value: &Value, whose: &str) -> CoreError {
    let name = sampler.name();
    CoreError::Config {
        key: key.into(),
        value: value.to_string(),
        expected: format!("`{name}`{whose} has no such option: name another sampler"),
    }
}

#[cfg(test)]
mod tests {
    use ddpm_core::{
        ProcessConfig,
        diffusion::{Prediction, Threshold, Variance},
        sampler::{Ancestral, Ddim, DpmSolver, Heun},
        schedule::Spacing,
    };

    use super::*;

    fn samplings() -> [Sampling; 4] {
        let of = |sampler, guidance, no_label| Sampling { sampler, guidance, no_label };
        [
            of(SamplerConfig::of(Ddim { steps: 8, eta: 0.7, ..Ddim::default() }), None, None),
            of(
                SamplerConfig::of(Ancestral { steps: Some(20), ..Ancestral::default() }),
                Some(2.5),
                Some(true),
            ),
            of(SamplerConfig::of(DpmSolver { steps: 7, ..DpmSolver::default() }), Some(0.0), Some(true)),
            of(SamplerConfig::of(Heun::default()), None, Some(false)),
        ]
    }

    #[test]
    fn all_of_it_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Sampling::read(dir.path()).unwrap(), None);
        for sampling in samplings() {
            sampling.save(dir.path()).unwrap();
            assert_eq!(Sampling::read(dir.path()).unwrap(), Some(sampling));
        }
    }

    #[test]
    fn steps_and_eta_are_changed_and_the_rest_stays() {
        let [ddim, ancestral, _, heun] = samplings();
        let changed = ddim.clone().with(Some(3), None).unwrap();
        assert_eq!(changed.get(), Some(&Ddim { steps: 3, eta: 0.7, ..Ddim::default() }));
        let changed = ddim.clone().with(None, Some(0.0)).unwrap();
        assert_eq!(changed.get(), Some(&Ddim { steps: 8, eta: 0.0, ..Ddim::default() }));
        assert_eq!(ddim.clone().with(None, None).unwrap(), ddim.sampler);
        let changed = ancestral.with(Some(5), None).unwrap();
        assert_eq!(changed.get(), Some(&Ancestral { steps: Some(5), ..Ancestral::default() }));
        let refused = heun.with(None, Some(0.5)).unwrap_err().to_string();
        assert!(refused.starts_with("`eta` is 0.5: `heun`"), "{refused}");
    }

    /// Of a sampler that diffusers' scheduler has no keys for: it clips, as DPM-Solver++ does not there.
    #[test]
    fn a_scheduler_that_was_changed_is_followed() {
        let solver = DpmSolver { steps: 7, threshold: Threshold::Clip, ..DpmSolver::default() };
        let sampling = || Sampling { sampler: SamplerConfig::of(solver), guidance: None, no_label: None };
        let scheduler = SchedulerConfig::of(&ProcessConfig::default()).sampled_by(&sampling().sampler);
        let same = sampling().sampler(&scheduler, None, None).unwrap();
        assert_eq!(same.get(), Some(&solver));
        let mut changed = scheduler;
        changed.timestep_spacing = Spacing::Trailing;
        let followed = DpmSolver { steps: 7, spacing: Spacing::Trailing, ..DpmSolver::default() };
        assert_eq!(sampling().sampler(&changed, None, None).unwrap().get(), Some(&followed));
        let fewer = sampling().sampler(&changed, Some(3), None).unwrap();
        assert_eq!(fewer.get(), Some(&DpmSolver { steps: 3, ..followed }));
        let refused = sampling().sampler(&changed, None, Some(1.0)).unwrap_err().to_string();
        assert!(refused.starts_with("`eta` is 1.0: `dpm_solver` has no such option"), "{refused}");
    }

    /// Of the samplers that are built in, DDIM alone has the option.
    #[test]
    fn an_eta_that_a_sampler_would_pass_over_is_refused() {
        for Sampling { sampler, .. } in samplings() {
            assert!(check_eta(&sampler, None).is_ok());
            let (name, told) = (sampler.name(), check_eta(&sampler, Some(1.0)).map_err(|e| e.to_string()));
            let expected = format!("`eta` is 1.0: `{name}` has no such option: name another sampler");
            assert_eq!(told, if name == "ddim" { Ok(()) } else { Err(expected) });
        }
    }

    /// The scheduler's settings of the process are not settings of the sampler.
    #[test]
    fn another_process_is_sampled_as_in_the_run() {
        let [ddim, ..] = samplings();
        for process in [
            ProcessConfig { timesteps: 50, ..ProcessConfig::default() },
            ProcessConfig { prediction: Prediction::VPrediction, ..ProcessConfig::default() },
            ProcessConfig { variance: Variance::LearnedRange, ..ProcessConfig::default() },
        ] {
            let scheduler = SchedulerConfig::of(&process).sampled_by(&ddim.sampler);
            assert_eq!(ddim.clone().sampler(&scheduler, None, None).unwrap(), ddim.sampler);
        }
    }

    #[test]
    fn a_file_that_is_not_understood_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (text, told) in [
            ("{", "EOF"),
            (r#"{"sampler": {"plms": {}}}"#, "plms"),
            (r#"{"sampler": {"ddim": {"steps": "many"}}}"#, "a whole number"),
            (r#"{"sampler": {"ddim": {}}, "more": 1}"#, "more"),
        ] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let message = Sampling::read(dir.path()).unwrap_err().to_string();
            assert!(message.contains(FILE) && message.contains(told), "{message}");
        }
    }
}
