//! The numbers of a cell in the form of `results.json`, from what the engine measured.

use std::collections::BTreeMap;

use cl_metrics::{
    likelihood::{Change, TimestepForgetting, TimestepGrid, TimestepProfile},
    sample::SampleMetric,
    summary::{Direction, EvaluationMatrix, forward_transfer, plasticity_against, summarise},
};
use cldiff_engine::{CellSpec, Cost, Evaluation};

use crate::results::{CellResult, ChangeResult, CkaResult, CostResult, HybridResult, Matrix, TimestepResult};

/// The numbers of a cell, from its evaluations.
pub(super) fn cell_result(spec: &CellSpec, evaluations: &[Evaluation], cost: &Cost) -> CellResult {
    let mut matrices = BTreeMap::from([
        ("bpd".to_owned(), matrix(evaluations, |p| finite(p.bits_per_dimension()))),
        ("denoising_loss".to_owned(), matrix(evaluations, |p| finite(p.mean_denoising_loss()))),
    ]);
    let mut pooled = BTreeMap::new();
    for metric in &spec.evaluation.metrics {
        let values = || evaluations.iter().filter_map(|e| e.metrics.get(metric));
        matrices.insert(metric.name().to_owned(), values().map(|v| v.tasks.clone()).collect());
        pooled.insert(metric.name().to_owned(), values().map(|v| v.pooled).collect());
    }
    let untrained = untrained(evaluations);
    CellResult {
        strategy: spec.strategy.name(),
        label: spec.strategy.label(),
        seed: spec.seed,
        summary: summary(&matrices, &pooled, &untrained),
        standard_errors: BTreeMap::from([(
            "bpd".to_owned(),
            matrix(evaluations, TimestepProfile::bits_standard_error),
        )]),
        matrices,
        pooled,
        timestep: timestep_result(spec, evaluations),
        untrained,
        hybrid_sampling: evaluations.iter().flat_map(hybrid).collect(),
        gradient_cosine: spec
            .evaluation
            .gradients
            .map(|_| evaluations.iter().map(|e| e.analyses.gradients.clone()).collect()),
        cka: cka(evaluations),
        cost: cost_result(cost),
    }
}

/// Adds to each cell how much better it learns new tasks than the joint cell of its seed, where there is one.
pub(crate) fn add_plasticity(cells: &mut [CellResult]) {
    let joint: BTreeMap<u64, BTreeMap<String, Matrix>> = cells
        .iter()
        .filter(|cell| cell.strategy == "joint")
        .map(|cell| (cell.seed, cell.matrices.clone()))
        .collect();
    for cell in cells.iter_mut().filter(|cell| cell.strategy != "joint") {
        let Some(joint) = joint.get(&cell.seed) else { continue };
        for (metric, rows) in &cell.matrices {
            let Some(reference) = joint.get(metric) else { continue };
            let (own, reference) =
                (EvaluationMatrix::new(rows.clone()), EvaluationMatrix::new(reference.clone()));
            let value = plasticity_against(&own, &reference, direction(metric));
            cell.summary.insert(format!("{metric}.plasticity_against_joint"), value);
        }
    }
}

/// Which way a metric is better.
fn direction(metric: &str) -> Direction {
    // Losses are better when smaller.
    SampleMetric::named(metric).map_or(Direction::LowerIsBetter, SampleMetric::direction)
}

fn matrix(evaluations: &[Evaluation], value: impl Fn(&TimestepProfile) -> Option<f64>) -> Matrix {
    evaluations.iter().map(|e| e.profiles.iter().map(&value).collect()).collect()
}

fn untrained(evaluations: &[Evaluation]) -> BTreeMap<String, Vec<Option<f64>>> {
    let Some(profiles) = evaluations.first().map(|e| &e.analyses.untrained).filter(|p| !p.is_empty()) else {
        return BTreeMap::new();
    };
    let row = |value: fn(&TimestepProfile) -> f64| profiles.iter().map(|p| finite(value(p))).collect();
    BTreeMap::from([
        ("bpd".to_owned(), row(TimestepProfile::bits_per_dimension)),
        ("denoising_loss".to_owned(), row(TimestepProfile::mean_denoising_loss)),
    ])
}

fn summary(
    matrices: &BTreeMap<String, Matrix>,
    pooled: &BTreeMap<String, Vec<Option<f64>>>,
    untrained: &BTreeMap<String, Vec<Option<f64>>>,
) -> BTreeMap<String, Option<f64>> {
    let mut summary = BTreeMap::new();
    for (metric, rows) in matrices {
        let (matrix, direction) = (EvaluationMatrix::new(rows.clone()), direction(metric));
        for (name, value) in summarise(&matrix, direction) {
            summary.insert(format!("{metric}.{name}"), value);
        }
        if let Some(untrained) = untrained.get(metric) {
            let value = forward_transfer(&matrix, untrained, direction);
            summary.insert(format!("{metric}.forward_transfer"), value);
        }
    }
    for (metric, values) in pooled {
        summary.insert(format!("{metric}.pooled_final"), values.last().copied().flatten());
    }
    summary
}

