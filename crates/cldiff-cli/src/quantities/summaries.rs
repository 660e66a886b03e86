//! The summaries of a cell: what an evaluation matrix says in one number, for every metric that has a matrix.

use std::collections::BTreeMap;

use cl_metrics::summary::{
    Direction, EvaluationMatrix, backward_transfer, final_average, forgetting, forward_transfer, plasticity,
    stream_average,
};
use cldiff_engine::Shown;

use super::{Better, direction};
use crate::results::Matrix;

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
}

const fn shown(heading: &'static str, decimals: usize) -> Shown {
    Shown { heading, per: 1.0, decimals }
}

/// Every summary. R is the metric's matrix and K the last task; "better by" has the sign of the metric's direction.
pub const SUMMARIES: [Summary; 7] = [
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
];

/// The summaries of a cell that need no other cell.
pub fn summarise(
    matrices: &BTreeMap<String, Matrix>,
    pooled: &BTreeMap<String, Vec<Option<f64>>>,
    untrained: &BTreeMap<String, Vec<Option<f64>>>,
) -> BTreeMap<String, Option<f64>> {
    let mut all = BTreeMap::new();
    for (metric, rows) in matrices {
        let (matrix, direction) = (EvaluationMatrix::new(rows.clone()), direction(metric));
        for summary in &SUMMARIES {
            let value = match summary.of {
                Of::Matrix(of) => Some(of(&matrix, direction)),
                Of::Pooled(of) => pooled.get(metric).map(|values| of(values)),
                Of::Untrained(of) => untrained.get(metric).map(|values| of(&matrix, values, direction)),
            };
            all.extend(value.map(|value| (format!("{metric}.{}", summary.name), value)));
        }
    }
    all
}
