//! A training as it is saved, and as it goes on.

use data_streams::ImageDataset;
use ddpm_core::{AdamWMoments, Ema, TrainBackend, TrainableDenoiser, parameters::ParameterVector};

use super::Trainer;
use crate::{PassCounter, Restore, State, Strategy, StrategyError};

impl<B: TrainBackend, D: TrainableDenoiser<B>> Trainer<B, D> {
    /// All that going on takes: model, moving average, optimiser, position, and the strategy's state.
    pub fn save(&self, strategy: &dyn Strategy<B, D>) -> State {
        let (mut state, mut of_strategy) = (State::default(), State::default());
        state.put("position", self.position);
        state.put("passes", self.passes());
        state.put_module("model", self.model());
        state.put_vector("average", Some(self.ema.parameters()));
        state.put("average_updates", self.ema.updates());
        let moments = self.optimizer.moments(&self.model().valid());
        state.put_vector("moment_1", Some(&moments.first));
        state.put_vector("moment_2", Some(&moments.second));
        state.put("optimizer_steps", moments.steps);
        state.put("timesteps", &self.timesteps);
        strategy.save(&mut of_strategy);
        state.put_scope("strategy", of_strategy);
        state
    }

    /// Goes on from a saved state: the next steps are those that the saved training would have taken. Trainer and
    /// strategy must have been made from the same options and seed; `data` are images of the stream.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of another training; the trainer is of no use then.
    pub fn restore(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        mut state: State,
        data: &ImageDataset,
    ) -> Result<(), StrategyError> {
        let missing = |name: &str| StrategyError::state(name, "it is missing");
        let model = self.model.take().ok_or_else(|| missing("model"))?;
        let model = state.take_module("model", model)?.ok_or_else(|| missing("model"))?;
        let like = ParameterVector::of(&model.valid());
        let average = state.take_vector("average", &like)?.ok_or_else(|| missing("average"))?;
        self.ema = Ema::restored(self.config.ema, average, state.take("average_updates")?);
        let first = state.take_vector("moment_1", &like)?.ok_or_else(|| missing("moment_1"))?;
        let second = state.take_vector("moment_2", &like)?.ok_or_else(|| missing("moment_2"))?;
        self.optimizer.restore(AdamWMoments { first, second, steps: state.take("optimizer_steps")? });
        self.timesteps = state.take("timesteps")?;
        self.position = state.take("position")?;
        self.passes = PassCounter::at(state.take("passes")?);
        let mut of_strategy = state.take_scope("strategy");
        let context = Restore { model: &model, training: &self.config, data, device: &self.device };
        strategy.restore(&mut of_strategy, &context)?;
        of_strategy.finish()?;
        self.model = Some(model);
        state.finish()
    }
}
