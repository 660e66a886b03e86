//! A strategy of one's own: weights are averaged with those of the past after each experience (CoMA, Marouf et al.
//! 2024, arXiv 2312.08977, section 3.2): theta*_k = a theta*_{k-1} + (1 - a) theta_k, and the next experience starts from
//! theta*_k. Nothing is stored but one set of weights.
//!
//! Deviation: the weights averaged are those of the moving average, which is the model that is evaluated.

use cl_strategies::{
    Boundary, BuildStrategy, HeldMemory, Needs, Restore, State, Strategy, StrategyError, StrategyOptions,
};
use cldiff_choices::Describe;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    parameters::{ParameterVector, with_inner_parameters, with_parameters},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The options of weight averaging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WeightAveraging {
    /// a: the share of the past weights, 0 for finetuning.
    pub past: f64,
}

impl Default for WeightAveraging {
    fn default() -> Self {
        Self { past: 0.5 }
    }
}

impl Describe for WeightAveraging {
    const NAME: &'static str = "weight_averaging";
    const SUMMARY: &'static str = "Weights are averaged with those of the past after each experience";
    const CITATION: &'static str = "Marouf et al. 2024, arXiv 2312.08977";
}

impl StrategyOptions for WeightAveraging {
    fn validate(&self) -> Result<(), StrategyError> {
        if (0.0..1.0).contains(&self.past) {
            return Ok(());
        }
        let (key, value) = ("past".into(), self.past.to_string());
        Err(StrategyError::Config { key, value, expected: "expected 0 or more and below 1".into() })
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for WeightAveraging {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        self.validate()?;
        Ok(Box::new(Averaged::<B> { past: self.past, weights: None }))
    }
}

/// The strategy with the weights of the past.
#[derive(Debug)]
struct Averaged<B: TrainBackend> {
    past: f64,
    weights: Option<ParameterVector<B::InnerBackend>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> Strategy<B, D> for Averaged<B> {
    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        let weights = self.weights.clone();
        Ok(weights.map(|weights| with_inner_parameters::<B, D>(boundary.model.clone(), weights)))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let new = ParameterVector::of(&boundary.averaged());
        self.weights = Some(match self.weights.take() {
            Some(old) => new.map(|new| new * (1.0 - self.past)).plus(old, self.past),
            None => new,
        });
        Ok(())
    }

    fn model_for(
        &self,
        _task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        Ok(self.weights.clone().map(|weights| with_parameters(average.clone(), weights)))
    }

    fn memory(&self) -> HeldMemory {
        let numbers = self.weights.as_ref().map_or(0, ParameterVector::len);
        HeldMemory { extra_parameters: numbers as u64, ..HeldMemory::default() }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("weights", self.weights.as_ref());
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        let like = ParameterVector::of(&context.model.valid());
        self.weights = state.take_vector("weights", &like)?;
        Ok(())
    }
}
