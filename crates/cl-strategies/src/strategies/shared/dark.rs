//! The targets of dark experience replay at the stored images of an experience: predictions that are stored beside
//! them, each at one timestep and noise, or the model that made them, which is asked again at new ones.

use burn::tensor::Tensor;
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose, indices},
    parameters::{ParameterVector, with_parameters},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    distilled::Distillation,
    teacher::{Teacher, TeacherWeights, weighted_mean},
};
use crate::{Boundary, Pass, Restore, State, Step, StrategyError, images};

const FRESH: Purpose = Purpose::named("fresh noise of dark experience replay");

/// At which timesteps and noise a model is held to its past predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DarkNoise {
    /// At one timestep and one noise for each stored image, drawn when it is stored: the prediction is kept.
    #[default]
    Fixed,
    /// At new ones in every step: the model as it was at the end of each experience is kept, and asked again.
    Fresh,
}

/// The targets at the stored images of one experience.
#[derive(Debug)]
pub(crate) enum Target<B: TrainBackend> {
    /// Stored predictions.
    Predictions(Predictions<B>),
    /// The parameters of the model that predicts.
    Model(ParameterVector<B::InnerBackend>),
}

/// Predictions at stored images.
#[derive(Debug)]
pub(crate) struct Predictions<B: TrainBackend> {
    t: Vec<usize>,
    /// The conditions that the model was asked with, where it is conditional.
    y: Option<Vec<usize>>,
    /// Importance weights of the timesteps, where these were not drawn uniformly.
    weights: Option<Vec<f64>>,
    eps: Tensor<B::InnerBackend, 4>,
    /// The model's prediction, with the channels of its variance where the distillation needs them.
    output: Tensor<B::InnerBackend, 4>,
}

/// The values at some positions.
fn chosen_of<T: Copy>(values: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|i| values[*i]).collect()
}

impl<B: TrainBackend> Target<B> {
    /// That of some images of an experience, at its end.
    pub fn of<D: TrainableDenoiser<B>>(
        boundary: &Boundary<'_, B, D>,
        positions: &[usize],
        key: Key,
        (noise, weights, distillation): (DarkNoise, TeacherWeights, Distillation),
    ) -> Self {
        let teacher = Teacher::of(boundary, weights);
        match noise {
            DarkNoise::Fixed => {
                Self::Predictions(Predictions::of(boundary, &teacher, (positions, key), distillation))
            }
            DarkNoise::Fresh => Self::Model(ParameterVector::of(&teacher.model)),
        }
    }

    /// The mean difference of the model's predictions from these, at stored images, `[1]`.
    pub fn loss<D: TrainableDenoiser<B>>(
        &self,
        step: &Step<'_, B, D>,
        stored: &ImageDataset,
        positions: &[usize],
        distillation: Distillation,
    ) -> Tensor<B, 1> {
        match self {
            Self::Predictions(predictions) => predictions.loss(step, stored, positions, distillation),
            Self::Model(parameters) => {
                let model = with_parameters(step.model.valid(), parameters.clone());
                let batch = step.noisy(stored, positions, FRESH);
                Teacher::<B, D> { model }.distillation_loss(step, &batch, distillation)
            }
        }
    }

    /// Keeps what belongs to the stored images at some positions.
    pub fn select(&mut self, positions: &[usize]) {
        if let Self::Predictions(predictions) = self {
            predictions.select(positions);
        }
    }

    /// Numbers that are kept.
    pub fn len(&self) -> usize {
        match self {
            // Noise and prediction are kept beside each image.
            Self::Predictions(Predictions { eps, output, .. }) => {
                eps.shape().num_elements() + output.shape().num_elements()
            }
            Self::Model(parameters) => parameters.len(),
        }
    }

    /// Adds that of experience `k` to a checkpoint.
    pub fn save(&self, state: &mut State, k: usize) {
        match self {
            Self::Predictions(predictions) => predictions.save(state, k),
            Self::Model(parameters) => state.put_vector(&format!("model.{k}"), Some(parameters)),
        }
    }

