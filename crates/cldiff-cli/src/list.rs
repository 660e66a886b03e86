//! `cldiff list`: what can be chosen, with options, defaults and sources, from the definitions that parse a configuration.

use cl_metrics::sample::SampleMetric;
use cl_strategies::{Tunable, buffer::BufferConfig};
use cldiff_choices::{Entry, List};
use cldiff_engine::{Backend, FeaturesConfig, NetworkConfig, SamplerConfig, StrategySpec, StrategyTerm};
use data_streams::{DataConfig, StreamConfig};
use ddpm_core::schedule::BetaSchedule;
use schemars::SchemaGenerator;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    args::Listed,
    failure::Failure,
    ui::width::{of_stdout, wrap},
};

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// As it is spelt in a configuration.
    pub name: String,
    /// One sentence on the choice.
    pub summary: String,
    /// Where it comes from; empty if nobody has to be named.
    pub citation: String,
    /// Its options.
    pub options: Vec<ChoiceOption>,
    /// For a strategy: whether it is a bound, which competes with nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<bool>,
    /// For a strategy: its family, by which reports colour strategies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// For a strategy: the options that `cldiff tune` chooses values of, with their ranges, where the others are as by
    /// default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tunables: Vec<Tunable>,
}

/// An option of a [`Choice`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceOption {
    /// As it is spelt in a configuration.
    pub name: String,
    /// The values that the option takes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value if it is left out; null if it has none.
    pub default: Value,
    /// The meaning of the option.
    pub meaning: String,
}

