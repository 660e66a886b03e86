//! The summaries of a cell: what an evaluation matrix says in one number, for every metric that has a matrix. A summary
//! of which an input is missing is null, with its reason.

use std::collections::BTreeMap;

use cl_metrics::summary::{
    Direction, EvaluationMatrix, Gap, backward_transfer, final_average, forgetting, forward_transfer,
    plasticity, stream_average,
};
use cldiff_engine::Shown;

use super::{Better, direction};
use crate::results::{Matrix, MissingValue};

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
    Matrix(fn(&EvaluationMatrix, Direction) -> Result<f64, Gap>),
    /// The values over all tasks seen.
    Pooled(fn(&[Option<f64>]) -> Result<f64, Gap>),
    /// The matrix and the values of the untrained model.
    Untrained(fn(&EvaluationMatrix, &[Option<f64>], Direction) -> Result<f64, Gap>),
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
        of: Of::Pooled(last),
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

/// The last of the values over all tasks seen.
fn last(values: &[Option<f64>]) -> Result<f64, Gap> {
    let after = values.len().checked_sub(1).ok_or(Gap::NoTasks)?;
    values[after].ok_or(Gap::Pooled { after })
}

/// Summaries, `METRIC.SUMMARY`, and the reasons why some are null.
#[derive(Debug, Default, PartialEq)]
pub struct Summaries {
    /// The values.
    pub values: BTreeMap<String, Option<f64>>,
    /// Why entries of `values` are null.
    pub missing: BTreeMap<String, String>,
}

impl Summaries {
    fn note(&mut self, metric: &str, summary: &Summary, value: Result<f64, Gap>, missing: &[MissingValue]) {
        let name = format!("{metric}.{}", summary.name);
        self.values.insert(name.clone(), value.ok());
        if let Err(gap) = value {
            self.missing.insert(name, reason(metric, gap, missing));
        }
    }
}

/// The reason why a summary has no value: what it lacks, and why it is missing.
fn reason(metric: &str, gap: Gap, missing: &[MissingValue]) -> String {
    let why = |after: usize, on: Option<usize>| {
        let is = |m: &&MissingValue| m.metric == metric && (m.after_task, m.on_task) == (after, on);
        missing.iter().find(is).map_or_else(String::new, |m| format!(": {}", m.reason))
    };
    match gap {
        Gap::Entry { after, on } => {
            format!("{metric} on task {} after task {} is missing{}", on + 1, after + 1, why(after, Some(on)))
        }
        Gap::Pooled { after } => {
            format!("{metric} over all tasks after task {} is missing{}", after + 1, why(after, None))
        }
        other => other.to_string(),
    }
}

/// The summaries of a cell that need no other cell; `missing` are the values that could not be measured.
pub fn summarise(
    matrices: &BTreeMap<String, Matrix>,
    pooled: &BTreeMap<String, Vec<Option<f64>>>,
    untrained: &BTreeMap<String, Vec<Option<f64>>>,
    missing: &[MissingValue],
) -> Summaries {
    let mut all = Summaries::default();
    for (metric, rows) in matrices {
        let (matrix, direction) = (EvaluationMatrix::new(rows.clone()), direction(metric));
        for summary in &SUMMARIES {
            let value = match summary.of {
                Of::Matrix(of) => Some(of(&matrix, direction)),
                Of::Pooled(of) => pooled.get(metric).map(|values| of(values)),
                Of::Untrained(of) => untrained.get(metric).map(|values| of(&matrix, values, direction)),
            };
            if let Some(value) = value {
                all.note(metric, summary, value, missing);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unconditional `finetune` after two tasks: the classifier sees one sample of the first task.
    fn lost() -> Summaries {
        let fid = vec![vec![Some(20.0), None], vec![None, Some(49.0)]];
        let missing = MissingValue {
            metric: "fid".into(),
            after_task: 1,
            on_task: Some(0),
            reason: "a covariance needs at least 2 images, got 1".into(),
        };
        let pooled = BTreeMap::from([("fid".to_owned(), vec![Some(20.0), Some(90.0)])]);
        summarise(&BTreeMap::from([("fid".to_owned(), fid)]), &pooled, &BTreeMap::new(), &[missing])
    }

    #[test]
    fn a_lost_task_makes_no_summary_better() {
        let Summaries { values, missing } = lost();
        for name in ["final_average", "stream_average", "forgetting", "backward_transfer"] {
            let name = format!("fid.{name}");
            assert_eq!(values[&name], None, "{name}");
            assert_eq!(
                missing[&name],
                "fid on task 1 after task 2 is missing: a covariance needs at least 2 images, got 1"
            );
        }
        assert_eq!((values["fid.plasticity"], values["fid.pooled_final"]), (Some(34.5), Some(90.0)));
        assert_eq!(missing.len(), 4);
    }

    #[test]
    fn one_task_has_nothing_to_forget() {
        let matrices = BTreeMap::from([("kid".to_owned(), vec![vec![Some(1.0)]])]);
        let pooled = BTreeMap::from([("kid".to_owned(), vec![None])]);
        let Summaries { values, missing } = summarise(&matrices, &pooled, &BTreeMap::new(), &[]);
        assert_eq!((values["kid.final_average"], values["kid.forgetting"]), (Some(1.0), None));
        assert_eq!(missing["kid.forgetting"], "a stream of one task has nothing to forget");
        assert_eq!(missing["kid.pooled_final"], "kid over all tasks after task 1 is missing");
    }
}
