//! Where two configurations differ.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::assign::labels;

/// The first key at which two tables differ, with the value of each (`absent` where it has none). Keys at the top that
/// are `apart` may differ.
pub fn first_difference(a: &Table, b: &Table, apart: &[&str]) -> Option<(String, [String; 2])> {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut keys = keys.into_iter().filter(|key| !apart.contains(&key.as_str()));
    keys.find_map(|key| difference(key, a.get(key), b.get(key)))
}

fn difference(key: &str, a: Option<&Value>, b: Option<&Value>) -> Option<(String, [String; 2])> {
    match (a, b) {
        (a, b) if a == b => None,
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            first_difference(a, b, &[]).map(|(inner, values)| (format!("{key}.{inner}"), values))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            let mut items = a.iter().zip(b).enumerate();
            items.find_map(|(i, (a, b))| difference(&format!("{key}.{i}"), Some(a), Some(b)))
        }
        (a, b) => {
            let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
            Some((key.to_owned(), [shown(a), shown(b)]))
        }
    }
}

/// Every key in which some configurations differ, with the value of each (none where it has none), in
/// alphabetical order. Keys at the top that are `apart` may differ. Strategies are compared by their labels, and a strategy that
/// only some of the configurations have is no difference.
pub fn differences(configurations: &[Table], apart: &[&str]) -> Vec<(String, Vec<Option<String>>)> {
    let shared: Vec<String> = configurations.iter().flat_map(labels).collect();
    let is_shared = |label: &String| shared.iter().filter(|other| *other == label).count() > 1;
    let leaves: Vec<BTreeMap<String, String>> = configurations
        .iter()
        .map(|table| {
            let mut found = BTreeMap::new();
            let others = table.iter().filter(|(key, _)| *key != "strategy" && !apart.contains(&key.as_str()));
            others.for_each(|(key, value)| leaves_of(key, value, &mut found));
            let strategies = table.get("strategy").and_then(Value::as_array).into_iter().flatten();
            for (label, strategy) in
                labels(table).iter().zip(strategies).filter(|(label, _)| is_shared(label))
            {
                leaves_of(&format!("strategy.{label}"), strategy, &mut found);
            }
            found
        })
        .collect();
    let keys: BTreeSet<&String> = leaves.iter().flat_map(BTreeMap::keys).collect();
    let has_strategy = |i: usize, key: &str| {
        let Some(inner) = key.strip_prefix("strategy.") else { return true };
        labels(&configurations[i])
            .iter()
            .any(|label| inner.strip_prefix(label.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    let values =
        |key: &&String| -> Vec<Option<String>> { leaves.iter().map(|of| of.get(*key).cloned()).collect() };
    let differ = |key: &&String| {
        let compared: Vec<Option<&String>> =
            (0..leaves.len()).filter(|&i| has_strategy(i, key)).map(|i| leaves[i].get(*key)).collect();
        compared.windows(2).any(|pair| pair[0] != pair[1])
    };
    keys.iter().filter(|key| differ(key)).map(|key| ((*key).clone(), values(key))).collect()
}

/// The values of a table that are no tables, by their keys. An empty table counts as a value: it is a choice's name.
fn leaves_of(key: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(inner, value)| leaves_of(&format!("{key}.{inner}"), value, found));
        }
        Value::String(text) => {
            found.insert(key.to_owned(), text.clone());
        }
        value => {
            found.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_key_is_named() {
        let parse = |text: &str| text.parse::<Table>().unwrap();
        let a = parse("name = 'a'\n[training]\nsteps = 3\n[[strategy]]\nreplay = { lambda = 1.0 }");
        let changed = |from: &str, to: &str| parse(&toml::to_string(&a).unwrap().replace(from, to));
        let at = |b: &Table, apart: &[&str]| first_difference(&a, b, apart);
        assert_eq!(at(&a, &[]), None);
        let (key, values) = at(&changed("steps = 3", "steps = 4"), &[]).unwrap();
        assert_eq!((key.as_str(), values), ("training.steps", ["3".to_owned(), "4".to_owned()]));
        assert_eq!(at(&changed("1.0", "2.0"), &[]).unwrap().0, "strategy.0.replay.lambda");
        assert_eq!(at(&changed("1.0", "2.0"), &["strategy"]), None);
        let (key, values) = at(&changed("steps = 3", ""), &[]).unwrap();
        assert_eq!((key.as_str(), values[1].as_str()), ("training.steps", "absent"));
        assert_eq!(at(&changed("\"a\"", "\"b\""), &["name"]), None);
    }

    #[test]
    fn every_key_that_differs_is_named_and_strategies_are_compared_by_label() {
        let parse = |lambda: &str, steps: usize, last: &str| -> Table {
            let text = format!(
                "name = 'x'\n[training]\nsteps = {steps}\n[[strategy]]\nfinetune = {{}}\n\
                 [[strategy]]\nlabel = 'replay-1'\nreplay = {{ lambda = {lambda} }}\n[[strategy]]\n{last} = {{}}\n"
            );
            text.parse().unwrap()
        };
        let of = |tables: &[Table]| differences(tables, &["name"]);
        let some = |values: [&str; 2]| values.map(|value| Some(value.to_owned())).to_vec();
        // A strategy that one of them alone has is no difference.
        assert_eq!(of(&[parse("1.0", 3, "ewc"), parse("1.0", 3, "si")]), []);
        assert_eq!(
            of(&[parse("1.0", 3, "ewc"), parse("0.5", 4, "ewc")]),
            [
                ("strategy.replay-1.replay.lambda".to_owned(), some(["1.0", "0.5"])),
                ("training.steps".to_owned(), some(["3", "4"])),
            ]
        );
        let mut other = parse("1.0", 3, "ewc");
        other["training"].as_table_mut().unwrap().insert("ema".into(), Value::from("none"));
        let found = of(&[parse("1.0", 3, "ewc"), other.clone(), other]);
        let none = Some("none".to_owned());
        assert_eq!(found, [("training.ema".to_owned(), vec![None, none.clone(), none])]);
    }
}
