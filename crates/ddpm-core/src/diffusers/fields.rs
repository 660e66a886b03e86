//! The fields of a JSON object as a type, so that a mistake names its key.
//!
//! serde says what it expected and not where. Each field is therefore read alone after the whole was refused: all types
//! here have a default for every key.

use std::{collections::HashSet, sync::Mutex};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{CoreError, error::plain_words};

/// Longer values are cut off in a message.
const LONGEST: usize = 60;

/// A type from the fields of a JSON object, and the keys that it does not have, which are passed over.
///
/// # Errors
/// [`CoreError::Config`] for the first value that is not understood, with the path of its key;
/// [`CoreError::Content`] for fields that are not understood together.
pub(crate) fn read_fields<T: DeserializeOwned>(
    mut fields: Map<String, Value>,
) -> Result<(T, Vec<String>), CoreError> {
    let mut unknown = Vec::new();
    // The quick way is not taken for its speed: keys that are no mistake need no second look.
    if let Ok(whole) = serde_json::from_value(Value::Object(fields.clone())) {
        return Ok((whole, unknown));
    }
    for (key, value) in &fields {
        let alone = |value: Value| Value::Object(Map::from_iter([(key.clone(), value)]));
        match refusal::<T>(alone(value.clone())) {
            Some(said) if said.starts_with("unknown field") => unknown.push(key.clone()),
            // The other keys are missing: nothing is known of this one.
            Some(said) if said.starts_with("missing field") => {}
            Some(said) => return Err(mistake::<T>(key.clone(), value, &alone, &said)),
            None => {}
        }
    }
    fields.retain(|key, _| !unknown.contains(key));
    let whole = serde_json::from_value(Value::Object(fields));
    whole
        .map(|whole| (whole, unknown))
        .map_err(|error| CoreError::Content { problem: plain_words(&error.to_string()) })
}

fn refusal<T: DeserializeOwned>(value: Value) -> Option<String> {
    serde_json::from_value::<T>(value).err().map(|error| error.to_string())
}

/// The error for a value, or for the part of it that is refused with the same words.
fn mistake<T: DeserializeOwned>(
    key: String,
    value: &Value,
    within: &dyn Fn(Value) -> Value,
    said: &str,
) -> CoreError {
    let parts: Vec<(String, &Value)> = match value {
        // Too many or too few items are no mistake of one of them.
        Value::Array(_) if said.starts_with("invalid length") => Vec::new(),
        Value::Array(items) => items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
        _ => Vec::new(),
    };
    for (name, part) in parts {
        let is_list = value.is_array();
        let alone =
            |part: Value| within(if is_list { json!([part]) } else { json!({ name.as_str(): part }) });
        if refusal::<T>(alone(part.clone())).as_deref() == Some(said) {
            return mistake::<T>(format!("{key}.{name}"), part, &alone, said);
        }
    }
    let expected = said.rfind("expected ").map_or(said, |at| &said[at..]);
    CoreError::Config { key, value: cut(&value.to_string()), expected: plain_words(expected) }
}

/// A value that is not long.
pub(super) fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &value[..end]),
        None => value.to_owned(),
    }
}

/// Warns of keys that are passed over, as diffusers does.
pub(crate) fn pass_over(file: &str, keys: &[String]) {
    if !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        warn_once(&format!("{file}: passed over, as no such key is known here: {}", cut_list(&keys, 12)));
    }
}

/// Warns, but not again in the same words: a directory is looked at more than once.
pub(super) fn warn_once(message: &str) {
    static TOLD: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if told.get_or_insert_with(HashSet::new).insert(message.to_owned()) {
        tracing::warn!("{message}");
    }
}

/// The first `most` of some words, and how many more there are.
pub(super) fn cut_list(words: &[String], most: usize) -> String {
    match words.len().saturating_sub(most) {
        0 => words.join(", "),
        more => format!("{} and {more} more", words[..most].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use cldiff_choices::ImageSize;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        width: usize,
        rate: f64,
        names: Vec<String>,
        size: Option<ImageSize>,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        flags: Vec<bool>,
    }

    fn read(text: &str) -> Result<(Options, Vec<String>), CoreError> {
        read_fields(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_mistake_has_the_path_of_its_key_and_no_word_of_rust() {
        for (text, told) in [
            (r#"{"width": 3.5}"#, "`width` is 3.5: expected a whole number, 0 or more"),
            (r#"{"width": -1, "rate": 1}"#, "`width` is -1: expected a whole number, 0 or more"),
            (r#"{"rate": null}"#, "`rate` is null: expected a number"),
            (r#"{"size": [8]}"#, "`size` is [8]: expected a whole number of pixels, or [height, width]"),
            (
                r#"{"size": [8, 16, 3]}"#,
                "`size` is [8,16,3]: expected a whole number of pixels, or [height, width]",
            ),
            (r#"{"size": [8, "b"]}"#, "`size.1` is \"b\": expected a whole number, 0 or more"),
            (r#"{"names": "a"}"#, "`names` is \"a\": expected a list"),
            (r#"{"names": ["a", "b", 3]}"#, "`names.2` is 3: expected a text"),
            (r#"{"inner": {"flags": [true, 0]}}"#, "`inner.flags.1` is 0: expected true or false"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn unknown_keys_are_passed_over_and_hide_no_mistake() {
        let (options, unknown) = read(r#"{"width": 2, "power": 0.75, "names": ["a"], "decay": {}}"#).unwrap();
        assert_eq!(options, Options { width: 2, names: vec!["a".into()], ..Options::default() });
        assert_eq!(unknown, ["power", "decay"]);
        assert!(read(r#"{"power": 1, "width": "wide"}"#).unwrap_err().to_string().contains("`width`"));
        assert_eq!(cut_list(&["a", "b", "c"].map(String::from), 2), "a, b and 1 more");
    }
}
