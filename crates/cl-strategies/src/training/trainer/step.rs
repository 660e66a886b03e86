//! One step of a training: loss, gradients, optimiser, moving average.

use std::cell::RefCell;

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::ImageDataset;
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::Key,
    parameters::{gradients_from, take_gradients},
};

use super::{
    Position, Trainer,
    experience::{Prepared, Run, step_key},
};
use crate::{LabelDropout, OnDivergence, Step, Strategy, StrategyError};

/// Steps in a row that may be left out.
const MOST_SKIPPED: usize = 100;

/// Where a step is, and what it is made with.
pub(super) struct At<'a> {
    pub position: Position,
    /// Steps of the experience, at most.
    pub steps: usize,
    pub learning_rate: f64,
    pub dropout: LabelDropout,
    /// The images that positions are of.
    pub data: &'a ImageDataset,
    pub run: &'a Run<'a>,
}

impl At<'_> {
    /// The key of the i-th batch of the step.
    pub fn key(&self, i: usize) -> Key {
        let Run { seed, k, config, .. } = *self.run;
        step_key(seed, k, self.position.steps * config.accumulated_batches + i)
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Trainer<B, D> {
    /// One optimiser step on some batches; the loss, if this is a step at which it is read.
    pub(super) fn step(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        made: Vec<Prepared>,
        at: &At<'_>,
    ) -> Result<Option<f64>, StrategyError> {
        let batches: Vec<NoisyBatch<B>> =
            made.into_iter().enumerate().map(|(i, made)| self.noisy(made, at, at.key(i))).collect();
        let views: Vec<Step<'_, B, D>> = (0..batches.len()).map(|i| self.view(&batches, i, at)).collect();
        let (loss, grads) = accumulated(strategy, &views)?;
        let read = self.read_loss(&loss, at)?;
        let last = &views[views.len() - 1];
        // A strategy never sees gradients that are not finite: running means would keep them.
        let (mut grads, mut finite) = self.checked(last, &loss, grads);
        if finite {
            (grads, finite) = self.checked(last, &loss, strategy.gradients(last, grads)?);
        }
        let losses: Vec<_> = views.into_iter().flat_map(|view| view.losses.into_inner()).collect();
        let (skipped, in_a_row) = self.position.skipped;
        if !finite {
            self.position.skipped = (skipped + 1, in_a_row + 1);
            return self.position.check_skipped(loss_number(&loss)).map(|()| None);
        }
        self.position.skipped = (skipped, 0);
        let max_norm = self.config.optimizer.clip_grad_norm;
        let model = self.model.take().expect("the model is there between steps");
        let model = match strategy.optimizer() {
            Some(optimizer) => {
                let model = optimizer.take_step(model, grads, at.learning_rate, max_norm)?;
                self.ema.update(&model);
                model
            }
            None => self.optimizer.step::<B, D>(model, grads, at.learning_rate, max_norm, &mut self.ema),
        };
        strategy.after_step(self.model.insert(model))?;
        for (t, losses) in losses {
            let losses: Vec<f64> = losses.into_data().convert::<f64>().iter::<f64>().collect();
            self.timesteps.record(&t, &losses);
        }
        Ok(read)
    }

    /// A batch on the device, with its conditions and timesteps.
    fn noisy(&self, made: Prepared, at: &At<'_>, key: Key) -> NoisyBatch<B> {
        let Prepared { positions, images, noise } = made;
        let floats = ddpm_kernels::floats_on::<B>(&self.device);
        let [x_0, eps] = [images, noise].map(|data| Tensor::from_data(data, floats.clone()));
        let condition_on = self.config.condition_on;
        let y = condition_on.conditions_with_dropout(at.data, &positions, at.dropout, key, &self.device);
        NoisyBatch::with_noise(&self.process, &self.timesteps, x_0, y, eps, key)
    }

    /// The i-th batch of a step, as a strategy sees it.
    fn view<'a>(&'a self, batches: &'a [NoisyBatch<B>], i: usize, at: &At<'_>) -> Step<'a, B, D> {
        Step {
            model: self.model(),
            batch: &batches[i],
            process: &self.process,
            objective: &self.config.objective,
            timesteps: &self.timesteps,
            condition_on: self.config.condition_on,
            label_dropout: at.dropout,
            augmentation: self.config.augmentation,
            experience: at.position.experience,
            step: at.position.steps,
            key: at.key(i),
            device: &self.device,
            passes: &self.passes,
            batches,
            losses: RefCell::default(),
        }
    }

    /// Whether loss and gradients are finite, where steps with others are left out.
    fn checked(
        &self,
        step: &Step<'_, B, D>,
        loss: &Tensor<B, 1>,
        mut grads: GradientsParams,
    ) -> (GradientsParams, bool) {
        if self.config.on_divergence == OnDivergence::Stop {
            return (grads, true);
        }
        let vector = take_gradients::<B, D>(step.model, &mut grads);
        let squares = vector.dot(&vector).into_data().convert::<f32>();
        let finite = squares.iter::<f32>().all(f32::is_finite) && loss_number(loss).is_finite();
        (gradients_from::<B, D>(step.model, vector), finite)
    }

    /// Reads the loss every `log_every` steps only, and in the last: a read waits for the device.
    fn read_loss(&self, loss: &Tensor<B, 1>, at: &At<'_>) -> Result<Option<f64>, StrategyError> {
        let Position { experience, steps: step, .. } = at.position;
        let last = at.run.used((step + 1, at.steps), self.passes_here()).is_none();
        if !(step + 1).is_multiple_of(self.config.log_every) && !last {
            return Ok(None);
        }
        match (loss_number(loss), self.config.on_divergence) {
            (loss, _) if loss.is_finite() => Ok(Some(loss)),
            (_, OnDivergence::Skip) => Ok(None),
            (loss, OnDivergence::Stop) => Err(StrategyError::Diverged { experience, step, loss }),
        }
    }
}

/// The loss of a strategy over the batches of a step, and its gradients: the means over their images.
fn accumulated<B: TrainBackend, D: TrainableDenoiser<B>>(
    strategy: &mut dyn Strategy<B, D>,
    views: &[Step<'_, B, D>],
) -> Result<(Tensor<B, 1>, GradientsParams), StrategyError> {
    let images: usize = views.iter().map(|view| view.batch.len()).sum();
    let mut sum = None;
    for view in views {
        let loss = strategy.loss(view, view.loss_on(view.batch))?;
        let mut grads = GradientsParams::from_grads(loss.backward(), view.model);
        if views.len() == 1 {
            return Ok((loss, grads));
        }
        let share = view.batch.len() as f64 / images as f64;
        let loss = loss.detach().mul_scalar(share);
        let grads = take_gradients::<B, D>(view.model, &mut grads).map(|grad| grad.mul_scalar(share));
        sum = Some(match sum {
            None => (loss, grads),
            Some((losses, all)) => (loss + losses, grads.plus(all, 1.0)),
        });
    }
    let (loss, grads) = sum.expect("a step has a batch");
    Ok((loss, gradients_from::<B, D>(views[0].model, grads)))
}

impl Position {
    fn check_skipped(self, loss: f64) -> Result<(), StrategyError> {
        if self.skipped.1 < MOST_SKIPPED {
            return Ok(());
        }
        Err(StrategyError::Diverged { experience: self.experience, step: self.steps, loss })
    }
}

fn loss_number<B: TrainBackend>(loss: &Tensor<B, 1>) -> f64 {
    f64::from(loss.clone().into_data().convert::<f32>().as_slice::<f32>().map_or(f32::NAN, |l| l[0]))
}
