//! `results.json`: every number of a run, in schema 1.
//!
//! A matrix's row k is "after task k", its column j "on task j"; `null` where nothing was measured. A timestep array
//! is indexed `[k][j][bin]`. `null` is also a number that is not finite. [`crate::quantities`] says of each number which quantity it is. All but `cost` are the same, to the byte, for two runs of one configuration on a CPU.

mod costs;
mod failed;
mod not_finite;
mod readings;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use cl_metrics::features::Judge;
use cldiff_engine::StrategySpec;
use serde::{Deserialize, Serialize};

pub use costs::Costs;
pub use failed::FailedCell;
pub use readings::{
    CasResult, DriftResult, MissingClass, Readings, RemovedResult, WithinResult, WithinSummaries,
    WithinSummary,
};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// `[k][j]`
pub type Matrix = Vec<Vec<Option<f64>>>;

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The name of the run.
    pub name: String,
    /// The features in which the sample metrics were measured.
    pub features: String,
    /// N: samples of each task behind a sample metric.
    pub samples_per_task: usize,
    /// The tasks.
    pub stream: StreamInfo,
    /// How far the classifier that tells the classes of samples can be trusted; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeResult>,
    /// N of each entry of `floor`: the training images that stand for samples.
    #[serde(default)]
    pub floor_samples: BTreeMap<String, Vec<Option<usize>>>,
    /// Standard errors of the entries of `floor`, for metrics that estimate one.
    #[serde(default)]
    pub floor_standard_errors: BTreeMap<String, Vec<Option<f64>>>,
    /// `METRIC.SUMMARY` of independent draws of training images after each task: the summaries of a model that has learned
    /// every task and forgets nothing.
    #[serde(default)]
    pub floor_summary: BTreeMap<String, Option<f64>>,
    /// Whether the draws of `floor_summary` may have images in common, for want of training images.
    #[serde(default)]
    pub floor_draws_overlap: bool,
    /// The classifier on held-out images: `[class][class seen]`, a number of images, in the order of the data set's classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judge_confusion: Vec<Vec<usize>>,
    /// Sample metrics of training images in place of samples: `fid` for each task, `fid_pooled` for the tasks 0 to k, and so
    /// on for the others; memorisation has none.
    pub floor: BTreeMap<String, Vec<Option<f64>>>,
    /// One for each strategy and seed.
    pub cells: Vec<CellResult>,
    /// The cells without a result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCell>,
}

/// The accuracy of the classifier on images that it was not trained on: the eval splits of all tasks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JudgeResult {
    /// The share of the images whose class it sees.
    #[serde(deserialize_with = "not_finite::number")]
    pub accuracy: f64,
    /// The number of these images.
    pub n: usize,
}

impl From<Judge> for JudgeResult {
    fn from(Judge { accuracy, n }: Judge) -> Self {
        Self { accuracy, n }
    }
}

/// The stream of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// In their order.
    pub tasks: Vec<TaskInfo>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// The name of the task.
    pub name: String,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// The names of the classes that are to be lost in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
    /// Training images.
    pub train: usize,
    /// Evaluation images.
    pub eval: usize,
}

