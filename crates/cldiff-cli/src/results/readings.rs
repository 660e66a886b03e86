//! Readings beside the evaluation matrices: classes of the samples, training on samples, curves within experiences, drift.
//! Each is absent where it was not asked for; files of older versions have none.

use cl_strategies::ReferenceKind;
use cldiff_engine::StrategySpec;
use serde::{Deserialize, Serialize};

use super::{CellResult, Matrix};

/// Keys of a cell. `k` is "after task k", a class is its number in the data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Readings {
    /// The comparison that this cell is the reference of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceKind>,
    /// The names of the classes that the numbers below are of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// `[k][asked][seen]`: samples by the class that was asked for and the class that the classifier sees, over all tasks
    /// seen. The sum of a row is the N of the class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_confusion: Vec<Vec<Vec<usize>>>,
    /// `[k][class]`: the share of a class's samples in which the class is seen; null for a class that nothing was asked of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_accuracy: Matrix,
    /// `[k][class]`: the Fréchet distance of a class's samples from its images in the eval split of the tasks seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_fid: Matrix,
    /// Standard errors of `class_fid` over samples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_fid_error: Matrix,
    /// Why entries of `class_fid` are null, of classes that samples were asked of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_missing: Vec<MissingClass>,
    /// Classification accuracy on real images after training on samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas: Option<CasResult>,
    /// Losses of the tasks seen within each experience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<WithinResult>,
    /// How far samples moved from the same noise since right after their task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftResult>,
    /// Traces of the classes that the stream removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<RemovedResult>,
}

/// The classifier's view of samples that are asked for as a class that the stream removes. `[k][class]` is null before the
/// removal and for other classes, `[class]` for other classes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemovedResult {
    /// N: samples of each class.
    pub samples: usize,
    /// `[k][class]`: the share of the samples in which the class is seen.
    pub class_share: Matrix,
    /// Its standard error over samples.
    pub class_share_error: Matrix,
    /// `[k][class]`: the mean probability of the class.
    pub class_probability: Matrix,
    /// Its standard error over samples.
    pub class_probability_error: Matrix,
    /// `[k][class]`: the mean entropy of the classes' probabilities, in nats.
    pub class_entropy: Matrix,
    /// `[class]`: the share right before the removal.
    pub share_before: Vec<Option<f64>>,
    /// Its standard error over samples.
    pub share_before_error: Vec<Option<f64>>,
    /// `[class]`: the share of the images of noise in the class's place in which it is seen.
    pub noise_share: Vec<Option<f64>>,
}

/// A per-class value that was to be measured and is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingClass {
    /// After which task, from 0.
    pub after_task: usize,
    /// The class, from 0.
    pub class: usize,
    /// Why.
    pub reason: String,
}

/// Classification accuracy score: a classifier trained on samples of the classes seen, tested on the eval images of the
/// tasks seen; beside it the same classifier trained on as many real images. Null where it was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CasResult {
    /// N: samples of each class.
    pub samples_per_class: usize,
    /// `[k]`: the share of the eval images that the classifier is right on.
    pub accuracy: Vec<Option<f64>>,
    /// Its standard error over eval images.
    pub accuracy_error: Vec<Option<f64>>,
    /// `[k][class]`
    pub class_accuracy: Matrix,
    /// `[k]`: the accuracy after training on real images.
    pub real_accuracy: Vec<Option<f64>>,
    /// Its standard error over eval images.
    pub real_accuracy_error: Vec<Option<f64>>,
    /// `[k][class]`
    pub real_class_accuracy: Matrix,
}

/// Curves within experiences, and what they say of the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WithinResult {
    /// Eval images of each task behind a loss.
    pub images: usize,
    /// N: samples of each task behind an entry of `fid`; 0 without `fid`.
    pub samples: usize,
    /// `[k][point]`: the steps of experience k that are done.
    pub steps: Vec<Vec<usize>>,
    /// `[k][j][point]` for j <= k: mean squared error of the noise.
    pub denoising_loss: Vec<Vec<Vec<Option<f64>>>>,
    /// `[k][j][point]`: bits per dimension.
    pub bpd: Vec<Vec<Vec<Option<f64>>>>,
    /// `[k][j][point]`: FID; empty where it was not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fid: Vec<Vec<Vec<Option<f64>>>>,
    /// The summary of each curve in a number.
    pub summary: WithinSummaries,
}

/// The summaries of the curves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WithinSummaries {
    /// Of the denoising loss.
    pub denoising_loss: WithinSummary,
    /// Of the bits per dimension.
    pub bpd: WithinSummary,
    /// Of FID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fid: Option<WithinSummary>,
}

/// The summary of the curves of one loss. Null where a value on a task seen is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WithinSummary {
    /// The mean over the training of the mean over the tasks seen: the area under the curve.
    pub anytime_average: Option<f64>,
    /// The mean over old tasks of the worst value since right after the task.
    pub worst: Option<f64>,
    /// The mean of the last task's final value and the old tasks' worst ones.
    pub worst_case: Option<f64>,
    /// The mean of `gaps`.
    pub stability_gap: Option<f64>,
    /// The mean of `recovered`.
    pub stability_gap_recovered: Option<f64>,
    /// `[k][j]` for j < k: how much worse task j became while task k was learned, at its worst.
    pub gaps: Matrix,
    /// `[k][j]` for j < k: how much of that was regained by the end of task k.
    pub recovered: Matrix,
}

/// Drift of samples from the same noise, `[k][j]` for j < k.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftResult {
    /// N: the first samples of each task.
    pub samples: usize,
    /// The mean over samples of the root mean squared change of their pixels, as a part of the range from black to white.
    pub distance: Matrix,
    /// Its standard error over samples.
    pub distance_error: Matrix,
    /// The distance as a part of that between unrelated samples of the earlier model: 0 nothing moved, 1 nothing is left.
    pub relative: Matrix,
    /// Its standard error over samples.
    pub relative_error: Matrix,
}

impl CellResult {
    /// The comparison that this cell is the reference of. Results of older versions do not say it: there the strategy of
    /// that name does.
    pub fn reference(&self) -> Option<ReferenceKind> {
        self.readings.reference.or_else(|| StrategySpec::named(&self.strategy)?.reference())
    }
}
