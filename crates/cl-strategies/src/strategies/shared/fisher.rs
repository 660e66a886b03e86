//! The Fisher information of the parameters at the end of an experience, estimated from images of it at random timesteps.
//!
//! With timesteps drawn from q instead of uniformly it is E_q[w g^2], w = 1 / (T q_t) the importance weight and g the gradient
//! of a single image's loss without it. Labels are dropped as in training.

use burn::tensor::{Tensor, backend::Backend};
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Purpose, parameters::ParameterVector};

use super::super::EwcConfig;
use crate::{Boundary, Pass};

const FISHER: Purpose = Purpose::named("fisher information");

/// The samples of an experience that its Fisher information is estimated from.
pub(crate) struct Samples<'a, B: TrainBackend, D> {
    config: EwcConfig,
    boundary: &'a Boundary<'a, B, D>,
    images: Vec<usize>,
}

impl<'a, B: TrainBackend, D: TrainableDenoiser<B>> Samples<'a, B, D> {
    pub fn of(config: EwcConfig, boundary: &'a Boundary<'a, B, D>) -> Self {
        Self { images: boundary.draw(config.samples, FISHER), config, boundary }
    }

    /// The gradients of single samples with their importance weights; the same whenever they are asked for.
    fn gradients(&self) -> impl Iterator<Item = (ParameterVector<B::InnerBackend>, f64)> {
        let Boundary { model, process, objective, key, .. } = *self.boundary;
        (0..self.len()).map(move |i| {
            let image = self.images[i / self.config.timesteps_per_sample];
            let batch = self.boundary.noisy(&[image], key.within(FISHER).step(i));
            self.boundary.passes.add(Pass::Fisher, 1);
            let weight = batch.weights.as_ref().map_or(1.0, |weights| weights[0]);
            (self.boundary.gradient(objective.losses(model, &batch, process).mean()), weight)
        })
    }

    fn len(&self) -> usize {
        self.images.len() * self.config.timesteps_per_sample
    }

    /// The mean of w g^2.
    pub fn per_sample(&self) -> ParameterVector<B::InnerBackend> {
        self.mean(self.gradients().map(|(g, weight)| scaled(square(g), weight)))
    }

    /// c mu mu^T as sqrt(c) mu.
    pub fn rank_one(&self) -> ParameterVector<B::InnerBackend> {
        let mu = self.mean(self.gradients().map(|(g, weight)| scaled(g, weight)));
        let along: f64 = self.gradients().map(|(g, weight)| weight * number(&mu.dot(&g)).powi(2)).sum();
        let norm = number(&mu.dot(&mu));
        // A mean gradient of 0 has no direction.
        let root_c = if norm > 0.0 { (along / self.len() as f64).sqrt() / norm } else { 0.0 };
        scaled(mu, root_c)
    }

    /// The mean over minibatches of their mean gradients' squares, each minibatch weighted by its size.
    pub fn batch_mean(&self) -> ParameterVector<B::InnerBackend> {
        let Boundary { model, process, objective, key, training, .. } = *self.boundary;
        let repeated = (0..self.config.timesteps_per_sample).flat_map(|_| self.images.iter().copied());
        let repeated: Vec<usize> = repeated.collect();
        let size = self.config.batch_size.unwrap_or(training.batch_size);
        self.mean(repeated.chunks(size).enumerate().map(|(i, images)| {
            let batch = self.boundary.noisy(images, key.within(FISHER).step(i));
            self.boundary.passes.add(Pass::Fisher, images.len());
            let gradient = self.boundary.gradient(objective.loss(model, &batch, process));
            scaled(square(gradient), images.len() as f64)
        }))
    }

    /// The sum of some terms over the number of samples.
    fn mean(
        &self,
        terms: impl Iterator<Item = ParameterVector<B::InnerBackend>>,
    ) -> ParameterVector<B::InnerBackend> {
        let sum = terms.reduce(|sum, term| sum.plus(term, 1.0)).expect("at least one sample");
        let count = self.len() as f64;
        sum.map(|sum| sum.div_scalar(count))
    }
}

fn square<I: Backend>(vector: ParameterVector<I>) -> ParameterVector<I> {
    vector.map(|g| g.clone() * g)
}

fn scaled<I: Backend>(vector: ParameterVector<I>, factor: f64) -> ParameterVector<I> {
    if factor == 1.0 { vector } else { vector.map(|values| values.mul_scalar(factor)) }
}

fn number<I: Backend>(value: &Tensor<I, 1>) -> f64 {
    value.to_data().iter::<f64>().next().unwrap_or(f64::NAN)
}
