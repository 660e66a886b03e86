//! The columns of the tables: what each is called, what it means, which way is better.

use cl_metrics::summary::{BySeed, Direction, OverSeeds, over_seeds};

use super::numbers::mean;
use crate::results::CellResult;

/// A column of the table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in the summary of `results.json`; for a cost, in its `cost`.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// Whether it is about quality (else about cost).
    pub quality: bool,
    /// Whether more is better.
    pub higher: bool,
    decimals: usize,
    cost: Option<fn(&CellResult) -> Option<f64>>,
}

impl Column {
    /// The value of one cell.
    pub fn of(&self, cell: &CellResult) -> Option<f64> {
        let value = match self.cost {
            Some(cost) => cost(cell),
            None => cell.summary.get(self.key).copied().flatten(),
        };
        value.filter(|v| v.is_finite())
    }

    /// The mean over the cells of a strategy (its seeds).
    pub fn mean(&self, cells: &[&CellResult]) -> Option<f64> {
        mean(cells.iter().filter_map(|cell| self.of(cell)))
    }

    /// The values of a strategy's seeds.
    pub fn by_seed(&self, cells: &[&CellResult]) -> BySeed {
        cells.iter().filter_map(|cell| Some((cell.seed, self.of(cell)?))).collect()
    }

    /// The values of a strategy's seeds together.
    pub fn over_seeds(&self, cells: &[&CellResult]) -> Option<OverSeeds> {
        over_seeds(self.by_seed(cells).into_values())
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        if self.higher { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
    }

    /// A value as it is shown.
    pub fn format(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |v| format!("{v:.*}", self.decimals))
    }
}

/// Key, heading, meaning, whether more is better, decimals.
const QUALITIES: [(&str, &str, &str, bool, usize); 9] = [
    (
        "fid.final_average",
        "FID",
        "mean over tasks of the FID on the task after the last task (AFQ in CLoG)",
        false,
        2,
    ),
    (
        "fid.stream_average",
        "FID on the way",
        "mean, over the moments after each task, of the mean FID on the tasks seen (AIQ in CLoG)",
        false,
        2,
    ),
    (
        "fid.pooled_final",
        "FID pooled",
        "FID of all samples against the data of all tasks, after the last task",
        false,
        2,
    ),
    (
        "fid.forgetting",
        "forgetting",
        "of FID: how much worse it is at the end than at its best, mean over old tasks",
        false,
        2,
    ),
    (
        "fid.backward_transfer",
        "BWT",
        "backward transfer of FID: how much better it is at the end than right after learning (negative: forgotten)",
        true,
        2,
    ),
    (
        "fid.plasticity_against_joint",
        "plasticity",
        "of FID: how much better a task is right after learning it than under joint training (negative: learned worse)",
        true,
        2,
    ),
    (
        "kld.pooled_final",
        "KLD",
        "divergence of the samples' classes from the data's, pooled, in nats",
        false,
        3,
    ),
    ("bpd.final_average", "bpd", "bits per dimension, mean over tasks after the last task", false, 3),
    ("bpd.forgetting", "bpd forg.", "forgetting of bits per dimension", false, 3),
];

/// Key, heading, meaning, decimals, value.
const COSTS: [(&str, &str, &str, usize, fn(&CellResult) -> Option<f64>); 7] = [
    ("train_seconds", "train s", "seconds spent training", 0, |c| Some(c.cost.train_seconds)),
    ("sample_seconds", "sample s", "seconds spent drawing samples", 0, |c| Some(c.cost.sample_seconds)),
    ("evaluate_seconds", "eval. s", "seconds spent on losses, features and metrics", 0, |c| {
        Some(c.cost.evaluate_seconds)
    }),
    ("images_per_second", "images/s", "images trained on each second, buffers included", 0, |c| {
        Some(c.cost.images_per_second)
    }),
    (
        "denoiser_evaluations",
        "passes ×10³",
        "passes of one image through the network, in training, sampling and evaluation",
        0,
        |c| Some(c.cost.denoiser_evaluations as f64 / 1e3),
    ),
    ("peak_memory_bytes", "peak MB", "largest resident memory of the process", 0, |c| {
        c.cost.peak_memory_bytes.map(|b| b as f64 / 1e6)
    }),
    (
        "state_bytes",
        "state kB",
        "what the strategy holds beside the model at the end: stored images, teachers, importances, adapters, masks",
        1,
        |c| Some(state_bytes(c) / 1e3),
    ),
];

/// Bytes of one parameter, which is an f32.
const PARAMETER: u64 = 4;

/// What a strategy holds beside the model at the end: images, and numbers in the form of parameters.
pub fn state_bytes(cell: &CellResult) -> f64 {
    (cell.cost.buffer_bytes + PARAMETER * cell.cost.extra_parameters) as f64
}

/// The columns: quality first, then cost.
pub fn columns() -> Vec<Column> {
    let qualities = QUALITIES.map(|(key, title, meaning, higher, decimals)| Column {
        key,
        title,
        meaning,
        quality: true,
        higher,
        decimals,
        cost: None,
    });
    let costs = COSTS.map(|(key, title, meaning, decimals, cost)| Column {
        key,
        title,
        meaning,
        quality: false,
        higher: false,
        decimals,
        cost: Some(cost),
    });
    qualities.into_iter().chain(costs).collect()
}
