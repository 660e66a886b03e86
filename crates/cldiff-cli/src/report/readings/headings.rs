//! The headings of the readings, from what was read.

use std::collections::BTreeSet;

use super::{
    super::headings::{ends, span},
    classes,
};
use crate::{
    quantities::cells::{competitors, mean, strategies},
    results::{CellResult, Matrix, Results},
};

pub(in super::super) fn classes(results: &Results) -> String {
    let of = |(label, cells): (String, Vec<&CellResult>)| Some((label, classes::lost_count(&cells)?));
    let read: Vec<(String, usize)> = strategies(results).into_iter().filter_map(of).collect();
    let with: Vec<&(String, usize)> = read.iter().filter(|(_, lost)| *lost > 0).collect();
    let found = match with[..] {
        [] => "no class counts as lost".to_owned(),
        [(label, 1)] => format!("1 class counts as lost under {label}"),
        [(label, n)] => format!("{n} classes count as lost under {label}"),
        _ => format!("classes count as lost under {} of {} strategies", with.len(), read.len()),
    };
    format!("Classes asked for and seen: {found}")
}

/// The values of a matrix after the last task, averaged over the seeds of each competing strategy, class by class.
fn at_the_end(results: &Results, of: impl Fn(&CellResult) -> Option<&Matrix>) -> Vec<Vec<Option<f64>>> {
    let of_strategy = |cells: Vec<&CellResult>| {
        let rows: Option<Vec<_>> = cells.iter().map(|cell| of(cell)?.last()).collect();
        let rows = rows.unwrap_or_default();
        let classes = rows.first().map_or(0, |row| row.len());
        (0..classes).map(|class| mean(rows.iter().map(|row| row.get(class).copied().flatten()))).collect()
    };
    competitors(results).into_iter().map(|(_, cells)| of_strategy(cells)).collect()
}

/// "in LOW to HIGH of", in percent.
fn percent(values: Vec<f64>) -> Option<String> {
    let (low, high) = ends(values)?;
    Some(span(format!("{:.0} %", 100.0 * low), &format!("{:.0} %", 100.0 * high)))
}

pub(in super::super) fn removed(results: &Results) -> String {
    let shares = at_the_end(results, |cell| Some(&cell.readings.removed.as_ref()?.class_share));
    let names: BTreeSet<&String> = results.stream.tasks.iter().flat_map(|task| &task.removes).collect();
    let (title, subject, its) = match &names.iter().collect::<Vec<_>>()[..] {
        [only] => ("Removed class", only.as_str(), "its"),
        _ => ("Removed classes", "they", "their"),
    };
    let verb = if its == "its" { "is seen" } else { "are seen" };
    let found = percent(shares.into_iter().flatten().flatten().collect());
    let found = found.map(|share| format!(": {subject} {verb} in {share} of {its} samples at the end"));
    format!("{title}{}", found.unwrap_or_default())
}

pub(in super::super) fn cas(results: &Results) -> String {
    let of = |cells: Vec<&CellResult>| {
        mean(cells.iter().map(|cell| cell.readings.cas.as_ref()?.accuracy.last().copied().flatten()))
    };
    let found = competitors(results).into_iter().filter_map(|(_, cells)| of(cells)).collect();
    let found = percent(found).map(|share| format!(" is right on {share} of real images"));
    format!("A classifier that learned from samples{}", found.unwrap_or_default())
}

pub(in super::super) fn within(results: &Results) -> String {
    match results.stream.tasks.len() {
        1 => "Denoising loss within the only experience".to_owned(),
        n => format!("Denoising loss of task 1 within {n} experiences"),
    }
}

pub(in super::super) fn drift(results: &Results) -> String {
    let of = |cells: Vec<&CellResult>| {
        mean(
            cells
                .iter()
                .map(|cell| cell.readings.drift.as_ref()?.relative.last()?.first().copied().flatten()),
        )
    };
    let found = competitors(results).into_iter().filter_map(|(_, cells)| of(cells)).collect();
    let found = ends(found).map(|(low, high)| {
        format!(": relative distance {} at the end", span(format!("{low:.2}"), &format!("{high:.2}")))
    });
    format!("Drift of samples of task 1{}", found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::tests::{cell, every_reading, input},
        *,
    };

    #[test]
    fn headings_say_what_was_read() {
        let with = |label: &str| CellResult { readings: every_reading(3), ..cell(label, 0, 3) };
        let mut results = input(vec![with("a"), cell("b", 0, 3)], 3).results;
        results.stream.tasks[1].removes = vec!["dog".into()];
        let found = [classes, removed, cas, within, drift].map(|heading| heading(&results));
        let expected = [
            "Classes asked for and seen: 1 class counts as lost under a",
            "Removed class: dog is seen in 12 % of its samples at the end",
            "A classifier that learned from samples is right on 50 % of real images",
            "Denoising loss of task 1 within 3 experiences",
            "Drift of samples of task 1: relative distance 0.60 at the end",
        ];
        assert_eq!(found, expected);
        let mut other = with("c");
        other.readings.cas.as_mut().unwrap().accuracy[2] = Some(0.25);
        results.cells.push(other);
        assert_eq!(
            classes(&results),
            "Classes asked for and seen: classes count as lost under 2 of 2 strategies"
        );
        assert_eq!(
            cas(&results),
            "A classifier that learned from samples is right on 25 % to 50 % of real images"
        );
    }
}