/// The results of one cell (strategy x seed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// The terms of the strategy.
    pub strategy: String,
    /// The label of the strategy in this run.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// Whether the strategy is a bound, which competes with nobody; absent in results of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<bool>,
    /// The sample metrics of `evaluation.metrics`, `bpd` and `denoising_loss`, on each task after each task.
    pub matrices: BTreeMap<String, Matrix>,
    /// The sample metrics over all tasks seen, after each task.
    pub pooled: BTreeMap<String, Vec<Option<f64>>>,
    /// Along the timesteps.
    pub timestep: TimestepResult,
    /// Standard errors of the entries of `matrices`: over samples for the sample metrics that estimate one, over images for
    /// `bpd`.
    #[serde(default)]
    pub standard_errors: BTreeMap<String, Matrix>,
    /// `bpd` and `denoising_loss` of the untrained model on each task.
    #[serde(default)]
    pub untrained: BTreeMap<String, Vec<Option<f64>>>,
    /// FID of samples drawn by two moments of the model together.
    #[serde(default)]
    pub hybrid_sampling: Vec<HybridResult>,
    /// Cosines of the gradients of task k and task j, before task k was learned: `[k][j][bin]` for j < k.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_cosine: Option<Vec<Vec<Vec<Option<f64>>>>>,
    /// How alike activations are after task k to those right after task j.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cka: Option<CkaResult>,
    /// N behind each entry of `matrices`: samples for a sample metric, images for a loss.
    #[serde(default)]
    pub samples: BTreeMap<String, Vec<Vec<Option<usize>>>>,
    /// N behind each entry of `pooled`.
    #[serde(default)]
    pub pooled_samples: BTreeMap<String, Vec<Option<usize>>>,
    /// Standard errors over samples of the entries of `pooled`, for metrics that estimate one.
    #[serde(default)]
    pub pooled_standard_errors: BTreeMap<String, Vec<Option<f64>>>,
    /// The weight of the moving average before task k in the model that is evaluated after it.
    #[serde(default, deserialize_with = "not_finite::list")]
    pub ema_weight_of_past: Vec<f64>,
    /// Why entries of `matrices` on tasks seen, and of `pooled`, are null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingValue>,
    /// Readings beside the matrices.
    #[serde(flatten)]
    pub readings: Readings,
    /// `METRIC.SUMMARY`
    pub summary: BTreeMap<String, Option<f64>>,
    /// Why entries of `summary` are null.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub summary_missing: BTreeMap<String, String>,
    /// The cost of the cell.
    pub cost: Costs,
    /// Why the cell has no numbers at all: it stands for one that failed, among the cells of its strategy.
    #[serde(skip)]
    pub failed: Option<String>,
}

impl CellResult {
    /// Whether the strategy is a bound. Results of older versions do not say: the strategy's terms are asked.
    pub fn is_bound(&self) -> bool {
        self.bound.unwrap_or_else(|| StrategySpec::is_bound_named(&self.strategy))
    }

    /// The reason why a metric has no value on a task, or over all tasks seen; none where nothing is known of it.
    pub fn reason(&self, metric: &str, after_task: usize, on_task: Option<usize>) -> Option<&str> {
        let is_it = |missing: &&MissingValue| {
            missing.metric == metric && (missing.after_task, missing.on_task) == (after_task, on_task)
        };
        self.missing.iter().find(is_it).map(|missing| missing.reason.as_str())
    }
}

/// An entry that was to be measured and has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingValue {
    /// The metric.
    pub metric: String,
    /// After which task, from 0.
    pub after_task: usize,
    /// On which task, from 0; null for the entry of `pooled`.
    pub on_task: Option<usize>,
    /// Why.
    pub reason: String,
}

/// Losses in bins of timesteps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TimestepResult {
    /// Bin b covers the timesteps `edges[b] .. edges[b + 1]`.
    pub edges: Vec<usize>,
    /// Mean squared error of the noise, averaged over the bin.
    #[serde(deserialize_with = "not_finite::cube")]
    pub denoising_loss: Vec<Vec<Vec<f64>>>,
    /// The bin's share of the bits per dimension, summed over its timesteps.
    #[serde(deserialize_with = "not_finite::cube")]
    pub vlb: Vec<Vec<Vec<f64>>>,
    /// The log of the signal-to-noise ratio at each edge (at the last timestep for the last edge).
    #[serde(default, deserialize_with = "not_finite::list")]
    pub log_snr: Vec<f64>,
    /// The prior term of the bits per dimension, which no training changes: `[k][j]`.
    #[serde(default)]
    pub prior: Matrix,
    /// The discretised term at t = 0, part of the first bin: `[k][j]`.
    #[serde(default)]
    pub discretized: Matrix,
    /// Standard errors over images of `denoising_loss` and `vlb`: `[k][j][bin]`.
    #[serde(default)]
    pub standard_errors: BTreeMap<String, Vec<Vec<Vec<Option<f64>>>>>,
    /// Change of `denoising_loss` and `vlb` on task j since right after it, after task k: `[k][j]` for j < k.
    #[serde(default)]
    pub forgetting: BTreeMap<String, Vec<Vec<ChangeResult>>>,
}

