//! Families of strategies: how a strategy keeps old tasks. Figures colour strategies by it.

use std::fmt;

/// The means by which a strategy works against forgetting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// More data at once, or more models, than a continual learner has.
    Bound,
    /// Nothing against forgetting, or no training on experiences at all.
    Baseline,
    /// Stored images of old tasks.
    Rehearsal,
    /// Images that an earlier model draws, or its predictions.
    Generative,
    /// A penalty on the change of parameters.
    Penalty,
    /// Gradients that are projected.
    Gradient,
    /// Parameters of each task's own.
    Parameters,
    /// Any other means: of a strategy that declares no family.
    Other,
}

impl Family {
    /// Every family, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Bound,
        Self::Baseline,
        Self::Rehearsal,
        Self::Generative,
        Self::Penalty,
        Self::Gradient,
        Self::Parameters,
        Self::Other,
    ];

    /// Whether a strategy of this family is one of its own: bounds and baselines are trainings that others are compared with,
    /// and not terms beside other terms.
    pub fn stands_alone(self) -> bool {
        matches!(self, Self::Bound | Self::Baseline)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bound => "bounds",
            Self::Baseline => "baselines",
            Self::Rehearsal => "rehearsal of stored images",
            Self::Generative => "generated images and distillation",
            Self::Penalty => "penalties on parameters",
            Self::Gradient => "projected gradients",
            Self::Parameters => "parameters of each task",
            Self::Other => "other",
        })
    }
}
