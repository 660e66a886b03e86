//! As much YAML as the manifests have: nested maps and lists by indentation, scalars, lists in brackets, one block of text.

use serde_json::{Map, Value};

/// A document.
pub fn parse(text: &str) -> Value {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    let value = block(&lines, &mut at, 0);
    assert_eq!(next(&lines, at), lines.len(), "line {} is not understood: {:?}", at + 1, lines.get(at));
    value
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The next line that is neither blank nor a comment.
fn next(lines: &[&str], from: usize) -> usize {
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    (from..lines.len()).find(|&i| is_content(&lines[i])).unwrap_or(lines.len())
}

fn block(lines: &[&str], at: &mut usize, column: usize) -> Value {
    *at = next(lines, *at);
    if lines.get(*at).is_some_and(|line| line.trim_start().starts_with("- ")) {
        list(lines, at, column)
    } else {
        map(lines, at, column)
    }
}

fn list(lines: &[&str], at: &mut usize, column: usize) -> Value {
    let mut items = Vec::new();
    while let Some(line) = lines.get(next(lines, *at)).filter(|line| indent(line) == column) {
        let Some(item) = line.trim_start().strip_prefix("- ") else { break };
        *at = next(lines, *at);
        if item.contains(": ") || item.ends_with(':') {
            // The item's first key stands behind the dash, as if on a line of its own.
            let spaced = format!("{}{item}", " ".repeat(column + 2));
            let mut inner: Vec<&str> = lines.to_vec();
            inner[*at] = &spaced;
            items.push(map(&inner, at, column + 2));
        } else {
            items.push(scalar(item));
            *at += 1;
        }
    }
    Value::Array(items)
}

fn map(lines: &[&str], at: &mut usize, column: usize) -> Value {
    let mut found = Map::new();
    loop {
        *at = next(lines, *at);
        let Some(line) = lines.get(*at).filter(|line| indent(line) == column) else { break };
        if line.trim_start().starts_with("- ") {
            break;
        }
        let (key, value) = line.trim().split_once(':').unwrap_or_else(|| panic!("no key in {line:?}"));
        *at += 1;
        let value = match value.trim() {
            "" => {
                let inner = lines.get(next(lines, *at)).map_or(0, |line| indent(line));
                assert!(inner > column, "{key} has no value");
                block(lines, at, inner)
            }
            "|" => words(lines, at, column),
            value => scalar(value),
        };
        assert!(found.insert(key.to_owned(), value).is_none(), "{key} stands twice");
    }
    Value::Object(found)
}

fn words(lines: &[&str], at: &mut usize, column: usize) -> Value {
    let mut text = String::new();
    while let Some(line) = lines.get(*at).filter(|line| line.trim().is_empty() || indent(line) > column) {
        text += line.get(column + 2..).unwrap_or("");
        text += "\n";
        *at += 1;
    }
    Value::String(text)
}

fn scalar(text: &str) -> Value {
    let text = text.trim();
    if text.starts_with('"') || text.starts_with('[') {
        // JSON's strings and lists are YAML's.
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    text.parse::<u64>().map_or_else(|_| Value::String(text.to_owned()), Value::from)
}

#[test]
fn maps_lists_and_text_are_read() {
    let text =
        "# head\na:\n  - b: 1\n    c: [2, 3]\n  - d:\n      - e\ntext: |\n  one\n\n  two\nlast: \"4\"\n";
    assert_eq!(
        parse(text),
        serde_json::json!({"a": [{"b": 1, "c": [2, 3]}, {"d": ["e"]}], "text": "one\n\ntwo\n", "last": "4"})
    );
}