/// Prints a paragraph a choice, or a JSON array.
///
/// # Errors
/// [`Failure::Other`] if standard output is closed.
pub fn list(what: Listed, json: bool) -> Result<(), Failure> {
    let choices = choices(what);
    if json {
        println!("{}", serde_json::to_string_pretty(&choices).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    let width = of_stdout();
    let texts: Vec<String> = choices.iter().map(|choice| shown(choice, width)).collect();
    println!("{}", texts.join("\n\n"));
    Ok(())
}

/// The choices of a kind.
pub fn choices(what: Listed) -> Vec<Choice> {
    match what {
        Listed::Strategies => strategies(),
        Listed::Buffers => of_list(BufferConfig::list()),
        Listed::Streams => of_list(StreamConfig::list()),
        Listed::DataSets => of_list(DataConfig::list()),
        Listed::Samplers => of_list(SamplerConfig::list()),
        Listed::Schedules => of_list(BetaSchedule::list()),
        Listed::Networks => of_list(NetworkConfig::list()),
        Listed::Features => of_list(FeaturesConfig::list()),
        Listed::Metrics => metrics(),
        Listed::Backends => backends(),
    }
}

/// The name, and below it the summary, the options with their defaults, and the source.
fn shown(choice: &Choice, width: usize) -> String {
    let option = |option: &ChoiceOption| match &option.default {
        Value::Null => option.name.clone(),
        // An option stands on one line with its default, where that is short.
        default => format!("{}={default}", option.name),
    };
    let options: Vec<String> = choice.options.iter().map(option).collect();
    let tunables: Vec<String> = choice.tunables.iter().map(ToString::to_string).collect();
    let lines = [
        ("", choice.summary.clone()),
        ("family: ", choice.family.clone().unwrap_or_default()),
        ("options: ", options.join(", ")),
        ("to tune: ", tunables.join("; ")),
        ("source: ", choice.citation.clone()),
    ];
    let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
    let lines = lines.map(|(word, text)| wrap(&format!("    {word}{text}"), width));
    std::iter::once(choice.name.clone()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Strategies, with their families, whether they are bounds, and what can be tuned.
fn strategies() -> Vec<Choice> {
    let with_family = |choice: Choice| Choice {
        bound: Some(StrategySpec::is_bound_named(&choice.name)),
        family: Some(StrategySpec::family_named(&choice.name).to_string()),
        tunables: StrategyTerm::named(&choice.name).map_or_else(Vec::new, |term| term.tunables().to_vec()),
        ..choice
    };
    of_list(StrategyTerm::list()).into_iter().map(with_family).collect()
}

fn backends() -> Vec<Choice> {
    let choice = |backend: &Backend| {
        let absent = if backend.is_built_in { "" } else { "; not built into this program" };
        Choice {
            name: backend.name.into(),
            summary: format!("{}{absent}", backend.summary),
            citation: String::new(),
            options: Vec::new(),
            bound: None,
            family: None,
            tunables: Vec::new(),
        }
    };
    Backend::all().iter().map(choice).collect()
}

/// Sample metrics, as `evaluation.metrics` takes them, and the likelihood's, which are in every `results.json`.
fn metrics() -> Vec<Choice> {
    let metric = |name: &str, summary: &str, citation: &str| Choice {
        name: name.into(),
        summary: summary.into(),
        citation: citation.into(),
        options: Vec::new(),
        bound: None,
        family: None,
        tunables: Vec::new(),
    };
    let mut metrics: Vec<Choice> = SampleMetric::all()
        .into_iter()
        .map(|sample| metric(sample.name(), sample.summary(), sample.citation()))
        .collect();
    metrics.extend([
        metric(
            "bpd",
            "Bits per dimension by the variational bound",
            "Ho et al. 2020, arXiv 2006.11239, section 3",
        ),
        metric(
            "denoising_loss",
            "Mean squared error of the prediction, along the timesteps",
            "Ho et al. 2020, arXiv 2006.11239, equation 14",
        ),
        metric(
            "vlb",
            "Terms of the variational bound, along the timesteps",
            "Nichol & Dhariwal 2021, arXiv 2102.09672",
        ),
    ]);
    metrics
}

/// A JSON Schema with its definitions.
struct Schema {
    root: Value,
}

impl Schema {
    /// The schema behind references and the alternative of null.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            // A type that holds itself.
            if reference == "#" {
                return &self.root;
            }
            let name = reference.rsplit('/').next().unwrap_or_default();
            return self.resolve(&self.root["$defs"][name]);
        }
        let alternatives = schema["anyOf"].as_array().into_iter().flatten();
        match alternatives.filter(|inner| inner["type"] != "null").collect::<Vec<_>>()[..] {
            [one] => self.resolve(one),
            _ => schema,
        }
    }

    fn options(&self, schema: &Value) -> Vec<ChoiceOption> {
        let Some(properties) = self.resolve(schema)["properties"].as_object() else { return Vec::new() };
        properties
            .iter()
            .map(|(name, option)| ChoiceOption {
                name: name.clone(),
                kind: self.kind(option),
                default: option["default"].clone(),
                meaning: text(&option["description"]),
            })
            .collect()
    }

    /// The values that a schema allows, in words.
    fn kind(&self, schema: &Value) -> String {
        let resolved = self.resolve(schema);
        let alternatives = resolved["oneOf"].as_array().or_else(|| resolved["enum"].as_array());
        if let Some(alternatives) = alternatives {
            let names: Vec<String> = alternatives.iter().filter_map(name_of).collect();
            return format!("one of {}", names.join(", "));
        }
        match &resolved["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => {
                let kinds: Vec<&str> =
                    kinds.iter().filter_map(Value::as_str).filter(|k| *k != "null").collect();
                kinds.join(" or ")
            }
            _ => "table".into(),
        }
    }
}

/// The choices of a list, with their options.
fn of_list<K: ?Sized>(list: &List<K>) -> Vec<Choice> {
    let mut generator = SchemaGenerator::default();
    let entries = list.entries();
    let schemas: Vec<Value> = entries.iter().map(|entry| (entry.schema)(&mut generator).to_value()).collect();
    let schema = Schema { root: json!({ "$defs": generator.definitions() }) };
    let choice = |(entry, options): (&Entry<K>, &Value)| Choice {
        name: entry.name.into(),
        summary: entry.summary.into(),
        citation: entry.citation.into(),
        options: schema.options(options),
        bound: None,
        family: None,
        tunables: Vec::new(),
    };
    entries.into_iter().zip(&schemas).map(choice).collect()
}

/// The name of an alternative: a constant, or the one key of a table.
fn name_of(alternative: &Value) -> Option<String> {
    let constant = alternative["const"].as_str().or_else(|| alternative.as_str());
    let key =
        || alternative["properties"].as_object().and_then(|properties| properties.keys().next().cloned());
    constant.map(str::to_owned).or_else(key)
}

/// A doc comment as one line.
fn text(description: &Value) -> String {
    description.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_says_what_it_is_and_every_option_what_it_means() {
        use clap::ValueEnum;
        for what in Listed::value_variants() {
            let choices = choices(*what);
            assert!(!choices.is_empty(), "{what:?}");
            for choice in choices {
                assert!(!choice.summary.is_empty(), "{what:?}: {}", choice.name);
                for option in choice.options {
                    assert!(!option.meaning.is_empty(), "{what:?}: {}.{}", choice.name, option.name);
                    assert!(!option.kind.is_empty(), "{what:?}: {}.{}", choice.name, option.name);
                }
            }
        }
    }

    /// A bound and a family are told of strategies, and nothing of the kind elsewhere.
    #[test]
    fn strategies_say_whether_they_are_bounds() {
        let bounds = choices(Listed::Strategies).into_iter().filter(|choice| choice.bound == Some(true));
        let bounds: Vec<String> = bounds.map(|choice| choice.name).collect();
        assert_eq!(bounds, ["joint", "cumulative", "ensemble"]);
        let json = serde_json::to_value(choices(Listed::Samplers)).unwrap();
        assert!(json[0]["bound"].is_null() && json[0]["family"].is_null() && json[0]["name"].is_string());
        assert!(json[0]["tunables"].is_null());
    }

    #[test]
    fn strategies_say_what_can_be_tuned() {
        let json = serde_json::to_value(choices(Listed::Strategies)).unwrap();
        let of = |name: &str| json.as_array().unwrap().iter().find(|choice| choice["name"] == name).unwrap();
        let expected = json!([{ "key": "lambda", "low": 1e2, "high": 1e7, "scale": "log" }]);
        assert_eq!(of("ewc")["tunables"], expected);
        assert!(of("joint")["tunables"].is_null());
        let ewc = choices(Listed::Strategies).into_iter().find(|choice| choice.name == "ewc").unwrap();
        assert!(shown(&ewc, 80).contains("\n    to tune: lambda: 100 to 10000000 (log)\n"));
    }

    #[test]
    fn options_have_their_types_and_defaults() {
        let replay = choices(Listed::Strategies).into_iter().find(|choice| choice.name == "replay").unwrap();
        let option = |name: &str| replay.options.iter().find(|option| option.name == name).unwrap();
        assert_eq!(option("rehearsal_coefficient").default, 1.0);
        assert_eq!(option("rehearsal_coefficient").kind, "number");
        assert_eq!(option("batch_size").default, Value::Null);
        assert_eq!(option("batch_size").kind, "integer");
        assert_eq!(option("mixing").kind, "one of two_means, concatenated, task_shares");
        assert_eq!(option("mixing").default, "two_means");
    }
}
