//! Low-rank adapters for each task: LoRA (Hu et al. 2021, arXiv 2106.09685, equation 3) as it is used to customise
//! diffusion models one concept after another (Smith et al. 2023, C-LoRA, arXiv 2304.06027).
//!
//! The first experience trains the whole model. From then on its weights W_0 are frozen, and each experience trains
//! `W = W_0 + (alpha / rank) up down` of its own for the weights of convolutions and attention (`delta.rs`). Adapters are
//! selected by the task that is asked for, or merged into the weights at the end of each experience.
//!
//! Each experience has an optimiser and a moving average of its own adapters, whatever `training.ema.at_experience` says:
//! there are no earlier values of these parameters to go on from.
//!
//! Staniszewski et al. 2024 (arXiv 2410.04891; code: luk-st/continual-lora) compare four ways from task to task, which
//! are `continued` ("naive"), `merged` ("merge and initialisation"), `merged` that start `orthogonal` (`orthogonal.rs`), and
//! `largest` ("magnitude-based", `past.rs`). Deviations: merged changes `up down` are added up, where that code adds up
//! `up` and `down` each for themselves before the orthogonal start; it uses rank 64 with alpha = rank, and starts `down`
//! normally.
//!
//! With `adapters = "merged"` and an `overlap_penalty` this is C-LoRA (`past.rs`). The penalty is on the weights' changes,
//! alpha / rank included, which is that of the paper at alpha = rank. Deviations from C-LoRA: the paper adapts keys and
//! values of cross-attention, which networks here do not have; convolutions and attention have adapters instead. The
//! table of class embeddings, in the place of the paper's tokens, is trained along, and kept for each task with selected
//! adapters: a new class would have none otherwise. With rank 0 it is all that is trained, as a token for each concept is
//! (textual inversion, Gal et al. 2022, arXiv 2208.01618).

mod delta;
mod options;
mod orthogonal;
mod past;

use burn::{module::AutodiffModule, optim::GradientsParams};
use ddpm_core::{
    AdamW, AdamWMoments, Ema, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    parameters::{ParameterVector, take_gradients, with_inner_parameters, with_parameters},
};

pub use self::options::{Adapters, LoraConfig, Start, Trained};
use self::{
    delta::{Delta, Part, parts},
    past::Past,
};
use super::StrategyOptions;
use crate::{Boundary, HeldMemory, Restore, State, StepTaker, Strategy, StrategyError};

const DOWN: Purpose = Purpose::named("low-rank adapters");

/// The experience that is going on.
#[derive(Debug)]
struct Current<B: TrainBackend> {
    delta: Delta<B>,
    optimizer: AdamW<B::InnerBackend>,
    ema: Ema<B::InnerBackend>,
}

/// LoRA.
#[derive(Debug)]
pub struct Lora<B: TrainBackend> {
    config: LoraConfig,
    /// W_0, from the end of the first experience on.
    base: Option<ParameterVector<B::InnerBackend>>,
    current: Option<Current<B>>,
    /// Averaged adapters of the experiences after the first.
    finished: Vec<Delta<B::InnerBackend>>,
    past: Past<B::InnerBackend>,
}

