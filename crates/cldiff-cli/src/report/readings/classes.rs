//! The classes that took the place of lost ones: the confusion of classes asked for and seen, in a picture, in words and in a
//! table.

use cl_metrics::readings::{accuracies, taken_by};
use minijinja::{Value, context};

use super::super::{drawing::Figure, heat_map::HeatMap, palette};
use crate::{
    quantities::cells::mean,
    results::{CellResult, Matrix},
};

/// Standard errors of a difference beyond which a class is told to be lost: for a normal distribution 2 in 10,000, so that
/// some 200 classes and strategies together err in 5 % of reports.
const DOUBT: f64 = 3.5;

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

pub(super) fn class_name(cells: &[&CellResult], class: usize) -> String {
    cells[0].readings.class_names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// The classes that samples were asked of at the end.
fn asked(confusion: &[Vec<usize>]) -> Vec<usize> {
    (0..confusion.len()).filter(|&class| confusion[class].iter().sum::<usize>() > 0).collect()
}

/// The share of samples of each class in which the classifier sees each class, at the end; none where classes were not read.
pub(in super::super) fn confusion_map(cells: &[&CellResult]) -> Option<Figure> {
    let counts = last(cells).and_then(|k| confusion(cells, k))?;
    let classes = asked(&counts);
    let share = |asked: usize, seen: usize| {
        Some(counts[asked][seen] as f64 / counts[asked].iter().sum::<usize>() as f64)
    };
    let letters = if classes.len() > 12 { 4 } else { 8 };
    let short = |&class: &usize| class_name(cells, class).chars().take(letters).collect::<String>();
    let map = HeatMap {
        title: format!("classes seen in the samples of each class, under {}", cells[0].label),
        column_labels: classes.iter().map(short).collect(),
        row_labels: classes.iter().map(short).collect(),
        axes: ("class seen", "asked for"),
        values: classes.iter().map(|&a| classes.iter().map(|&s| share(a, s)).collect()).collect(),
        colour: &palette::sequential,
        format: &|v| format!("{:.0}", 100.0 * v),
        notes: Vec::new(),
        cell: (if classes.len() > 12 { 34 } else { 54 }, 24),
    };
    let about = "Percent of the samples of a class, all seeds together, at the end of the stream.";
    Some(Figure { notes: vec![about.into()], ..map.draw() })
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

/// The number of lost classes; none where classes were not read.
pub(super) fn lost_count(cells: &[&CellResult]) -> Option<usize> {
    lost(cells).map(|lost| lost.len())
}

pub(super) fn lost_words(label: &str, cells: &[&CellResult]) -> Option<String> {
    let lost = lost(cells)?;
    if lost.is_empty() {
        return Some(format!("{label}: no class counts as lost."));
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

pub(super) fn rows(label: &str, cells: &[&CellResult]) -> Vec<Value> {
    let Some(end) = last(cells) else { return Vec::new() };
    let counts: Option<Vec<_>> = (0..=end).map(|k| confusion(cells, k)).collect();
    let Some(counts) = counts else { return Vec::new() };
    let shown = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let row = |class: usize| {
        let learned = counts.iter().find_map(|of_k| accuracies(of_k).classes[class]);
        // A class without a value under one seed has none over all.
        let of = |matrix: fn(&CellResult) -> &Matrix| {
            mean(cells.iter().map(|cell| matrix(cell).get(end)?.get(class).copied().flatten()))
        };
        let error = of(|cell| &cell.readings.class_fid_error);
        let error = error.map_or_else(String::new, |error| format!(" ± {error:.2} se"));
        context! {
            label => label,
            class => class_name(cells, class),
            samples => counts[end][class].iter().sum::<usize>() / cells.len(),
            learned => shown(learned, 3),
            accuracy => shown(accuracies(&counts[end]).classes[class], 3),
            fid => shown(of(|cell| &cell.readings.class_fid), 2) + &error,
        }
    };
    asked(&counts[end]).into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::super::tests::cell, *};

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
        assert_eq!(lost_words("a", &[&few]).unwrap(), "a: no class counts as lost.");
        assert_eq!(lost_words("a", &[&super::super::super::tests::cell("a", 0, 2)]), None);
        // Two seeds are counted together, and one without classes leaves nothing to tell.
        assert_eq!(confusion(&[&cell, &cell], 0).unwrap()[0], [180, 20, 0]);
        assert!(lost(&[&cell, &super::super::super::tests::cell("a", 1, 2)]).is_none());
    }
}
