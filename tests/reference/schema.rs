//! The configuration: a table of keys for each part of the JSON Schema, under the first place where the part stands.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Map, Value};

/// The parts of a schema by name, and the heading under which each is described.
struct Book<'a> {
    parts: &'a Map<String, Value>,
    headings: BTreeMap<&'a str, String>,
    /// Parts that have a heading and no section yet.
    waiting: Vec<&'a str>,
}

/// A section for the top level, then for each part, followed by the parts that it is the first to name.
pub fn page(schema: &Value) -> String {
    let parts = schema["$defs"].as_object().unwrap();
    let mut book = Book { parts, headings: BTreeMap::new(), waiting: Vec::new() };
    let mut page = String::from("## Top level\n\n");
    book.section(schema, "", &mut page);
    book.waiting.reverse();
    while let Some(name) = book.waiting.pop() {
        let path = book.headings[name].clone();
        let _ = writeln!(page, "\n## `{path}`\n");
        let meaning = of(&parts[name], "description");
        if !meaning.is_empty() {
            let _ = writeln!(page, "{meaning}\n");
        }
        let before = book.waiting.len();
        book.section(&parts[name], &path, &mut page);
        book.waiting[before..].reverse();
    }
    page
}

impl<'a> Book<'a> {
    /// The table of a part: its keys, or the values that it can have.
    fn section(&mut self, part: &'a Value, path: &str, page: &mut String) {
        let choices = self.choices(part);
        if choices.is_empty() {
            self.keys(part, path, page);
            return;
        }
        page.push_str("| value | meaning |\n|---|---|\n");
        for choice in choices {
            let (value, keys) = self.choice(choice, path);
            let meaning = [sentence(&of(choice, "description")), keys].join(" ");
            let _ = writeln!(page, "| {value} | {} |", meaning.trim());
        }
    }

    /// The values of a part: its own, and those of the parts that it takes its values from.
    fn choices(&self, part: &'a Value) -> Vec<&'a Value> {
        if let Some(own) = part["oneOf"].as_array() {
            return own.iter().collect();
        }
        let from = part["anyOf"].as_array().into_iter().flatten();
        let (parts, keys): (Vec<&Value>, Vec<&Value>) =
            from.partition(|value| self.part(value).is_some_and(|part| part["oneOf"].is_array()));
        let inner =
            parts.into_iter().filter_map(|value| self.part(value)).flat_map(|part| self.choices(part));
        inner.chain(keys).collect()
    }

    fn part(&self, value: &Value) -> Option<&'a Value> {
        self.parts.get(value["$ref"].as_str()?.strip_prefix("#/$defs/")?)
    }

    fn keys(&mut self, part: &'a Value, path: &str, page: &mut String) {
        let Some(keys) = part["properties"].as_object().filter(|keys| !keys.is_empty()) else {
            page.push_str("No keys.\n");
            return;
        };
        page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for (key, value) in keys {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let kind = self.kind(value, &inner);
            let default = match &value["default"] {
                Value::Object(keys) if keys.len() > 2 => "its own defaults".to_owned(),
                Value::Null if is_required(part, key) => "required".to_owned(),
                Value::Null => String::new(),
                given => format!("`{}`", toml(given)),
            };
            let _ = writeln!(page, "| `{key}` | {kind} | {default} | {} |", of(value, "description"));
        }
    }

    /// A value of a choice, and the keys of those that have some.
    fn choice(&mut self, choice: &'a Value, path: &str) -> (String, String) {
        if let Some(word) = choice["const"].as_str() {
            return (format!("`\"{word}\"`"), String::new());
        }
        let Some((name, value)) = choice["properties"].as_object().and_then(|keys| keys.iter().next()) else {
            return (format!("the keys of {}", self.kind(choice, path)), String::new());
        };
        if value["$ref"].is_string() {
            let link = self.kind(value, &format!("{path}.{name}"));
            return (format!("`{name} = {{ .. }}`"), format!("Keys: {link}."));
        }
        let Some(keys) = value["properties"].as_object() else {
            return (format!("`{name}`, {}", self.kind(value, path)), String::new());
        };
        let mut told = Vec::new();
        for (key, value) in keys {
            let default = match &value["default"] {
                Value::Null => String::new(),
                given => format!(", default `{}`", toml(given)),
            };
            let kind = self.kind(value, &format!("{path}.{name}.{key}"));
            told.push(format!("`{key}` ({kind}{default}): {}", of(value, "description")));
        }
        (format!("`{name} = {{ .. }}`"), told.join(" "))
    }

