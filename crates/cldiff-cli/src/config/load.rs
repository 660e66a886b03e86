//! Reading a configuration: the file, then `--set`, `--strategy` and `--seeds`.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use cldiff_engine::{ModelConfig, StrategySpec, StrategyTerm};
use ddpm_core::plain_words;
use toml::{Table, Value};

use super::{Config, builtin, counts::too_large, locate::line_of};
use crate::{args::RunArgs, failure::Failure};

/// More than anyone writes.
const MOST_BYTES: u64 = 1 << 20;

/// A configuration with what is needed to speak of its keys.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The keys of the network that were given; the others follow from the data.
    pub model_keys: BTreeSet<String>,
    /// Where each strategy stands in the file; none for one that the command line alone names.
    places: Vec<Option<usize>>,
    /// The file with the settings of the command line.
    table: Table,
    name: String,
    text: String,
    overridden: Vec<String>,
    /// Keys whose value an option of their own gives, and the option.
    options: Vec<(&'static str, &'static str)>,
}

impl Loaded {
    /// A mistake in the strategy `i`, at `key` inside it; one that stands in no file is named by the option.
    pub fn strategy_mistake(&self, i: usize, key: &str, message: impl std::fmt::Display) -> Failure {
        match self.places.get(i) {
            Some(Some(place)) => {
                let key = if key.is_empty() { String::new() } else { format!(".{key}") };
                self.mistake(&format!("strategy.{place}{key}"), message)
            }
            _ => {
                let label = self.config.strategy.get(i).map(StrategySpec::label).unwrap_or_default();
                Failure::mistake(format!("--strategy {label}: {message}"))
            }
        }
    }

    /// Whether a key stands in the file, or was set on the command line.
    pub fn is_given(&self, key: &str) -> bool {
        let mut parts = key.split('.');
        let first = parts.next().and_then(|part| self.table.get(part));
        parts.try_fold(first, |value, part| Some(value?.as_table()?.get(part))).flatten().is_some()
    }

    /// A mistake in the value of `key`: named with the file and line, or the option, that it came from.
    pub fn mistake(&self, key: &str, message: impl std::fmt::Display) -> Failure {
        if self.overridden.iter().any(|k| key == k || key.starts_with(&format!("{k}."))) {
            return Failure::mistake(format!("--set {key}: {message}"));
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
pub fn load(args: &RunArgs) -> Result<Loaded, Failure> {
    let (name, text) = read(&args.config)?;
    // The file alone first: its errors can show their line.
    let from_file: Config = toml::from_str(&text).map_err(|e| {
        let told = plain_words(&e.to_string());
        Failure::mistake(format!("{name}: {}{}", told.trim_end(), hint(&told)))
    })?;
    let mut table: Table = toml::from_str(&text).map_err(|e| Failure::mistake(format!("{name}: {e}")))?;
    let mut overridden = Vec::new();
    for assignment in &args.overrides {
        overridden.push(set(&mut table, assignment)?);
    }
    let mut config = if overridden.is_empty() {
        from_file
    } else {
        table.clone().try_into().map_err(|e: toml::de::Error| {
            let told = plain_words(e.message());
            Failure::mistake(format!("--set {}: {told}", args.overrides.join(" --set ")))
        })?
    };
    let model_keys = model_keys(&config.model, &table);
    if let Some(precision) = args.precision {
        config.precision = precision.into();
    }
    let mut options = Vec::new();
    if !args.seeds.is_empty() {
        config.seeds.clone_from(&args.seeds);
        options.push(("seeds", "--seeds"));
    }
    let mut places: Vec<Option<usize>> = (0..config.strategy.len()).map(Some).collect();
    if !args.strategy.is_empty() {
        (places, config.strategy) = chosen(&config.strategy, &args.strategy)?.into_iter().unzip();
    }
    let loaded = Loaded { config, model_keys, places, table, name, text, overridden, options };
    match too_large(&loaded.table) {
        Some(excess) => Err(loaded.mistake(&excess.key, excess.message)),
        None => Ok(loaded),
    }
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
            "cannot read the configuration {}: {e}; --config takes a TOML file, or one of the built-in `default` and `smoke`",
            path.display()
        ))
    };
    let mut text = String::new();
    // What is no file, a device for example, may have no end.
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    read.map_err(refuse)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refuse(io::Error::other(format!("it has more than {MOST_BYTES} bytes"))));
    }
    Ok((path.display().to_string(), text))
}

/// An unknown key of a `[[strategy]]` is an unknown strategy: say so.
fn hint(message: &str) -> String {
    if message.contains("unknown field") && message.contains("`finetune`") {
        format!("\nthe known strategies are: {}", StrategyTerm::list().names().join(", "))
    } else {
        String::new()
    }
}

/// Applies `key=value` to the table, and returns the key.
fn set(table: &mut Table, assignment: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::mistake(format!("--set {assignment}: {why}"));
    let (key, value) = assignment
        .split_once('=')
        .ok_or_else(|| wrong("expected KEY=VALUE, as in training.batch_size=32"))?;
    let value = parse_value(value.trim());
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    let mut place = table;
    for part in parts {
        let inner = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place = match inner {
            Value::Table(inner) => inner,
            _ => return Err(wrong(&format!("`{part}` is not a table; to change a strategy, edit the file"))),
        };
    }
    place.insert(last.to_owned(), value);
    Ok(key.trim().to_owned())
}

/// A TOML value; what is not one is a string.
fn parse_value(text: &str) -> Value {
    let document = format!("value = {text}");
    match document.parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}

/// The strategies named on the command line: a label or name of the configuration, with its place there, else a known
/// strategy with its default options.
fn chosen(
    configured: &[StrategySpec],
    names: &[String],
) -> Result<Vec<(Option<usize>, StrategySpec)>, Failure> {
    let mut chosen: Vec<(Option<usize>, StrategySpec)> = Vec::new();
    for name in names {
        let those = |matches: &dyn Fn(&StrategySpec) -> bool| -> Vec<(Option<usize>, StrategySpec)> {
            let places = configured.iter().enumerate();
            places.filter(|(_, s)| matches(s)).map(|(i, s)| (Some(i), s.clone())).collect()
        };
        let mut matching = those(&|strategy| strategy.label() == *name);
        if matching.is_empty() {
            matching = those(&|strategy| strategy.name() == *name);
        }
        if matching.is_empty() {
            matching.extend(StrategySpec::named(name).map(|strategy| (None, strategy)));
        }
        if matching.is_empty() {
            let labels: Vec<String> = configured.iter().map(StrategySpec::label).collect();
            return Err(Failure::mistake(format!(
                "--strategy {name}: unknown strategy; this configuration has {}, and the known strategies are {}",
                labels.join(", "),
                StrategyTerm::list().names().join(", ")
            )));
        }
        matching.retain(|(_, strategy)| chosen.iter().all(|(_, other)| other != strategy));
        chosen.extend(matching);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_reaches_into_tables_and_guesses_types() {
        let mut table: Table = toml::from_str("[training]\nbatch_size = 1\n").unwrap();
        set(&mut table, "training.batch_size=8").unwrap();
        set(&mut table, "training.ema.decay = 0.5").unwrap();
        set(&mut table, "name=plain words").unwrap();
        assert_eq!(table["training"]["batch_size"], Value::from(8));
        assert_eq!(table["training"]["ema"]["decay"], Value::from(0.5));
        assert_eq!(table["name"], Value::from("plain words"));
        assert!(set(&mut table, "nothing").is_err());
        assert!(set(&mut table, "name.inner=1").is_err());
    }
}
