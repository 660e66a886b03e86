//! The sections of the readings: classes that were lost and what took their place, classes that were removed, training on
//! samples, curves within experiences, drift. Each is there if a cell has the reading.

mod classes;
pub(super) mod headings;
mod removed;
mod within;

use anyhow::Result;
use minijinja::{Value, context};

use self::classes::class_name;
use super::{
    charts::by_strategy,
    lines::{Axes, chart},
    sections,
};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CasResult, CellResult, DriftResult, Results},
};

const SIZE: (u32, u32) = (588, 330);

/// The readings that the template shows; absent where no cell has them.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn sections(results: &Results) -> Result<Value> {
    let all = strategies(results);
    Ok(context! {
        classes => sections::optional_figures(&all, classes::confusion_map)?,
        lost => all.iter().filter_map(|(label, cells)| classes::lost_words(label, cells)).collect::<Vec<_>>(),
        class_rows => all.iter().flat_map(|(label, cells)| classes::rows(label, cells)).collect::<Vec<_>>(),
        removed => removed::section(&all),
        cas => cas(results),
        within => within::section(results)?,
        drift => drift(results)?,
    })
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

/// # Errors
/// If plotters cannot draw it.
fn drift(results: &Results) -> Result<Option<Value>> {
    let Some(first) = results.cells.iter().find_map(|cell| cell.readings.drift.as_ref()) else {
        return Ok(None);
    };
    let of_task_1 = |cells: &[&CellResult], values: fn(&DriftResult) -> &Vec<Vec<Option<f64>>>, k: usize| {
        let of =
            |cell: &&CellResult| values(cell.readings.drift.as_ref()?).get(k)?.first().copied().flatten();
        mean(cells.iter().map(of))
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
        y: "relative drift",
        tasks: true,
        zero: true,
    };
    Ok(Some(context! { samples => first.samples, chart => chart(SIZE, &axes, &lines)? }))
}
