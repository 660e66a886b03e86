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
//! Deviations from C-LoRA: no penalty on overlapping adapters. The table of class embeddings is trained along, and kept
//! for each task: a new class would have none otherwise.

mod delta;

use burn::{module::AutodiffModule, optim::GradientsParams};
use cldiff_choices::Describe;
use ddpm_core::{
    AdamW, AdamWMoments, Ema, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    parameters::{ParameterVector, take_gradients, with_inner_parameters, with_parameters},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::delta::{Delta, Part, parts};
use super::{BuildStrategy, Needs, StrategyOptions};
use crate::{Boundary, HeldMemory, Restore, State, StepTaker, Strategy, StrategyError, check};

const DOWN: Purpose = Purpose::named("low-rank adapters");

/// What becomes of an experience's adapters at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adapters {
    /// They are kept, and used when the task is asked for.
    #[default]
    Selected,
    /// They are added to the weights, and the next experience has new ones.
    Merged,
}

/// What an experience trains beside its adapters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trained {
    /// The class embeddings alone.
    #[default]
    Adapters,
    /// Everything: with rank 0 this is finetuning.
    Everything,
}

/// The options of LoRA.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// The rank of each adapter, where the weight is larger.
    pub rank: usize,
    /// Adapters count alpha / rank times.
    pub alpha: f64,
    /// Whether convolutions have adapters.
    pub convolution: bool,
    /// Whether attention has adapters.
    pub attention: bool,
    /// What becomes of them at the end of an experience.
    pub adapters: Adapters,
    /// What is trained beside them.
    pub train: Trained,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            convolution: true,
            attention: true,
            adapters: Adapters::Selected,
            train: Trained::Adapters,
        }
    }
}

impl Describe for LoraConfig {
    const NAME: &'static str = "lora";
    const SUMMARY: &'static str = "Frozen weights, and low-rank adapters for each task";
    const CITATION: &'static str = "Hu et al. 2021, arXiv 2106.09685; Smith et al. 2023, arXiv 2304.06027";
}

impl StrategyOptions for LoraConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        check::above_0("alpha", self.alpha)?;
        if !self.convolution && !self.attention {
            let expected = "expected `true`, or `attention = true`: no weight would have an adapter";
            return Err(StrategyError::config("convolution", self.convolution, expected));
        }
        Ok(())
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for LoraConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Lora::<B>::new(*self)?))
    }
}

impl LoraConfig {
    fn scale(&self) -> f64 {
        self.alpha / self.rank.max(1) as f64
    }
}

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
}

impl<B: TrainBackend> Lora<B> {
    /// LoRA before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: LoraConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, base: None, current: None, finished: Vec::new() })
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
        let delta = Delta::new(&parts, self.config.rank, base, boundary.key.within(DOWN), boundary.device);
        let ema = Ema::new(boundary.training.ema, &delta);
        let optimizer = AdamW::new(boundary.training.optimizer.adamw());
        self.current = Some(Current { delta, optimizer, ema });
        Ok(())
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        let model = || boundary.model.clone();
        Ok(self.base.clone().map(|base| with_inner_parameters::<B, D>(model(), base)))
    }

    fn optimizer(&mut self) -> Option<&mut dyn StepTaker<B, D>> {
        if self.current.is_some() { Some(self) } else { None }
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let Some(Current { delta, ema, .. }) = self.current.take() else {
            self.base = Some(ParameterVector::of(&boundary.averaged()));
            return Ok(());
        };
        let averaged = ema.averaged(&delta);
        match self.config.adapters {
            Adapters::Selected => self.finished.push(averaged),
            Adapters::Merged => self.base = self.applied(&parts(&self.config, boundary.model), &averaged),
        }
        Ok(())
    }

    fn model_for(
        &self,
        task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        let weights = match (self.config.adapters, task.checked_sub(1)) {
            (Adapters::Merged, _) | (Adapters::Selected, None) => self.base.clone(),
            (Adapters::Selected, Some(i)) => {
                self.finished.get(i).and_then(|delta| self.applied(&parts(&self.config, average), delta))
            }
        };
        Ok(weights.map(|weights| with_parameters(average.clone(), weights)))
    }

    /// The adapters; W_0 is the model itself.
    fn memory(&self) -> HeldMemory {
        let numbers = |delta: &Delta<B::InnerBackend>| ParameterVector::of(delta).len() as u64;
        HeldMemory { buffer_bytes: 0, extra_parameters: self.finished.iter().map(numbers).sum() }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("base", self.base.as_ref());
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
        let grads = delta.gradients(&parts, of_weights, self.config.scale());
        let delta = optimizer.step::<B, _>(delta, grads, learning_rate, max_norm, &mut ema);
        let weights = self.applied(&parts, &delta.valid());
        self.current = Some(Current { delta, optimizer, ema });
        Ok(match weights {
            Some(weights) => with_inner_parameters::<B, D>(model, weights),
            None => model,
        })
    }
}
