//! The numbers of single cells in a long table (`results.parquet`).

use std::{collections::BTreeMap, fs::File, path::Path};

use cl_metrics::summary::BySeed;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};

/// Values by label and quantity, and the labels in the order of the file.
pub struct Rows {
    labels: Vec<String>,
    values: BTreeMap<(String, String), BTreeMap<u64, Option<f64>>>,
}

impl Rows {
    /// Reads the rows that are of a whole cell: those with a seed and without a task, class, timestep and so on.
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reader = SerializedFileReader::new(file).unwrap();
        let mut rows = Self { labels: Vec::new(), values: BTreeMap::new() };
        for row in reader.get_row_iter(None).unwrap() {
            rows.add(&row.unwrap());
        }
        rows
    }

    fn add(&mut self, row: &Row) {
        let field = |name: &str| row.get_column_iter().find(|(key, _)| *key == name).map(|(_, field)| field);
        let text = |name: &str| match field(name) {
            Some(Field::Str(text)) => Some(text.clone()),
            _ => None,
        };
        let places =
            ["after_task", "on_task", "bin", "t_low", "threshold", "block", "class", "step", "other"];
        let is_whole = places.iter().all(|name| matches!(field(name), None | Some(Field::Null)));
        let (Some(label), Some(metric), true) = (text("label"), text("metric"), is_whole) else { return };
        let seed = match field("seed") {
            Some(Field::Long(seed)) => u64::try_from(*seed).unwrap(),
            Some(Field::ULong(seed)) => *seed,
            _ => return,
        };
        if text("statistic").as_deref() != Some("value") {
            return;
        }
        if !self.labels.contains(&label) {
            self.labels.push(label.clone());
        }
        let value = match field("value") {
            Some(Field::Double(value)) => Some(*value),
            _ => None,
        };
        self.values.entry((label, metric)).or_default().insert(seed, value);
    }

    /// The labels, in the order of the results.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// A quantity of a label, by seed; nothing if any seed has none, so that no average leaves a lost cell out.
    pub fn of(&self, label: &str, metric: &str) -> BySeed {
        let found = self.values.get(&(label.to_owned(), metric.to_owned()));
        let whole = found.filter(|values| values.values().all(Option::is_some));
        whole.into_iter().flatten().filter_map(|(seed, value)| Some((*seed, (*value)?))).collect()
    }

    /// How many seeds a label has.
    pub fn seeds(&self, label: &str) -> Vec<u64> {
        let of_label = self.values.iter().filter(|((of, _), _)| of == label);
        let mut seeds: Vec<u64> = of_label.flat_map(|(_, values)| values.keys().copied()).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }
}
