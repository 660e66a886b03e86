//! A search from rung to rung. Every rung is a run of its own in the directory of the search, and all that a rung follows
//! from is in the plan and in the results of the rungs before: a search that is interrupted, or made by several processes,
//! comes to the same end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use cl_strategies::durable::{part_of, write_whole};

use super::{
    GO_ON, Runs,
    prepare::{Prepared, Searchable},
    record::{Against, Chosen, Decided, FILE, SCHEMA, Scored, Search, Searched},
    rung,
};
use crate::{
    args::TuneArgs,
    config::Config,
    files::{finished_run::FinishedRun, run_directory::RunDirectory},
    ui::{failure::Failure, progress::Progress},
};

/// The configuration with the chosen values.
pub const TUNED: &str = "tuned.toml";

/// Makes a search, or goes on with one; ends at once where it is done.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds something else, or a search of another plan;
/// [`Failure::Interrupted`]; [`Failure::Other`] if files cannot be written.
pub fn run(prepared: &Prepared, args: &TuneArgs, runs: &Runs, root: &Path) -> Result<Search, Failure> {
    let mut searching = Searching { prepared, args, runs, root, search: begun(prepared, root)? };
    if searching.search.done {
        searching.say("the search is done: nothing is left to compute");
    } else {
        searching.keep()?;
        for rung in 0..prepared.rungs.len() {
            let run = searching.made(rung)?;
            rung::remove_models(&prepared.directory(root, rung));
            searching.note(rung, &run);
            searching.keep()?;
        }
        searching.search.done = true;
    }
    let text = tuned(prepared, &searching.search)?;
    searching.write(&root.join(TUNED), &text)?;
    searching.keep()?;
    Ok(searching.search)
}

/// The search of this plan that is there and done; else one that has nothing yet, since the rungs that are there tell the
/// rest.
fn begun(prepared: &Prepared, root: &Path) -> Result<Search, Failure> {
    let plan = prepared.plan.clone();
    let none = |strategy: &Searchable| Searched {
        label: strategy.label.clone(),
        spent: 0,
        rungs: Vec::new(),
        chosen: None,
    };
    let strategies = prepared.strategies.iter().map(none).collect();
    let new = Search { schema: SCHEMA, done: false, plan, strategies };
    let wrong = |why: String| Failure::mistake(format!("--out {}: {why}", root.display()));
    let Some(old) = Search::read(root).map_err(|error| wrong(format!("{error:#}")))? else {
        return if is_free(root) {
            Ok(new)
        } else {
            Err(wrong("the directory is not empty, and holds no search".into()))
        };
    };
    match old.plan.difference(&new.plan)? {
        None => Ok(if old.done { old } else { new }),
        Some((key, [there, here])) => Err(wrong(format!(
            "the directory holds another search: `{key}` is {there} there and {here} here; name another directory"
        ))),
    }
}

/// Whether a directory holds nothing but what a process leaves that is killed before it writes the search.
fn is_free(root: &Path) -> bool {
    let mut entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.all(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_part = part_of(&name).is_some_and(|(whole, _)| whole == FILE);
        name == "lock" || name.starts_with("lease.json") || is_part
    })
}

struct Searching<'a> {
    prepared: &'a Prepared,
    args: &'a TuneArgs,
    runs: &'a Runs,
    root: &'a Path,
    search: Search,
}

