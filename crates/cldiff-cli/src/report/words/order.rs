//! Two strategies that bits per dimension and FID put in opposite orders.

use std::cmp::Ordering;

use crate::{
    quantities::{
        cells::competitors,
        columns::{Column, qualities},
    },
    report::simultaneous::Family,
    results::{CellResult, Results},
};

/// Degrees of freedom of errors over some dozens of images or samples and more, whose number is not at hand here.
const MANY: f64 = 100.0;

/// The two competing strategies of opposite orders whose FIDs are farthest apart, in a sentence: in each seed that they have,
/// both differences are beyond the errors over samples and over images, which allow for the search over all pairs.
pub(super) fn opposite(results: &Results) -> Option<String> {
    let columns = qualities(results);
    let named = |key: &str| columns.iter().find(|column| column.key == key);
    let (fid, bits) = (named("fid.final_average")?, named("bpd.final_average")?);
    let all = competitors(results);
    let family = Family { tests: all.len() * all.len().saturating_sub(1) };
    let mut found: Vec<(f64, String)> = Vec::new();
    for (i, (a, of_a)) in all.iter().enumerate() {
        for (b, of_b) in &all[i + 1..] {
            for ((less, fewer), (more, others)) in [((a, of_a), (b, of_b)), ((b, of_b), (a, of_a))] {
                // `less` has fewer bits and the higher FID.
                let is_so = each_seed(fewer, others, |x, y| {
                    sign(bits, x, y, family) == Ordering::Less && sign(fid, x, y, family) == Ordering::Greater
                });
                if is_so {
                    found.extend(sentence((less, fewer), (more, others), fid, bits));
                }
            }
        }
    }
    found.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, sentence)| sentence)
}

/// Whether two strategies have the same seeds, and something holds for each.
fn each_seed(a: &[&CellResult], b: &[&CellResult], holds: impl Fn(&CellResult, &CellResult) -> bool) -> bool {
    let of_seed = |seed: u64| b.iter().find(|cell| cell.seed == seed);
    a.len() == b.len() && a.iter().all(|cell| of_seed(cell.seed).is_some_and(|other| holds(cell, other)))
}

/// The sign of a difference between two cells; equal if its errors do not tell it. Cells share images, so that the sum of the
/// two errors is the largest that their difference can have.
fn sign(column: &Column, a: &CellResult, b: &CellResult, family: Family) -> Ordering {
    let judged = || {
        let error = column.error_over_samples(a)? + column.error_over_samples(b)?;
        Some(family.over_images(column.of(a)? - column.of(b)?, error, MANY).sign)
    };
    judged().unwrap_or(Ordering::Equal)
}

/// The factor between the FIDs, and the sentence.
fn sentence(
    (less, fewer): (&str, &[&CellResult]),
    (more, others): (&str, &[&CellResult]),
    fid: &Column,
    bits: &Column,
) -> Option<(f64, String)> {
    let runs =
        if fewer.len() == 1 { "in one run".to_owned() } else { format!("in each of {} seeds", fewer.len()) };
    let shown = |column: &Column, cells: &[&CellResult]| column.format(column.mean(cells));
    let factor = fid.mean(fewer)? / fid.mean(others)?.max(1e-9);
    Some((
        factor,
        format!(
            "Bits per dimension and FID put {less} and {more} in opposite orders ({runs}): {less} has fewer bits per dimension \
             ({} against {}) and a higher FID ({} against {}), final averages.",
            shown(bits, fewer),
            shown(bits, others),
            shown(fid, fewer),
            shown(fid, others)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{cell, input};

    /// Values and their errors of FID and bits per dimension.
    fn results(values: &[(&str, [f64; 2], [f64; 2])], seeds: u64) -> Results {
        let of = |(label, fid, bits): &(&str, [f64; 2], [f64; 2]), seed| {
            let mut cell = cell(label, seed, 1);
            for (metric, [value, error]) in [("fid", *fid), ("bpd", *bits)] {
                cell.summary.insert(format!("{metric}.final_average"), Some(value));
                cell.standard_errors.insert(metric.into(), vec![vec![Some(error)]]);
            }
            cell
        };
        let cells = values.iter().flat_map(|values| (0..seeds).map(move |seed| of(values, seed)));
        input(cells.collect(), 1).results
    }

    #[test]
    fn the_pair_with_the_greatest_factor_is_told() {
        let found = opposite(&results(
            &[
                ("lost", [139.0, 1.0], [4.3, 0.05]),
                ("copies", [16.0, 0.4], [6.7, 0.1]),
                ("some", [40.0, 0.4], [5.0, 0.05]),
                ("good", [9.0, 0.4], [3.0, 0.05]),
            ],
            2,
        ));
        let found = found.unwrap();
        assert!(found.contains("put lost and copies in opposite orders (in each of 2 seeds)"), "{found}");
        assert!(found.contains("lost has fewer bits per dimension (4.300 against 6.700)"), "{found}");
        assert!(found.contains("a higher FID (139.00 against 16.00)"), "{found}");
    }

    /// Two statements: 2.3 times the sum of the errors are needed. A strategy without an error has no order.
    #[test]
    fn an_order_that_the_errors_do_not_tell_is_none() {
        let of = |error: f64| {
            opposite(&results(&[("a", [20.0, 0.1], [4.0, error]), ("b", [10.0, 0.1], [5.0, error])], 1))
        };
        assert!(of(0.1).is_some_and(|found| found.contains("(in one run)")));
        assert_eq!(of(0.3), None);
        let mut lost = results(&[("a", [20.0, 0.1], [4.0, 0.1]), ("b", [10.0, 0.1], [5.0, 0.1])], 1);
        lost.cells[0].standard_errors.remove("bpd");
        assert_eq!(opposite(&lost), None);
        // The same order.
        let same = results(&[("a", [20.0, 0.1], [5.0, 0.1]), ("b", [10.0, 0.1], [4.0, 0.1])], 1);
        assert_eq!(opposite(&same), None);
    }
}
