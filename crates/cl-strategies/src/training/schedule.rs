//! The learning rate of each step: a linear warm-up, then constant, or a decay to 0 along a cosine or a line.
//!
//! Decays are those of `get_cosine_schedule_with_warmup` and `get_linear_schedule_with_warmup` of diffusers and
//! transformers. Deviation: their warm-up begins with a step at a rate of 0; here step i of w has (i + 1) / w of the rate.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same for every step.
    #[default]
    Constant,
    /// Half a cosine, down to 0.
    Cosine,
    /// A line, down to 0.
    Linear,
}

/// The stretch that a warm-up and a decay are laid over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// The whole stream, once.
    #[default]
    Stream,
    /// Each experience anew.
    Experience,
}

/// A step's place in the stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Steps of the stretch before it.
    pub step: usize,
    /// Steps of the stretch; none where they are not known before they are made.
    pub steps: Option<usize>,
    /// The share of the stretch before it, 0 to 1.
    pub share: f64,
}

impl Schedule {
    /// The part of the learning rate that a step has, 0 to 1. Where the number of steps is not known, the decay goes along
    /// the share of the stretch, and the warm-up multiplies it.
    pub(super) fn factor(self, warmup_steps: usize, place: Place) -> f64 {
        let Place { step, steps, share } = place;
        let warm = ((step + 1) as f64 / warmup_steps.max(1) as f64).min(1.0);
        let after = |steps: usize| {
            step.saturating_sub(warmup_steps) as f64 / steps.saturating_sub(warmup_steps).max(1) as f64
        };
        let progress = steps.map_or(share, after).min(1.0);
        warm * match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
            Self::Linear => 1.0 - progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From diffusers, by `tools/golden/schedules.py`: 3 steps of warm-up of 10 steps. Their first step has a rate of 0 and
    /// their warm-up is over one step later.
    #[test]
    fn decays_are_those_of_diffusers_after_the_warm_up() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/schedules.json")).unwrap();
        for (name, schedule) in
            [("constant", Schedule::Constant), ("cosine", Schedule::Cosine), ("linear", Schedule::Linear)]
        {
            let expected: Vec<f64> = serde_json::from_value(fixture[name].clone()).unwrap();
            assert_eq!(expected.len(), 10);
            let at = |step| schedule.factor(3, Place { step, steps: Some(10), share: f64::NAN });
            for (step, expected) in expected.iter().enumerate().skip(3) {
                assert!((at(step) - expected).abs() < 1e-12, "{name}, {step}: {}", at(step));
            }
            assert_eq!([at(0), at(1), at(2)], [1.0 / 3.0, 2.0 / 3.0, 1.0]);
            assert!((at(0) - expected[1]).abs() < 1e-12 && expected[0] == 0.0);
        }
    }

    #[test]
    fn where_steps_are_not_known_the_share_decides() {
        let at = |schedule: Schedule, step, share| schedule.factor(2, Place { step, steps: None, share });
        assert_eq!(at(Schedule::Linear, 0, 0.0), 0.5);
        assert_eq!(at(Schedule::Linear, 5, 0.75), 0.25);
        assert!((at(Schedule::Cosine, 5, 0.5) - 0.5).abs() < 1e-12);
        assert_eq!(at(Schedule::Constant, 5, 0.5), 1.0);
        // A rate never goes up again behind the end.
        let behind = Place { step: 30, steps: Some(10), share: 1.0 };
        assert!(Schedule::Cosine.factor(0, behind).abs() < 1e-12);
        assert_eq!(Schedule::Linear.factor(0, behind), 0.0);
    }
}
