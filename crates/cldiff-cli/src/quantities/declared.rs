//! Every quantity, as a name and a place in `results.json`; and the numbers there that are attributes of others.

use cl_metrics::summary::Direction;
use cldiff_engine::COSTS;

use super::{
    Better, Quantity,
    losses::{MATRIX_LOSSES, TIMESTEP_LOSSES},
    place::Place,
    readings::readings,
    references::COMPARISONS,
    summaries::{Of, SUMMARIES, Summary},
};

/// Every quantity, in the order of the long table. Where two places fit, the first counts.
pub fn quantities() -> Vec<Quantity> {
    let parts = [
        run(),
        floor(),
        matrices(),
        summaries(),
        timestep(),
        changes(),
        views(),
        readings(),
        average(),
        costs(),
    ];
    parts.into_iter().flatten().collect()
}

/// Numbers that have no row of their own, and where they are instead.
pub const ATTRIBUTES: [(&str, &str); 12] = [
    ("schema", "the form of the file; the Parquet file notes it as `cldiff.schema`"),
    ("failed[i].seed", "names a cell without results"),
    (
        "judge_confusion[i][i]",
        "none: how many held-out images of a class (row) the classifier sees as a class (column)",
    ),
    ("cells[cell].seed", "column `seed`"),
    ("cells[cell].missing[i].after_task", "names a value that is missing"),
    ("cells[cell].missing[i].on_task", "names a value that is missing"),
    ("cells[cell].timestep.edges[edge]", "columns `t_low` and `t_high`"),
    ("cells[cell].class_missing[i].after_task", "names a value that is missing"),
    ("cells[cell].class_missing[i].class", "names a value that is missing"),
    ("cells[cell].within.steps[k][point]", "column `step`"),
    ("cells[cell].hybrid_sampling[curve].task", "column `on_task`"),
    ("cells[cell].hybrid_sampling[curve].thresholds[threshold]", "column `threshold`"),
];

/// A quantity without a direction or a standard error.
pub(super) fn plain(name: &str, unit: &'static str, place: &str, meaning: &'static str) -> Quantity {
    let (name, place) = (name.to_owned(), Place::of(place));
    Quantity { name, unit, better: Better::Neither, meaning, place, error: None }
}

impl Quantity {
    pub(super) fn better(self, better: Better) -> Self {
        Self { better, ..self }
    }

    pub(super) fn with_error(self, place: &str) -> Self {
        Self { error: Some(Place::of(place)), ..self }
    }
}

/// Quantities of the run as a whole.
fn run() -> Vec<Quantity> {
    vec![
        plain(
            "samples_per_task",
            "images",
            "samples_per_task",
            "samples behind every sample metric on a task",
        ),
        plain(
            "judge.accuracy",
            "",
            "judge.accuracy",
            "share of held-out images whose class the classifier sees, which tells the classes of samples",
        )
        .better(Better::Known(Direction::HigherIsBetter)),
        plain("judge.n", "images", "judge.n", "held-out images behind `judge.accuracy`"),
        plain("task.train", "images", "stream.tasks[j].train", "training images of the task"),
        plain("task.eval", "images", "stream.tasks[j].eval", "evaluation images of the task"),
    ]
}

/// Training images in place of samples.
fn floor() -> Vec<Quantity> {
    let values = [
        plain(
            "floor.METRIC_pooled",
            "",
            "floor.METRIC_pooled[k]",
            "METRIC of training images in place of samples against the evaluation images of the tasks 0 to k",
        )
        .better(Better::AsMetric)
        .with_error("floor_standard_errors.METRIC_pooled[k]"),
        plain(
            "floor.METRIC_pooled.samples",
            "images",
            "floor_samples.METRIC_pooled[k]",
            "N behind `floor.METRIC_pooled`: the training images that stand for samples",
        ),
        plain(
            "floor.METRIC.samples",
            "images",
            "floor_samples.METRIC[j]",
            "N behind `floor.METRIC`: the training images that stand for samples",
        ),
        plain(
            "floor.METRIC",
            "",
            "floor.METRIC[j]",
            "METRIC of training images in place of samples against the evaluation images of the task",
        )
        .better(Better::AsMetric)
        .with_error("floor_standard_errors.METRIC[j]"),
    ];
    let of_draws = SUMMARIES.iter().filter(|summary| matches!(summary.of, Of::Matrix(_) | Of::Pooled(_)));
    let summary = |summary: &Summary| {
        let name = format!("METRIC.{}", summary.name);
        let place = format!("floor_summary[\"{name}\"]");
        let meaning = "the summary of this name for independent draws of training images in place of the samples after each \
                       task: its value for a model that forgets nothing";
        plain(&format!("floor.{name}"), "", &place, meaning).better(summary.better)
    };
    values.into_iter().chain(of_draws.map(summary)).collect()
}

