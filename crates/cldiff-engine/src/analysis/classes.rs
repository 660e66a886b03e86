//! The outcome for each class: which class is seen in samples of each class asked for, and the Fréchet distance of each.

use cl_metrics::{
    readings::{class_confusion, class_frechet},
    sample::Outcome,
};
use cl_strategies::ConditionOn;
use ddpm_core::TrainBackend;
use serde::{Deserialize, Serialize};

use super::{Analyst, Drawn};
use crate::{EngineError, reference::Known};

/// The classes after one experience, over all tasks seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassReadings {
    /// The names of the classes.
    pub names: Vec<String>,
    /// `[asked][seen]`: counts of samples.
    pub confusion: Vec<Vec<usize>>,
    /// Of each class; none for a class that nothing was asked of, the reason for one that cannot be measured.
    pub fid: Vec<Option<Outcome>>,
}

impl<B: TrainBackend> Analyst<'_, B> {
    /// The classes of samples that were asked for by class; none of others.
    pub(super) fn classes(&self, drawn: &Drawn) -> Result<Option<ClassReadings>, EngineError> {
        if self.spec.training.condition_on != ConditionOn::Class || drawn.known.is_empty() {
            return Ok(None);
        }
        let config = self.spec.evaluation.classes;
        let tasks = &self.reference.tasks[..drawn.known.len()];
        let names = tasks[0].eval.class_names().to_vec();
        let classes = names.len();
        let samples = Known::pooled(&drawn.known.iter().collect::<Vec<_>>())?;
        let confusion = class_confusion(&samples.labels, &samples.judged.argmax(), classes);
        let fid = if config.fid {
            let real = Known::pooled(&tasks.iter().map(|task| &task.known).collect::<Vec<_>>())?;
            let real = (&real.described.features, &real.labels[..]);
            class_frechet(real, (&samples.described.features, &samples.labels), classes, config.fewest)?
        } else {
            Vec::new()
        };
        Ok(Some(ClassReadings { names, confusion, fid }))
    }
}
