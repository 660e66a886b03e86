//! A rung as an ordinary run: its configuration, and the scores of its candidates.

use std::path::Path;

use cl_strategies::Budget;
use cldiff_engine::{EvaluationConfig, StrategySpec};

use super::record::Scored;
use crate::{
    config::Config,
    files::finished_run::{self, FinishedRun},
    quantities::{columns::Column, losses::MATRIX_LOSSES, named, ranking::Ranking},
    results::CellResult,
};

/// The candidates of a rung: label, and strategy with its values.
pub type Candidates = Vec<(String, StrategySpec)>;

/// The configuration of a rung: the base with the candidates, the length, and the analyses that the score needs.
pub fn config(
    base: &Config,
    rung: usize,
    passes: u64,
    part: f64,
    candidates: Candidates,
    of: &Ranking,
) -> Config {
    let mut config = base.clone();
    config.name = name_of(&base.name, rung);
    config.training.budget = Some(Budget::Passes(passes));
    // A training that is shorter warms up for a shorter time.
    let warmup = &mut config.training.optimizer.warmup_steps;
    *warmup = (*warmup as f64 * part).ceil() as usize;
    config.evaluation = needed(&base.evaluation, &of.metric, &of.name);
    let labelled = |(label, mut strategy): (String, StrategySpec)| {
        strategy.label = Some(label);
        strategy
    };
    config.strategy = candidates.into_iter().map(labelled).collect();
    config
}

/// The longest name of a run, in bytes.
const LONGEST_NAME: usize = 100;

fn name_of(name: &str, rung: usize) -> String {
    let longer = format!("{name}-rung-{rung}");
    if longer.len() <= LONGEST_NAME { longer } else { name.to_owned() }
}

/// The evaluation with that alone which a quantity needs. Readings draw from keys of their own, so that no value changes.
fn needed(evaluation: &EvaluationConfig, metric: &str, name: &str) -> EvaluationConfig {
    let mut needed = evaluation.clone();
    let is_loss = MATRIX_LOSSES.iter().any(|loss| loss.name == metric);
    let is_within = name.starts_with("within.");
    needed.hybrid_sampling.thresholds.clear();
    (needed.gradients, needed.cka, needed.cas) = (None, None, None);
    needed.classes.fid = false;
    needed.drift.samples = 0;
    needed.grid_columns = 1;
    needed.every_steps = evaluation.every_steps.filter(|_| is_within);
    if !is_loss || is_within {
        needed.likelihood.images_per_task = 1;
        needed.likelihood.draws = 1;
    }
    if !is_loss && !is_within {
        needed.metrics.retain(|known| known.name() == metric);
    }
    needed
}

/// The run of a rung, if every cell of it has an end.
pub fn decided(root: &Path) -> Option<FinishedRun> {
    let run = finished_run::load(root).ok()?;
    let is_merged = root.join("results.json").exists();
    (is_merged && run.missing.is_empty()).then_some(run)
}

/// The candidates of a strategy by their numbers and labels, the best first. A candidate without a value for every seed comes
/// last; of equal ones the one with the lower number comes first.
pub fn scores(run: &FinishedRun, candidates: &[(usize, String)], seeds: &[u64], of: &Ranking) -> Vec<Scored> {
    let column = named::chosen(&run.results, std::slice::from_ref(&of.name))
        .ok()
        .and_then(|found| found.into_iter().next());
    let mut scored: Vec<Scored> =
        candidates.iter().map(|(i, label)| scored(run, column.as_ref(), *i, label, seeds)).collect();
    scored.sort_by(|a, b| {
        let (worst, by_score) = (f64::INFINITY, |s: &Scored| s.score.map(|score| of.cost(score)));
        let order = by_score(a).unwrap_or(worst).total_cmp(&by_score(b).unwrap_or(worst));
        order.then(a.score.is_none().cmp(&b.score.is_none())).then(a.candidate.cmp(&b.candidate))
    });
    scored
}