/// Evaluation matrices, and what is measured beside them.
fn matrices() -> Vec<Quantity> {
    let losses = MATRIX_LOSSES.iter().map(|loss| {
        let (name, of) = (loss.name, |key: &str| format!("cells[cell].{key}.{}[k][j]", loss.name));
        let quantity = plain(name, loss.unit, &of("matrices"), loss.meaning).better(Better::LOWER);
        if loss.error.is_some() { quantity.with_error(&of("standard_errors")) } else { quantity }
    });
    let others = [
        plain(
            "METRIC",
            "",
            "cells[cell].matrices.METRIC[k][j]",
            "the sample metric METRIC of samples of a task against its evaluation images; only on tasks seen",
        )
        .better(Better::AsMetric)
        .with_error("cells[cell].standard_errors.METRIC[k][j]"),
        plain(
            "METRIC.pooled",
            "",
            "cells[cell].pooled.METRIC[k]",
            "METRIC of all samples against the evaluation images of all tasks seen",
        )
        .better(Better::AsMetric)
        .with_error("cells[cell].pooled_standard_errors.METRIC[k]"),
        plain(
            "METRIC.samples",
            "images",
            "cells[cell].samples.METRIC[k][j]",
            "N behind METRIC on a task: samples for a sample metric, images for a loss",
        ),
        plain(
            "METRIC.pooled.samples",
            "images",
            "cells[cell].pooled_samples.METRIC[k]",
            "N behind METRIC over all tasks seen",
        ),
        plain(
            "METRIC.untrained",
            "",
            "cells[cell].untrained.METRIC[j]",
            "METRIC of the model before any training; losses only",
        )
        .better(Better::AsMetric),
    ];
    losses.chain(others).collect()
}

fn summaries() -> Vec<Quantity> {
    let summary = |summary: &Summary| {
        let name = format!("METRIC.{}", summary.name);
        let place = format!("cells[cell].summary[\"{name}\"]");
        plain(&name, "", &place, summary.meaning).better(summary.better)
    };
    let comparison = |comparison: &super::references::Comparison| {
        let name = format!("METRIC.{}", comparison.name);
        let place = format!("cells[cell].summary[\"{name}\"]");
        plain(&name, "", &place, comparison.meaning).better(Better::HIGHER)
    };
    let older = plain(
        "METRIC.plasticity_against_joint",
        "",
        "cells[cell].summary[\"METRIC.plasticity_against_joint\"]",
        "in results of older versions only: R[j][j] against that of joint training after (j + 1)/K of its steps, which is no \
         reference",
    );
    let comparisons = COMPARISONS.iter().map(comparison).chain([older]);
    SUMMARIES.iter().map(summary).chain(comparisons).collect()
}

