//! The numbers that tables and figures are made of.

use crate::results::{CellResult, Matrix, Results};

/// A column of the table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// Whether it is about quality (else about cost).
    pub quality: bool,
    /// Whether more is better.
    pub higher: bool,
    decimals: usize,
    value: fn(&CellResult) -> Option<f64>,
}

impl Column {
    /// The value of one cell.
    pub fn of(&self, cell: &CellResult) -> Option<f64> {
        (self.value)(cell).filter(|v| v.is_finite())
    }

    /// The mean over the cells of a strategy (its seeds).
    pub fn mean(&self, cells: &[&CellResult]) -> Option<f64> {
        mean(cells.iter().filter_map(|cell| self.of(cell)))
    }

    /// The standard deviation over the cells of a strategy; none for fewer than two.
    pub fn deviation(&self, cells: &[&CellResult]) -> Option<f64> {
        let values: Vec<f64> = cells.iter().filter_map(|cell| self.of(cell)).collect();
        let average = mean(values.iter().copied())?;
        let squares: f64 = values.iter().map(|v| (v - average).powi(2)).sum();
        (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
    }

    /// A value as it is shown.
    pub fn format(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |v| format!("{v:.*}", self.decimals))
    }
}

/// The columns: quality first, then cost.
pub fn columns() -> Vec<Column> {
    let quality = |title, meaning, higher, decimals, value| Column {
        title,
        meaning,
        quality: true,
        higher,
        decimals,
        value,
    };
    let cost = |title, meaning, decimals, value| Column {
        title,
        meaning,
        quality: false,
        higher: false,
        decimals,
        value,
    };
    vec![
        quality("FID", "mean over tasks of the FID on the task after the last task", false, 2, |c| {
            summary(c, "fid.final_average")
        }),
        quality(
            "FID pooled",
            "FID of all samples against the data of all tasks, after the last task",
            false,
            2,
            |c| summary(c, "fid.pooled_final"),
        ),
        quality(
            "forgetting",
            "of FID: how much worse it is at the end than at its best, mean over old tasks",
            false,
            2,
            |c| summary(c, "fid.forgetting"),
        ),
        quality(
            "BWT",
            "backward transfer of FID: how much better it is at the end than right after learning (negative: forgotten)",
            true,
            2,
            |c| summary(c, "fid.backward_transfer"),
        ),
        quality(
            "KLD",
            "divergence of the samples' classes from the data's, pooled, in nats",
            false,
            3,
            |c| summary(c, "kld.pooled_final"),
        ),
        quality("bpd", "bits per dimension, mean over tasks after the last task", false, 3, |c| {
            summary(c, "bpd.final_average")
        }),
        quality("bpd forg.", "forgetting of bits per dimension", false, 3, |c| summary(c, "bpd.forgetting")),
        cost("train s", "seconds spent training", 0, |c| Some(c.cost.train_seconds)),
        cost("sample s", "seconds spent drawing samples", 0, |c| Some(c.cost.sample_seconds)),
        cost("images/s", "images trained on each second, buffers included", 0, |c| {
            Some(c.cost.images_per_second)
        }),
        cost(
            "passes ×10³",
            "passes of one image through the network, in training, sampling and evaluation",
            0,
            |c| Some(c.cost.denoiser_evaluations as f64 / 1e3),
        ),
        cost("peak MB", "largest resident memory of the process", 0, |c| {
            c.cost.peak_memory_bytes.map(|b| b as f64 / 1e6)
        }),
        cost("buffer kB", "bytes of stored images at the end", 1, |c| Some(c.cost.buffer_bytes as f64 / 1e3)),
        cost(
            "extra parameters",
            "numbers held beside the model: teachers, importances, adapters, masks",
            0,
            |c| Some(c.cost.extra_parameters as f64),
        ),
    ]
}

/// The cells of each strategy, in the order in which strategies first occur.
pub fn strategies(results: &Results) -> Vec<(String, Vec<&CellResult>)> {
    let mut strategies: Vec<(String, Vec<&CellResult>)> = Vec::new();
    for cell in &results.cells {
        match strategies.iter_mut().find(|(label, _)| *label == cell.label) {
            Some((_, cells)) => cells.push(cell),
            None => strategies.push((cell.label.clone(), vec![cell])),
        }
    }
    strategies
}

fn summary(cell: &CellResult, name: &str) -> Option<f64> {
    cell.summary.get(name).copied().flatten()
}

/// The mean; none of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.into_iter().fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// An entry of a matrix, averaged over seeds.
pub fn entry(cells: &[&CellResult], metric: &str, k: usize, j: usize) -> Option<f64> {
    let of = |matrix: &Matrix| matrix.get(k)?.get(j).copied().flatten();
    mean(cells.iter().filter_map(|cell| of(cell.matrices.get(metric)?)))
}

/// The metric over all tasks seen, after task k, averaged over seeds.
pub fn pooled(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean(cells.iter().filter_map(|cell| cell.pooled.get(metric)?.get(k).copied().flatten()))
}

/// The mean of a matrix's row k over the tasks seen, averaged over seeds.
pub fn average_after(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean((0..=k).filter_map(|j| entry(cells, metric, k, j)))
}
