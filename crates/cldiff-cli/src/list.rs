//! `cldiff list`: what can be chosen, with options, defaults and sources, from the definitions that parse a configuration.

use cl_metrics::sample::SampleMetric;
use cl_strategies::buffer::BufferConfig;
use cldiff_choices::{Entry, List};
use cldiff_engine::{SamplerConfig, StrategySpec};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use data_streams::{DataConfig, StreamConfig};
use ddpm_core::schedule::BetaSchedule;
use schemars::{JsonSchema, SchemaGenerator, schema_for};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{args::Listed, failure::Failure};

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// As it is spelt in a configuration.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where it comes from; empty if nobody has to be named.
    pub citation: String,
    /// Its options.
    pub options: Vec<ChoiceOption>,
}

/// An option of a [`Choice`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceOption {
    /// As it is spelt in a configuration.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value if it is left out; null if it has none.
    pub default: Value,
    /// What it means.
    pub meaning: String,
}

/// Prints a table, or a JSON array.
///
/// # Errors
/// [`Failure::Other`] if standard output is closed.
pub fn list(what: Listed, json: bool) -> Result<(), Failure> {
    let choices = choices(what);
    if json {
        println!("{}", serde_json::to_string_pretty(&choices).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["name", "what it is", "options (defaults)", "source"]);
    for choice in choices {
        let options: Vec<String> = choice
            .options
            .iter()
            .map(|option| match &option.default {
                Value::Null => option.name.clone(),
                default => format!("{} = {default}", option.name),
            })
            .collect();
        table.add_row([choice.name, choice.summary, options.join("\n"), choice.citation]);
    }
    println!("{table}");
    Ok(())
}

/// What can be chosen.
pub fn choices(what: Listed) -> Vec<Choice> {
    match what {
        Listed::Strategies => strategies(),
        Listed::Buffers => variants::<BufferConfig>(),
        Listed::Streams => of_list(StreamConfig::list()),
        Listed::DataSets => of_list(DataConfig::list()),
        Listed::Samplers => variants::<SamplerConfig>(),
        Listed::Schedules => variants::<BetaSchedule>(),
        Listed::Metrics => metrics(),
    }
}

fn strategies() -> Vec<Choice> {
    let schema = Schema::of::<StrategySpec>();
    StrategySpec::catalogue()
        .into_iter()
        .map(|term| {
            let options = schema.options(&schema.root["properties"][term.name]);
            let options = options
                .into_iter()
                .map(|option| {
                    // An optional value that is absent is not in the defaults.
                    let default = term.defaults.get(&option.name).and_then(|v| serde_json::to_value(v).ok());
                    ChoiceOption { default: default.unwrap_or(Value::Null), ..option }
                })
                .collect();
            Choice {
                name: term.name.to_owned(),
                summary: term.summary.to_owned(),
                citation: term.citation.to_owned(),
                options,
            }
        })
        .collect()
}

/// Sample metrics, as `evaluation.metrics` takes them, and the likelihood's, which are in every `results.json`.
fn metrics() -> Vec<Choice> {
    let metric = |name: &str, summary: &str, citation: &str| Choice {
        name: name.into(),
        summary: summary.into(),
        citation: citation.into(),
        options: Vec::new(),
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
    fn of<T: JsonSchema>() -> Self {
        Self { root: schema_for!(T).to_value() }
    }

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

    /// What values a schema allows, in words.
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
    };
    entries.into_iter().zip(&schemas).map(choice).collect()
}

/// The alternatives of an externally tagged enum.
fn variants<T: JsonSchema>() -> Vec<Choice> {
    let schema = Schema::of::<T>();
    let alternatives = schema.root["oneOf"].as_array().cloned().unwrap_or_default();
    let choice = |alternative: &Value| {
        let name = name_of(alternative)?;
        let description = text(&alternative["description"]);
        let (summary, citation) = split_citation(&description);
        Some(Choice { options: schema.options(&alternative["properties"][&name]), name, summary, citation })
    };
    alternatives.iter().filter_map(choice).collect()
}

/// The name of an alternative: a constant, or the one key of a table.
fn name_of(alternative: &Value) -> Option<String> {
    let constant = alternative["const"].as_str().or_else(|| alternative.as_str());
    let key =
        || alternative["properties"].as_object().and_then(|properties| properties.keys().next().cloned());
    constant.map(str::to_owned).or_else(key)
}

/// A description without the source in parentheses, and the source.
fn split_citation(description: &str) -> (String, String) {
    let is_source =
        |inner: &str| inner.contains("et al.") || inner.contains("arXiv") || inner.contains(" 20");
    let Some((before, rest)) = description.split_once('(') else {
        return (description.to_owned(), String::new());
    };
    match rest.split_once(')') {
        Some((inner, after)) if is_source(inner) => {
            (format!("{}{after}", before.trim_end()), inner.to_owned())
        }
        _ => (description.to_owned(), String::new()),
    }
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
