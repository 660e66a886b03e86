//! Reading a configuration: the file, then `--set` and the values of sweeps, `--strategy` and `--seeds`.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use cldiff_engine::{ModelConfig, StrategySpec};
use ddpm_core::plain_words;
use toml::{Table, Value};

use super::{
    Config, advice,
    assign::{Assignment, labels},
    builtin,
    counts::too_large,
    locate::line_of,
    strategies::{add_strategies, check_chosen, chosen, hint},
};
use crate::{
    args::SettingArgs,
    failure::Failure,
    ui::{excerpt::fitted, width::of_stderr},
};

/// More than anyone writes.
const MOST_BYTES: u64 = 1 << 20;

/// A configuration with what is needed to speak of its keys.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The keys of the network that were given; the others follow from the data.
    pub model_keys: BTreeSet<String>,
    /// Where each strategy stands among those of `table`.
    pub(super) places: Vec<usize>,
    /// How many of these stand in the file; the command line alone names the others.
    in_file: usize,
    /// The file with the settings of the command line.
    pub(super) table: Table,
    name: String,
    text: String,
    overridden: Vec<Assignment>,
    /// Keys whose value an option of their own gives, and the option.
    options: Vec<(&'static str, &'static str)>,
}

impl Loaded {
    /// A mistake in the strategy `i`, at `key` inside it; one that stands in no file is named by the option.
    pub fn strategy_mistake(&self, i: usize, key: &str, message: impl std::fmt::Display) -> Failure {
        let inner = if key.is_empty() { String::new() } else { format!(".{key}") };
        let whole = self.places.get(i).map(|place| format!("strategy.{place}{inner}"));
        let is_in_file = self.places.get(i).is_some_and(|place| *place < self.in_file);
        match whole {
            Some(key) if is_in_file || self.assignment(&key).is_some() => self.mistake(&key, message),
            _ => {
                let label = self.config.strategy.get(i).map(StrategySpec::label).unwrap_or_default();
                Failure::mistake(format!("--strategy {label}: {message}"))
            }
        }
    }

    /// The last assignment of the command line that gave the value of a key.
    fn assignment(&self, key: &str) -> Option<&Assignment> {
        self.overridden.iter().rev().find(|assignment| assignment.covers(key))
    }

    /// Whether a key stands in the file, or was set on the command line.
    pub fn is_given(&self, key: &str) -> bool {
        let mut parts = key.split('.');
        let first = parts.next().and_then(|part| self.table.get(part));
        parts.try_fold(first, |value, part| Some(value?.as_table()?.get(part))).flatten().is_some()
    }

    /// A mistake in the value of `key`: named with the file and line, or the option, that it came from.
    pub fn mistake(&self, key: &str, message: impl std::fmt::Display) -> Failure {
        if let Some(assignment) = self.assignment(key) {
            return Failure::mistake(format!("{}: {message}", assignment.told(key)));
        }
        if let Some((_, option)) = self.options.iter().find(|(given, _)| *given == key) {
            return Failure::mistake(format!("{option}: {message}"));
        }
        match line_of(&self.text, key) {
            Some(line) => Failure::mistake(format!("{}, line {line}: {message}", self.name)),
            None => Failure::mistake(format!("{}: {message}", self.name)),
        }
    }
}

/// Reads the configuration that the arguments name.
///
/// # Errors
/// [`Failure::Mistake`] for a file that cannot be read, and for every key or value that is not understood.
pub fn load(args: &SettingArgs) -> Result<Loaded, Failure> {
    let (name, text) = read(&args.config)?;
    // The file alone first: its errors can show their line.
    let from_file: Config = toml::from_str(&text).map_err(|e| {
        let words = plain_words(&e.to_string());
        let told = fitted(&words, of_stderr());
        let told = told.trim_end();
        Failure::mistake(format!("{name}: {told}{}{}", advice::of_file(&text, &e, told), hint(&words)))
    })?;
    let mut table: Table = toml::from_str(&text).map_err(|e| Failure::mistake(format!("{name}: {e}")))?;
    let in_file = from_file.strategy.len();
    let (mut config, overridden) = assigned(from_file, &mut table, args)?;
    let model_keys = model_keys(&config.model, &table);
    if let Some(precision) = args.changes.precision {
        config.precision = precision.into();
    }
    let mut options = Vec::new();
    if !args.changes.seeds.is_empty() {
        config.seeds.clone_from(&args.changes.seeds);
        options.push(("seeds", "--seeds"));
    }
    let mut places: Vec<usize> = (0..config.strategy.len()).collect();
    if !args.changes.strategy.is_empty() {
        (places, config.strategy) = chosen(&config.strategy, &args.changes.strategy)?.into_iter().unzip();
        check_chosen(&overridden, &places, &labels(&table), &args.changes.strategy)?;
    }
    let loaded = Loaded { config, model_keys, places, in_file, table, name, text, overridden, options };
    match too_large(&loaded.table) {
        Some(excess) => Err(loaded.mistake(&excess.key, excess.message)),
        None => Ok(loaded),
    }
}

