//! A frozen copy of the model, asked without autodiff for what it predicts.

use burn::tensor::{Tensor, TensorData};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch, TrainBackend, TrainableDenoiser, parameters::ParameterVector,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distilled::Distillation;
use crate::{Boundary, Pass, Restore, State, Step, StrategyError};

/// The weights of a model of the past that is asked for targets or images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeacherWeights {
    /// As trained, which is what the methods' reference code copies.
    #[default]
    Raw,
    /// Their moving average, which is the model that is evaluated.
    Average,
}

/// The model as it was at the end of an experience.
#[derive(Debug)]
pub(crate) struct Teacher<B: TrainBackend, D: TrainableDenoiser<B>> {
    pub model: D::InnerModule,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Teacher<B, D> {
    pub fn of(boundary: &Boundary<'_, B, D>, weights: TeacherWeights) -> Self {
        let model = match weights {
            TeacherWeights::Raw => boundary.model.valid(),
            TeacherWeights::Average => boundary.averaged(),
        };
        Self { model }
    }

    /// Adds it to a checkpoint, or that there is none.
    pub fn save(this: Option<&Self>, state: &mut State) {
        if let Some(teacher) = this {
            state.put_module("teacher", &teacher.model);
        }
    }

    /// Takes it out of a checkpoint.
    pub fn restore(state: &mut State, context: &Restore<'_, B, D>) -> Result<Option<Self>, StrategyError> {
        let model = state.take_module("teacher", context.model.valid())?;
        Ok(model.map(|model| Self { model }))
    }

    /// Numbers that it keeps.
    pub fn len(&self) -> u64 {
        ParameterVector::<B::InnerBackend>::of(&self.model).len() as u64
    }

    /// The mean of the [differences](Distillation::losses) between the model's output and the teacher's, `[1]`, each image
    /// with its importance weight. Both are asked with the label of the batch, which may be the one for "no label".
    pub fn distillation_loss(
        &self,
        step: &Step<'_, B, D>,
        batch: &NoisyBatch<B>,
        distillation: Distillation,
    ) -> Tensor<B, 1> {
        step.passes.add(Pass::Teacher, batch.len());
        let target = Tensor::from_inner(self.output(step.process, batch));
        step.count_images(batch.len());
        let output = step.process.evaluate(step.model, batch.x_t.clone(), &batch.t, batch.y.clone());
        let (trained, at) = ((step.process, step.objective), (&batch.x_t, batch.t.as_slice()));
        batch.weighted_mean(distillation.losses(trained, at, [target, output]))
    }

    /// The teacher's output for a noisy batch: its prediction and, with a learned variance, the further channels.
    ///
    /// # Shapes
    /// - output: that of [`GaussianDiffusion::evaluate`]
    pub fn output(&self, process: &GaussianDiffusion, batch: &NoisyBatch<B>) -> Tensor<B::InnerBackend, 4> {
        let (x_t, y) = (batch.x_t.clone().inner(), batch.y.clone().map(Tensor::inner));
        process.evaluate(&self.model, x_t, &batch.t, y)
    }
}

/// The mean of the losses of some images, each with its importance weight, where there are such.
///
/// # Shapes
/// - `losses`: `[n]`; output: `[1]`
pub(crate) fn weighted_mean<B: TrainBackend>(losses: Tensor<B, 1>, weights: Option<&[f64]>) -> Tensor<B, 1> {
    let Some(weights) = weights else { return losses.mean() };
    let data =
        TensorData::new(weights.iter().map(|weight| *weight as f32).collect::<Vec<_>>(), [weights.len()]);
    let weights = Tensor::from_data(data, ddpm_kernels::floats_on::<B>(&losses.device()));
    (losses * weights).mean()
}
