//! The readings beside the evaluation matrices, as places in `results.json`
//! ([`Readings`](crate::results::Readings)).

use super::{Better, Quantity, declared::plain};

/// Every reading.
pub fn readings() -> Vec<Quantity> {
    [classes(), removed(), cas(), within(), within_summaries(), drift()].into_iter().flatten().collect()
}

fn classes() -> Vec<Quantity> {
    vec![
        plain(
            "class_confusion",
            "images",
            "cells[cell].class_confusion[k][class][seen]",
            "samples, over all tasks seen, that were asked for as `class` and in which the classifier sees `seen`; the sum of a \
             row is the N of the class",
        ),
        plain(
            "class_accuracy",
            "",
            "cells[cell].class_accuracy[k][class]",
            "the share of the class's samples in which the classifier sees it",
        )
        .better(Better::HIGHER),
        plain(
            "class_fid",
            "",
            "cells[cell].class_fid[k][class]",
            "FID of the class's samples against its images in the eval split of the tasks seen; biased upwards, more than FID of a \
             task, since N is smaller",
        )
        .better(Better::LOWER)
        .with_error("cells[cell].class_fid_error[k][class]"),
    ]
}

fn removed() -> Vec<Quantity> {
    let of = |name: &str, place: &str, unit, meaning| {
        plain(&format!("removed_{name}"), unit, &format!("cells[cell].removed.{place}"), meaning)
    };
    vec![
        of("samples", "samples", "images", "N behind the other `removed` quantities: samples that are asked for as the class"),
        of(
            "class_share",
            "class_share[k][class]",
            "",
            "the share of the samples asked for as a class in which the classifier sees it, from the experience on that \
             removes it",
        )
        .better(Better::LOWER)
        .with_error("cells[cell].removed.class_share_error[k][class]"),
        of(
            "class_probability",
            "class_probability[k][class]",
            "",
            "the classifier's mean probability of the class in these samples",
        )
        .better(Better::LOWER)
        .with_error("cells[cell].removed.class_probability_error[k][class]"),
        of(
            "class_entropy",
            "class_entropy[k][class]",
            "nats",
            "the mean entropy of the classifier's probabilities in these samples",
        ),
        of(
            "class_share.before",
            "share_before[class]",
            "",
            "`removed_class_share` right before the removal, when the class was still to be known",
        )
        .with_error("cells[cell].removed.share_before_error[class]"),
        of(
            "class_share.noise",
            "noise_share[class]",
            "",
            "the share of the images of noise in the class's place in which the classifier sees the class: where a model \
             that maps the class to noise ends",
        ),
    ]
}

fn cas() -> Vec<Quantity> {
    let of = |name: &str, index: &str, meaning| {
        plain(&format!("cas.{name}"), "", &format!("cells[cell].cas.{name}[k]{index}"), meaning)
            .better(Better::HIGHER)
    };
    let error = |name: &str| format!("cells[cell].cas.{name}_error[k]");
    vec![
        plain(
            "cas.samples_per_class",
            "images",
            "cells[cell].cas.samples_per_class",
            "N behind `cas`: samples of each class, and real training images of each",
        ),
        of(
            "accuracy",
            "",
            "classification accuracy score: the share of the eval images of the tasks seen that a classifier trained on samples \
             is right on",
        )
        .with_error(&error("accuracy")),
        of(
            "class_accuracy",
            "[class]",
            "the share of the class's eval images that the classifier trained on samples is right on",
        ),
        of(
            "real_accuracy",
            "",
            "the share of the eval images that the same classifier is right on after training on as many real images",
        )
        .with_error(&error("real_accuracy")),
        of(
            "real_class_accuracy",
            "[class]",
            "the share of the class's eval images that the classifier trained on real images is right on",
        ),
    ]
}

fn within() -> Vec<Quantity> {
    let curve = |name: &str, unit, meaning| {
        let place = format!("cells[cell].within.{name}[k][j][point]");
        plain(&format!("within.{name}"), unit, &place, meaning).better(Better::LOWER)
    };
    vec![
        plain("within.images", "images", "cells[cell].within.images", "N behind a loss of `within`"),
        plain(
            "within.samples",
            "images",
            "cells[cell].within.samples",
            "N behind an FID of `within`; 0: none",
        ),
        curve(
            "denoising_loss",
            "squared error",
            "mean squared error of the noise on task j <= k, after `step` steps of experience k",
        ),
        curve("bpd", "bits/dim", "bits per dimension on task j <= k, after `step` steps of experience k"),
        curve("fid", "", "FID of a few samples on task j <= k, after `step` steps of experience k"),
    ]
}

fn within_summaries() -> Vec<Quantity> {
    let of = |name: &str, index: &str, meaning| {
        let place = format!("cells[cell].within.summary.LOSS.{name}{index}");
        plain(&format!("within.LOSS.{name}"), "", &place, meaning).better(Better::LOWER)
    };
    vec![
        of(
            "anytime_average",
            "",
            "mean over the steps of the training of the mean LOSS over the tasks seen: the area under the curve",
        ),
        of("worst", "", "mean over old tasks of the worst LOSS since right after the task (min-ACC)"),
        of(
            "worst_case",
            "",
            "the final LOSS on the last task, weighted 1/K, and `worst`, weighted 1 - 1/K (WC-ACC)",
        ),
        of("stability_gap", "", "mean of `gaps`"),
        of("stability_gap_recovered", "", "mean of `recovered`").better(Better::HIGHER),
        of(
            "gaps",
            "[k][j]",
            "how much worse LOSS on task j < k became while task k was learned, at its worst",
        ),
        of(
            "recovered",
            "[k][j]",
            "how much better LOSS on task j < k is at the end of task k than at that worst",
        )
        .better(Better::HIGHER),
    ]
}

fn drift() -> Vec<Quantity> {
    vec![
        plain("drift.samples", "images", "cells[cell].drift.samples", "N behind `drift`: the first samples of each task"),
        plain(
            "drift.distance",
            "of the range",
            "cells[cell].drift.distance[k][j]",
            "mean over samples of task j < k of the root mean squared change of a pixel since right after task j, from the same \
             noise",
        )
        .with_error("cells[cell].drift.distance_error[k][j]"),
        plain(
            "drift.relative",
            "",
            "cells[cell].drift.relative[k][j]",
            "`drift.distance` as a part of the mean distance of two samples of the task right after it: 0 nothing moved, 1 a \
             sample has no more to do with its predecessor than with any other",
        )
        .with_error("cells[cell].drift.relative_error[k][j]"),
    ]
}