/// The configuration with the strategies that the command line adds and the values that it assigns. An assignment may reach
/// into an added strategy.
fn assigned(
    from_file: Config,
    table: &mut Table,
    args: &SettingArgs,
) -> Result<(Config, Vec<Assignment>), Failure> {
    add_strategies(table, &args.changes.strategy);
    let file = table.clone();
    let set = args.changes.overrides.iter().map(|text| ("--set", text));
    let all = set.chain(args.changes.swept.iter().map(|text| ("--sweep", text)));
    let mut overridden: Vec<Assignment> = Vec::new();
    for (option, text) in all {
        let made = Assignment::make(table, option, text)?;
        if let Some(earlier) = overridden.iter().find(|earlier| made.replaces(earlier)) {
            let (made, earlier) = (made.typed(), earlier.typed());
            return Err(Failure::mistake(format!("{made}: it replaces {earlier}; give each key once")));
        }
        overridden.push(made);
    }
    let is_as_in_file = overridden.is_empty() && labels(table).len() == from_file.strategy.len();
    if is_as_in_file {
        return Ok((from_file, overridden));
    }
    let config = table.clone().try_into().map_err(|error: toml::de::Error| {
        let told = plain_words(error.message());
        Failure::mistake(advice::of_assignments(&file, &overridden, &told))
    })?;
    Ok((config, overridden))
}

/// The keys of the network that the configuration gives.
fn model_keys(model: &ModelConfig, table: &Table) -> BTreeSet<String> {
    let table = table.get("model").and_then(Value::as_table);
    let network = model.path().map_or(table, |name| table?.get(name)?.as_table());
    network.map_or_else(BTreeSet::new, |network| network.keys().cloned().collect())
}

