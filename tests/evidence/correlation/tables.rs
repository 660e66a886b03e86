//! The tables of a correlation in Markdown.

use std::fmt::Write;

use cl_metrics::summary::Interval;

use super::{Cell, Found};
use crate::{
    number::{fixed, listed},
    spec::{Correlation, With},
};

/// The number of cells in the table of those whose ranks differ most.
const MOST: usize = 10;

/// A correlation with its interval.
pub fn text(found: &Found, digits: usize) -> String {
    let Interval { low, high } = found.interval;
    format!("{} ({} to {})", fixed(found.correlation, digits), fixed(low, digits), fixed(high, digits))
}

/// The correlation of the labels' means with its interval.
pub fn text_of_means(found: &Found, digits: usize) -> String {
    let (correlation, Interval { low, high }) = found.of_means();
    format!("{} ({} to {})", fixed(correlation, digits), fixed(low, digits), fixed(high, digits))
}

/// The correlations with all other quantities.
pub fn correlations(of: &Correlation, found: &[(&With, Found)]) -> String {
    let mut text = format!(
        "| {} with | rank correlation | cells | strategies | below 0, and the other above | above 0, and the other below |\n\
         |---|---|---|---|---|---|\n",
        of.title
    );
    for (with, found) in found {
        let labels = found.labels().count();
        let of = self::text(found, 2);
        let (below, above) = found.opposite();
        writeln!(text, "| {} | {of} | {} | {labels} | {below} | {above} |", with.title, found.cells.len())
            .unwrap();
    }
    let mut about = "Spearman's rank correlation over cells (strategy and seed), without bounds. In parentheses: 95 % interval by a \
        bootstrap that resamples strategies, 10,000 draws, percentiles. The last two columns count cells; chance alone makes some of them near 0."
        .to_owned();
    if of.experiments.len() > 1 {
        about += " Values are ranked within their experiment.";
    }
    if !of.without.is_empty() {
        let names: Vec<String> = of.without.iter().map(|label| format!("`{label}`")).collect();
        write!(about, " Without {}: {}", listed(&names), of.why).unwrap();
    }
    let mut left_out: Vec<String> = found.iter().flat_map(|(_, found)| found.left_out.clone()).collect();
    left_out.sort_unstable();
    left_out.dedup();
    if !left_out.is_empty() {
        write!(about, " Left out, since a seed has no value: {}.", listed(&left_out)).unwrap();
    }
    format!("{text}\n*{about}*\n")
}

/// The cells whose two ranks differ most, of each other quantity.
pub fn disagreements(of: &Correlation, found: &[(&With, Found)]) -> String {
    let mut text = String::new();
    for (with, found) in found {
        let (a, b) = (&of.title, &with.title);
        writeln!(text, "| strategy | seed | {a} | its rank | {b} | its rank |\n|---|---|---|---|---|---|")
            .unwrap();
        let difference = |cell: &Cell| (cell.ranks.0 - cell.ranks.1).abs();
        let mut cells: Vec<&Cell> = found.cells.iter().collect();
        cells.sort_by(|a, b| difference(b).total_cmp(&difference(a)));
        for cell in cells.into_iter().take(MOST) {
            let Cell { label, seed, values, ranks, .. } = cell;
            let [a, b] = [values.0, values.1].map(|value| fixed(value, 3));
            writeln!(text, "| `{label}` | {seed} | {a} | {} | {b} | {} |", ranks.0, ranks.1).unwrap();
        }
        text += "\n";
    }
    let n = found.first().map_or(0, |(_, found)| found.cells.len());
    format!(
        "{text}*The {MOST} of {n} cells whose two ranks differ most, for each quantity. Rank 1 has the lowest value.*\n"
    )
}

#[cfg(test)]
mod tests {
    use cl_strategies::Family;

    use super::*;

    fn found() -> Found {
        let cell = |label: &str, seed, values, ranks| Cell {
            experiment: 0,
            label: label.into(),
            family: Family::Other,
            seed,
            values,
            ranks,
        };
        let cells = vec![cell("near", 0, (-0.1, 1.0), (1.0, 2.0)), cell("far", 7, (0.2, 0.5), (2.5, 1.0))];
        Found {
            correlation: 0.5,
            interval: Interval { low: -0.25, high: 0.75 },
            cells,
            left_out: vec!["lost".into()],
        }
    }

    #[test]
    fn the_tables_have_both_ranks_and_the_labels_that_are_left_out() {
        let of: Correlation = toml::from_str(
            "name = \"n\"\nexperiments = [\"one\"]\nmetric = \"a\"\ntitle = \"bits\"\nwith = [{ name = \"fid\", metric = \"b\", title = \"FID\" }]",
        )
        .unwrap();
        let found = [(&of.with[0], found())];
        let table = correlations(&of, &found);
        assert!(table.contains("| FID | 0.50 (-0.25 to 0.75) | 2 | 2 | 1 | 0 |"), "{table}");
        assert!(table.contains("no value: lost."), "{table}");
        let table = disagreements(&of, &found);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[2..4],
            ["| `far` | 7 | 0.200 | 2.5 | 0.500 | 1 |", "| `near` | 0 | -0.100 | 1 | 1.000 | 2 |"]
        );
    }
}
