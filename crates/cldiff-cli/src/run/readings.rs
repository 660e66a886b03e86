//! The readings of a cell in the form of `results.json`, from what the engine measured.

use cl_metrics::{
    readings::{ClassAccuracies, Curves, TaskCurves, accuracies, within_summary},
    sample::{Estimate, Outcome, drift::SampleDrift},
    summary::Direction,
};
use cldiff_engine::{CasReading, CellSpec, ClassReadings, Evaluation, RemovedClass, TaskLook};

use crate::results::{
    CasResult, DriftResult, Matrix, MissingClass, Readings, RemovedResult, WithinResult, WithinSummaries,
    WithinSummary,
};

/// The readings of a cell, from its evaluations.
pub(super) fn readings(spec: &CellSpec, evaluations: &[Evaluation]) -> Readings {
    let classes: Option<Vec<&ClassReadings>> =
        evaluations.iter().map(|e| e.analyses.classes.as_ref()).collect();
    let classes = classes.unwrap_or_default();
    Readings {
        reference: spec.strategy.reference(),
        class_names: classes.last().map(|of_k| of_k.names.clone()).unwrap_or_default(),
        class_confusion: classes.iter().map(|of_k| of_k.confusion.clone()).collect(),
        class_accuracy: classes.iter().map(|of_k| accuracies(&of_k.confusion).classes).collect(),
        class_fid: class_fid(&classes, |fid| Some(fid.value)),
        class_fid_error: class_fid(&classes, |fid| fid.standard_error),
        class_missing: class_missing(&classes),
        cas: spec.evaluation.cas.map(|config| cas(config.samples_per_class, evaluations)),
        within: spec.evaluation.every_steps.map(|_| within(spec, evaluations)),
        drift: drift(evaluations),
        removed: removed(&classes, evaluations),
    }
}

fn class_fid(classes: &[&ClassReadings], of: fn(&Estimate) -> Option<f64>) -> Matrix {
    let value = |entry: &Option<Outcome>| entry.as_ref().and_then(|fid| fid.as_ref().ok().and_then(of));
    if classes.iter().all(|of_k| of_k.fid.is_empty()) {
        return Vec::new();
    }
    classes.iter().map(|of_k| of_k.fid.iter().map(value).collect()).collect()
}

fn class_missing(classes: &[&ClassReadings]) -> Vec<MissingClass> {
    let mut missing = Vec::new();
    for (after_task, of_k) in classes.iter().enumerate() {
        for (class, entry) in of_k.fid.iter().enumerate() {
            if let Some(Err(reason)) = entry {
                missing.push(MissingClass { after_task, class, reason: reason.to_string() });
            }
        }
    }
    missing
}

fn cas(samples_per_class: usize, evaluations: &[Evaluation]) -> CasResult {
    let of = |side: fn(&CasReading) -> &ClassAccuracies| -> Vec<Option<&ClassAccuracies>> {
        evaluations.iter().map(|e| e.analyses.cas.as_ref().map(side)).collect()
    };
    let (samples, real) = (of(|cas| &cas.samples), of(|cas| &cas.real));
    let all =
        |side: &[Option<&ClassAccuracies>]| side.iter().map(|found| found.and_then(|f| f.all)).collect();
    let errors =
        |side: &[Option<&ClassAccuracies>]| side.iter().map(|found| found.and_then(|f| f.error)).collect();
    let classes = |side: &[Option<&ClassAccuracies>]| -> Matrix {
        side.iter().map(|found| found.map_or_else(Vec::new, |f| f.classes.clone())).collect()
    };
    CasResult {
        samples_per_class,
        accuracy: all(&samples),
        accuracy_error: errors(&samples),
        class_accuracy: classes(&samples),
        real_accuracy: all(&real),
        real_accuracy_error: errors(&real),
        real_class_accuracy: classes(&real),
    }
}

