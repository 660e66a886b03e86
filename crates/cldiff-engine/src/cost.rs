//! The costs of a cell. Each is a count in [`Cost`] and an entry of [`COSTS`]: `results.json`, the long table, the
//! tables for the eye and docs/results.md follow from the entry.

use cl_metrics::summary::Direction;
use cl_strategies::Passes;
use serde::{Deserialize, Serialize};

/// Counts taken while a cell runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds spent training.
    pub train_seconds: f64,
    /// Seconds spent drawing samples.
    pub sample_seconds: f64,
    /// Seconds spent on losses, features and metrics.
    pub evaluate_seconds: f64,
    /// Images trained on, from the stream and from buffers.
    pub images_trained: u64,
    /// Passes of one image through a network while the strategy trains, by their purpose.
    #[serde(default)]
    pub passes: Passes,
    /// Passes of one image through the network while samples are drawn for the evaluation.
    #[serde(default)]
    pub sampling_passes: u64,
    /// Passes of one image through the network for losses and analyses.
    #[serde(default)]
    pub evaluation_passes: u64,
    /// Steps that were left out because loss or gradients were not finite.
    pub skipped_steps: u64,
    /// Largest resident memory of the process during the cell; none where it cannot be told.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of images that the strategy holds at the end.
    pub buffer_bytes: u64,
    /// Numbers that the strategy holds at the end in the form of parameters: teachers, importances, adapters, masks.
    pub extra_parameters: u64,
}

impl Cost {
    /// The passes of one image through a network that the method takes: all but those of the evaluation.
    pub fn method_evaluations(&self) -> u64 {
        self.passes.total()
    }

    /// All passes of one image through a network.
    pub fn denoiser_evaluations(&self) -> u64 {
        self.passes.total() + self.sampling_passes + self.evaluation_passes
    }
}

/// A cost: its name, its meaning, and how it follows from the counts.
#[derive(Debug, Clone, Copy)]
pub struct CostQuantity {
    /// The key in `results.json`.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// The direction that is better.
    pub direction: Direction,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// The column of the tables for the eye; none if they leave the cost out.
    pub shown: Option<Shown>,
    /// The cost from the counts; none where it was not measured.
    pub of: fn(&Cost) -> Option<Amount>,
}

/// How a table for the eye shows a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The heading, with the unit where there is one.
    pub heading: &'static str,
    /// Units in one unit of the heading.
    pub per: f64,
    /// Digits behind the point.
    pub decimals: usize,
}

/// A number that JSON writes as it was counted: whole, or with a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A count.
    Whole(u64),
    /// A measurement.
    Real(f64),
}

impl Amount {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Self::Whole(count) => count as f64,
            Self::Real(value) => value,
        }
    }
}

const fn shown(heading: &'static str, per: f64) -> Shown {
    Shown { heading, per, decimals: 0 }
}

/// Passes for one purpose, a part of `denoiser_evaluations`.
const fn passes(name: &'static str, meaning: &'static str, of: fn(&Cost) -> Option<Amount>) -> CostQuantity {
    CostQuantity { name, unit: "passes", direction: Direction::LowerIsBetter, meaning, shown: None, of }
}

