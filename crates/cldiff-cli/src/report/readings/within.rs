//! Curves within the experiences, and what they say in numbers.

use anyhow::Result;
use minijinja::{Value, context};

use super::{
    super::{
        charts::by_strategy,
        lines::{Axes, chart},
    },
    SIZE,
};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CellResult, Results, WithinResult, WithinSummary},
};

/// Heading, meaning and value of a column of the table of curves.
const WITHIN: [(&str, &str, fn(&WithinSummary) -> Option<f64>); 5] = [
    ("on average", "mean over all steps of the mean over the tasks seen", |s| s.anytime_average),
    ("worst", "mean over old tasks of the worst value since right after the task", |s| s.worst),
    ("worst case", "the final value of the last task and the worst of the old ones, mean over tasks", |s| {
        s.worst_case
    }),
    (
        "stability gap",
        "mean over pairs of how much worse an old task became while a new one was learned",
        |s| s.stability_gap,
    ),
    (
        "of it recovered",
        "mean over pairs of how much better the old task is at the end of the new one than at its worst",
        |s| s.stability_gap_recovered,
    ),
];

/// The curve of task 1 and the table; none where no cell has looks.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn section(results: &Results) -> Result<Option<Value>> {
    let Some(first) = results.cells.iter().find_map(|cell| cell.readings.within.as_ref()) else {
        return Ok(None);
    };
    let lines = by_strategy(results, |cells| (on_task_1(cells), Vec::new()));
    let axes = Axes {
        title: "Denoising loss on task 1",
        x: "step of the whole training",
        y: "squared error",
        tasks: false,
        zero: false,
    };
    let row = |(label, cells): &(String, Vec<&CellResult>)| {
        let found: Option<Vec<&WithinResult>> =
            cells.iter().map(|cell| cell.readings.within.as_ref()).collect();
        let found = found?;
        let entry = |of: fn(&WithinSummary) -> Option<f64>| {
            let all = found.iter().map(|within| of(&within.summary.denoising_loss));
            mean(all).map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
        };
        Some(
            context! { label => label, entries => WITHIN.iter().map(|(.., of)| entry(*of)).collect::<Vec<_>>() },
        )
    };
    let headings = WITHIN.map(|(title, meaning, _)| context! { title => title, meaning => meaning });
    Ok(Some(context! {
        images => first.images,
        charts => vec![chart(SIZE, &axes, &lines)?],
        headings => headings.to_vec(),
        rows => strategies(results).iter().filter_map(row).collect::<Vec<_>>(),
    }))
}

/// The loss on task 1 at each look of the whole training, averaged over seeds; looks without a value are left out.
fn on_task_1(cells: &[&CellResult]) -> Vec<(f64, f64)> {
    let Some(first) = cells.first().and_then(|cell| cell.readings.within.as_ref()) else { return Vec::new() };
    let (mut points, mut before) = (Vec::new(), 0);
    for (k, steps) in first.steps.iter().enumerate() {
        for (point, step) in steps.iter().enumerate() {
            let of = |cell: &&CellResult| {
                let within = cell.readings.within.as_ref()?;
                within.denoising_loss.get(k)?.first()?.get(point).copied().flatten()
            };
            points.extend(mean(cells.iter().map(of)).map(|value| ((before + step) as f64, value)));
        }
        before += steps.last().copied().unwrap_or(0);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::{super::super::tests::cell, *};

    #[test]
    fn looks_stand_on_the_axis_of_the_whole_training() {
        let mut cell = cell("a", 0, 2);
        let looks = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        cell.readings.within = Some(WithinResult {
            steps: vec![vec![0, 40, 50], vec![0, 40, 50]],
            denoising_loss: vec![
                vec![looks(&[9.0, 5.0, 4.0])],
                vec![looks(&[4.0, 7.0, 6.0]), looks(&[3.0; 3])],
            ],
            ..WithinResult::default()
        });
        let expected = [(0.0, 9.0), (40.0, 5.0), (50.0, 4.0), (50.0, 4.0), (90.0, 7.0), (100.0, 6.0)];
        assert_eq!(on_task_1(&[&cell]), expected);
    }
}
