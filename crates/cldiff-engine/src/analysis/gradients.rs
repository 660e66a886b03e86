//! Whether a task about to be learned pulls the parameters the way of the tasks already learned, by bin of timesteps.
//!
//! At the model as trained (not its moving average), where the first step of the new task will be taken.

use cl_metrics::representation::{GradientConfig, cosine, gradient_in};
use cl_strategies::Trainer;
use ddpm_core::{
    AnyNetwork, TrainBackend,
    noise::{Key, Purpose},
};

use super::{Analyst, tell};
use crate::{CellObserver, Cost, EngineError};

const GRADIENTS: Purpose = Purpose::named("evaluation gradients");
const GRADIENT_IMAGES: Purpose = Purpose::named("images of the evaluation gradients");

impl<B: TrainBackend> Analyst<'_, B> {
    /// `[j][bin]`: the cosine of the gradients of tasks `k` and j < `k`.
    pub(super) fn gradients(
        &self,
        config: GradientConfig,
        trainer: &Trainer<B, AnyNetwork<B>>,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Vec<Vec<Option<f64>>>, EngineError> {
        let mut cosines = vec![Vec::new(); k];
        for bin in self.edges.windows(2) {
            let gradient = |j: usize| {
                let (x_0, y) = self.images_of::<B>(j, config.images, GRADIENT_IMAGES);
                let key = Key::new(0, GRADIENTS).experience(j).step(bin[0]);
                let objective = &self.spec.training.objective;
                gradient_in(trainer.model(), trainer.process(), objective, x_0, y, (bin[0], bin[1]), key)
            };
            let new = gradient(k);
            for (j, cosines) in cosines.iter_mut().enumerate() {
                cosines.push(cosine(&new, &gradient(j)));
            }
            let passes = (0..=k).map(|j| self.images_in(j, config.images)).sum();
            tell(passes, 3 * passes, k, observer, cost)?;
        }
        Ok(cosines)
    }
}
