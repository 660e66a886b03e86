//! The numbers of a cell in the form of `results.json`, from what the engine measured.

use std::collections::BTreeMap;

use cl_metrics::likelihood::{Change, TimestepProfile};
use cldiff_engine::{CellSpec, Cost, Evaluation};
use ddpm_core::ProcessConfig;

use super::{readings::readings, samples::SampleNumbers};
use crate::{
    quantities::{
        losses::{MATRIX_LOSSES, MatrixLoss, TIMESTEP_LOSSES, TimestepLoss},
        summaries::summarise,
    },
    results::{
        CellResult, ChangeResult, CkaResult, Costs, HybridResult, Matrix, MissingValue, TimestepResult,
    },
};

/// The numbers of a cell, from its evaluations.
pub(super) fn cell_result(spec: &CellSpec, evaluations: &[Evaluation], cost: &Cost) -> CellResult {
    let losses = MATRIX_LOSSES.iter();
    let mut matrices: BTreeMap<String, Matrix> =
        losses.map(|loss| (loss.name.to_owned(), matrix(evaluations, |p| finite((loss.of)(p))))).collect();
    let samples = SampleNumbers::of(&spec.evaluation.metrics, evaluations);
    matrices.extend(samples.matrices);
    let losses = MATRIX_LOSSES.iter();
    let errors = losses.filter_map(|loss| Some((loss.name.to_owned(), matrix(evaluations, loss.error?))));
    let n = |loss: &MatrixLoss| (loss.name.to_owned(), by_task(evaluations, |p| Some(p.prior.len())));
    let untrained = untrained(evaluations);
    let missing = [samples.missing, missing_losses(evaluations)].concat();
    let summaries = summarise(&matrices, &samples.pooled, &untrained, &missing);
    CellResult {
        failed: None,
        strategy: spec.strategy.name(),
        label: spec.strategy.label(),
        seed: spec.seed,
        bound: Some(spec.strategy.is_bound()),
        summary: summaries.values,
        summary_missing: summaries.missing,
        standard_errors: samples.standard_errors.into_iter().chain(errors).collect(),
        samples: samples.samples.into_iter().chain(MATRIX_LOSSES.iter().map(n)).collect(),
        pooled_samples: samples.pooled_samples,
        pooled_standard_errors: samples.pooled_standard_errors,
        missing,
        matrices,
        pooled: samples.pooled,
        timestep: timestep_result(spec, evaluations),
        untrained,
        hybrid_sampling: evaluations.iter().flat_map(hybrid).collect(),
        ema_weight_of_past: evaluations.iter().map(|e| e.weight_of_past).collect(),
        gradient_cosine: spec
            .evaluation
            .gradients
            .map(|_| evaluations.iter().map(|e| e.analyses.gradients.clone()).collect()),
        cka: cka(evaluations),
        readings: readings(spec, evaluations),
        cost: Costs::of(cost),
    }
}

fn matrix(evaluations: &[Evaluation], value: impl Fn(&TimestepProfile) -> Option<f64>) -> Matrix {
    by_task(evaluations, value)
}

/// Losses that are not finite, as those of a model that has diverged.
fn missing_losses(evaluations: &[Evaluation]) -> Vec<MissingValue> {
    let of = |loss: &MatrixLoss, e: &Evaluation| {
        let lost = e.profiles.iter().enumerate().filter(|(_, profile)| !(loss.of)(profile).is_finite());
        let missing = |(j, _)| MissingValue {
            metric: loss.name.to_owned(),
            after_task: e.experience,
            on_task: Some(j),
            reason: format!("{} is not finite", loss.name),
        };
        lost.map(missing).collect::<Vec<_>>()
    };
    MATRIX_LOSSES.iter().flat_map(|loss| evaluations.iter().flat_map(move |e| of(loss, e))).collect()
}

fn untrained(evaluations: &[Evaluation]) -> BTreeMap<String, Vec<Option<f64>>> {
    let Some(profiles) = evaluations.first().map(|e| &e.analyses.untrained).filter(|p| !p.is_empty()) else {
        return BTreeMap::new();
    };
    let row = |loss: &MatrixLoss| profiles.iter().map(|p| finite((loss.of)(p))).collect();
    MATRIX_LOSSES.iter().map(|loss| (loss.name.to_owned(), row(loss))).collect()
}

/// `[k][j]` of something that a profile has.
fn by_task<T>(evaluations: &[Evaluation], of: impl Fn(&TimestepProfile) -> T) -> Vec<Vec<T>> {
    evaluations.iter().map(|e| e.profiles.iter().map(&of).collect()).collect()
}

fn timestep_result(spec: &CellSpec, evaluations: &[Evaluation]) -> TimestepResult {
    let grid = spec.evaluation.likelihood.grid(spec.process.timesteps);
    let edges = grid.map(|g| g.edges().to_vec()).unwrap_or_default();
    let losses = || TIMESTEP_LOSSES.iter();
    let forgetting = |loss: &TimestepLoss| -> Vec<Vec<ChangeResult>> {
        let of = |e: &Evaluation| e.analyses.forgetting.iter().map(|f| change((loss.change)(f))).collect();
        evaluations.iter().map(of).collect()
    };
    TimestepResult {
        log_snr: log_snr(&spec.process, &edges),
        edges,
        denoising_loss: by_task(evaluations, TimestepProfile::denoising_loss),
        vlb: by_task(evaluations, |p| p.vlb.means()),
        prior: matrix(evaluations, |p| finite(p.prior_term())),
        discretized: matrix(evaluations, |p| finite(p.discretized_term())),
        standard_errors: losses()
            .map(|loss| (loss.name.to_owned(), by_task(evaluations, loss.errors)))
            .collect(),
        forgetting: losses().map(|loss| (loss.name.to_owned(), forgetting(loss))).collect(),
    }
}

/// At each edge; at the last timestep for the last. With zero terminal SNR that is minus infinity, for which stands the
/// value one timestep earlier.
fn log_snr(process: &ProcessConfig, edges: &[usize]) -> Vec<f64> {
    let Ok(process) = process.build() else { return Vec::new() };
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
        clear: finite(change.clear),
        clear_error: change.clear_error.and_then(finite),
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

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use ddpm_core::diffusion::Prediction;

    use super::*;

    #[test]
    fn the_log_of_a_vanished_signal_is_that_of_the_timestep_before() {
        let plain = ProcessConfig { prediction: Prediction::VPrediction, ..ProcessConfig::default() };
        let zero = ProcessConfig { zero_terminal_snr: true, ..plain.clone() };
        let edges = [0, 500, 1000];
        let (process, values) = (zero.build().unwrap(), log_snr(&zero, &edges));
        assert_eq!(values[2], process.snr(998).ln());
        assert!(values.iter().all(|v| v.is_finite()) && values[2] < log_snr(&plain, &edges)[2]);
        // Of as few timesteps as there can be.
        let two = ProcessConfig { timesteps: 2, ..zero };
        assert!(log_snr(&two, &[0, 1, 2]).iter().all(|v| v.is_finite()));
    }
}
