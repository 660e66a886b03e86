//! The numbers in a long table (`results.parquet`): of the run, of single cells, and of the cells' timesteps.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
};

use cl_metrics::summary::BySeed;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};

/// The columns that say of which part of a cell a number is.
const PLACES: [&str; 9] =
    ["after_task", "on_task", "bin", "t_low", "threshold", "block", "class", "step", "other"];

/// A number of the timesteps of a cell: in a bin, or over all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// The seed.
    pub seed: u64,
    /// After which task, from 0.
    pub after_task: usize,
    /// On which task, from 0.
    pub on_task: usize,
    /// The bin, its first timestep and one more than its last; none of all timesteps together.
    pub bin: Option<(usize, usize, usize)>,
    /// The number.
    pub value: Option<f64>,
}

/// Values by label and quantity, and the labels in the order of the file.
#[derive(Debug, Default)]
pub struct Rows {
    labels: Vec<String>,
    strategies: BTreeMap<String, String>,
    run: BTreeMap<String, Vec<f64>>,
    values: BTreeMap<(String, String), BTreeMap<u64, Option<f64>>>,
    parts: BTreeMap<(String, String), Vec<Part>>,
    log_snr: BTreeMap<usize, f64>,
}

impl Rows {
    /// Reads the files of an experiment: one run, or several with other seeds.
    ///
    /// # Panics
    /// For a file that cannot be read, and for a cell that is in two files.
    pub fn read(paths: &[PathBuf]) -> Self {
        let mut rows = Self::default();
        let mut cells = BTreeSet::new();
        for path in paths {
            let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let reader = SerializedFileReader::new(file).unwrap();
            let mut here = BTreeSet::new();
            for row in reader.get_row_iter(None).unwrap() {
                let row = row.unwrap();
                here.extend(text(&row, "label").zip(number(&row, "seed")));
                rows.add(&row);
            }
            let twice = cells.intersection(&here).next();
            assert!(twice.is_none(), "{}: {twice:?} is in another file too", path.display());
            cells.extend(here);
        }
        rows.add_method_evaluations();
        rows
    }

    fn add(&mut self, row: &Row) {
        if text(row, "statistic").as_deref() != Some("value") {
            return;
        }
        let Some(metric) = text(row, "metric") else { return };
        let is_whole = PLACES.iter().all(|name| field(row, name).is_none());
        let value = match field(row, "value") {
            Some(Field::Double(value)) => Some(*value),
            _ => None,
        };
        let (Some(label), Some(seed)) = (text(row, "label"), number(row, "seed")) else {
            if let Some(value) = value.filter(|_| is_whole) {
                self.run.entry(metric).or_default().push(value);
            }
            return;
        };
        let seed = seed as u64;
        if is_whole {
            self.add_value(label, text(row, "strategy"), metric, seed, value);
        } else if metric == "timestep.log_snr" {
            self.log_snr.extend(number(row, "t_low").zip(value));
        } else if metric.starts_with("timestep_forgetting.") {
            self.add_part(label, metric, seed, value, row);
        }
    }

    /// Adds a value of a whole cell.
    pub fn add_value(
        &mut self,
        label: String,
        strategy: Option<String>,
        metric: String,
        seed: u64,
        value: Option<f64>,
    ) {
        if !self.labels.contains(&label) {
            self.labels.push(label.clone());
        }
        self.strategies.extend(strategy.map(|strategy| (label.clone(), strategy)));
        self.values.entry((label, metric)).or_default().insert(seed, value);
    }

    /// Adds `cost.method_evaluations` to cells of earlier versions, which have what it follows from.
    fn add_method_evaluations(&mut self) {
        const NAME: &str = "cost.method_evaluations";
        let value = |label: &str, name: &str, seed: u64| {
            let found = self.values.get(&(label.to_owned(), format!("cost.{name}")))?;
            found.get(&seed).copied()?
        };
        let mut added = Vec::new();
        for label in &self.labels {
            for seed in self
                .seeds(label)
                .into_iter()
                .filter(|seed| value(label, "method_evaluations", *seed).is_none())
            {
                let of = |name: &str| value(label, name, seed);
                let passes = (|| {
                    Some(of("denoiser_evaluations")? - of("sampling_passes")? - of("evaluation_passes")?)
                })();
                added.push((label.clone(), seed, passes));
            }
        }
        for (label, seed, passes) in added {
            self.add_value(label, None, NAME.into(), seed, passes);
        }
    }

    fn add_part(&mut self, label: String, metric: String, seed: u64, value: Option<f64>, row: &Row) {
        let place = |name| number(row, name);
        let (Some(after_task), Some(on_task)) = (place("after_task"), place("on_task")) else { return };
        let bin =
            place("bin").zip(place("t_low").zip(place("t_high"))).map(|(bin, (low, high))| (bin, low, high));
        self.push_part(label, metric, Part { seed, after_task, on_task, bin, value });
    }

    /// Adds a number of the timesteps.
    pub fn push_part(&mut self, label: String, metric: String, part: Part) {
        self.parts.entry((label, metric)).or_default().push(part);
    }

    /// The labels, in the order of the results.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The terms of a label's strategy.
    pub fn strategy(&self, label: &str) -> &str {
        self.strategies.get(label).map_or("", String::as_str)
    }

    /// A quantity of the run; the mean over the runs, if there are several.
    pub fn of_run(&self, metric: &str) -> Option<f64> {
        let values = self.run.get(metric)?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// A quantity of a label, by seed; nothing if any seed has none, so that no average leaves a lost cell out.
    pub fn of(&self, label: &str, metric: &str) -> BySeed {
        let found = self.values.get(&(label.to_owned(), metric.to_owned()));
        let whole = found.filter(|values| values.values().all(Option::is_some));
        whole.into_iter().flatten().filter_map(|(seed, value)| Some((*seed, (*value)?))).collect()
    }

    /// The seeds of a label.
    pub fn seeds(&self, label: &str) -> Vec<u64> {
        let of_label = self.values.iter().filter(|((of, _), _)| of == label);
        let seeds: BTreeSet<u64> = of_label.flat_map(|(_, values)| values.keys().copied()).collect();
        seeds.into_iter().collect()
    }

    /// The numbers of a label in a quantity of the timesteps.
    pub fn parts(&self, label: &str, metric: &str) -> &[Part] {
        self.parts.get(&(label.to_owned(), metric.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// All numbers of a quantity of the timesteps.
    pub fn all_parts<'r>(&'r self, metric: &'r str) -> impl Iterator<Item = &'r Part> {
        self.parts.iter().filter(move |((_, of), _)| of == metric).flat_map(|(_, parts)| parts)
    }

    /// The log of the signal-to-noise ratio at a timestep that is the edge of a bin.
    pub fn log_snr(&self, t: usize) -> Option<f64> {
        self.log_snr.get(&t).copied().filter(|value| value.is_finite())
    }
}

fn field<'r>(row: &'r Row, name: &str) -> Option<&'r Field> {
    let found = row.get_column_iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    found.filter(|field| **field != Field::Null)
}

fn text(row: &Row, name: &str) -> Option<String> {
    match field(row, name) {
        Some(Field::Str(text)) => Some(text.clone()),
        _ => None,
    }
}

fn number(row: &Row, name: &str) -> Option<usize> {
    match field(row, name) {
        Some(Field::Long(number)) => usize::try_from(*number).ok(),
        Some(Field::ULong(number)) => usize::try_from(*number).ok(),
        Some(Field::Int(number)) => usize::try_from(*number).ok(),
        _ => None,
    }
}
