//! The findings, in sentences computed from them; no claim that they do not carry.
//!
//! A sentence about strategies in general needs five seeds; with fewer it describes the runs. Sentences of one kind are
//! a family: all strategies together, the probability that any of them is wrong is at most 5 %.

mod bits;
mod first_task;
mod hybrid;
mod order;
mod setting;
mod timesteps;

use cl_metrics::summary::{ERROR_RATE, FEWEST_SEEDS, LEVEL};

pub(super) use self::{
    bits::{bits_per_dimension, changes as bits_changes},
    first_task::factors as first_task_factors,
    hybrid::hybrid,
    setting::setting,
    timesteps::timesteps,
};
use super::{
    crowd::{is_crowd, listed},
    simultaneous::Judged,
    statistics::{self, Pair},
};
use crate::{
    quantities::{
        cells::{competitors, range, range_text},
        columns::qualities,
    },
    results::{CellResult, Results},
};

/// The findings, a sentence each. Of many strategies only those at both ends have their FID on task 1 here, and
/// [`first_task`] has the others.
pub(super) fn findings(results: &Results) -> Vec<String> {
    let mut findings = vec![doubt(results)];
    findings.extend(best_and_worst(results));
    if is_crowd(results) {
        findings.extend(first_task::summary(results));
    } else {
        findings.extend(first_task::sentences(results));
    }
    findings.extend(bits::disagreement(results));
    findings.extend(order::opposite(results));
    findings.extend(skipped(results));
    findings
}

/// FID on task 1 of each competing strategy, where the findings do not have it.
pub(super) fn first_task(results: &Results) -> Vec<String> {
    if is_crowd(results) { first_task::sentences(results) } else { Vec::new() }
}