/// How a loss along the timesteps changed, on identical images and noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeResult {
    /// The change in each bin.
    pub absolute: Vec<Option<f64>>,
    /// Its standard error over images, from paired differences.
    pub absolute_error: Vec<Option<f64>>,
    /// The change as a part of the loss before.
    pub relative: Vec<Option<f64>>,
    /// Its standard error.
    pub relative_error: Vec<Option<f64>>,
    /// The change over all timesteps: of the mean loss, or of the bits per dimension.
    pub total: Option<f64>,
    /// Its standard error.
    pub total_error: Option<f64>,
    /// The bin in which the absolute change is greatest.
    pub peak: usize,
    /// The part of the total from each bin; null if the total cannot be told from 0.
    #[serde(default, deserialize_with = "not_finite::optional_list")]
    pub share: Option<Vec<f64>>,
    /// The part from timesteps with a signal-to-noise ratio of at least 1; null as for `share`.
    pub clear_share: Option<f64>,
    /// The change over the timesteps with a signal-to-noise ratio of at least 1, in the unit of `total`.
    #[serde(default)]
    pub clear: Option<f64>,
    /// Its standard error.
    #[serde(default)]
    pub clear_error: Option<f64>,
}

/// FID on a task of samples by the model right after it (old) and the final one (new) together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HybridResult {
    /// The task, from 0.
    pub task: usize,
    /// Where the trajectory is cut: timesteps from 0 to T.
    pub thresholds: Vec<usize>,
    /// With the old model at t >= threshold and the new one below.
    pub old_above: Vec<Option<f64>>,
    /// With the new model at t >= threshold and the old one below.
    pub new_above: Vec<Option<f64>>,
}

/// Linear CKA of activations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CkaResult {
    /// The network's blocks.
    pub blocks: Vec<String>,
    /// `[k][j][block][bin]` for j < k.
    pub values: Vec<Vec<Vec<Vec<Option<f64>>>>>,
}

impl Results {
    /// Reads the text of a file, which the messages name.
    ///
    /// # Errors
    /// If it is not JSON of this form (the message has the line), or has another schema.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let name = path.display();
        let Schema { schema } =
            serde_json::from_str(text).with_context(|| format!("{name} is not a results file"))?;
        if schema != SCHEMA {
            bail!("{name} has schema {schema}; this program reads schema {SCHEMA}");
        }
        serde_json::from_str(text).with_context(|| format!("{name} is not a results file of schema {SCHEMA}"))
    }

    /// The file's text, which was read again and gave the same text.
    ///
    /// # Errors
    /// If the text cannot be read back: nothing that a run gives is such.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let again: Self = serde_json::from_str(&text).context("the results cannot be read back")?;
        if serde_json::to_string_pretty(&again)? + "\n" != text {
            bail!("the results are others when they are read back");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A result with every key that there is.
    fn example() -> Results {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        Results::parse(text, Path::new("results.json")).unwrap()
    }

    /// Every number in a value, by its path.
    fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Number(_) => found.push(path.to_owned()),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| paths(item, &format!("{path}/{i}"), found));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(key, item)| paths(item, &format!("{path}/{key}"), found));
            }
            _ => {}
        }
    }

    fn read(value: &Value) -> Result<Results> {
        Results::parse(&value.to_string(), Path::new("results.json"))
    }

    /// Any measurement may be infinite or none, and any count as large as the type: the file is read, and written as it
    /// was.
    #[test]
    fn any_number_is_read_back() {
        let whole = serde_json::to_value(example()).unwrap();
        let mut found = Vec::new();
        paths(&whole, "", &mut found);
        let (mut measured, mut counted) = (0, 0);
        for path in found.iter().filter(|path| *path != "/schema") {
            let mut changed = whole.clone();
            let place = changed.pointer_mut(path).unwrap();
            let is_count = place.is_u64();
            *place = if is_count { Value::from(u64::MAX) } else { Value::Null };
            (measured, counted) = (measured + usize::from(!is_count), counted + usize::from(is_count));
            let results = read(&changed).unwrap_or_else(|error| panic!("{path}: {error:#}"));
            let text = results.to_json().unwrap_or_else(|error| panic!("{path}: {error:#}"));
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), changed, "{path}");
        }
        assert!(measured > 100 && counted > 15, "{measured} and {counted}");
    }

    #[test]
    fn results_of_a_cell_that_diverged_are_read() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut results = example();
            let last = results.cells.len() - 1;
            let cell = &mut results.cells[last];
            for row in cell.timestep.denoising_loss.iter_mut().chain(&mut cell.timestep.vlb).flatten() {
                row.fill(value);
            }
            cell.summary.insert("fid.final_average".into(), Some(value));
            let read = Results::parse(&results.to_json().unwrap(), Path::new("results.json")).unwrap();
            assert!(read.cells[last].timestep.vlb[0][0][0].is_nan());
            assert_eq!(read.cells[last].summary["fid.final_average"], None);
            assert_eq!(read.to_json().unwrap(), results.to_json().unwrap());
        }
    }
}