impl<B: TrainBackend> Lora<B> {
    /// LoRA before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: LoraConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, base: None, current: None, finished: Vec::new(), past: Past::empty() })
    }

    /// The weights with some adapters.
    fn applied(
        &self,
        parts: &[Part],
        delta: &Delta<B::InnerBackend>,
    ) -> Option<ParameterVector<B::InnerBackend>> {
        self.base.as_ref().map(|base| delta.applied(parts, base, self.config.scale()))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Lora<B> {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let Some(base) = &self.base else { return Ok(()) };
        let parts = parts(&self.config, boundary.model);
        let new = || {
            let key = boundary.key.within(DOWN);
            let delta = Delta::new(&parts, self.config.rank, base, key, boundary.device);
            delta.across(self.past.downs(), boundary.device)
        };
        let delta = match (self.config.adapters, self.finished.last()) {
            (Adapters::Continued, Some(last)) => Delta::from_inner(last.clone()),
            _ => new(),
        };
        let ema = Ema::new(boundary.training.ema, &delta);
        let optimizer = AdamW::new(boundary.training.optimizer.adamw());
        self.current = Some(Current { delta, optimizer, ema });
        Ok(())
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        let model = || boundary.model.clone();
        let weights = match (&self.current, self.config.adapters) {
            (Some(current), Adapters::Continued) => {
                self.applied(&parts(&self.config, boundary.model), &current.delta.valid())
            }
            _ => self.base.clone(),
        };
        Ok(weights.map(|weights| with_inner_parameters::<B, D>(model(), weights)))
    }

    fn optimizer(&mut self) -> Option<&mut dyn StepTaker<B, D>> {
        if self.current.is_some() { Some(self) } else { None }
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let Some(Current { delta, ema, .. }) = self.current.take() else {
            self.base = Some(ParameterVector::of(&boundary.averaged()));
            return Ok(());
        };
        let (averaged, scale) = (ema.averaged(&delta), self.config.scale());
        if self.config.start == Start::Orthogonal {
            self.past.add_downs(averaged.downs());
        }
        if self.config.overlap_penalty > 0.0 && self.config.adapters != Adapters::Largest {
            self.past.add(averaged.changes(scale));
        }
        let parts = parts(&self.config, boundary.model);
        match self.config.adapters {
            Adapters::Selected => self.finished.push(averaged),
            Adapters::Continued => self.finished = vec![averaged],
            Adapters::Merged => self.base = self.applied(&parts, &averaged),
            Adapters::Largest => {
                let added = self.past.keep_larger(averaged.changes(scale));
                let base = self.base.take();
                self.base = base.map(|base| averaged.with_changes(&parts, &base, added.into_iter()));
            }
        }
        Ok(())
    }

    fn model_for(
        &self,
        task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        let with = |delta| self.applied(&parts(&self.config, average), delta);
        let weights = match (self.config.adapters, task.checked_sub(1)) {
            (Adapters::Continued, _) => self.finished.last().map_or_else(|| self.base.clone(), with),
            (Adapters::Selected, Some(i)) => self.finished.get(i).and_then(with),
            _ => self.base.clone(),
        };
        Ok(weights.map(|weights| with_parameters(average.clone(), weights)))
    }

    /// The adapters, and the sums that the next ones need; W_0 is the model itself.
    fn memory(&self) -> HeldMemory {
        let numbers = |delta: &Delta<B::InnerBackend>| ParameterVector::of(delta).len() as u64;
        let adapters = self.finished.iter().map(numbers).sum::<u64>();
        HeldMemory { buffer_bytes: 0, extra_parameters: adapters + self.past.len() }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("base", self.base.as_ref());
        self.past.save(state);
        state.put("finished", self.finished.len());
        for (k, delta) in self.finished.iter().enumerate() {
            state.put_module(&format!("adapters.{k}"), delta);
        }
        if let Some(Current { delta, optimizer, ema }) = &self.current {
            let moments = optimizer.moments(&delta.valid());
            state.put_module("current", delta);
            state.put_vector("moment_1", Some(&moments.first));
            state.put_vector("moment_2", Some(&moments.second));
            state.put("optimizer_steps", moments.steps);
            state.put_vector("average", Some(ema.parameters()));
            state.put("average_updates", ema.updates());
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.base = context.vector(state, "base")?;
        self.past = Past::restore(state, context.device)?;
        let Some(base) = &self.base else { return state.take::<usize>("finished").map(|_| ()) };
        let parts = parts(&self.config, context.model);
        let like = || Delta::<B>::new(&parts, self.config.rank, base, Key::new(0, DOWN), context.device);
        for k in 0..state.take("finished")? {
            self.finished.extend(state.take_module(&format!("adapters.{k}"), like().valid())?);
        }
        if let Some(delta) = state.take_module("current", like())? {
            let of = ParameterVector::of(&delta.valid());
            let mut vector = |name: &str| {
                let vector = state.take_vector(name, &of)?;
                vector.ok_or_else(|| StrategyError::state(name, "it is missing"))
            };
            let (first, second, average) = (vector("moment_1")?, vector("moment_2")?, vector("average")?);
            let mut optimizer = AdamW::new(context.training.optimizer.adamw());
            optimizer.restore(AdamWMoments { first, second, steps: state.take("optimizer_steps")? });
            let ema = Ema::restored(context.training.ema, average, state.take("average_updates")?);
            self.current = Some(Current { delta, optimizer, ema });
        }
        Ok(())
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> StepTaker<B, D> for Lora<B> {
    fn take_step(
        &mut self,
        model: D,
        mut grads: GradientsParams,
        learning_rate: f64,
        max_norm: Option<f64>,
    ) -> Result<D, StrategyError> {
        let Some(Current { delta, mut optimizer, mut ema }) = self.current.take() else { return Ok(model) };
        let parts = parts(&self.config, &model);
        let of_weights = take_gradients::<B, D>(&model, &mut grads);
        let scale = self.config.scale();
        let pulls = self.past.pulls(delta.valid().changes(scale), self.config.overlap_penalty);
        let grads = delta.gradients(&parts, of_weights, pulls, scale);
        let delta = optimizer.step::<B, _>(delta, grads, learning_rate, max_norm, &mut ema);
        let weights = self.applied(&parts, &delta.valid());
        self.current = Some(Current { delta, optimizer, ema });
        Ok(match weights {
            Some(weights) => with_inner_parameters::<B, D>(model, weights),
            None => model,
        })
    }
}