/// The trainings that left steps out.
fn skipped(results: &Results) -> Option<String> {
    let told = results.cells.iter().filter_map(|cell| {
        let steps = cell.cost.get("skipped_steps").filter(|steps| *steps > 0.0)?;
        Some(format!("{steps} under {} (seed {})", cell.label, cell.seed))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| {
        format!(
            "Steps whose loss or gradients were not finite were left out of training: {}.",
            listed(&told, "cells (cost.skipped_steps of results.csv)")
        )
    })
}

/// How much the seeds can tell at all.
fn doubt(results: &Results) -> String {
    let most = statistics::most_seeds(results);
    let fewest = competitors(results).iter().map(|(_, cells)| cells.len()).min().unwrap_or(most);
    if most < FEWEST_SEEDS {
        return few_seeds((fewest, most), results.cells.len() == 1);
    }
    let few = if fewest < FEWEST_SEEDS {
        format!(" Strategies with fewer than {FEWEST_SEEDS} seeds have no verdict.")
    } else {
        String::new()
    };
    let has_primary = qualities(results).iter().any(|column| {
        column.primary && results.cells.iter().any(|cell| cell.summary.contains_key(&column.key))
    });
    let primary = if has_primary {
        "The primary quality is the final average FID; all others are "
    } else {
        "All qualities are "
    };
    format!(
        "{} seeds: of two strategies one is called better in a quality if Student's paired t test over seeds has p ≤ \
         {ERROR_RATE}, corrected for all pairs of that quality (Holm). So in a quality in which all strategies are equal, \
         any are told apart with a probability of at most {:.0} %. {primary}exploratory: of twenty of them one may show a \
         difference by chance.{few}",
        range_text((fewest, most)),
        100.0 * ERROR_RATE,
    )
}

/// The doubt of runs with fewer seeds than a verdict needs.
fn few_seeds((fewest, most): (usize, usize), is_alone: bool) -> String {
    let describe = if is_alone { "describe this run" } else { "describe these runs" };
    let seeds = match (most, is_alone) {
        (0 | 1, true) => "One seed".to_owned(),
        (0 | 1, false) => "One seed each".to_owned(),
        _ => format!("{} seeds each, fewer than {FEWEST_SEEDS}", range_text((fewest.min(most), most))),
    };
    format!(
        "{seeds}: the sentences below {describe} and claim nothing of other seeds; no strategy is ranked or called better \
         than another."
    )
}

fn best_and_worst(results: &Results) -> Option<String> {
    let fid = qualities(results).into_iter().find(|column| column.primary)?;
    let all = competitors(results);
    let mut sorted: Vec<(&String, f64)> =
        all.iter().filter_map(|(label, cells)| Some((label, fid.mean(cells)?))).collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [(best, least), .., (worst, most)] = &sorted[..] else { return None };
    let pairs = statistics::pairs_in(results, &fid);
    let verdict = if pairs.iter().any(|pair| pair.adjusted_p.is_some()) {
        told_apart(&pairs, best)
    } else {
        "; this difference is not tested".to_owned()
    };
    let without: Vec<String> = all
        .iter()
        .filter(|(label, _)| sorted.iter().all(|(other, _)| *other != label))
        .map(|(label, _)| label.clone())
        .collect();
    let without = if without.is_empty() {
        String::new()
    } else {
        format!(
            " No final average FID: {} (the reasons are below the table).",
            listed(&without, "strategies")
        )
    };
    Some(format!(
        "Final average FID, {}: lowest under {best} ({least:.2}), highest under {worst} ({most:.2}){verdict}.{without}",
        match range(all.iter().map(|(_, cells)| Some(cells.len()))) {
            Some((least, most)) if least != most => format!("mean over {} seeds", range_text((least, most))),
            _ => of_runs(statistics::most_seeds(results)),
        },
    ))
}

/// The strategies that the best is told from, those that it is not told from, and those that are better on the seeds that both
/// have: the means are over all seeds of each.
fn told_apart(pairs: &[Pair], best: &str) -> String {
    let with_best = |pair: &&Pair| (pair.a == best || pair.b == best) && pair.adjusted_p.is_some();
    let other = |pair: &Pair| if pair.a == best { pair.b.clone() } else { pair.a.clone() };
    let names = |is_in: &dyn Fn(&Pair) -> bool| -> Option<String> {
        let names: Vec<String> =
            pairs.iter().filter(with_best).filter(|pair| is_in(pair)).map(other).collect();
        (!names.is_empty()).then(|| listed(&names, "other strategies"))
    };
    let told = names(&|pair| pair.better.as_deref() == Some(best));
    let tied = names(&|pair| pair.better.is_none());
    let beaten = names(&|pair| pair.better.as_deref().is_some_and(|better| better != best));
    let beaten = beaten.map_or_else(String::new, |names| {
        format!("; on the seeds that both have, better than {best}: {names}")
    });
    let told = match (told, tied) {
        (None, None) => String::new(),
        (None, Some(_)) if beaten.is_empty() => format!("; the seeds do not tell {best} from any other"),
        (None, Some(tied)) => format!("; the seeds do not tell {best} from {tied}"),
        (Some(told), None) => format!("; {best} is better than {told} beyond the seeds' doubt"),
        (Some(told), Some(tied)) => {
            format!("; {best} is better than {told} beyond the seeds' doubt, and not told apart from {tied}")
        }
    };
    told + &beaten
}

/// The runs that a number describes.
fn of_runs(seeds: usize) -> String {
    if seeds == 1 { "in one run".to_owned() } else { format!("mean over {seeds} seeds") }
}

/// The reason why FID on a task is missing, of the first seed that lacks it.
fn reason(cells: &[&CellResult], k: usize, j: usize) -> String {
    let told = cells.iter().find_map(|cell| {
        let reason = cell.reason("fid", k, Some(j))?;
        Some(format!("{reason} (seed {})", cell.seed))
    });
    told.unwrap_or_else(|| "no reason was kept".to_owned())
}

/// "+0.10 to +0.30", with so many decimals.
fn to((low, high): (f64, f64), decimals: usize) -> String {
    format!("{low:+.decimals$} to {high:+.decimals$}")
}

/// An interval of a [`Family`](super::simultaneous::Family), with what it is.
fn simultaneous(judged: &Judged, over: &str, decimals: usize) -> String {
    format!(
        "simultaneous {:.0} % interval over {over} {}",
        100.0 * LEVEL,
        to((judged.low, judged.high), decimals)
    )
}

/// Whether FID on some tasks has one N at two moments. Results of older versions do not say: they have one N a task.
fn one_n(cells: &[&CellResult], places: &[((usize, usize), (usize, usize))]) -> bool {
    cells.iter().all(|cell| {
        let n = |(k, j): (usize, usize)| cell.samples.get("fid")?.get(k)?.get(j).copied().flatten();
        places.iter().all(|(before, after)| n(*before) == n(*after))
    })
}