    /// Takes that of experience `k` out again.
    pub fn restore<D: TrainableDenoiser<B>>(
        state: &mut State,
        context: &Restore<'_, B, D>,
        k: usize,
    ) -> Result<Self, StrategyError> {
        match context.vector(state, &format!("model.{k}"))? {
            Some(parameters) => Ok(Self::Model(parameters)),
            None => Ok(Self::Predictions(Predictions::restore(state, context, k)?)),
        }
    }
}

impl<B: TrainBackend> Predictions<B> {
    fn of<D: TrainableDenoiser<B>>(
        boundary: &Boundary<'_, B, D>,
        teacher: &Teacher<B, D>,
        (positions, key): (&[usize], Key),
        distillation: Distillation,
    ) -> Self {
        let batch = boundary.noisy(positions, key);
        boundary.passes.add(Pass::Teacher, batch.len());
        let channels = batch.x_0.dims()[1];
        let output = teacher.output(boundary.process, &batch);
        let output = distillation.kept(boundary.objective, channels, output);
        let y = batch.y.map(|y| y.into_data().iter::<i64>().map(|y| y as usize).collect());
        Self { t: batch.t, y, weights: batch.weights, eps: batch.eps.inner(), output }
    }

    fn loss<D: TrainableDenoiser<B>>(
        &self,
        step: &Step<'_, B, D>,
        stored: &ImageDataset,
        positions: &[usize],
        distillation: Distillation,
    ) -> Tensor<B, 1> {
        let chosen = indices::<B::InnerBackend>(positions, step.device);
        let x_0 = images::<B::InnerBackend>(stored, positions, step.device);
        let t = chosen_of(&self.t, positions);
        let x_t = step.process.q_sample(x_0, &t, self.eps.clone().select(0, chosen.clone()));
        let y = self.y.as_ref().map(|y| indices::<B>(&chosen_of(y, positions), step.device));
        step.count_images(positions.len());
        let x_t = Tensor::from_inner(x_t);
        let output = step.process.evaluate(step.model, x_t.clone(), &t, y);
        let target = Tensor::from_inner(self.output.clone().select(0, chosen));
        let losses = distillation.losses((step.process, step.objective), (&x_t, &t), [target, output]);
        let weights = self.weights.as_ref().map(|weights| chosen_of(weights, positions));
        weighted_mean(losses, weights.as_deref())
    }

    fn select(&mut self, positions: &[usize]) {
        let chosen = indices::<B::InnerBackend>(positions, &self.eps.device());
        self.t = chosen_of(&self.t, positions);
        self.y = self.y.as_ref().map(|y| chosen_of(y, positions));
        self.weights = self.weights.as_ref().map(|weights| chosen_of(weights, positions));
        self.eps = self.eps.clone().select(0, chosen.clone());
        self.output = self.output.clone().select(0, chosen);
    }

    fn save(&self, state: &mut State, k: usize) {
        state.put(&format!("t.{k}"), &self.t);
        state.put(&format!("y.{k}"), &self.y);
        state.put(&format!("weights.{k}"), &self.weights);
        state.put_tensor(&format!("eps.{k}"), &self.eps);
        state.put_tensor(&format!("predictions.{k}"), &self.output);
    }

    fn restore<D: TrainableDenoiser<B>>(
        state: &mut State,
        context: &Restore<'_, B, D>,
        k: usize,
    ) -> Result<Self, StrategyError> {
        Ok(Self {
            t: state.take(&format!("t.{k}"))?,
            y: state.take(&format!("y.{k}"))?,
            weights: state.take(&format!("weights.{k}"))?,
            eps: state.take_tensor(&format!("eps.{k}"), context.device)?,
            output: state.take_tensor(&format!("predictions.{k}"), context.device)?,
        })
    }
}
