//! The outcome for task 1: FID on it right after it was learned and at the end of the stream.

use std::cmp::Ordering;

use super::{of_runs, one_n, reason, simultaneous};
use crate::{
    quantities::cells::{competitors, entry, entry_error, of_cell, range_text, samples, spread},
    report::{simultaneous::Family, statistics::most_seeds},
    results::{CellResult, Results},
};

/// A sentence for each competing strategy. All of them are one family of statements.
pub(super) fn sentences(results: &Results) -> Vec<String> {
    let Some(last) = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    let all = competitors(results);
    let family = Family { tests: all.len() };
    all.iter().filter_map(|(label, cells)| sentence(label, cells, last, family)).collect()
}

/// FID on task 1 at the end as a multiple of what it was right after it, for each competing strategy of which both are
/// known at one N.
pub(in super::super) fn factors(results: &Results) -> Vec<(String, f64)> {
    let Some(last) = results.stream.tasks.len().checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    let factor = |cells: &[&CellResult]| {
        let (learned, end) = (entry(cells, "fid", 0, 0)?, entry(cells, "fid", last, 0)?);
        (learned > 0.0 && one_n(cells, &[((0, 0), (last, 0))])).then(|| end / learned)
    };
    let of = |(label, cells): (String, Vec<&CellResult>)| Some((label, factor(&cells)?));
    competitors(results).into_iter().filter_map(of).collect()
}

/// One sentence for many strategies: the least and the greatest change. None where fewer than two are known.
pub(super) fn summary(results: &Results) -> Option<String> {
    let mut factors = factors(results);
    factors.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [(least, low), .., (most, high)] = &factors[..] else { return None };
    let grown = factors.iter().filter(|(_, factor)| *factor > 1.0).count();
    let all = competitors(results).len();
    let seeds = of_runs(most_seeds(results));
    Some(format!(
        "FID on task 1 at the end, as a multiple of what it was right after the task ({seeds}): least under {least} \
         (×{low:.2}), greatest under {most} (×{high:.2}); above 1 under {grown} of {all} strategies{}.",
        if factors.len() < all { format!(", unknown under {}", all - factors.len()) } else { String::new() }
    ))
}

fn sentence(label: &str, cells: &[&CellResult], last: usize, family: Family) -> Option<String> {
    if !cells.iter().all(|cell| cell.matrices.contains_key("fid")) {
        return None;
    }
    let found = match (entry(cells, "fid", 0, 0), entry(cells, "fid", last, 0)) {
        (Some(learned), Some(end)) => change(cells, last, (learned, end), family),
        (None, _) => format!("has no value right after it: {}", reason(cells, 0, 0)),
        (_, None) => format!("has no value at the end: {}", reason(cells, last, 0)),
    };
    Some(format!("{label}: FID on task 1 {found}."))
}

fn change(cells: &[&CellResult], last: usize, (learned, end): (f64, f64), family: Family) -> String {
    let n = |k| samples(cells, "fid", k, 0).map(range_text);
    if !one_n(cells, &[((0, 0), (last, 0))]) {
        let n = |k| n(k).unwrap_or_else(|| "unknown".to_owned());
        return format!(
            "is {learned:.2} right after it (N = {}) and {end:.2} at the end (N = {}); at different N the two are not \
             compared",
            n(0),
            n(last)
        );
    }
    let n = n(0).map_or_else(String::new, |n| format!(", N = {n}"));
    let errors = entry_error(cells, "fid", 0, 0).zip(entry_error(cells, "fid", last, 0));
    let errors = errors.map_or_else(String::new, |(before, after)| {
        format!(", standard errors over samples {before:.2} and {after:.2}")
    });
    format!(
        "goes from {learned:.2} right after it to {end:.2} at the end (×{:.2}; {}{n}{errors}){}",
        end / learned.max(1e-9),
        of_runs(cells.len()),
        doubt(cells, last, family),
    )
}

/// Whether the change is one over seeds; nothing to say for too few seeds.
fn doubt(cells: &[&CellResult], last: usize, family: Family) -> String {
    let change = |cell: &&CellResult| Some(of_cell(cell, "fid", last, 0)? - of_cell(cell, "fid", 0, 0)?);
    let Some(change) = spread(cells.iter().map(change)) else { return String::new() };
    let Some(judged) = family.over_seeds(&change) else { return String::new() };
    let interval = simultaneous(&judged, "seeds", 2);
    match judged.sign {
        Ordering::Greater => format!(", an increase beyond the seeds' doubt ({interval})"),
        Ordering::Less => format!(", a decrease beyond the seeds' doubt ({interval})"),
        Ordering::Equal => format!(", which the seeds do not tell from no change ({interval})"),
    }
}
