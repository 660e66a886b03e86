//! The Fisher information of whole images: the mean over images of the square of the gradient of an image's loss *summed*
//! over the timesteps, `F = E_x[(sum_t grad L_t(x))^2]`, since the bound on log p(x) is a sum over them. EWC here squares the
//! gradients of single timesteps instead.
//!
//! As in selective amnesia's code (clear-nus/selective-amnesia, `save_fim`): one noise for each timestep of an image, labels
//! dropped as in training. The chunks of timesteps that it adds up are of no effect on the value. With fewer than all
//! timesteps, one of each of so many equal stretches, the sum is estimated, and its square is larger on average by the
//! variance of that estimate.

use burn::tensor::Tensor;
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{Key, NormalNoise, Purpose, indices},
    parameters::ParameterVector,
};
use rand::Rng;

use crate::{Boundary, ConditionOn, Pass};

const TIMESTEPS: Purpose = Purpose::named("timesteps of a summed gradient");
const NOISE: Purpose = Purpose::named("noise of a summed gradient");

/// How the sum over the timesteps is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Timesteps of each image; all if absent.
    pub timesteps: Option<usize>,
    /// Timesteps that go through the network at once.
    pub at_once: usize,
}

/// F, from some images and the labels that were asked for.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]`, one label each
pub(crate) fn fisher<B: TrainBackend, D: TrainableDenoiser<B>>(
    boundary: &Boundary<'_, B, D>,
    (x_0, labels): (&Tensor<B::InnerBackend, 4>, &[usize]),
    sum: Sum,
    key: Key,
) -> ParameterVector<B::InnerBackend> {
    let squares = labels.iter().enumerate().map(|(i, &label)| {
        let image = x_0.clone().narrow(0, i, 1);
        summed_gradient(boundary, (image, label), sum, key.step(i)).map(|g| g.clone() * g)
    });
    let total = squares.reduce(|sum, square| sum.plus(square, 1.0)).expect("at least one image");
    let n = labels.len() as f64;
    total.map(|sum| sum.div_scalar(n))
}

/// The gradient of the sum over the timesteps of an image's losses, or an estimate of it.
fn summed_gradient<B: TrainBackend, D: TrainableDenoiser<B>>(
    boundary: &Boundary<'_, B, D>,
    (image, label): (Tensor<B::InnerBackend, 4>, usize),
    sum: Sum,
    key: Key,
) -> ParameterVector<B::InnerBackend> {
    let Boundary { model, process, objective, passes, device, .. } = *boundary;
    let total = process.timesteps();
    let t = timesteps(total, sum.timesteps, key);
    let mut conditions = vec![label; t.len()];
    boundary.label_dropout.apply(&mut conditions, key);
    let [_, c, h, w] = image.dims();
    let gradient = |(part, t): (usize, &[usize])| {
        let (first, n) = (part * sum.at_once, t.len());
        let x_0 = Tensor::from_inner(image.clone().repeat_dim(0, n));
        let told = boundary.condition_on != ConditionOn::None;
        let y = told.then(|| indices::<B>(&conditions[first..first + n], device));
        let eps = key.within(NOISE).normal(first as u64, [n, c, h, w], device);
        passes.add(Pass::Fisher, n);
        let batch = NoisyBatch::at(process, x_0, y, t.to_vec(), eps);
        boundary.gradient(objective.losses(model, &batch, process).sum())
    };
    let parts = t.chunks(sum.at_once).enumerate().map(gradient);
    let all = parts.reduce(|sum, part| sum.plus(part, 1.0)).expect("at least one timestep");
    if t.len() == total { all } else { all.map(|g| g.mul_scalar(total as f64 / t.len() as f64)) }
}

/// All timesteps, or one of each of `n` stretches.
fn timesteps(total: usize, n: Option<usize>, key: Key) -> Vec<usize> {
    let Some(n) = n.filter(|n| *n < total) else { return (0..total).collect() };
    let draw = |i: usize| {
        let stretch = i * total / n..(i + 1) * total / n;
        key.within(TIMESTEPS).rng(i as u64).random_range(stretch)
    };
    (0..n).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_has_a_timestep() {
        let of = |seed, n| timesteps(10, n, Key::new(seed, TIMESTEPS));
        for all in [None, Some(10), Some(11)] {
            assert_eq!(of(0, all), (0..10).collect::<Vec<_>>());
        }
        // Stretches of 3, 3 and 4: 0 to 2, 3 to 5, 6 to 9.
        let drawn: Vec<Vec<usize>> = (0..200).map(|seed| of(seed, Some(3))).collect();
        for (i, (from, to)) in [(0, 3), (3, 6), (6, 10)].into_iter().enumerate() {
            let mut found: Vec<usize> = drawn.iter().map(|t| t[i]).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, (from..to).collect::<Vec<_>>());
        }
    }
}
