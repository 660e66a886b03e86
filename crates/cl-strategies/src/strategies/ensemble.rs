//! An ensemble: a model for each experience, trained from scratch on it alone. Nothing can be forgotten, nothing is
//! shared, memory grows with the stream, and the task has to be known for sampling (task-incremental learning, van de Ven &
//! Tolias 2019, arXiv 1904.07734). An upper bound of another kind than `joint`. Optimiser and moving average start anew with each
//! model, whatever `training.ema.at_experience` says. For an experience that removes classes the model is trained on the
//! images of all kept classes: what training anew without the removed ones comes to.

use cldiff_choices::Describe;
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Needs, ReferenceKind, StrategyOptions};
use crate::{Boundary, HeldMemory, Restore, State, Strategy, StrategyError};

/// The options of an ensemble: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsembleConfig {}

impl Describe for EnsembleConfig {
    const NAME: &'static str = "ensemble";
    const SUMMARY: &'static str =
        "A model for each experience, chosen by the task: no forgetting, and memory that grows";
    const CITATION: &'static str = "van de Ven & Tolias 2019, arXiv 1904.07734";
}

impl StrategyOptions for EnsembleConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }

    fn reference(&self) -> Option<ReferenceKind> {
        Some(ReferenceKind::Alone)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }

    fn is_bound(&self) -> bool {
        true
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for EnsembleConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Ensemble::default()))
    }
}

/// A model for each experience.
#[derive(Debug)]
pub struct Ensemble<B: TrainBackend, D: TrainableDenoiser<B>> {
    /// The model before any training.
    untrained: Option<D>,
    /// The moving average at the end of each experience.
    models: Vec<D::InnerModule>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Default for Ensemble<B, D> {
    fn default() -> Self {
        Self { untrained: None, models: Vec::new() }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Ensemble<B, D> {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.untrained.get_or_insert_with(|| boundary.model.clone());
        Ok(())
    }

    /// A model of the kept classes takes the place of one that learns nothing but noise.
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(stream.experiences()[k].is_removal().then(|| stream.kept_train(k)))
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        Ok(if boundary.k == 0 { None } else { self.untrained.clone() })
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.models.push(boundary.averaged());
        Ok(())
    }

    fn model_for(
        &self,
        task: usize,
        _average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        Ok(self.models.get(task).cloned())
    }

    /// The models of all experiences but the one that every strategy has.
    fn memory(&self) -> HeldMemory {
        let numbers = |model| ParameterVector::<B::InnerBackend>::of(model).len() as u64;
        HeldMemory { buffer_bytes: 0, extra_parameters: self.models.iter().skip(1).map(numbers).sum() }
    }

    fn save(&self, state: &mut State) {
        if let Some(untrained) = &self.untrained {
            state.put_module("untrained", untrained);
        }
        state.put("experiences", self.models.len());
        for (k, model) in self.models.iter().enumerate() {
            state.put_module(&format!("model.{k}"), model);
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.untrained = state.take_module("untrained", context.model.clone())?;
        for k in 0..state.take("experiences")? {
            self.models.extend(state.take_module(&format!("model.{k}"), context.model.valid())?);
        }
        Ok(())
    }
}
