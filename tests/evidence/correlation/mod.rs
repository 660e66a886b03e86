//! Rank correlations over cells (label and seed) between one quantity and others, with scatter plots, and the cells whose
//! ranks differ most.
//!
//! Bounds, and the labels that `without` names, are left out. A label of which a seed lacks a value is left out and named.

mod bootstrap;
mod ranks;
mod tables;

use std::collections::BTreeMap;

use cl_metrics::summary::{Interval, over_seeds};
use cl_strategies::Family;
use cldiff_cli::report::plot::{Axis, Form, Hue, Kind, Series, svg};
use cldiff_engine::StrategySpec;

use super::{
    experiments::Experiments,
    spec::{Correlation, With},
};
use bootstrap::{Cluster, correlation_of, interval};
use ranks::average_ranks;

#[cfg(test)]
pub use ranks::spearman;
pub use tables::{correlations, disagreements, text, text_of_means};

/// A cell with its two values, and their ranks among the cells of its experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    experiment: usize,
    label: String,
    family: Family,
    seed: u64,
    values: (f64, f64),
    ranks: (f64, f64),
}

impl Found {
    /// The number of cells that are better in the one quantity and worse in the other: less than 0, and more.
    pub fn opposite(&self) -> (usize, usize) {
        let count = |is: fn(f64, f64) -> bool| {
            self.cells.iter().filter(|cell| is(cell.values.0, cell.values.1)).count()
        };
        (count(|a, b| a < 0.0 && b > 0.0), count(|a, b| a > 0.0 && b < 0.0))
    }

    /// The numbers of cells that are better in the one quantity and worse in the other, seed by seed.
    pub fn opposite_by_seed(&self) -> Vec<usize> {
        let mut counts: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for cell in &self.cells {
            let is_opposite = cell.values.0 < 0.0 && cell.values.1 > 0.0;
            *counts.entry((cell.experiment, cell.seed)).or_default() += usize::from(is_opposite);
        }
        counts.into_values().collect()
    }

    /// The rank correlation of the labels' means over their seeds, with its interval by the same bootstrap. The noise of single
    /// seeds is less in it.
    pub fn of_means(&self) -> (f64, Interval) {
        let experiments = self.cells.chunk_by(|a, b| a.experiment == b.experiment);
        let mean =
            |cells: &[Cell], of: fn(&Cell) -> f64| cells.iter().map(of).sum::<f64>() / cells.len() as f64;
        let one =
            |cells: &[Cell]| vec![(mean(cells, |cell| cell.values.0), mean(cells, |cell| cell.values.1))];
        let clusters: Vec<Vec<Cluster>> =
            experiments.map(|cells| cells.chunk_by(|a, b| a.label == b.label).map(one).collect()).collect();
        (correlation_of(&clusters), interval(&clusters))
    }

    /// The labels whose 95 % t intervals over the seeds say so: that of the one quantity is below 0, and that of the other above.
    pub fn opposite_labels(&self) -> Vec<String> {
        let is_opposite = |cells: &&[Cell]| {
            let interval =
                |of: fn(&Cell) -> f64| over_seeds(cells.iter().map(of)).and_then(|over| over.interval());
            let (a, b) = (interval(|cell| cell.values.0), interval(|cell| cell.values.1));
            a.is_some_and(|a| a.high < 0.0) && b.is_some_and(|b| b.low > 0.0)
        };
        self.labels().filter(is_opposite).map(|cells| cells[0].label.clone()).collect()
    }

    /// The cells label by label.
    pub fn labels(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunk_by(|a, b| (a.experiment, &a.label) == (b.experiment, &b.label))
    }
}

/// A rank correlation, with the cells behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Spearman's rank correlation.
    pub correlation: f64,
    /// The 95 % interval by a bootstrap that resamples labels.
    pub interval: Interval,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Labels that are left out because a seed lacks a value.
    pub left_out: Vec<String>,
}

/// The correlation with one of the other quantities; none while an experiment of it is running.
pub fn found(of: &Correlation, with: &With, all: &Experiments) -> Option<Found> {
    let (mut cells, mut left_out) = (Vec::new(), Vec::new());
    for (i, name) in of.experiments.iter().enumerate() {
        let (spec, rows) = all.get(name);
        let rows = rows?;
        let is_in = |label: &&String| spec.competes(label) && !of.without.contains(label);
        for label in rows.labels().iter().filter(is_in) {
            let (a, b) = (rows.of(label, &of.metric), rows.of(label, &with.metric));
            if a.is_empty() || !a.keys().eq(b.keys()) {
                left_out.push(label.clone());
                continue;
            }
            let family = StrategySpec::family_named(rows.strategy(label));
            cells.extend(a.iter().map(|(seed, a)| Cell {
                experiment: i,
                label: label.clone(),
                family,
                seed: *seed,
                values: (*a, b[seed]),
                ranks: (0.0, 0.0),
            }));
        }
    }
    rank(&mut cells);
    let clusters = clusters(&cells);
    let correlation = correlation_of(&clusters);
    Some(Found { correlation, interval: interval(&clusters), cells, left_out })
}

fn rank(cells: &mut [Cell]) {
    for of_experiment in cells.chunk_by_mut(|a, b| a.experiment == b.experiment) {
        let a: Vec<f64> = of_experiment.iter().map(|cell| cell.values.0).collect();
        let b: Vec<f64> = of_experiment.iter().map(|cell| cell.values.1).collect();
        let ranks = average_ranks(&a).into_iter().zip(average_ranks(&b));
        of_experiment.iter_mut().zip(ranks).for_each(|(cell, ranks)| cell.ranks = ranks);
    }
}