fn within(spec: &CellSpec, evaluations: &[Evaluation]) -> WithinResult {
    let steps: Vec<Vec<usize>> =
        evaluations.iter().map(|e| e.analyses.within.iter().map(|look| look.step).collect()).collect();
    let curves = |of: fn(&TaskLook) -> Option<f64>| -> Vec<Curves> {
        let of_task = |e: &Evaluation, j: usize| -> Vec<Option<f64>> {
            e.analyses.within.iter().map(|look| look.tasks.get(j).and_then(of)).collect()
        };
        evaluations.iter().map(|e| (0..=e.experience).map(|j| of_task(e, j)).collect()).collect()
    };
    let config = spec.evaluation.within;
    let (denoising_loss, bpd) = (curves(|look| look.denoising_loss), curves(|look| look.bpd));
    let fid = if config.samples > 0 { curves(|look| look.fid) } else { Vec::new() };
    let summary = WithinSummaries {
        denoising_loss: summary(&steps, &denoising_loss),
        bpd: summary(&steps, &bpd),
        fid: (!fid.is_empty()).then(|| summary(&steps, &fid)),
    };
    let (images, samples) = (config.images_per_task, config.samples);
    WithinResult { images, samples, steps, denoising_loss, bpd, fid, summary }
}

fn summary(steps: &[Vec<usize>], curves: &[Curves]) -> WithinSummary {
    let experiences: Vec<TaskCurves<'_>> =
        steps.iter().zip(curves).map(|(steps, curves)| TaskCurves { steps, curves }).collect();
    let found = within_summary(&experiences, Direction::LowerIsBetter);
    WithinSummary {
        anytime_average: found.anytime_average,
        worst: found.worst,
        worst_case: found.worst_case,
        stability_gap: found.stability_gap,
        stability_gap_recovered: found.stability_gap_recovered,
        gaps: found.gaps.iter().map(|of_k| of_k.iter().map(|gap| gap.gap).collect()).collect(),
        recovered: found.gaps.iter().map(|of_k| of_k.iter().map(|gap| gap.recovered).collect()).collect(),
    }
}

/// None where no samples were kept: one task, or none asked for.
fn drift(evaluations: &[Evaluation]) -> Option<DriftResult> {
    let first = evaluations.iter().flat_map(|e| &e.analyses.drift).flatten().next()?;
    let of = |of: fn(&SampleDrift) -> Option<f64>| -> Matrix {
        let row = |e: &Evaluation| e.analyses.drift.iter().map(|found| found.as_ref().and_then(of)).collect();
        evaluations.iter().map(row).collect()
    };
    Some(DriftResult {
        samples: first.samples,
        distance: of(|drift| Some(drift.distance)),
        distance_error: of(|drift| drift.distance_error),
        relative: of(|drift| drift.relative),
        relative_error: of(|drift| drift.relative_error),
    })
}

/// None where the stream removes nothing.
fn removed(classes: &[&ClassReadings], evaluations: &[Evaluation]) -> Option<RemovedResult> {
    let any = evaluations.iter().find_map(|e| e.analyses.removed.first())?;
    let width = classes.first().map_or(0, |of_k| of_k.names.len());
    let entry = |e: &Evaluation, class: usize, removed: bool, of: fn(&RemovedClass) -> Option<f64>| {
        let mut found = e.analyses.removed.iter();
        found.find(|found| found.class == class && found.removed == removed).and_then(of)
    };
    let matrix = |of: fn(&RemovedClass) -> Option<f64>| -> Matrix {
        let row = |e: &Evaluation| (0..width).map(|class| entry(e, class, true, of)).collect();
        evaluations.iter().map(row).collect()
    };
    let of_class = |removed: bool, of: fn(&RemovedClass) -> Option<f64>| -> Vec<Option<f64>> {
        (0..width).map(|class| evaluations.iter().find_map(|e| entry(e, class, removed, of))).collect()
    };
    Some(RemovedResult {
        samples: any.samples,
        class_share: matrix(|found| Some(found.share)),
        class_share_error: matrix(|found| Some(found.share_error)),
        class_probability: matrix(|found| Some(found.probability)),
        class_probability_error: matrix(|found| found.probability_error),
        class_entropy: matrix(|found| Some(found.entropy)),
        share_before: of_class(false, |found| Some(found.share)),
        share_before_error: of_class(false, |found| Some(found.share_error)),
        noise_share: of_class(true, |found| found.noise_share),
    })
}
