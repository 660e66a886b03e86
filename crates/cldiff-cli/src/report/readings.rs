//! The sections of the readings: classes that were lost and what took their place, training on samples, curves within
//! experiences, drift. Each is there if a cell has the reading.

use anyhow::Result;
use cl_metrics::readings::{accuracies, taken_by};
use minijinja::{Value, context};

use super::{
    charts::by_strategy,
    heat_map::HeatMap,
    lines::{Axes, chart},
    palette, sections,
};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CasResult, CellResult, DriftResult, Results, WithinResult, WithinSummary},
};

const SIZE: (u32, u32) = (588, 330);

/// Standard errors of a difference beyond which a class is told to be lost: for a normal distribution 2 in 10,000, so that
/// some 200 classes and strategies together err in 5 % of reports.
const DOUBT: f64 = 3.5;

/// What the template shows; absent where no cell has it.
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn sections(results: &Results) -> Result<Value> {
    let all = strategies(results);
    Ok(context! {
        classes => sections::optional_figures(&all, confusion_map)?,
        lost => all.iter().filter_map(|(label, cells)| lost_words(label, cells)).collect::<Vec<_>>(),
        class_rows => all.iter().flat_map(|(label, cells)| class_rows(label, cells)).collect::<Vec<_>>(),
        cas => cas(results),
        within => within(results)?,
        drift => drift(results)?,
    })
}

