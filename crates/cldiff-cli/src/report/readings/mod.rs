//! The sections of the readings: classes that were lost and what took their place, classes that were removed, training on
//! samples, curves within experiences, drift. Each is there if a cell has the reading.

mod classes;
pub(super) mod headings;
mod removed;
mod within;

use minijinja::{Value, context};

use self::classes::class_name;
pub(super) use self::{classes::confusion_map as class_map, within::chart as within};
use super::{
    charts::{TASKS, bars_note, by_strategy, deviation, notes},
    drawing::Figure,
    gallery::Gallery,
    lines::{Axis, Line, chart},
    scale::Kind,
};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CasResult, CellResult, DriftResult, Results},
};

/// The sections as the template needs them; absent where no cell has the reading.
pub(super) fn sections(results: &Results, gallery: &Gallery) -> Value {
    let all = strategies(results);
    context! {
        classes => gallery.figures("classes"),
        lost => all.iter().filter_map(|(label, cells)| classes::lost_words(label, cells)).collect::<Vec<_>>(),
        class_rows => all.iter().flat_map(|(label, cells)| classes::rows(label, cells)).collect::<Vec<_>>(),
        removed => removed::section(&all),
        cas => cas(results),
        within => within::section(results, gallery),
        drift => drift_section(results, gallery),
    }
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
        mean(found.iter().map(|cas| values(cas).last().copied().flatten()))
    };
    let shown = |value: Option<f64>, error: Option<f64>| match (value, error) {
        (Some(value), Some(error)) => format!("{value:.3} ± {error:.3} se"),
        _ => "–".to_owned(),
    };
    let of_class = |values: fn(&CasResult) -> &Vec<Vec<Option<f64>>>, class: usize| {
        mean(found.iter().map(|cas| values(cas).last()?.get(class).copied().flatten()))
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

fn drift_section(results: &Results, gallery: &Gallery) -> Option<Value> {
    let first = results.cells.iter().find_map(|cell| cell.readings.drift.as_ref())?;
    Some(context! { samples => first.samples, chart => gallery.pictures("drift").concat() })
}

/// The drift of the samples of task 1 after each later task; none where no cell has it.
pub(super) fn drift(results: &Results) -> Option<Figure> {
    let first = results.cells.iter().find_map(|cell| cell.readings.drift.as_ref())?;
    let of_task_1 = |cell: &CellResult, values: fn(&DriftResult) -> &Vec<Vec<Option<f64>>>, k: usize| {
        values(cell.readings.drift.as_ref()?).get(k)?.first().copied().flatten()
    };
    let lines = by_strategy(results, |look, cells| {
        let mut line = Line::new(look, Vec::new());
        for k in 1..first.relative.len() {
            let by_seed = || cells.iter().map(|cell| of_task_1(cell, |drift| &drift.relative, k));
            let Some(value) = mean(by_seed()) else { continue };
            let x = (k + 1) as f64;
            line.points.push((x, value));
            let error = || of_task_1(cells.first()?, |drift| &drift.relative_error, k);
            line.bars.extend(deviation(cells, by_seed(), error).map(|half| (x, value - half, value + half)));
        }
        line
    });
    let y = Axis { name: "relative drift", kind: Kind::WithZero };
    let notes = notes([bars_note(results, "samples"), None]);
    Some(chart("Drift of the samples of task 1", TASKS, y, &lines, notes))
}