    /// The type of a value; a part becomes a link to its section.
    fn kind(&mut self, value: &'a Value, path: &str) -> String {
        if let Some(name) = value["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            return self.link(name, path);
        }
        if let Some(inner) = ["anyOf", "allOf", "oneOf"].iter().find_map(|key| value[key].as_array()) {
            let kinds: Vec<String> = inner
                .iter()
                .filter(|kind| kind["type"] != "null")
                .map(|kind| self.kind(kind, path))
                .collect();
            return kinds.join(" or ");
        }
        match &value["type"] {
            Value::String(kind) if kind == "array" && value["items"].is_object() => {
                format!("list of {}", self.kind(&value["items"], path))
            }
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => {
                let named = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                named.collect::<Vec<_>>().join(" or ")
            }
            _ => value["const"].as_str().map_or_else(String::new, |word| format!("`\"{word}\"`")),
        }
    }

    fn link(&mut self, name: &str, path: &str) -> String {
        let (name, _) = self.parts.get_key_value(name).unwrap();
        if !self.headings.contains_key(name.as_str()) {
            self.headings.insert(name, path.to_owned());
            self.waiting.push(name);
        }
        let heading = &self.headings[name.as_str()];
        format!("[`{heading}`](#{})", heading.replace('.', "").to_lowercase())
    }
}

/// With a full stop, unless it has one.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') {
        return text.to_owned();
    }
    format!("{text}.")
}

fn is_required(part: &Value, key: &str) -> bool {
    part["required"].as_array().is_some_and(|keys| keys.iter().any(|required| required == key))
}

/// A sentence of the schema in a cell of a table; a link to an item of the code becomes its text.
fn of(value: &Value, key: &str) -> String {
    let text = value[key].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
    let mut told = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('[') {
        told.push_str(before);
        let Some((inner, after)) = link.split_once(']') else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let is_link = inner.starts_with('`') && inner.ends_with('`');
        match target.filter(|(target, _)| is_link || target.contains("::")) {
            Some((_, after)) => {
                told.push_str(inner);
                rest = after;
            }
            None if is_link => {
                told.push_str(inner);
                rest = after;
            }
            // A list, as in `[5, 2, 3]`.
            None => {
                told.push('[');
                rest = link;
            }
        }
    }
    told + rest
}

/// A default as a configuration spells it.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(keys) => {
            let keys: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        // Numbers of 32 bits, as they were written.
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap();
            let short = number as f32;
            let is_short = (f64::from(short) - number).abs() == 0.0
                && short.to_string().len() < number.to_string().len();
            if is_short { format!("{short:?}") } else { format!("{number:?}") }
        }
        other => other.to_string(),
    }
}

#[test]
fn a_part_is_described_once_and_linked_by_its_path() {
    let schema = serde_json::json!({
        "properties": { "a": { "description": "An a.", "$ref": "#/$defs/A", "default": { "b": 1 } }, "n": { "type": "integer" },
            "c": { "$ref": "#/$defs/C" } },
        "required": ["n"],
        "$defs": {
            "A": { "oneOf": [
                { "description": "Plain [`x`](X::y) | [y](Y::z), [`w`] of `[1, 2]`", "const": "plain" },
                { "description": "Deep.", "properties": { "deep": { "$ref": "#/$defs/B" } } },
                { "properties": { "flat": { "properties": { "gamma": { "type": "number", "default": 0.899_999_976_158_142_1 } } } } },
            ] },
            "C": { "anyOf": [{ "$ref": "#/$defs/B" }, { "$ref": "#/$defs/A" }] },
            "B": { "properties": { "again": { "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] } } },
        },
    });
    let page = page(&schema);
    for expected in [
        "| `a` | [`a`](#a) | `{ b = 1 }` | An a. |",
        "| `n` | integer | required |  |",
        "| `\"plain\"` | Plain `x` \\| y, `w` of `[1, 2]`. |",
        "| `deep = { .. }` | Deep. Keys: [`a.deep`](#adeep). |",
        "| `flat = { .. }` | `gamma` (number, default `0.9`): |",
        "## `a.deep`",
        "| the keys of [`a.deep`](#adeep) |  |",
        "| `again` | [`a`](#a) |  |  |",
    ] {
        assert!(page.contains(expected), "no {expected} in\n{page}");
    }
    assert_eq!(page.matches("## `a`").count(), 1);
}
