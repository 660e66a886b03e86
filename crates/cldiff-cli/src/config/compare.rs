//! Where two configurations differ.

use std::collections::BTreeSet;

use toml::{Table, Value};

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
}
