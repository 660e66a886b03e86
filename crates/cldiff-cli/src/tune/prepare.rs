//! All that is decided before a search begins: rungs, seeds, the order of classes, and every candidate, each checked.

use std::path::Path;

use cl_metrics::summary::Direction;
use cl_strategies::{Budget, Setting};
use cldiff_engine::StrategySpec;
use data_streams::{Arrival, Stream};
use serde_json::Value;
use toml::Table;

use super::{
    draw::candidates,
    order::Ordered,
    plan::{Halving, Rung, counts},
    record::{Better, NotSearched, Plan, PlannedRung, Space, Values},
    space::{self, Knob},
};
use crate::{
    args::TuneArgs,
    config::{Config, Loaded, load},
    quantities::ranking::{Ranking, rankings},
    ui::failure::Failure,
};

/// The first seed that a search takes, unless it is one of the configuration's.
const FIRST_SEED: u64 = 1000;
/// Seeds of a search, unless some are asked for.
const SEEDS: usize = 2;
/// The longest label of a strategy, and the part of it that stands before the number of a candidate.
const LONGEST_LABEL: usize = 60;
const SHORT_LABEL: usize = 48;

/// A search that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration that is tuned.
    pub loaded: Loaded,
    /// The same with the seeds and the classes of the search.
    pub base: Config,
    /// The quantity that candidates are compared by.
    pub ranking: Ranking,
    /// The rungs.
    pub rungs: Vec<Rung>,
    /// The strategies that are searched.
    pub strategies: Vec<Searchable>,
    /// The plan as it is written.
    pub plan: Plan,
}

/// A strategy with candidates.
#[derive(Debug)]
pub struct Searchable {
    /// Its place in the configuration.
    pub place: usize,
    /// Its label.
    pub label: String,
    /// The options.
    pub knobs: Vec<Knob>,
    /// The values of each candidate.
    pub candidates: Vec<Vec<Value>>,
    /// The candidates as strategies.
    pub specs: Vec<StrategySpec>,
    /// How many of them are on each rung.
    pub counts: Vec<usize>,
}

impl Searchable {
    /// The label of a candidate in the run of a rung.
    pub fn label_of(&self, candidate: usize) -> String {
        let label = format!("{}.{candidate}", self.label);
        if label.len() <= LONGEST_LABEL {
            return label;
        }
        format!("{}-{}.{candidate}", &self.label[..SHORT_LABEL], self.place)
    }

    /// The values of a candidate by key.
    pub fn values_of(&self, candidate: usize) -> Values {
        let values = self.knobs.iter().zip(&self.candidates[candidate]);
        values
            .filter(|(_, value)| !value.is_null())
            .map(|(knob, value)| (knob.key.clone(), value.clone()))
            .collect()
    }
}

impl Prepared {
    /// Prepares the search that the arguments ask for.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for arguments, a configuration or data that cannot work.
    pub fn of(args: &TuneArgs) -> Result<Self, Failure> {
        check_integers(args)?;
        let data_dir = args.data_dir.as_deref();
        let mut loaded = load(&args.setting())?;
        let own = loaded.stream(data_dir).map_err(|error| loaded.data_mistake(&error))?;
        loaded.resolve(&own)?;
        if own.arrival() == Arrival::Once {
            let why = "every image comes once, so that no training is shorter than another; tune needs a stream whose \
                       experiences can be trained on for a budget";
            return Err(loaded.mistake("stream", why));
        }
        let ranking = ranking(&loaded.config, &args.metric)?;
        let seeds = seeds(&loaded.config.seeds, &args.seeds)?;
        let halving = halving(args, &loaded.config, &own, seeds.len());
        let rungs = halving.plan().map_err(Failure::mistake)?;
        let Ordered { config: stream_config, stream, order } =
            Ordered::of(&loaded, own, args.search_seed, data_dir)?;
        let mut base = loaded.config.clone();
        (base.stream, base.seeds) = (stream_config, seeds);
        let (strategies, not_searched) = searchable(args, &base, &rungs, &stream)?;
        let plan = Plan {
            name: base.name.clone(),
            metric: ranking.name.clone(),
            better: if ranking.direction == Direction::LowerIsBetter {
                Better::Lower
            } else {
                Better::Higher
            },
            budget: args.budget,
            eta: args.eta,
            seeds: base.seeds.clone(),
            search_seed: args.search_seed,
            class_order: order,
            tasks: stream.experiences().iter().map(|experience| experience.name.clone()).collect(),
            passes_of_the_configuration: halving.whole,
            rungs: rungs.iter().enumerate().map(|(i, rung)| planned(i, rung)).collect(),
            strategies: strategies
                .iter()
                .map(space)
                .collect::<Result<_, _>>()
                .map_err(|e| Failure::Other(e.into()))?,
            not_searched,
            configuration: without_checkpoints(&loaded.config)?,
        };
        Ok(Self { loaded, base, ranking, rungs, strategies, plan })
    }