/// The values by experiment and label.
fn clusters(cells: &[Cell]) -> Vec<Vec<Cluster>> {
    let of_label = |cells: &[Cell]| cells.iter().map(|cell| cell.values).collect();
    cells
        .chunk_by(|a, b| a.experiment == b.experiment)
        .map(|cells| cells.chunk_by(|a, b| a.label == b.label).map(of_label).collect())
        .collect()
}

/// The title of the scatter plot, with a capital.
pub fn title(of: &Correlation, with: &With) -> String {
    let text = format!("{} and {}", of.title, with.title);
    let first = text.chars().next().map_or(0, char::len_utf8);
    text[..first].to_uppercase() + &text[first..]
}

/// The scatter plot: a point a cell, in the colour of its family.
pub fn figure(of: &Correlation, with: &With, found: &Found) -> String {
    let mut families: BTreeMap<Family, Vec<(f64, f64)>> = BTreeMap::new();
    for cell in &found.cells {
        families.entry(cell.family).or_default().push(cell.values);
    }
    let series = families.into_iter().enumerate().map(|(marker, (family, points))| Series {
        form: Form::Scattered,
        ..Series::joined(family.to_string(), Hue::Family(family), marker, points)
    });
    let kind = Kind::WithZero;
    let (x, y) = (Axis { name: &of.title, kind }, Axis { name: &with.title, kind });
    let note = format!("A point a cell (strategy and seed). Rank correlation {}.", text(found, 2));
    svg(&title(of, with), x, y, &series.collect::<Vec<_>>(), vec![note])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rows::Rows, test_data::experiment};

    const LINES: &str = "bounds = [\"joint\"]\n[[correlation]]\nname = \"bits\"\nexperiments = [\"one\"]\nmetric = \"a\"\n\
        without = [\"without\"]\ntitle = \"bits\"\nwith = [{ name = \"fid\", metric = \"b\", title = \"FID\" }]";

    #[test]
    fn a_label_is_opposite_if_both_intervals_say_so() {
        let label = |label: &str, values: [(f64, f64); 3]| {
            let cell = |(seed, values): (u64, (f64, f64))| {
                let (label, family) = (label.to_owned(), Family::Other);
                Cell { experiment: 0, label, family, seed, values, ranks: (0.0, 0.0) }
            };
            (0..).zip(values).map(cell).collect::<Vec<_>>()
        };
        let cells = [
            label("opposite", [(-1.0, 2.0), (-1.1, 2.1), (-0.9, 1.9)]),
            label("in doubt", [(-1.0, 2.0), (-9.0, 2.1), (-0.1, 1.9)]),
            label("alike", [(1.0, 2.0), (1.1, 2.1), (0.9, 1.9)]),
        ];
        let interval = Interval { low: 0.0, high: 0.0 };
        let found = Found { correlation: 0.0, interval, cells: cells.concat(), left_out: Vec::new() };
        assert_eq!(found.opposite_labels(), ["opposite"]);
        assert_eq!(found.opposite(), (6, 0));
        assert_eq!(found.opposite_by_seed(), [2, 2, 2]);
    }

    fn experiments() -> Experiments {
        let mut rows = Rows::default();
        let mut add = |label: &str, strategy: &str, a: [f64; 2], b: [Option<f64>; 2]| {
            for seed in [0, 1] {
                let place = |metric: &str| (label.to_owned(), Some(strategy.to_owned()), metric.to_owned());
                let (of, terms, metric) = place("a");
                rows.add_value(of, terms, metric, seed, Some(a[seed as usize]));
                let (of, terms, metric) = place("b");
                rows.add_value(of, terms, metric, seed, b[seed as usize]);
            }
        };
        add("finetune", "finetune", [9.0, 8.0], [Some(90.0), Some(95.0)]);
        add("r", "replay", [1.0, 2.0], [Some(10.0), Some(-9.0)]);
        add("without", "replay", [-7.0, 0.0], [Some(0.0), Some(70.0)]);
        add("lost", "ewc", [3.0, 4.0], [Some(1.0), None]);
        add("joint", "joint", [-50.0, 50.0], [Some(50.0), Some(-50.0)]);
        Experiments::of(vec![("one".into(), experiment(LINES), Some(rows))])
    }

    /// The ranks are (4, 3), (3, 4), (1, 2), (2, 1): 1 - 6 (4 x 1) / (4 x 15) = 0.6.
    #[test]
    fn cells_are_ranked_without_bounds_and_lost_labels() {
        let all = experiments();
        let of = &all.get("one").0.correlations[0];
        let found = found(of, &of.with[0], &all).unwrap();
        assert!((found.correlation - 0.6).abs() < 1e-12);
        assert_eq!((found.cells.len(), found.left_out.as_slice()), (4, &["lost".to_owned()][..]));
        let ranks: Vec<(f64, f64)> = found.cells.iter().map(|cell| cell.ranks).collect();
        assert_eq!(ranks, [(4.0, 3.0), (3.0, 4.0), (1.0, 2.0), (2.0, 1.0)]);
        assert_eq!((found.opposite(), found.opposite_by_seed()), ((0, 1), vec![0, 0]));
        // The means are (8.5, 92.5) and (1.5, 0.5).
        assert!((found.of_means().0 - 1.0).abs() < 1e-12);
        let figure = figure(of, &of.with[0], &found);
        // A point a cell, and one in the legend; the first family has discs.
        assert_eq!(figure.matches("<circle").count(), 3);
        assert!(figure.contains("<title>Bits and FID</title>"));
    }
}