fn read(path: &Path) -> Result<(String, String), Failure> {
    // A directory of that name, an earlier run's perhaps, is no configuration.
    let is_free = !path.exists() || path.is_dir();
    if let Some(found) = path.to_str().filter(|_| is_free).and_then(builtin::named) {
        return Ok(found);
    }
    let refuse = |e: io::Error| {
        Failure::mistake(format!(
            "cannot read the configuration {}: {e}; expected a TOML file, or `default` or `smoke`, which are built in",
            path.display()
        ))
    };
    let mut text = String::new();
    // A path that is not a regular file, such as a device, may have no end.
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    read.map_err(refuse)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refuse(io::Error::other(format!("it has more than {MOST_BYTES} bytes"))));
    }
    Ok((path.display().to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_smoke(change: impl FnOnce(&mut SettingArgs)) -> Result<Loaded, Failure> {
        let mut args = SettingArgs::of_config(Path::new("smoke"));
        change(&mut args);
        load(&args)
    }

    fn message(outcome: Result<Loaded, Failure>) -> String {
        match outcome {
            Err(Failure::Mistake(message)) => message,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was accepted"),
        }
    }

    fn options(loaded: &Loaded, label: &str) -> Value {
        let strategy = loaded.config.strategy.iter().find(|strategy| strategy.label() == label).unwrap();
        Value::try_from(strategy).unwrap()
    }

    #[test]
    fn set_reaches_into_a_strategy_by_its_label_which_may_have_points() {
        let assignments = [
            "strategy.replay-0.1.replay.rehearsal_coefficient=0.25",
            "strategy.replay-1.replay.batch_size=3",
        ];
        let loaded =
            of_smoke(|args| args.changes.overrides = assignments.map(str::to_owned).to_vec()).unwrap();
        assert_eq!(options(&loaded, "replay-0.1")["replay"]["rehearsal_coefficient"], Value::from(0.25));
        assert_eq!(options(&loaded, "replay-1")["replay"]["rehearsal_coefficient"], Value::from(1.0));
        assert_eq!(options(&loaded, "replay-1")["replay"]["batch_size"], Value::from(3));
    }

    #[test]
    fn set_reaches_into_a_strategy_that_the_command_line_adds() {
        let loaded = of_smoke(|args| {
            args.changes.strategy = vec!["ewc".into(), "finetune".into()];
            args.changes.overrides = vec!["strategy.ewc.ewc.lambda=7.0".into()];
        });
        let loaded = loaded.unwrap();
        assert_eq!(loaded.config.strategy.len(), 2);
        assert_eq!(options(&loaded, "ewc")["ewc"]["lambda"], Value::from(7.0));
    }

    #[test]
    fn options_without_effect_are_refused_by_their_names() {
        let told = |strategy: &[&str], set: &[&str], swept: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            message(of_smoke(|args| {
                args.changes.strategy = owned(strategy);
                args.changes.overrides = owned(set);
                args.changes.swept = owned(swept);
            }))
        };
        let key = "strategy.replay-1.replay.batch_size";
        let left_out = "`replay-1` is not among the strategies of this run (--strategy finetune)";
        assert_eq!(told(&["finetune"], &[&format!("{key}=3")], &[]), format!("--set {key}=3: {left_out}"));
        assert_eq!(told(&["finetune"], &[], &[&format!("{key}=3")]), format!("--sweep {key}=3: {left_out}"));
        let (four, eight) = ("training.batch_size=4", "training.batch_size=8");
        let replaced = format!("it replaces --set {four}; give each key once");
        assert_eq!(told(&[], &[four, "name=x", eight], &[]), format!("--set {eight}: {replaced}"));
        assert_eq!(told(&[], &[four], &[eight]), format!("--sweep {eight}: {replaced}"));
        let twice = "--strategy finetune,finetune: finetune is chosen twice";
        assert_eq!(told(&["finetune", "finetune"], &[], &[]), twice);
        let within = "--strategy replay,replay-1: replay-1 is chosen twice";
        assert_eq!(told(&["replay", "replay-1"], &[], &[]), within);
        // A name adds those of its strategies that its label before it has not.
        let all = of_smoke(|args| args.changes.strategy = vec!["replay-1".into(), "replay".into()]).unwrap();
        let labels: Vec<String> = all.config.strategy.iter().map(StrategySpec::label).collect();
        assert_eq!(labels, ["replay-1", "replay-0.1"]);
    }

    #[test]
    fn a_mistake_in_an_assignment_is_told_with_its_key_and_no_other() {
        let with = |assignments: &[&str]| {
            message(of_smoke(|args| {
                args.changes.overrides = assignments.iter().map(ToString::to_string).collect();
            }))
        };
        let told = with(&["strategy.replay-2.replay.batch_size=1"]);
        assert!(told.starts_with("--set strategy.replay-2.replay.batch_size=1: "), "{told}");
        assert!(told.contains("joint, finetune, replay-1, replay-0.1"), "{told}");
        assert!(with(&["strategy.replay-1=3"]).contains("expected strategy.LABEL.KEY"), "a strategy alone");
        let told = with(&["training.batch_size=4", "strategy.replay-1.replay.rehearsal=1"]);
        assert!(told.starts_with("--set strategy.replay-1.replay.rehearsal=1: "), "{told}");
        assert!(!told.contains("batch_size=4"), "{told}");
        let told = message(of_smoke(|args| args.changes.swept = vec!["training.batch_size=many".into()]));
        assert!(told.starts_with("--sweep training.batch_size=many: "), "{told}");
    }

    /// A value that can be read and cannot work is told by the key that was typed.
    #[test]
    fn a_value_out_of_range_is_told_with_the_label() {
        let typed = "strategy.replay-1.replay.buffer.class_balanced.per_class";
        let mut loaded = of_smoke(|args| args.changes.overrides = vec![format!("{typed}=0")]).unwrap();
        let Err(Failure::Mistake(told)) = loaded.check_without_data() else { panic!("it was accepted") };
        assert!(told.starts_with(&format!("--set {typed}: ")), "{told}");
        let mut loaded = of_smoke(|args| {
            args.changes.strategy = vec!["ewc".into()];
            args.changes.overrides = vec!["strategy.ewc.ewc.lambda=-1.0".into()];
        });
        let Err(Failure::Mistake(told)) = loaded.as_mut().unwrap().check_without_data() else {
            panic!("it was accepted")
        };
        assert!(told.starts_with("--set strategy.ewc.ewc.lambda: "), "{told}");
        let mut loaded =
            of_smoke(|args| args.changes.overrides = vec!["training.batch_size=0".into()]).unwrap();
        let Err(Failure::Mistake(told)) = loaded.check_without_data() else { panic!("it was accepted") };
        assert!(told.starts_with("--set training.batch_size: "), "{told}");
    }

    /// The smoke configuration draws 80 samples of a task.
    #[test]
    fn a_picture_has_no_more_columns_than_there_are_samples() {
        let check = |values: &[&str]| {
            let mut loaded = of_smoke(|args| {
                args.changes.overrides = values.iter().map(|value| format!("evaluation.{value}")).collect();
            });
            loaded.as_mut().unwrap().check_without_data()
        };
        for fine in
            [&["grid_columns=80"][..], &["samples_per_task=5"], &["samples_per_task=5", "grid_columns=10"]]
        {
            assert!(check(fine).is_ok(), "{fine:?}");
        }
        for (wrong, told) in [
            (&["grid_columns=81"][..], "`grid_columns` is 81: expected at most 80"),
            (&["grid_columns=5000000000"], "`grid_columns` is 5000000000: expected at most 80"),
            (&["samples_per_task=5", "grid_columns=11"], "`grid_columns` is 11: expected at most 5"),
        ] {
            let Err(Failure::Mistake(message)) = check(wrong) else { panic!("{wrong:?} was accepted") };
            assert!(message.starts_with("--set evaluation.grid_columns: "), "{message}");
            assert!(message.contains(told) && message.contains("`samples_per_task`"), "{message}");
        }
    }
}