impl Searching<'_> {
    fn say(&self, line: &str) {
        Progress::new(self.args.quiet).say(line);
    }

    /// Writes the search, unless another process has come further with it.
    fn keep(&self) -> Result<(), Failure> {
        let _claim = RunDirectory::of(self.root).claim(&Progress::new(true))?;
        let decided = |search: &Search| {
            (search.done, search.strategies.iter().map(|strategy| strategy.rungs.len()).sum::<usize>())
        };
        let there = Search::read(self.root).ok().flatten();
        if there.is_some_and(|there| decided(&there) > decided(&self.search) || there == self.search) {
            return Ok(());
        }
        self.search.write(self.root).map_err(|error| cannot_write(&error))
    }

    /// Writes a file, if it is not there as it is.
    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let _claim = RunDirectory::of(self.root).claim(&Progress::new(true))?;
        if fs::read_to_string(path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        write_whole(path, text.as_bytes()).map_err(|error| cannot_write(&error))
    }

    /// Makes the run of a rung, from 0, if it is not there.
    fn made(&self, rung: usize) -> Result<FinishedRun, Failure> {
        let directory = self.prepared.directory(self.root, rung);
        if let Some(run) = rung::decided(&directory) {
            return Ok(run);
        }
        let config = self.config(rung);
        let text =
            toml::to_string(&config).context("the configuration of a rung cannot be written as TOML")?;
        let file = directory.with_extension("toml");
        self.write(&file, &text)?;
        let (number, of, cells) = (rung + 1, self.prepared.rungs.len(), config.cells().len());
        let passes = self.prepared.rungs[rung].passes;
        let line = format!(
            "rung {number} of {of}: {} candidates with {passes} passes an experience",
            config.strategy.len()
        );
        self.say(&format!("{line}; {cells} cells in {}", directory.display()));
        let outcome = (self.runs.run)(&self.args.run(file, directory.clone(), GO_ON));
        match (rung::decided(&directory), outcome) {
            // Candidates that failed come last: the rung is decided all the same.
            (Some(run), Ok(()) | Err(Failure::Cells(_))) => {
                let failed = run.results.failed.len();
                if failed > 0 {
                    self.say(&format!(
                        "rung {number}: {failed} of {cells} cells failed, and their candidates come last"
                    ));
                }
                Ok(run)
            }
            (_, Err(failure)) => Err(failure),
            (None, Ok(())) => Err(Failure::Other(anyhow::anyhow!(
                "{}: the rung has no results; nothing is lost: {GO_ON}",
                directory.display()
            ))),
        }
    }

    /// The candidates of a strategy on a rung: all of them, or the best of the rung before.
    fn candidates(&self, i: usize, rung: usize) -> Vec<(usize, String)> {
        let (strategy, searched) = (&self.prepared.strategies[i], &self.search.strategies[i]);
        let count = strategy.counts[rung];
        let mut numbers: Vec<usize> = match rung.checked_sub(1) {
            None => (0..count).collect(),
            Some(before) => {
                searched.rungs[before].candidates.iter().take(count).map(|scored| scored.candidate).collect()
            }
        };
        numbers.sort_unstable();
        numbers.into_iter().map(|number| (number, strategy.label_of(number))).collect()
    }

    fn config(&self, rung: usize) -> Config {
        let Prepared { base, ranking, rungs, strategies, plan, .. } = self.prepared;
        let of_strategy = |i: usize| {
            let candidates = self.candidates(i, rung).into_iter();
            candidates.map(|(number, label)| (label, strategies[i].specs[number].clone())).collect::<Vec<_>>()
        };
        let candidates = (0..strategies.len()).flat_map(of_strategy).collect();
        let passes = rungs[rung].passes;
        let part = passes as f64 / plan.passes_of_the_configuration as f64;
        rung::config(base, rung + 1, passes, part, candidates, ranking)
    }

    /// Notes the scores of a rung, and after the last one what is chosen.
    fn note(&mut self, rung: usize, run: &FinishedRun) {
        let Prepared { base, ranking, rungs, strategies, .. } = self.prepared;
        for (i, strategy) in strategies.iter().enumerate() {
            let candidates = rung::scores(run, &self.candidates(i, rung), &base.seeds, ranking);
            let searched = &mut self.search.strategies[i];
            searched.spent += candidates.iter().map(|scored| scored.passes).sum::<u64>();
            searched.rungs.push(Decided { rung: rung + 1, candidates });
            if rung + 1 == rungs.len() {
                searched.chosen = Some(chosen(strategy, &searched.rungs));
            }
        }
    }
}

fn cannot_write(error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(anyhow::anyhow!("{error:#}\nnothing is lost: {GO_ON}"))
}

/// The best candidate of the last rung on which any has a score; the configuration's own setting if there is none.
fn chosen(strategy: &Searchable, rungs: &[Decided]) -> Chosen {
    let best = |decided: &Decided| decided.candidates.first().filter(|best| best.score.is_some()).cloned();
    let found = rungs.iter().rev().find_map(|decided| Some((decided.rung, best(decided)?)));
    let (rung, candidate, score) =
        found.map_or((1, 0, None), |(rung, best)| (rung, best.candidate, best.score));
    let on = |decided: &Decided, number: usize| -> Option<Scored> {
        decided.candidates.iter().find(|scored| scored.candidate == number).cloned()
    };
    let both = |decided: &Decided| {
        let (own, chosen) = (on(decided, 0)?, on(decided, candidate)?);
        Some(Against { rung: decided.rung, own: own.score, chosen: chosen.score })
    };
    let against_own =
        rungs.iter().rev().find_map(both).unwrap_or(Against { rung: 1, own: None, chosen: None });
    Chosen { candidate, values: strategy.values_of(candidate), rung, score, against_own }
}

