//! `cldiff tune`: chooses options of strategies, with the same passes for each strategy, on seeds and an order of classes that
//! the comparison never uses.
//!
//! [`plan`] makes rungs of a budget, [`space`] has the options and [`draw`] their values; [`prepare`] checks all of it before
//! anything is written. [`search`] goes from rung to rung: a rung is an ordinary run ([`rung`]), made by the code of
//! `cldiff run --resume`. [`record`] is the file of the search.

mod draw;
mod order;
mod plan;
mod prepare;
mod record;
mod rung;
mod search;
mod show;
mod space;

use crate::{
    args::{RunArgs, TuneArgs},
    ui::failure::Failure,
};
use prepare::Prepared;
use record::Search;

/// How a search goes on.
const GO_ON: &str = "the same command goes on";

/// The parts of `cldiff run` that a search is made by.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// Listens to signals; the text says how to go on.
    pub listen: fn(String),
    /// Makes a run.
    pub run: fn(&RunArgs) -> Result<(), Failure>,
}

/// Tunes the strategies of a configuration, or shows the plan.
///
/// # Errors
/// [`Failure::Mistake`] for what cannot work, before anything is written; [`Failure::Interrupted`];
/// [`Failure::Other`] if files cannot be written, and for a strategy without any candidate that has a value.
pub fn tune(args: &TuneArgs, runs: &Runs) -> Result<(), Failure> {
    (runs.listen)(format!("interrupted; nothing is lost: {GO_ON}"));
    let prepared = Prepared::of(args)?;
    let Some(root) = args.out.as_deref().filter(|_| !args.dry_run) else {
        show::plan(&prepared);
        return Ok(());
    };
    let search = search::run(&prepared, args, runs, root)?;
    show::outcome(&prepared, &search, root);
    lost(&search)
}

/// Whether a strategy has nothing to show for its search.
fn lost(search: &Search) -> Result<(), Failure> {
    let has_none =
        |searched: &&record::Searched| searched.chosen.as_ref().is_some_and(|chosen| chosen.score.is_none());
    let Some(strategy) = search.strategies.iter().find(has_none) else { return Ok(()) };
    let first = strategy.rungs.first().and_then(|rung| rung.candidates.first());
    let reason = first.and_then(|scored| scored.reason.clone()).unwrap_or_default();
    Err(Failure::Other(anyhow::anyhow!(
        "no candidate of {} has {}: {reason}",
        strategy.label,
        search.plan.metric
    )))
}