/// `[asked][seen]` after task k, all seeds together; none where a cell has none, or others.
fn confusion(cells: &[&CellResult], k: usize) -> Option<Vec<Vec<usize>>> {
    let mut sum: Option<Vec<Vec<usize>>> = None;
    let classes = cells.first()?.readings.class_confusion.first()?.len();
    for cell in cells {
        let counts = cell.readings.class_confusion.get(k)?;
        if counts.len() != classes || counts.iter().any(|row| row.len() != classes) {
            return None;
        }
        let sum = sum.get_or_insert_with(|| vec![vec![0; counts.len()]; counts.len()]);
        for (sum, counts) in sum.iter_mut().zip(counts) {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    sum
}

fn last(cells: &[&CellResult]) -> Option<usize> {
    cells.first()?.readings.class_confusion.len().checked_sub(1)
}

fn class_name(cells: &[&CellResult], class: usize) -> String {
    cells[0].readings.class_names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// The classes that samples were asked of at the end.
fn asked(confusion: &[Vec<usize>]) -> Vec<usize> {
    (0..confusion.len()).filter(|&class| confusion[class].iter().sum::<usize>() > 0).collect()
}

/// # Errors
/// What plotters cannot draw.
fn confusion_map(cells: &[&CellResult]) -> Result<Option<String>> {
    let Some(counts) = last(cells).and_then(|k| confusion(cells, k)) else { return Ok(None) };
    let classes = asked(&counts);
    let share = |asked: usize, seen: usize| {
        Some(counts[asked][seen] as f64 / counts[asked].iter().sum::<usize>() as f64)
    };
    let short = |&class: &usize| class_name(cells, class).chars().take(9).collect::<String>();
    let map = HeatMap {
        title: format!("classes seen in the samples of each class, under {}", cells[0].label),
        column_labels: classes.iter().map(short).collect(),
        row_labels: classes.iter().map(short).collect(),
        axes: ("class seen", "asked for"),
        values: classes.iter().map(|&a| classes.iter().map(|&s| share(a, s)).collect()).collect(),
        colour: &palette::sequential,
        format: &|v| format!("{:.0}", 100.0 * v),
        cell: (if classes.len() > 12 { 34 } else { 52 }, 24),
    };
    map.draw().map(Some)
}

/// A class that was lost.
#[derive(Debug, Clone, PartialEq)]
struct Lost {
    class: usize,
    /// The accuracy right after its task, and at the end.
    before: f64,
    after: f64,
    /// The class that took its place, and in which share of the samples.
    instead: Option<(usize, f64)>,
}

/// The classes whose accuracy fell below half of what it was right after their task, beyond doubt; none where classes were
/// not read.
fn lost(cells: &[&CellResult]) -> Option<Vec<Lost>> {
    let end = last(cells)?;
    let counts: Vec<Vec<Vec<usize>>> = (0..=end).map(|k| confusion(cells, k)).collect::<Option<_>>()?;
    let of_class = |class: usize| {
        let n = |k: usize| counts[k][class].iter().sum::<usize>();
        let learned = (0..end).find(|&k| n(k) > 0)?;
        let share = |k: usize, seen: usize| counts[k][class][seen] as f64 / n(k) as f64;
        let (before, after) = (share(learned, class), share(end, class));
        let instead = taken_by(&counts[end], class).map(|seen| (seen, share(end, seen)));
        let is_lost = after < before / 2.0 && differ((before, n(learned)), (after, n(end)));
        is_lost.then_some(Lost { class, before, after, instead })
    };
    Some((0..counts[end].len()).filter_map(of_class).collect())
}

/// Whether two shares differ by more than the doubt of both.
fn differ((p, n): (f64, usize), (q, m): (f64, usize)) -> bool {
    let pooled = (p * n as f64 + q * m as f64) / (n + m) as f64;
    let error = (pooled * (1.0 - pooled) * (1.0 / n as f64 + 1.0 / m as f64)).sqrt();
    error > 0.0 && (p - q).abs() > DOUBT * error
}

fn lost_words(label: &str, cells: &[&CellResult]) -> Option<String> {
    let lost = lost(cells)?;
    if lost.is_empty() {
        return Some(format!("{label}: no class was lost."));
    }
    let one = |lost: &Lost| {
        let name = |class: usize| format!("“{}”", class_name(cells, class));
        let instead = lost.instead.map_or_else(String::new, |(class, share)| {
            format!(", and {} is seen in {:.0} %", name(class), 100.0 * share)
        });
        let (before, after) = (100.0 * lost.before, 100.0 * lost.after);
        format!(
            "{} is seen in {after:.0} % of its samples ({before:.0} % right after its task){instead}",
            name(lost.class)
        )
    };
    Some(format!("{label}: {}.", lost.iter().map(one).collect::<Vec<_>>().join("; ")))
}

fn class_rows(label: &str, cells: &[&CellResult]) -> Vec<Value> {
    let Some(end) = last(cells) else { return Vec::new() };
    let counts: Option<Vec<_>> = (0..=end).map(|k| confusion(cells, k)).collect();
    let Some(counts) = counts else { return Vec::new() };
    let shown = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let row = |class: usize| {
        let learned = counts.iter().find_map(|of_k| accuracies(of_k).classes[class]);
        let fid = cells.iter().map(|cell| cell.readings.class_fid.get(end)?.get(class).copied().flatten());
        // A class without a value under one seed has none over all.
        let fid: Option<Vec<f64>> = fid.collect();
        context! {
            label => label,
            class => class_name(cells, class),
            samples => counts[end][class].iter().sum::<usize>() / cells.len(),
            learned => shown(learned, 3),
            accuracy => shown(accuracies(&counts[end]).classes[class], 3),
            fid => shown(fid.and_then(mean), 2),
        }
    };
    asked(&counts[end]).into_iter().map(row).collect()
}

fn cas(results: &Results) -> Option<Value> {
    let with = |(label, cells): &(String, Vec<&CellResult>)| {
        let found: Option<Vec<&CasResult>> = cells.iter().map(|cell| cell.readings.cas.as_ref()).collect();
        found.map(|found| cas_row(label, cells, &found))
    };
    let rows: Vec<Value> = strategies(results).iter().filter_map(with).collect();
    let samples = results.cells.iter().find_map(|cell| cell.readings.cas.as_ref())?.samples_per_class;
    Some(context! { rows => rows, samples => samples })
}

fn cas_row(label: &str, cells: &[&CellResult], found: &[&CasResult]) -> Value {
    let end = |values: fn(&CasResult) -> &Vec<Option<f64>>| {
        let all: Option<Vec<f64>> = found.iter().map(|cas| values(cas).last().copied().flatten()).collect();
        all.and_then(mean)
    };
    let shown = |value: Option<f64>, error: Option<f64>| match (value, error) {
        (Some(value), Some(error)) => format!("{value:.3} ± {error:.3}"),
        _ => "–".to_owned(),
    };
    let of_class = |values: fn(&CasResult) -> &Vec<Vec<Option<f64>>>, class: usize| {
        mean(found.iter().filter_map(|cas| values(cas).last()?.get(class).copied().flatten()))
    };
    let classes = found.first().and_then(|cas| cas.class_accuracy.last()).map_or(0, Vec::len);
    let is_lost = |class: &usize| {
        let (samples, real) =
            (of_class(|cas| &cas.class_accuracy, *class), of_class(|cas| &cas.real_class_accuracy, *class));
        samples.zip(real).is_some_and(|(samples, real)| samples < real / 2.0)
    };
    let lost: Vec<String> = (0..classes).filter(is_lost).map(|class| class_name(cells, class)).collect();
    context! {
        label => label,
        samples => shown(end(|cas| &cas.accuracy), end(|cas| &cas.accuracy_error)),
        real => shown(end(|cas| &cas.real_accuracy), end(|cas| &cas.real_accuracy_error)),
        lost => if lost.is_empty() { "none".to_owned() } else { lost.join(", ") },
    }
}

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

/// # Errors
/// What plotters cannot draw.
fn within(results: &Results) -> Result<Option<Value>> {
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
            let all: Option<Vec<f64>> =
                found.iter().map(|within| of(&within.summary.denoising_loss)).collect();
            all.and_then(mean).map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
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
            let all: Option<Vec<f64>> = cells.iter().map(of).collect();
            points.extend(all.and_then(mean).map(|value| ((before + step) as f64, value)));
        }
        before += steps.last().copied().unwrap_or(0);
    }
    points
}

/// # Errors
/// What plotters cannot draw.
fn drift(results: &Results) -> Result<Option<Value>> {
    let Some(first) = results.cells.iter().find_map(|cell| cell.readings.drift.as_ref()) else {
        return Ok(None);
    };
    let of_task_1 = |cells: &[&CellResult], values: fn(&DriftResult) -> &Vec<Vec<Option<f64>>>, k: usize| {
        let of =
            |cell: &&CellResult| values(cell.readings.drift.as_ref()?).get(k)?.first().copied().flatten();
        let all: Option<Vec<f64>> = cells.iter().map(of).collect();
        all.and_then(mean)
    };
    let lines = by_strategy(results, |cells| {
        let (mut points, mut band) = (Vec::new(), Vec::new());
        for k in 1..first.relative.len() {
            let Some(value) = of_task_1(cells, |drift| &drift.relative, k) else { continue };
            let x = (k + 1) as f64;
            points.push((x, value));
            let error = of_task_1(cells, |drift| &drift.relative_error, k);
            // Over seeds the mean has a smaller error: the band shows that over samples of one seed.
            band.extend(error.map(|error| (x, value - 1.96 * error, value + 1.96 * error)));
        }
        (points, band)
    });
    let axes = Axes {
        title: "Drift of the samples of task 1",
        x: "after task",
        y: "relative change",
        tasks: true,
        zero: true,
    };
    Ok(Some(context! { samples => first.samples, chart => chart(SIZE, &axes, &lines)? }))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::cell, *};

    fn with_classes(confusion: Vec<Vec<Vec<usize>>>) -> CellResult {
        let mut cell = cell("a", 0, confusion.len());
        cell.readings.class_names = vec!["cat".into(), "<dog>".into(), "eel".into()];
        cell.readings.class_confusion = confusion;
        cell
    }

    #[test]
    fn a_lost_class_is_named_with_the_one_in_its_place() {
        // “cat” goes from 90 % to 10 %, to “eel”; “dog” from 70 % to 50 %, which is not half.
        let before = vec![vec![90, 10, 0], vec![30, 70, 0], vec![0; 3]];
        let after = vec![vec![10, 20, 70], vec![40, 50, 10], vec![0, 0, 100]];
        let cell = with_classes(vec![before.clone(), after]);
        let found = lost(&[&cell]).unwrap();
        assert_eq!(found, [Lost { class: 0, before: 0.9, after: 0.1, instead: Some((2, 0.7)) }]);
        let words = lost_words("a", &[&cell]).unwrap();
        assert_eq!(
            words,
            "a: “cat” is seen in 10 % of its samples (90 % right after its task), and “eel” is seen in 70 %."
        );
        // Of ten samples 4 became 1: that is below half, and may be chance.
        let few = with_classes(vec![
            vec![vec![4, 6, 0], vec![0; 3], vec![0; 3]],
            vec![vec![1, 9, 0], vec![0, 5, 5], vec![0; 3]],
        ]);
        assert_eq!(lost_words("a", &[&few]).unwrap(), "a: no class was lost.");
        assert_eq!(lost_words("a", &[&super::super::tests::cell("a", 0, 2)]), None);
        // Two seeds are counted together, and one without classes leaves nothing to tell.
        assert_eq!(confusion(&[&cell, &cell], 0).unwrap()[0], [180, 20, 0]);
        assert!(lost(&[&cell, &super::super::tests::cell("a", 1, 2)]).is_none());
    }

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