/// `[k][j]` of something that has a value for each bin.
fn by_bin<T>(evaluations: &[Evaluation], of: impl Fn(&TimestepProfile) -> T) -> Vec<Vec<T>> {
    evaluations.iter().map(|e| e.profiles.iter().map(&of).collect()).collect()
}

fn timestep_result(spec: &CellSpec, evaluations: &[Evaluation]) -> TimestepResult {
    let likelihood = &spec.evaluation.likelihood;
    let grid = TimestepGrid::new(spec.process.timesteps, likelihood.bins, likelihood.points_per_bin);
    let edges = grid.map(|g| g.edges().to_vec()).unwrap_or_default();
    let forgetting = |of: fn(&TimestepForgetting) -> &Change| -> Vec<Vec<ChangeResult>> {
        evaluations.iter().map(|e| e.analyses.forgetting.iter().map(|f| change(of(f))).collect()).collect()
    };
    TimestepResult {
        log_snr: log_snr(spec, &edges),
        edges,
        denoising_loss: by_bin(evaluations, TimestepProfile::denoising_loss),
        vlb: by_bin(evaluations, |p| p.vlb.means()),
        prior: matrix(evaluations, |p| finite(p.prior_term())),
        discretized: matrix(evaluations, |p| finite(p.discretized_term())),
        standard_errors: BTreeMap::from([
            ("denoising_loss".to_owned(), by_bin(evaluations, TimestepProfile::denoising_standard_errors)),
            ("vlb".to_owned(), by_bin(evaluations, |p| p.vlb.standard_errors())),
        ]),
        forgetting: BTreeMap::from([
            ("denoising_loss".to_owned(), forgetting(|f| &f.eps)),
            ("vlb".to_owned(), forgetting(|f| &f.vlb)),
        ]),
    }
}

/// At each edge; at the last timestep for the last. With zero terminal SNR that is minus infinity, for which stands the
/// value one timestep earlier.
fn log_snr(spec: &CellSpec, edges: &[usize]) -> Vec<f64> {
    let Ok(process) = spec.process.build() else { return Vec::new() };
    let at = |t: usize| process.snr(t.min(process.timesteps() - 1)).ln();
    let finite = |t: usize| if at(t).is_finite() { at(t) } else { at(t.min(process.timesteps() - 1) - 1) };
    edges.iter().map(|&t| finite(t)).collect()
}

fn change(change: &Change) -> ChangeResult {
    let finites = |values: &[f64]| values.iter().map(|v| finite(*v)).collect();
    let options = |values: &[Option<f64>]| values.iter().map(|v| v.and_then(finite)).collect();
    ChangeResult {
        absolute: finites(&change.absolute),
        absolute_error: options(&change.absolute_error),
        relative: options(&change.relative),
        relative_error: options(&change.relative_error),
        total: finite(change.total),
        total_error: change.total_error.and_then(finite),
        peak: change.peak(),
        share: change.share.clone().filter(|share| share.iter().all(|s| s.is_finite())),
        clear_share: change.clear_share.and_then(finite),
    }
}

fn hybrid(evaluation: &Evaluation) -> impl Iterator<Item = HybridResult> {
    evaluation.analyses.hybrid.iter().map(|curve| HybridResult {
        task: curve.task,
        thresholds: curve.thresholds.clone(),
        old_above: curve.old_above.clone(),
        new_above: curve.new_above.clone(),
    })
}

fn cka(evaluations: &[Evaluation]) -> Option<CkaResult> {
    let tables: Option<Vec<_>> = evaluations.iter().map(|e| e.analyses.cka.as_ref()).collect();
    let tables = tables.filter(|tables| !tables.is_empty())?;
    let blocks = tables.last().map(|table| table.blocks.clone()).unwrap_or_default();
    Some(CkaResult { blocks, values: tables.iter().map(|table| table.values.clone()).collect() })
}

fn cost_result(cost: &Cost) -> CostResult {
    CostResult {
        train_seconds: cost.train_seconds,
        sample_seconds: cost.sample_seconds,
        evaluate_seconds: cost.evaluate_seconds,
        images_per_second: cost.images_trained as f64 / cost.train_seconds.max(1e-9),
        denoiser_evaluations: cost.denoiser_evaluations,
        skipped_steps: cost.skipped_steps,
        peak_memory_bytes: cost.peak_memory_bytes,
        buffer_bytes: cost.buffer_bytes,
        extra_parameters: cost.extra_parameters,
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
