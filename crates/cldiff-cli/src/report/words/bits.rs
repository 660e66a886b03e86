//! Bits per dimension against FID, both on the same old tasks: right after each was learned, and at the end.

use super::{one_n, reason, to};
use crate::{
    quantities::cells::{competitors, entry, entry_error, mean, range, range_text, samples, strategies},
    report::{
        crowd::listed,
        forgetting::{self, Loss},
    },
    results::{CellResult, Results},
};

/// A rise of bits per dimension on old tasks below this part of them is called small.
const SMALL_RISE: f64 = 0.05;
/// FID on old tasks that has grown by this factor is called lost.
const LOST: f64 = 2.0;

/// A metric on the old tasks right after each was learned and at the end, averaged over them and over seeds.
fn before_and_after(cells: &[&CellResult], metric: &str, last: usize) -> Option<(f64, f64)> {
    let average = |after: &dyn Fn(usize) -> usize| mean((0..last).map(|j| entry(cells, metric, after(j), j)));
    Some((average(&|j| j)?, average(&|_| last)?))
}

/// For each competing strategy: bits per dimension on old tasks at the end as a multiple of what they were right after
/// each was learned, and FID likewise where it is known at one N.
pub(in super::super) fn changes(results: &Results) -> Vec<(f64, Option<f64>)> {
    let Some(last) = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    let ratio = |(before, after): (f64, f64)| (before > 0.0).then(|| after / before);
    let of = |(_, cells): &(String, Vec<&CellResult>)| {
        let bits = before_and_after(cells, "bpd", last).and_then(ratio)?;
        let fid = before_and_after(cells, "fid", last).filter(|_| one_n(cells, &places(last)));
        Some((bits, fid.and_then(ratio)))
    };
    competitors(results).iter().filter_map(of).collect()
}

/// The places of FID on old tasks that are compared with each other.
fn places(last: usize) -> Vec<((usize, usize), (usize, usize))> {
    (0..last).map(|j| ((j, j), (last, j))).collect()
}

/// A sentence for each strategy.
pub(in super::super) fn bits_per_dimension(results: &Results) -> Vec<String> {
    let Some(last) = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    strategies(results).iter().filter_map(|(label, cells)| sentence(results, label, cells, last)).collect()
}

fn sentence(results: &Results, label: &str, cells: &[&CellResult], last: usize) -> Option<String> {
    let (before, after) = before_and_after(cells, "bpd", last)?;
    let interval = forgetting::total(cells, Loss::Vlb).and_then(|total| total.interval());
    let interval =
        interval.map_or_else(String::new, |ends| format!("; 95 % interval over images {}", to(ends, 3)));
    let points = forgetting::curve(results, cells, Loss::Vlb);
    let first = points.first().map_or_else(String::new, |point| {
        let margin = point.margin();
        let ends = (point.absolute - margin, point.absolute + margin);
        let interval = if margin > 0.0 {
            format!(" (95 % interval over images {})", to(ends, 3))
        } else {
            String::new()
        };
        format!(" The first bin of timesteps changes by {:+.3}{interval}.", point.absolute)
    });
    Some(format!(
        "{label}: on old tasks, from right after each was learned to the end, bits per dimension change by {:+.3} from \
         {before:.3} ({:+.1} %{interval}), and {}.{first}",
        after - before,
        100.0 * (after / before - 1.0),
        fid(cells, last),
    ))
}

fn fid(cells: &[&CellResult], last: usize) -> String {
    let Some((learned, end)) = before_and_after(cells, "fid", last) else {
        let lost = (0..last).find_map(|j| {
            [(j, j), (last, j)].into_iter().find(|(k, j)| entry(cells, "fid", *k, *j).is_none())
        });
        let reason = lost.map_or_else(
            || "it was not measured".to_owned(),
            |(k, j)| format!("on task {} after task {}: {}", j + 1, k + 1, reason(cells, k, j)),
        );
        return format!("their average FID has no value ({reason})");
    };
    if !one_n(cells, &places(last)) {
        return "FID is not compared: its N differs".to_owned();
    }
    let n = range((0..last).flat_map(|j| {
        let (least, most) = samples(cells, "fid", j, j).unzip();
        [least, most]
    }));
    let n = n.map_or_else(String::new, |n| format!("; N = {} a task", range_text(n)));
    format!("FID from {learned:.2} to {end:.2} (×{:.2}{n})", end / learned.max(1e-9))
}

/// Competing strategies under which bits per dimension do not show that samples were lost: in each of the runs.
pub(super) fn disagreement(results: &Results) -> Option<String> {
    let last = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0)?;
    let found: Vec<String> = competitors(results)
        .iter()
        .filter(|(_, cells)| cells.iter().all(|cell| disagrees(cell, last)))
        .filter_map(|(label, cells)| {
            let (bits, fid) = (before_and_after(cells, "bpd", last)?, before_and_after(cells, "fid", last)?);
            let runs = if cells.len() == 1 {
                "one run".to_owned()
            } else {
                format!("each of {} seeds", cells.len())
            };
            Some(format!(
                "{label} (in {runs}; means: bits per dimension {:+.3} from {:.3}, FID ×{:.1})",
                bits.1 - bits.0,
                bits.0,
                fid.1 / fid.0
            ))
        })
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "Bits per dimension do not show the loss of samples under {}: on old tasks they rise by less than {:.0} % (upper \
             end of the 95 % interval over images) while FID is more than {LOST} times what it was (intervals over samples \
             taken into account where they are known).",
            listed(&found, "strategies (see the section on bits per dimension)"),
            100.0 * SMALL_RISE
        )
    })
}

/// Whether in one run even the upper end of the rise of the bits is small, and even the lower end of FID is far above
/// what it was.
fn disagrees(cell: &CellResult, last: usize) -> bool {
    let cells = &[cell][..];
    let judged = || {
        let (_, high) = forgetting::total(cells, Loss::Vlb)?.interval()?;
        let (before, _) = before_and_after(cells, "bpd", last)?;
        let (learned, end) = before_and_after(cells, "fid", last)?;
        let margin = |after: &dyn Fn(usize) -> usize| {
            let squares =
                (0..last).map(|j| entry_error(cells, "fid", after(j), j).map(|error| error * error));
            mean(squares).map_or(0.0, |mean| forgetting::MARGIN * (mean / last as f64).sqrt())
        };
        let lost = end - margin(&|_| last) > LOST * (learned + margin(&|j| j));
        Some(high / before < SMALL_RISE && lost && one_n(cells, &places(last)))
    };
    judged().unwrap_or(false)
}
