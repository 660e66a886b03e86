//! One step of a training: loss, gradients, optimiser, moving average.

use std::cell::{Cell, RefCell};

use burn::{
    optim::GradientsParams,
    tensor::{Int, Tensor},
};
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    parameters::{gradients_from, take_gradients},
};

use super::{Position, Trainer, experience::step_key};
use crate::{LabelDropout, OnDivergence, Step, Strategy, StrategyError};

/// Steps in a row that may be left out.
const MOST_SKIPPED: usize = 100;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Trainer<B, D> {
    /// One optimiser step on images, their conditions and their noise; the images that took part, and the loss, if this is a step at
    /// which it is read.
    pub(super) fn step(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        (x_0, y, eps): (Tensor<B, 4>, Option<Tensor<B, 1, Int>>, Tensor<B, 4>),
        label_dropout: LabelDropout,
        position: Position,
        steps: usize,
    ) -> Result<(u64, Option<f64>), StrategyError> {
        let Position { experience, steps: step, taken, .. } = position;
        let key = step_key(self.seed, experience, step);
        let batch = NoisyBatch::with_noise(&self.process, &self.timesteps, x_0, y, eps, key);
        let view = Step {
            model: self.model(),
            batch: &batch,
            process: &self.process,
            objective: &self.config.objective,
            timesteps: &self.timesteps,
            condition_on: self.config.condition_on,
            label_dropout,
            augmentation: self.config.augmentation,
            experience,
            step,
            key,
            device: &self.device,
            images: Cell::new(0),
            losses: RefCell::default(),
        };
        let loss = strategy.loss(&view, view.loss_on(&batch))?;
        let read = self.read_loss(&loss, position, step + 1 == steps)?;
        let grads = GradientsParams::from_grads(loss.backward(), view.model);
        // A strategy never sees gradients that are not finite: running means would keep them.
        let (mut grads, mut finite) = self.checked(&view, &loss, grads);
        if finite {
            (grads, finite) = self.checked(&view, &loss, strategy.gradients(&view, grads)?);
        }
        let Step { images, losses, .. } = view;
        let (skipped, in_a_row) = self.position.skipped;
        if !finite {
            self.position.skipped = (skipped + 1, in_a_row + 1);
            return self.position.check_skipped(loss_number(&loss)).map(|()| (images.get(), None));
        }
        self.position.skipped = (skipped, 0);
        let rate = self.learning_rate(taken);
        let max_norm = self.config.optimizer.clip_grad_norm;
        let model = self.model.take().expect("the model is there between steps");
        let model = match strategy.optimizer() {
            Some(optimizer) => {
                let model = optimizer.take_step(model, grads, rate, max_norm)?;
                self.ema.update(&model);
                model
            }
            None => self.optimizer.step::<B, D>(model, grads, rate, max_norm, &mut self.ema),
        };
        strategy.after_step(self.model.insert(model))?;
        for (t, losses) in losses.into_inner() {
            let losses: Vec<f64> = losses.into_data().convert::<f64>().iter::<f64>().collect();
            self.timesteps.record(&t, &losses);
        }
        Ok((images.get(), read))
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
    fn read_loss(
        &self,
        loss: &Tensor<B, 1>,
        position: Position,
        last: bool,
    ) -> Result<Option<f64>, StrategyError> {
        let Position { experience, steps: step, .. } = position;
        if !(step + 1).is_multiple_of(self.config.log_every) && !last {
            return Ok(None);
        }
        match (loss_number(loss), self.config.on_divergence) {
            (loss, _) if loss.is_finite() => Ok(Some(loss)),
            (_, OnDivergence::Skip) => Ok(None),
            (loss, OnDivergence::Stop) => Err(StrategyError::Diverged { experience, step, loss }),
        }
    }

    /// The learning rate after so many steps.
    fn learning_rate(&self, taken: usize) -> f64 {
        let o = &self.config.optimizer;
        o.learning_rate * ((taken + 1) as f64 / o.warmup_steps.max(1) as f64).min(1.0)
    }
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