/// The text of the tuned configuration, found to be read as it is meant.
fn tuned(prepared: &Prepared, search: &Search) -> Result<String, Failure> {
    let Prepared { loaded, strategies, .. } = prepared;
    let mut values = vec![Vec::new(); loaded.config.strategy.len()];
    let mut expected = loaded.config.strategy.clone();
    for (strategy, searched) in strategies.iter().zip(&search.strategies) {
        let Some(chosen) = searched.chosen.as_ref().filter(|chosen| chosen.candidate > 0) else { continue };
        let label = expected[strategy.place].label.clone();
        expected[strategy.place].clone_from(&strategy.specs[chosen.candidate]);
        expected[strategy.place].label = label;
        let toml =
            |(key, value): (&String, &serde_json::Value)| Ok((key.clone(), toml::Value::try_from(value)?));
        let chosen = chosen.values.iter().map(toml).collect::<Result<_, toml::ser::Error>>();
        values[strategy.place] = chosen.context("a chosen value cannot be written as TOML")?;
    }
    let table = loaded.rewritten(&values)?;
    let head =
        format!("# {} with options chosen by cldiff tune; {FILE} has the search.\n", loaded.config.name);
    let text =
        head + &toml::to_string(&table).context("the tuned configuration cannot be written as TOML")?;
    let read: Config = toml::from_str(&text).context("the tuned configuration cannot be read back")?;
    if read.strategy != expected || read.seeds != loaded.config.seeds {
        return Err(Failure::Other(anyhow::anyhow!(
            "the tuned configuration is another one when it is read back"
        )));
    }
    Ok(text)
}

/// The place of the tuned configuration.
pub fn place(root: &Path) -> PathBuf {
    root.join(TUNED)
}

#[cfg(test)]
mod tests {
    use cl_strategies::Tunable;
    use cldiff_engine::StrategySpec;
    use serde_json::json;

    use super::{super::space::Knob, *};

    fn strategy() -> Searchable {
        let knob = Knob { key: "l2.lambda".into(), tunable: Tunable::log("lambda", 0.1, 10.0) };
        Searchable {
            place: 0,
            label: "l2".into(),
            knobs: vec![knob],
            candidates: vec![vec![json!(1.0)], vec![json!(2.0)], vec![json!(3.0)]],
            specs: vec![StrategySpec::named("l2").unwrap(); 3],
            counts: vec![3, 1],
        }
    }

    fn decided(rung: usize, scores: &[(usize, Option<f64>)]) -> Decided {
        let scored = |(candidate, score): &(usize, Option<f64>)| Scored {
            candidate: *candidate,
            label: format!("l2.{candidate}"),
            score: *score,
            by_seed: vec![*score],
            reason: score.is_none().then(|| "it diverged".into()),
            passes: 10,
        };
        Decided { rung, candidates: scores.iter().map(scored).collect() }
    }

    #[test]
    fn the_best_of_the_last_rung_is_chosen_and_compared_where_both_were() {
        let rungs = [
            decided(1, &[(2, Some(1.0)), (1, Some(1.5)), (0, Some(2.0))]),
            decided(2, &[(1, Some(0.5)), (2, Some(0.6))]),
        ];
        let found = chosen(&strategy(), &rungs);
        assert_eq!((found.candidate, found.rung, found.score), (1, 2, Some(0.5)));
        assert_eq!(found.values["l2.lambda"], json!(2.0));
        assert_eq!(found.against_own, Against { rung: 1, own: Some(2.0), chosen: Some(1.5) });
        let both = [rungs[0].clone(), decided(2, &[(0, Some(0.3)), (2, Some(0.6))])];
        let found = chosen(&strategy(), &both);
        assert_eq!(
            (found.candidate, found.against_own),
            (0, Against { rung: 2, own: Some(0.3), chosen: Some(0.3) })
        );
    }

    #[test]
    fn where_the_last_rung_gives_nothing_the_one_before_it_decides() {
        let first = decided(1, &[(2, Some(1.0)), (0, Some(2.0)), (1, None)]);
        let found = chosen(&strategy(), &[first, decided(2, &[(2, None)])]);
        assert_eq!((found.candidate, found.rung, found.score), (2, 1, Some(1.0)));
        let lost = chosen(&strategy(), &[decided(1, &[(0, None), (1, None), (2, None)])]);
        assert_eq!((lost.candidate, lost.score, lost.against_own.own), (0, None, None));
    }

    #[test]
    fn what_a_killed_process_leaves_is_no_other_thing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_free(&dir.path().join("absent")) && is_free(dir.path()));
        for (name, free) in [
            ("lock", true),
            ("lease.json", true),
            ("search.json.tmp-12-1f-0", true),
            ("notes.txt.tmp-12-1f-0", false),
        ] {
            fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(is_free(dir.path()), free, "{name}");
        }
    }
}