    /// The passes that a strategy's trainings take by the plan.
    pub fn planned_passes(&self, strategy: &Searchable) -> u64 {
        let trainings = (self.base.seeds.len() * self.plan.tasks.len()) as u64;
        self.rungs
            .iter()
            .zip(&strategy.counts)
            .map(|(rung, count)| *count as u64 * rung.passes * trainings)
            .sum()
    }

    /// The directory of a rung, from 0.
    pub fn directory(&self, root: &Path, rung: usize) -> std::path::PathBuf {
        root.join(&self.plan.rungs[rung].directory)
    }
}

/// Numbers of the plan are written as TOML, whose integers have a sign.
fn check_integers(args: &TuneArgs) -> Result<(), Failure> {
    let numbers = [("--budget", args.budget), ("--eta", args.eta), ("--search-seed", args.search_seed)];
    match numbers.into_iter().find(|(_, number)| i64::try_from(*number).is_err()) {
        Some((option, number)) => {
            Err(Failure::mistake(format!("{option} {number}: expected at most {}", i64::MAX)))
        }
        None => Ok(()),
    }
}

fn ranking(config: &Config, metric: &str) -> Result<Ranking, Failure> {
    let known = rankings(&config.evaluation);
    known.iter().find(|ranking| ranking.name == metric).cloned().ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|ranking| ranking.name.as_str()).collect();
        Failure::mistake(format!(
            "--metric {metric}: no quantity of this configuration that ranks models is called so; expected one of:\n  {}",
            names.join(" ")
        ))
    })
}

/// The seeds that are asked for, or the first that are free.
fn seeds(own: &[u64], asked: &[u64]) -> Result<Vec<u64>, Failure> {
    let wrong = |why: String| Err(Failure::mistake(format!("--seeds: {why}")));
    if let Some(seed) = asked.iter().find(|seed| own.contains(seed)) {
        return wrong(format!(
            "{seed} is a seed of the configuration; a search takes others, or the comparison would be on what it was tuned for"
        ));
    }
    if let Some(i) = (1..asked.len()).find(|&i| asked[..i].contains(&asked[i])) {
        return wrong(format!("{} occurs twice", asked[i]));
    }
    if let Some(seed) = asked.iter().find(|&&seed| i64::try_from(seed).is_err()) {
        return wrong(format!("{seed}: expected at most {}", i64::MAX));
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    Ok((FIRST_SEED..).filter(|seed| !own.contains(seed)).take(SEEDS).collect())
}

fn halving(args: &TuneArgs, config: &Config, stream: &Stream, seeds: usize) -> Halving {
    let training = &config.training;
    let step = (training.batch_size * training.accumulated_batches) as u64;
    let steps: u64 = (0..stream.len()).map(|k| training.steps_in(stream, k) as u64).sum();
    let whole = match training.budget {
        Some(Budget::Passes(passes)) => passes,
        // As many as finetuning takes, on average.
        _ => (steps * step).div_ceil(stream.len() as u64),
    };
    let trainings = (seeds * stream.len()) as u64;
    Halving { budget: args.budget, eta: args.eta, rungs: args.rungs, trainings, whole, step }
}

/// The strategies with options that can be tuned, and the others.
fn searchable(
    args: &TuneArgs,
    base: &Config,
    rungs: &[Rung],
    stream: &Stream,
) -> Result<(Vec<Searchable>, Vec<NotSearched>), Failure> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (place, spec) in base.strategy.iter().enumerate() {
        let (label, knobs) = (spec.label(), Knob::of(spec));
        if knobs.is_empty() {
            let reason = "none of its terms names an option to be tuned".to_owned();
            others.push(NotSearched { label, reason });
            continue;
        }
        let own = space::values(spec, &knobs).map_err(|error| Failure::Other(error.into()))?;
        let all = candidates(&knobs, own, rungs[0].candidates as usize, &label, args.search_seed);
        let specs =
            all.iter().enumerate().map(|(i, values)| candidate(base, stream, spec, &knobs, (i, values)));
        let specs = specs.collect::<Result<_, _>>()?;
        let counts = counts(rungs, args.eta, all.len() as u64);
        found.push(Searchable { place, label, knobs, candidates: all, specs, counts });
    }
    if found.is_empty() {
        let labels: Vec<&str> = others.iter().map(|other| other.label.as_str()).collect();
        let labels = labels.join(", ");
        return Err(Failure::mistake(format!(
            "nothing is to be tuned: no strategy ({labels}) names an option; cldiff list strategies shows those that do"
        )));
    }
    Ok((found, others))
}

