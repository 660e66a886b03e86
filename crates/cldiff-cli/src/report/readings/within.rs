//! Curves within the experiences, and what they say in numbers.

use minijinja::{Value, context};

use super::super::{
    charts::by_strategy,
    drawing::Figure,
    gallery::Gallery,
    lines::{self, Axis, Line},
    looks::Look,
    scale::Kind,
};
use crate::{
    quantities::cells::{mean, spread, strategies},
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

/// The denoising loss on task 1 at every look; none where no cell has looks.
pub(in super::super) fn chart(results: &Results) -> Option<Figure> {
    results.cells.iter().find_map(|cell| cell.readings.within.as_ref())?;
    let all = by_strategy(results, on_task_1);
    let several = all.iter().any(|line| !line.band.is_empty());
    let notes = several.then(|| "Bands: ± sd over seeds.".to_owned()).into_iter().collect();
    let x = Axis { name: "step of the whole training", kind: Kind::Linear };
    let y = Axis { name: "squared error", kind: Kind::Linear };
    Some(lines::chart("Denoising loss on task 1", x, y, &all, notes))
}

/// The curve of task 1 and the table; none where no cell has looks.
pub(super) fn section(results: &Results, gallery: &Gallery) -> Option<Value> {
    let first = results.cells.iter().find_map(|cell| cell.readings.within.as_ref())?;
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
    Some(context! {
        images => first.images,
        charts => gallery.pictures("within"),
        headings => headings.to_vec(),
        rows => strategies(results).iter().filter_map(row).collect::<Vec<_>>(),
    })
}

/// The loss on task 1 at each look of the whole training, averaged over seeds; looks without a value are left out. The band
/// is the standard deviation over seeds on both sides.
fn on_task_1(look: Look, cells: &[&CellResult]) -> Line {
    let mut line = Line::new(look, Vec::new());
    let Some(first) = cells.first().and_then(|cell| cell.readings.within.as_ref()) else { return line };
    let mut before = 0;
    for (k, steps) in first.steps.iter().enumerate() {
        for (point, step) in steps.iter().enumerate() {
            let of = |cell: &&CellResult| {
                let within = cell.readings.within.as_ref()?;
                within.denoising_loss.get(k)?.first()?.get(point).copied().flatten()
            };
            let Some(over_seeds) = spread(cells.iter().map(of)) else { continue };
            let (x, mean) = ((before + step) as f64, over_seeds.mean);
            line.points.push((x, mean));
            line.band.extend(over_seeds.standard_deviation.map(|half| (x, mean - half, mean + half)));
        }
        before += steps.last().copied().unwrap_or(0);
    }
    line
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
        let line = on_task_1(Look::floor(), &[&cell]);
        assert_eq!((&line.points[..], line.band.len()), (&expected[..], 0));
        // Of two seeds that differ by 2 everywhere, the standard deviation is the root of 2.
        let mut other = CellResult { seed: 1, ..cell.clone() };
        let losses = &mut other.readings.within.as_mut().unwrap().denoising_loss;
        losses.iter_mut().flatten().flatten().flatten().for_each(|loss| *loss += 2.0);
        let (x, low, high) = on_task_1(Look::floor(), &[&cell, &other]).band[1];
        assert_eq!(x, 40.0);
        assert!(
            (low - (6.0 - 2.0_f64.sqrt())).abs() < 1e-12 && (high - (6.0 + 2.0_f64.sqrt())).abs() < 1e-12
        );
    }
}