/// Every cost, in the order of `results.json`.
pub const COSTS: [CostQuantity; 19] = [
    CostQuantity {
        name: "train_seconds",
        unit: "s",
        direction: Direction::LowerIsBetter,
        meaning: "seconds spent training",
        shown: Some(shown("train s", 1.0)),
        of: |cost| Some(Amount::Real(cost.train_seconds)),
    },
    CostQuantity {
        name: "sample_seconds",
        unit: "s",
        direction: Direction::LowerIsBetter,
        meaning: "seconds spent drawing samples",
        shown: Some(shown("sample s", 1.0)),
        of: |cost| Some(Amount::Real(cost.sample_seconds)),
    },
    CostQuantity {
        name: "evaluate_seconds",
        unit: "s",
        direction: Direction::LowerIsBetter,
        meaning: "seconds spent on losses, features and metrics",
        shown: Some(shown("eval. s", 1.0)),
        of: |cost| Some(Amount::Real(cost.evaluate_seconds)),
    },
    CostQuantity {
        name: "images_per_second",
        unit: "images/s",
        direction: Direction::HigherIsBetter,
        meaning: "images trained on each second, buffers included",
        shown: Some(shown("images/s", 1.0)),
        of: |cost| Some(Amount::Real(cost.images_trained as f64 / cost.train_seconds.max(1e-9))),
    },
    CostQuantity {
        name: "denoiser_evaluations",
        unit: "passes",
        direction: Direction::LowerIsBetter,
        meaning: "forward passes of one image through a network, whatever they are for: the sum of the passes below",
        shown: None,
        of: |cost| Some(Amount::Whole(cost.denoiser_evaluations())),
    },
    CostQuantity {
        name: "method_evaluations",
        unit: "passes",
        direction: Direction::LowerIsBetter,
        meaning: "those of them that the method takes: all but `sampling_passes` and `evaluation_passes`, which all strategies have",
        shown: Some(shown("passes ×10³", 1e3)),
        of: |cost| Some(Amount::Whole(cost.method_evaluations())),
    },
    passes(
        "training_passes",
        "passes for losses that are trained on: current, stored and generated images",
        |cost| Some(Amount::Whole(cost.passes.training)),
    ),
    passes("teacher_passes", "passes through a model of the past, asked for targets", |cost| {
        Some(Amount::Whole(cost.passes.teacher))
    }),
    passes("generator_passes", "passes through a model of the past, drawing images to train on", |cost| {
        Some(Amount::Whole(cost.passes.generator))
    }),
    passes(
        "classifier_passes",
        "passes through the classifier that guides a generator, in its training too",
        |cost| Some(Amount::Whole(cost.passes.classifier)),
    ),
    passes("fisher_passes", "passes for the Fisher information", |cost| {
        Some(Amount::Whole(cost.passes.fisher))
    }),
    passes("sensitivity_passes", "passes for the sensitivity of the output, as MAS has it", |cost| {
        Some(Amount::Whole(cost.passes.sensitivity))
    }),
    passes("probe_passes", "passes by which a strategy measures losses to decide what to rehearse", |cost| {
        Some(Amount::Whole(cost.passes.probe))
    }),
    passes("sampling_passes", "passes that draw the samples of the evaluation", |cost| {
        Some(Amount::Whole(cost.sampling_passes))
    }),
    passes("evaluation_passes", "passes for the losses and analyses of the evaluation", |cost| {
        Some(Amount::Whole(cost.evaluation_passes))
    }),
    CostQuantity {
        name: "skipped_steps",
        unit: "steps",
        direction: Direction::LowerIsBetter,
        meaning: "steps left out of training because loss or gradients were not finite",
        shown: None,
        of: |cost| Some(Amount::Whole(cost.skipped_steps)),
    },
    CostQuantity {
        name: "peak_memory_bytes",
        unit: "bytes",
        direction: Direction::LowerIsBetter,
        meaning: "largest resident memory of the process",
        shown: Some(shown("peak MB", 1e6)),
        of: |cost| cost.peak_memory_bytes.map(Amount::Whole),
    },
    CostQuantity {
        name: "buffer_bytes",
        unit: "bytes",
        direction: Direction::LowerIsBetter,
        meaning: "images that the strategy holds at the end",
        shown: None,
        of: |cost| Some(Amount::Whole(cost.buffer_bytes)),
    },
    CostQuantity {
        name: "extra_parameters",
        unit: "numbers",
        direction: Direction::LowerIsBetter,
        meaning: "numbers that the strategy holds at the end in the form of parameters: teachers, importances, adapters, \
                  masks",
        shown: None,
        of: |cost| Some(Amount::Whole(cost.extra_parameters)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_names_of_their_own_and_come_from_the_counts() {
        let mut names: Vec<&str> = COSTS.iter().map(|cost| cost.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COSTS.len());
        let counts = Cost { images_trained: 30, train_seconds: 2.0, skipped_steps: 4, ..Cost::default() };
        let of = |name: &str| (COSTS.iter().find(|cost| cost.name == name).unwrap().of)(&counts);
        assert_eq!(of("images_per_second"), Some(Amount::Real(15.0)));
        assert_eq!(of("skipped_steps"), Some(Amount::Whole(4)));
        assert_eq!(of("peak_memory_bytes"), None);
    }

    /// Powers of two, so that each part of the sum is told from the others.
    #[test]
    fn denoiser_evaluations_are_the_sum_of_all_passes() {
        let passes = Passes {
            training: 1,
            teacher: 2,
            generator: 4,
            classifier: 8,
            fisher: 16,
            sensitivity: 32,
            probe: 64,
        };
        let counts = Cost { passes, sampling_passes: 128, evaluation_passes: 256, ..Cost::default() };
        let parts = COSTS.iter().filter(|cost| cost.name.ends_with("_passes"));
        let parts: Vec<f64> = parts.map(|cost| (cost.of)(&counts).unwrap().value()).collect();
        assert_eq!(parts, (0..9).map(|i| f64::from(1 << i)).collect::<Vec<_>>());
        let sum = |name: &str| (COSTS.iter().find(|cost| cost.name == name).unwrap().of)(&counts);
        assert_eq!(sum("denoiser_evaluations"), Some(Amount::Whole(511)));
        assert_eq!(sum("method_evaluations"), Some(Amount::Whole(127)));
    }

    #[test]
    fn a_state_without_names_for_passes_is_read() {
        let mut old = serde_json::to_value(Cost::default()).unwrap();
        let fields = old.as_object_mut().unwrap();
        for key in ["passes", "sampling_passes", "evaluation_passes"] {
            fields.remove(key).unwrap();
        }
        fields.insert("denoiser_evaluations".into(), 7.into());
        assert_eq!(serde_json::from_value::<Cost>(old).unwrap(), Cost::default());
    }
}