fn scored(
    run: &FinishedRun,
    column: Option<&Column>,
    candidate: usize,
    label: &str,
    seeds: &[u64],
) -> Scored {
    let cell = |seed: &u64| run.results.cells.iter().find(|cell| cell.label == label && cell.seed == *seed);
    let cells: Vec<Option<&CellResult>> = seeds.iter().map(cell).collect();
    let by_seed: Vec<Option<f64>> =
        cells.iter().map(|cell| column.zip(*cell).and_then(|(column, cell)| column.of(cell))).collect();
    let whole: Option<Vec<f64>> = by_seed.iter().copied().collect();
    let score = whole.map(|values| values.iter().sum::<f64>() / values.len() as f64);
    let reason = || {
        let failed = run.results.failed.iter().find(|failed| failed.label == label);
        let lost = cells.iter().flatten().find_map(|cell| column?.reason(&[cell]));
        failed.map(|failed| format!("seed {}: {}", failed.seed, failed.reason)).or(lost)
    };
    let reason = if score.is_none() { reason().or_else(|| Some("no reason was kept".into())) } else { None };
    let passes = cells.iter().flatten().map(|cell| training_passes(cell)).sum();
    Scored { candidate, label: label.to_owned(), score, by_seed, reason, passes }
}

/// Passes of a cell that are not its evaluation's: whole numbers far below 2^53.
fn training_passes(cell: &CellResult) -> u64 {
    cell.cost.get("method_evaluations").unwrap_or(0.0) as u64
}

