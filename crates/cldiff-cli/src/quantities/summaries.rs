//! The summaries of a cell: what an evaluation matrix says in one number, for every metric that has a matrix.

use std::collections::BTreeMap;

use cl_metrics::summary::{
    Direction, EvaluationMatrix, backward_transfer, final_average, forgetting, forward_transfer, plasticity,
    plasticity_against, stream_average,
};
use cldiff_engine::Shown;

use super::{Better, direction};
use crate::results::{CellResult, Matrix};

/// A summary: its name, its meaning and its computation.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// The key in `summary` is `METRIC.` and this.
    pub name: &'static str,
    /// The direction that is better.
    pub better: Better,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// From what it is computed, and how. A metric for which that is not there has no such summary.
    pub of: Of,
    /// For which metrics the tables for the eye show it, and how.
    pub shown: &'static [(&'static str, Shown)],
}

/// The input that a summary is computed from.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// The matrix.
    Matrix(fn(&EvaluationMatrix, Direction) -> Option<f64>),
    /// The values over all tasks seen.
    Pooled(fn(&[Option<f64>]) -> Option<f64>),
    /// The matrix and the values of the untrained model.
    Untrained(fn(&EvaluationMatrix, &[Option<f64>], Direction) -> Option<f64>),
    /// The matrix and that of the `joint` cell of the same seed.
    Joint(fn(&EvaluationMatrix, &EvaluationMatrix, Direction) -> Option<f64>),
}

impl Summary {
    /// The direction that values of a metric are compared by. None for a summary that says what is better and a metric
    /// that ranks nothing; a mean of such a metric compares nothing, and takes any direction.
    fn compares_by(&self, metric: &str) -> Option<Direction> {
        let ranks_nothing = (self.better == Better::AsMetric).then_some(Direction::LowerIsBetter);
        direction(metric).or(ranks_nothing)
    }
}

const fn shown(heading: &'static str, decimals: usize) -> Shown {
    Shown { heading, per: 1.0, decimals }
}

/// Every summary. R is the metric's matrix and K the last task; "better by" has the sign of the metric's direction.
pub const SUMMARIES: [Summary; 8] = [
    Summary {
        name: "final_average",
        better: Better::AsMetric,
        meaning: "mean over tasks of METRIC on the task after the last task: A_K, the mean over j of R[K][j] (AFQ in CLoG)",
        of: Of::Matrix(|matrix, _| final_average(matrix)),
        shown: &[("fid", shown("FID", 2)), ("bpd", shown("bpd", 3))],
    },
    Summary {
        name: "stream_average",
        better: Better::AsMetric,
        meaning: "mean, over the moments after each task, of the mean METRIC on the tasks seen: the mean over k of A_k, which \
                  is the mean over j <= k of R[k][j] (AIQ in CLoG)",
        of: Of::Matrix(|matrix, _| stream_average(matrix)),
        shown: &[("fid", shown("FID on the way", 2))],
    },
    Summary {
        name: "pooled_final",
        better: Better::AsMetric,
        meaning: "METRIC of all samples against the data of all tasks, after the last task",
        of: Of::Pooled(|values| values.last().copied().flatten()),
        shown: &[("fid", shown("FID pooled", 2)), ("kld", shown("KLD", 3))],
    },
    Summary {
        name: "forgetting",
        better: Better::LOWER,
        meaning: "how much worse METRIC is at the end than at its best, mean over old tasks: R[K][j] against the best of \
                  R[j][j] to R[K-1][j]; may be negative",
        of: Of::Matrix(forgetting),
        shown: &[("fid", shown("forgetting", 2)), ("bpd", shown("bpd forg.", 3))],
    },
    Summary {
        name: "backward_transfer",
        better: Better::HIGHER,
        meaning: "how much better METRIC is at the end than right after learning, mean over old tasks (negative: forgotten): \
                  R[K][j] against R[j][j] for j < K",
        of: Of::Matrix(backward_transfer),
        shown: &[("fid", shown("BWT", 2))],
    },
    Summary {
        name: "forward_transfer",
        better: Better::HIGHER,
        meaning: "how much better METRIC is on a task just before it is learned than that of the untrained model: R[j-1][j], \
                  mean over j > 0; losses only",
        of: Of::Untrained(forward_transfer),
        shown: &[],
    },
    Summary {
        name: "plasticity",
        better: Better::AsMetric,
        meaning: "METRIC on a task right after learning it: the mean over j of R[j][j]",
        of: Of::Matrix(|matrix, _| plasticity(matrix)),
        shown: &[],
    },
    Summary {
        name: "plasticity_against_joint",
        better: Better::HIGHER,
        meaning: "how much better METRIC is on a task right after learning it than under joint training with the same seed \
                  (negative: learned worse): R[j][j], mean over j; only in a run with a cell of `joint` alone",
        of: Of::Joint(plasticity_against),
        shown: &[("fid", shown("plasticity", 2))],
    },
];

/// The summaries of a cell that need no other cell.
pub fn summarise(
    matrices: &BTreeMap<String, Matrix>,
    pooled: &BTreeMap<String, Vec<Option<f64>>>,
    untrained: &BTreeMap<String, Vec<Option<f64>>>,
) -> BTreeMap<String, Option<f64>> {
    let mut all = BTreeMap::new();
    for (metric, rows) in matrices {
        let matrix = EvaluationMatrix::new(rows.clone());
        for summary in &SUMMARIES {
            let Some(direction) = summary.compares_by(metric) else { continue };
            let value = match summary.of {
                Of::Matrix(of) => Some(of(&matrix, direction)),
                Of::Pooled(of) => pooled.get(metric).map(|values| of(values)),
                Of::Untrained(of) => untrained.get(metric).map(|values| of(&matrix, values, direction)),
                Of::Joint(_) => None,
            };
            all.extend(value.map(|value| (format!("{metric}.{}", summary.name), value)));
        }
    }
    all
}

/// Adds to each cell the summaries against the joint cell of its seed, where there is one.
pub fn against_joint(cells: &mut [CellResult]) {
    let joint: BTreeMap<u64, BTreeMap<String, Matrix>> = cells
        .iter()
        .filter(|cell| cell.strategy == "joint")
        .map(|cell| (cell.seed, cell.matrices.clone()))
        .collect();
    for cell in cells.iter_mut().filter(|cell| cell.strategy != "joint") {
        let Some(joint) = joint.get(&cell.seed) else { continue };
        for (metric, rows) in &cell.matrices {
            let Some(reference) = joint.get(metric) else { continue };
            let (own, reference) =
                (EvaluationMatrix::new(rows.clone()), EvaluationMatrix::new(reference.clone()));
            for summary in &SUMMARIES {
                let (Of::Joint(of), Some(direction)) = (summary.of, summary.compares_by(metric)) else {
                    continue;
                };
                let value = of(&own, &reference, direction);
                cell.summary.insert(format!("{metric}.{}", summary.name), value);
            }
        }
    }
}
