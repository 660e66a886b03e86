//! The options of LoRA.

use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{BuildStrategy, Family, Needs, Scale, Setting, StrategyOptions, Tunable},
    Lora,
};
use crate::{ConditionOn, Strategy, StrategyError, check};

/// The use of an experience's adapters after its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adapters {
    /// They are kept, and used when the task is asked for.
    #[default]
    Selected,
    /// They are added to the weights, and the next experience has new ones.
    Merged,
    /// The next experience has new ones, and each weight has, of the changes of all adapters, the one whose magnitude is
    /// largest.
    Largest,
    /// The next experience goes on with the same ones.
    Continued,
}

/// The `down` that an experience's new adapters start from; their `up` is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Uniform numbers, as in a linear layer.
    #[default]
    Uniform,
    /// Unit columns, each orthogonal to that of the sum of the past adapters; uniform for the first ones.
    Orthogonal,
}

/// The parameters that an experience trains beside its adapters.
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
    /// The use of the adapters after the end of an experience.
    pub adapters: Adapters,
    /// The initial values of new adapters.
    pub start: Start,
    /// The parameters that are trained beside the adapters.
    pub train: Trained,
    /// The weight of C-LoRA's penalty on the squares of the adapters' changes, each times the sum of what past adapters
    /// changed there; 0: none.
    pub overlap_penalty: f64,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            convolution: true,
            attention: true,
            adapters: Adapters::Selected,
            start: Start::Uniform,
            train: Trained::Adapters,
            overlap_penalty: 0.0,
        }
    }
}

impl Describe for LoraConfig {
    const NAME: &'static str = "lora";
    const SUMMARY: &'static str = "Frozen weights, and low-rank adapters for each task";
    const CITATION: &'static str = "Hu et al. 2021, arXiv 2106.09685; Smith et al. 2023, arXiv 2304.06027; Staniszewski et \
         al. 2024, arXiv 2410.04891";
}

impl StrategyOptions for LoraConfig {
    fn family(&self) -> Family {
        Family::Parameters
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Staniszewski et al. have rank 64 = alpha; C-LoRA's weight is not known here.
        const RANK: Tunable = Tunable::whole("rank", 2, 64, Scale::Log);
        const ALPHA: Tunable = Tunable::log("alpha", 1.0, 64.0);
        const OVERLAP: Tunable = Tunable::log("overlap_penalty", 1e2, 1e9);
        if self.rank == 0 {
            // Embeddings alone are trained.
            return &[];
        }
        match (self.keeps_no_adapter(), self.overlap_penalty > 0.0) {
            (true, false) => const { &[RANK, ALPHA] },
            (true, true) => const { &[RANK, ALPHA, OVERLAP] },
            // The rank decides what is stored.
            (false, false) => const { &[ALPHA] },
            (false, true) => const { &[ALPHA, OVERLAP] },
        }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::above_0("alpha", self.alpha)?;
        check::at_least_0("overlap_penalty", self.overlap_penalty)?;
        if !self.convolution && !self.attention {
            let expected = "expected `true`, or `attention = true`: no weight would have an adapter";
            return Err(StrategyError::config("convolution", self.convolution, expected));
        }
        self.validate_combination()
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let condition_on = setting.training.condition_on;
        let embeddings_alone = self.rank == 0 && self.train == Trained::Adapters;
        if !embeddings_alone || condition_on != ConditionOn::None {
            return Ok(());
        }
        let (key, value) = ("condition_on".into(), "none".into());
        let expected = "expected `class` or `task` with adapters of rank 0: nothing would be trained".into();
        Err(StrategyError::Training { key, value, expected })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for LoraConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Lora::<B>::new(*self)?))
    }
}

impl LoraConfig {
    /// Whether the options of past adapters fit together.
    fn validate_combination(&self) -> Result<(), StrategyError> {
        let continued = self.adapters == Adapters::Continued;
        let across = self.start == Start::Orthogonal;
        if across && (continued || self.rank < 2) {
            let expected = "expected `uniform`, or new adapters of rank 2 and more: a column has to be orthogonal to one";
            return Err(StrategyError::config("start", self.start, expected));
        }
        if continued && self.overlap_penalty > 0.0 {
            let expected =
                "expected 0 with `adapters = \"continued\"`: adapters would overlap with themselves";
            return Err(StrategyError::config("overlap_penalty", self.overlap_penalty, expected));
        }
        if self.adapters == Adapters::Largest && self.train == Trained::Everything {
            let expected =
                "expected `adapters` with `adapters = \"largest\"`: it compares changes of frozen weights";
            return Err(StrategyError::config("train", self.train, expected));
        }
        Ok(())
    }

    /// Whether the memory is that of another rank: adapters become weights, and none of their `down` is kept for an
    /// orthogonal start.
    fn keeps_no_adapter(&self) -> bool {
        self.adapters == Adapters::Merged && self.start == Start::Uniform
    }

    /// The factor of `up down`.
    pub(super) fn scale(&self) -> f64 {
        self.alpha / self.rank.max(1) as f64
    }
}