/// Losses along the timesteps.
fn timestep() -> Vec<Quantity> {
    let terms = [
        plain(
            "bpd.prior",
            "bits/dim",
            "cells[cell].timestep.prior[k][j]",
            "the prior term of the bits per dimension, which no training changes",
        ),
        plain(
            "bpd.discretized",
            "bits/dim",
            "cells[cell].timestep.discretized[k][j]",
            "the discretised likelihood at t = 0, which is part of the first bin of `timestep.vlb`",
        )
        .better(Better::LOWER),
        plain(
            "timestep.log_snr",
            "",
            "cells[cell].timestep.log_snr[edge]",
            "log of the signal-to-noise ratio at the edge `t_low` of a bin (at the last timestep for the last edge)",
        ),
    ];
    let losses = TIMESTEP_LOSSES.iter().map(|loss| {
        let name = format!("timestep.{}", loss.name);
        let place = format!("cells[cell].timestep.{}[k][j][bin]", loss.name);
        plain(&name, loss.unit, &place, loss.meaning)
            .better(Better::LOWER)
            .with_error(&format!("cells[cell].timestep.standard_errors.{}[k][j][bin]", loss.name))
    });
    terms.into_iter().chain(losses).collect()
}

/// Changes of the losses along the timesteps on task j since right after it, for j < k.
fn changes() -> Vec<Quantity> {
    let of = |name: &str, index: &str, unit, meaning| {
        let place = format!("cells[cell].timestep.forgetting.LOSS[k][j].{name}{index}");
        plain(&format!("timestep_forgetting.LOSS.{name}"), unit, &place, meaning)
    };
    let error = |name: &str| format!("cells[cell].timestep.forgetting.LOSS[k][j].{name}");
    vec![
        of("absolute", "[bin]", "", "change of LOSS in the bin, in its unit")
            .better(Better::LOWER)
            .with_error(&error("absolute_error[bin]")),
        of("relative", "[bin]", "", "change of LOSS in the bin as a part of LOSS before")
            .better(Better::LOWER)
            .with_error(&error("relative_error[bin]")),
        of(
            "share",
            "[bin]",
            "",
            "part of the total change that the bin has; null if the total cannot be told from 0",
        ),
        of(
            "total",
            "",
            "",
            "change over all timesteps: of the mean denoising loss, or of the bits per dimension",
        )
        .better(Better::LOWER)
        .with_error(&error("total_error")),
        of(
            "clear_share",
            "",
            "",
            "part of the total change from timesteps with a signal-to-noise ratio of at least 1; null as for `share`",
        ),
        of(
            "clear",
            "",
            "",
            "change over the timesteps with a signal-to-noise ratio of at least 1: their part of `total`",
        )
        .better(Better::LOWER)
        .with_error(&error("clear_error")),
        of("peak", "", "bin", "the bin in which the absolute change is greatest"),
    ]
}

/// Hybrid sampling, and the optional views into the network.
fn views() -> Vec<Quantity> {
    vec![
        plain(
            "fid.hybrid.old_above",
            "",
            "cells[cell].hybrid_sampling[curve].old_above[threshold]",
            "FID on a task with the model right after it at t >= `threshold` and the final one below",
        )
        .better(Better::LOWER),
        plain(
            "fid.hybrid.new_above",
            "",
            "cells[cell].hybrid_sampling[curve].new_above[threshold]",
            "FID on a task with the final model at t >= `threshold` and the one right after the task below",
        )
        .better(Better::LOWER),
        plain(
            "gradient_cosine",
            "",
            "cells[cell].gradient_cosine[k][j][bin]",
            "cosine of the loss's gradients on task k and on task j < k, before task k is learned",
        ),
        plain(
            "cka",
            "",
            "cells[cell].cka.values[k][j][block][bin]",
            "linear CKA of a block's activations on task j right after it and after task k",
        ),
    ]
}

/// The moving average that is evaluated.
fn average() -> Vec<Quantity> {
    vec![plain(
        "ema_weight_of_past",
        "",
        "cells[cell].ema_weight_of_past[k]",
        "weight of the moving average before task k in the model that is evaluated after it; 0 where it starts anew with \
         each task",
    )]
}

fn costs() -> Vec<Quantity> {
    let cost = |cost: &cldiff_engine::CostQuantity| {
        let name = format!("cost.{}", cost.name);
        let place = format!("cells[cell].{name}");
        plain(&name, cost.unit, &place, cost.meaning).better(Better::Known(cost.direction))
    };
    COSTS.iter().map(cost).collect()
}
