//! The quantities that rank models: one number of a cell, with a direction that is better.

use cl_metrics::{sample::SampleMetric, summary::Direction};
use cldiff_engine::EvaluationConfig;

use super::{
    Quantity,
    declared::quantities,
    losses::MATRIX_LOSSES,
    references::COMPARISONS,
    summaries::{Of, SUMMARIES},
};

/// A quantity that ranks the models of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Its name in the long table.
    pub name: String,
    /// The direction that is better.
    pub direction: Direction,
    /// The metric that it is computed from.
    pub metric: String,
}

impl Ranking {
    /// A value as something to be made small.
    pub fn cost(&self, value: f64) -> f64 {
        if self.direction == Direction::LowerIsBetter { value } else { -value }
    }
}

/// Every one that an evaluation measures of each cell. Costs, and comparisons with a reference, are none: they rank no
/// models.
pub fn rankings(evaluation: &EvaluationConfig) -> Vec<Ranking> {
    quantities().iter().filter(|quantity| ranks(quantity)).flat_map(|q| named(q, evaluation)).collect()
}

fn ranks(quantity: &Quantity) -> bool {
    let is_comparison = COMPARISONS.iter().any(|other| quantity.name == format!("METRIC.{}", other.name));
    quantity.place.is_of_a_cell() && !quantity.name.starts_with("cost.") && !is_comparison
}

/// A quantity for each metric that is measured.
fn named(quantity: &Quantity, evaluation: &EvaluationConfig) -> Vec<Ranking> {
    let losses = MATRIX_LOSSES.iter().map(|loss| loss.name.to_owned());
    let metrics: Vec<String> = match quantity.name.split_once('.') {
        Some(("METRIC", summary)) => {
            let of = SUMMARIES.iter().find(|known| known.name == summary).map(|known| known.of);
            let sampled = evaluation.metrics.iter().map(|metric| metric.name().to_owned());
            match of {
                Some(Of::Untrained(_)) => losses.collect(),
                Some(Of::Pooled(_)) => sampled.collect(),
                _ => sampled.chain(losses).collect(),
            }
        }
        Some(("within", _)) if evaluation.every_steps.is_none() => Vec::new(),
        Some(("within", _)) => {
            let fid = (evaluation.within.samples > 0).then(|| SampleMetric::FID.name().to_owned());
            losses.chain(fid).collect()
        }
        _ => Vec::new(),
    };
    let ranking = |metric: String| {
        let name = quantity.name.replace("METRIC", &metric).replace("LOSS", &metric);
        Some(Ranking { name, direction: quantity.better.of(&metric)?, metric })
    };
    metrics.into_iter().filter_map(ranking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(evaluation: &EvaluationConfig) -> Vec<String> {
        rankings(evaluation).into_iter().map(|ranking| ranking.name).collect()
    }

    #[test]
    fn directions_are_those_of_the_declarations() {
        let all = rankings(&EvaluationConfig::default());
        let direction = |name: &str| all.iter().find(|ranking| ranking.name == name).map(|r| r.direction);
        assert_eq!(direction("fid.final_average"), Some(Direction::LowerIsBetter));
        assert_eq!(direction("accuracy.final_average"), Some(Direction::HigherIsBetter));
        // Forgetting is better when less, whatever the metric.
        assert_eq!(direction("accuracy.forgetting"), Some(Direction::LowerIsBetter));
        assert_eq!(direction("fid.backward_transfer"), Some(Direction::HigherIsBetter));
        assert_eq!(direction("bpd.forward_transfer"), Some(Direction::HigherIsBetter));
        for none in
            ["fid.forward_transfer", "bpd.pooled_final", "fid.against_joint", "cost.train_seconds", "fid"]
        {
            assert_eq!(direction(none), None, "{none}");
        }
    }

    #[test]
    fn a_quantity_that_is_not_measured_is_none() {
        let few = EvaluationConfig { metrics: vec![SampleMetric::FID], ..EvaluationConfig::default() };
        assert!(!names(&few).iter().any(|name| name.starts_with("accuracy.") || name.starts_with("within.")));
        let within = EvaluationConfig { every_steps: Some(10), ..few };
        assert!(names(&within).contains(&"within.bpd.anytime_average".to_owned()), "{:?}", names(&within));
    }
}