/// Removes the models that a decided rung has left: nothing reads them any more. Best effort.
pub fn remove_models(root: &Path) {
    let cells = std::fs::read_dir(root.join("cells")).into_iter().flatten().flatten();
    for cell in cells {
        let _ = std::fs::remove_dir_all(cell.path().join("checkpoints"));
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use cl_metrics::summary::Direction;

    use super::*;
    use crate::results::{FailedCell, Results};

    fn ranking(name: &str, direction: Direction) -> Ranking {
        Ranking { name: name.into(), direction, metric: name.split('.').next().unwrap().into() }
    }

    fn fid() -> Ranking {
        ranking("fid.final_average", Direction::LowerIsBetter)
    }

    /// A run with a cell for each label, seed and value.
    fn run(cells: &[(&str, u64, Option<f64>)], failed: &[(&str, u64, &str)]) -> FinishedRun {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        let mut results = Results::parse(text, Path::new("results.json")).unwrap();
        let example = results.cells[0].clone();
        let cell = |(label, seed, value): &(&str, u64, Option<f64>)| {
            let mut cell = CellResult { label: (*label).to_owned(), seed: *seed, ..example.clone() };
            cell.summary.insert("fid.final_average".into(), *value);
            if value.is_none() {
                cell.summary_missing.insert("fid.final_average".into(), "too few samples".into());
            }
            cell
        };
        results.cells = cells.iter().map(cell).collect();
        let failure = |(label, seed, reason): &(&str, u64, &str)| {
            FailedCell::new("replay".into(), (*label).to_owned(), *seed, (*reason).to_owned())
        };
        results.failed = failed.iter().map(failure).collect();
        FinishedRun {
            place: PathBuf::new(),
            results,
            missing: Vec::new(),
            config_toml: String::new(),
            data_sha256: BTreeMap::new(),
            manifest: Vec::new(),
            grids: BTreeMap::new(),
            real_grid: None,
        }
    }

    fn numbered(labels: &[&str]) -> Vec<(usize, String)> {
        labels.iter().enumerate().map(|(i, label)| (i, (*label).to_owned())).collect()
    }

    /// Means over two seeds: 3, 2, none, 2, none.
    #[test]
    fn the_best_comes_first_and_a_candidate_without_a_value_last() {
        let cells = [
            ("r.0", 7, Some(2.0)),
            ("r.0", 8, Some(4.0)),
            ("r.1", 7, Some(2.5)),
            ("r.1", 8, Some(1.5)),
            ("r.2", 7, Some(0.1)),
            ("r.3", 7, Some(1.0)),
            ("r.3", 8, Some(3.0)),
            ("r.4", 7, Some(0.2)),
            ("r.4", 8, None),
        ];
        let run = run(&cells, &[("r.2", 8, "it diverged")]);
        let candidates = numbered(&["r.0", "r.1", "r.2", "r.3", "r.4"]);
        let found = scores(&run, &candidates, &[7, 8], &fid());
        let order: Vec<(usize, Option<f64>)> = found.iter().map(|s| (s.candidate, s.score)).collect();
        assert_eq!(order, [(1, Some(2.0)), (3, Some(2.0)), (0, Some(3.0)), (2, None), (4, None)]);
        assert_eq!(found[1].by_seed, [Some(1.0), Some(3.0)]);
        assert_eq!(
            (found[3].by_seed.clone(), found[3].reason.as_deref()),
            (vec![Some(0.1), None], Some("seed 8: it diverged"))
        );
        assert_eq!(found[4].reason.as_deref(), Some("too few samples"));
        assert_eq!(found[0].reason, None);
        // Where more is better, the other way round.
        let higher = ranking("fid.final_average", Direction::HigherIsBetter);
        let order: Vec<usize> =
            scores(&run, &candidates, &[7, 8], &higher).iter().map(|s| s.candidate).collect();
        assert_eq!(order, [0, 1, 3, 2, 4]);
    }

    #[test]
    fn passes_are_those_of_the_training_alone() {
        let mut run = run(&[("r.0", 7, Some(1.0)), ("r.0", 8, Some(1.0))], &[]);
        for cell in &mut run.results.cells {
            let mut json = serde_json::to_value(&*cell).unwrap();
            json["cost"]["method_evaluations"] = 650.0.into();
            *cell = serde_json::from_value(json).unwrap();
        }
        assert_eq!(scores(&run, &numbered(&["r.0"]), &[7, 8], &fid())[0].passes, 2 * 650);
    }

    #[test]
    fn a_rung_measures_what_its_score_needs() {
        let config: Config = toml::from_str(
            "name = 'n'\n[data.glyphs]\n[training.optimizer]\nwarmup_steps = 10\n[evaluation]\nevery_steps = 5\ncas = {}\n",
        )
        .unwrap();
        let candidates = vec![("r.1".to_owned(), StrategySpec::named("replay").unwrap())];
        let of = |ranking: &Ranking| super::config(&config, 2, 640, 0.25, candidates.clone(), ranking);
        let rung = of(&fid());
        assert_eq!((rung.name.as_str(), rung.strategy[0].label().as_str()), ("n-rung-2", "r.1"));
        assert_eq!(rung.training.budget, Some(Budget::Passes(640)));
        // A quarter of 10 steps, rounded up.
        assert_eq!(rung.training.optimizer.warmup_steps, 3);
        let evaluation = &rung.evaluation;
        let metrics: Vec<&str> = evaluation.metrics.iter().map(|metric| metric.name()).collect();
        assert_eq!((metrics, evaluation.likelihood.images_per_task), (vec!["fid"], 1));
        assert!(evaluation.hybrid_sampling.thresholds.is_empty() && evaluation.cas.is_none());
        assert!(evaluation.every_steps.is_none() && evaluation.drift.samples == 0);
        let bits = of(&ranking("bpd.final_average", Direction::LowerIsBetter)).evaluation;
        assert_eq!(bits.likelihood, config.evaluation.likelihood);
        let within =
            Ranking { metric: "bpd".into(), ..ranking("within.bpd.worst", Direction::LowerIsBetter) };
        assert_eq!(of(&within).evaluation.every_steps, Some(5));
    }

    #[test]
    fn a_name_that_would_be_too_long_stays_as_it_is() {
        assert_eq!((name_of("n", 1), name_of(&"n".repeat(99), 1)), ("n-rung-1".into(), "n".repeat(99)));
    }
}
