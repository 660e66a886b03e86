//! Hybrid sampling, in words: FID of samples that two moments of a model draw together.

use std::cmp::Ordering;

use cl_metrics::summary::{OverSeeds, paired_difference};

use super::{of_runs, simultaneous};
use crate::{
    quantities::cells::{mean, strategies},
    report::{
        hybrid::{Above, tasks, thresholds, values},
        simultaneous::Family,
    },
    results::{CellResult, Results},
};

/// A sentence for each strategy. A family has two statements for each strategy and task.
pub(in super::super) fn hybrid(results: &Results, task: usize) -> Vec<String> {
    let all = strategies(results);
    let family = Family { tests: 2 * all.len() * tasks(results).len() };
    all.iter().filter_map(|(label, cells)| sentence(label, cells, task, family)).collect()
}

fn sentence(label: &str, cells: &[&CellResult], task: usize, family: Family) -> Option<String> {
    let thresholds = thresholds(cells, task);
    let last = thresholds.len().checked_sub(1)?;
    let mean = |above, i| mean(values(cells, task, above, i).into_iter().map(|(_, value)| value));
    let (old, new) = (mean(Above::Old, 0)?, mean(Above::New, 0)?);
    let middle = (1..last).min_by_key(|&i| thresholds[i].abs_diff(thresholds[last] / 2))?;
    let (by_old, by_new) = (mean(Above::Old, middle)?, mean(Above::New, middle)?);
    let t = thresholds[middle];
    let verdict = verdict(
        difference(cells, task, (Above::New, 0), (Above::Old, 0)),
        difference(cells, task, (Above::Old, middle), (Above::New, middle)),
        (t, family),
    );
    Some(format!(
        "{label}: FID on task {} is {old:.2} by the model right after it and {new:.2} by the final one; {by_old:.2} with \
         the old model at t ≥ {t} only, {by_new:.2} with it below only ({}).{verdict}",
        task + 1,
        of_runs(cells.len()),
    ))
}

/// FID at one place of the curves minus FID at another, over seeds.
fn difference(
    cells: &[&CellResult],
    task: usize,
    (a, i): (Above, usize),
    (b, j): (Above, usize),
) -> Option<OverSeeds> {
    let by_seed = |above, i| {
        let values = values(cells, task, above, i).into_iter();
        values.map(|(seed, value)| Some((seed, value?))).collect::<Option<_>>()
    };
    paired_difference(&by_seed(a, i)?, &by_seed(b, j)?)
}

/// The part of the trajectory that carries more of the forgetting: from the final model's FID less the old one's, and
/// from the FID with the old model at t or above less that with it below. Nothing for fewer than five seeds.
fn verdict(
    forgotten: Option<OverSeeds>,
    above_less_below: Option<OverSeeds>,
    (t, family): (usize, Family),
) -> String {
    let judge = |difference: Option<OverSeeds>| difference.and_then(|d| family.over_seeds(&d));
    let (Some(forgotten), Some(parts)) = (judge(forgotten), judge(above_less_below)) else {
        return String::new();
    };
    if forgotten.sign != Ordering::Greater {
        return " The seeds do not show that the final model's FID is higher, so that there is nothing to place.".into();
    }
    let interval = simultaneous(&parts, "seeds", 2);
    match parts.sign {
        Ordering::Less => {
            format!(" Over the seeds, the old model helps more at t ≥ {t} than below ({interval}).")
        }
        Ordering::Greater => {
            format!(" Over the seeds, the old model helps more below t = {t} than above ({interval}).")
        }
        Ordering::Equal => " The seeds do not tell which part matters more.".into(),
    }
}
