//! Losses and gradients of strategies, worked out by hand sample by sample in f64, over two and three experiences and options
//! away from their defaults and unlike each other.
//!
//! The denoiser is `w_y x_t`, one parameter for each label, so that a sample's loss is `(w_y x_t - eps)^2`, its gradient
//! `2 x_t (w_y x_t - eps)` in `w_y` and 0 in the others.

mod anew;
mod choices;
mod compositions;
mod experiences;
mod fisher;
mod generated;
mod labels;
mod partial_sampling;
mod rehearsal;
mod selective_amnesia;
mod weighting;

use burn::tensor::{Tensor, TensorData};
use ddpm_core::NoisyBatch;

use crate::{
    Strategy,
    test_support::{B, Fixture, Line, gradients, numbers},
};

/// A sample of a noisy batch.
#[derive(Debug, Clone, Copy)]
struct Sample {
    x_t: f64,
    eps: f64,
    /// The label, 0 for a model that is told none.
    y: usize,
    /// The importance weight of the timestep.
    weight: f64,
}

impl Sample {
    fn loss(self, w: &[f32]) -> f64 {
        (f64::from(w[self.y]) * self.x_t - self.eps).powi(2)
    }

    fn gradient(self, w: &[f32]) -> f64 {
        2.0 * self.x_t * (f64::from(w[self.y]) * self.x_t - self.eps)
    }

    /// The squared difference of two models' predictions.
    fn apart(self, w: &[f32], other: &[f32]) -> f64 {
        (self.x_t * f64::from(w[self.y] - other[self.y])).powi(2)
    }
}

fn floats(data: TensorData) -> Vec<f64> {
    data.iter::<f64>().collect()
}

fn samples(batch: &NoisyBatch<B>) -> Vec<Sample> {
    let (x_t, eps) = (floats(batch.x_t.to_data()), floats(batch.eps.to_data()));
    let y: Vec<usize> = match &batch.y {
        None => vec![0; batch.len()],
        Some(y) => y.to_data().iter::<i64>().map(|y| y as usize).collect(),
    };
    let weights = batch.weights.clone().unwrap_or_else(|| vec![1.0; batch.len()]);
    (0..batch.len()).map(|i| Sample { x_t: x_t[i], eps: eps[i], y: y[i], weight: weights[i] }).collect()
}

/// The mean of `of`, each sample with its importance weight.
fn mean(samples: &[Sample], of: impl Fn(Sample) -> f64) -> f64 {
    samples.iter().map(|sample| sample.weight * of(*sample)).sum::<f64>() / samples.len() as f64
}

/// The gradients that a strategy makes of ones that are zero.
fn pull(strategy: &mut dyn Strategy<B, Line<B>>, fixture: &Fixture, w: &[f32]) -> Vec<f64> {
    let model = crate::test_support::lines(w);
    let batch = fixture.batch(&model);
    let step = fixture.step(&model, &batch);
    let grads = strategy.gradients(&step, gradients(&model, &vec![0.0; w.len()])).unwrap();
    numbers(&model, grads)
}

/// The loss of a step, given that on the current batch.
fn loss(strategy: &mut dyn Strategy<B, Line<B>>, fixture: &Fixture, w: &[f32], current: f32) -> f64 {
    let model = crate::test_support::lines(w);
    let batch = fixture.batch(&model);
    let current = Tensor::<B, 1>::from_floats([current], &Default::default());
    floats(strategy.loss(&fixture.step(&model, &batch), current).unwrap().into_data())[0]
}

/// Ends an experience with a model.
fn end(strategy: &mut dyn Strategy<B, Line<B>>, fixture: &Fixture, w: &[f32]) {
    strategy.after_experience(&fixture.boundary(&crate::test_support::lines(w))).unwrap();
}

fn assert_near(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error < 2e-4 * expected.abs().max(1e-3), "{what}: {found} instead of {expected}");
}

fn assert_all_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(found, expected)| assert_near(*found, *expected, what));
}