/// A candidate as a strategy, which fits the training and the data.
fn candidate(
    base: &Config,
    stream: &Stream,
    spec: &StrategySpec,
    knobs: &[Knob],
    (i, values): (usize, &[Value]),
) -> Result<StrategySpec, Failure> {
    let wrong = |why: String| Failure::mistake(format!("candidate {i} of {}: {why}", spec.label()));
    let made = space::with(spec, knobs, values).map_err(wrong)?;
    let setting = Setting { training: &base.training, process: &base.process, stream: Some(stream) };
    made.check(&setting).map_err(|error| wrong(error.to_string()))?;
    Ok(made)
}

fn planned(i: usize, rung: &Rung) -> PlannedRung {
    let Rung { candidates, passes } = *rung;
    PlannedRung { directory: format!("rung-{}", i + 1), candidates, passes_per_experience: passes }
}

fn space(strategy: &Searchable) -> serde_json::Result<Space> {
    Ok(Space {
        label: strategy.label.clone(),
        strategy: strategy.specs[0].name(),
        options: strategy.knobs.iter().map(Knob::json).collect::<Result<_, _>>()?,
        candidates: (0..strategy.candidates.len()).map(|i| strategy.values_of(i)).collect(),
    })
}

/// The whole configuration; how often states are kept changes no result.
fn without_checkpoints(config: &Config) -> Result<Table, Failure> {
    let mut table = Table::try_from(config).map_err(|error| Failure::Other(error.into()))?;
    table.remove("checkpoints");
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> String {
        match outcome {
            Err(Failure::Mistake(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn seeds_are_none_of_the_comparison() {
        assert_eq!(seeds(&[0, 1], &[]).unwrap(), [1000, 1001]);
        assert_eq!(seeds(&[1000, 3], &[]).unwrap(), [1001, 1002]);
        assert_eq!(seeds(&[0], &[7, 5]).unwrap(), [7, 5]);
        assert!(told(seeds(&[0, 7], &[5, 7])).starts_with("--seeds: 7 is a seed of the configuration"));
        assert_eq!(told(seeds(&[0], &[5, 6, 5])), "--seeds: 5 occurs twice");
        assert!(told(seeds(&[0], &[u64::MAX])).contains("expected at most"));
    }

    #[test]
    fn a_long_label_is_cut_before_the_number_of_a_candidate() {
        let strategy = |label: &str| Searchable {
            place: 3,
            label: label.into(),
            knobs: Vec::new(),
            candidates: Vec::new(),
            specs: Vec::new(),
            counts: Vec::new(),
        };
        assert_eq!(strategy("lwf").label_of(12), "lwf.12");
        let long = strategy(&"x".repeat(60)).label_of(999);
        assert!(long.len() <= LONGEST_LABEL && long.ends_with("-3.999"), "{long}");
    }
}
