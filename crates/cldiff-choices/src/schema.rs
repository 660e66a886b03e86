//! The JSON Schema of a kind: one of the list, as `{ name: options }`.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::List;

/// The schema of one choice of a list.
pub fn one_of<K: ?Sized + 'static>(list: &List<K>, generator: &mut SchemaGenerator) -> Schema {
    let alternatives: Vec<_> = list
        .entries()
        .into_iter()
        .map(|entry| Alternative {
            kind: "object",
            description: described(entry.summary, entry.citation),
            properties: [(entry.name, (entry.schema)(generator))].into(),
            required: [entry.name],
            additional_properties: false,
        })
        .collect();
    json_schema!({ "oneOf": alternatives })
}

/// A summary with its source.
fn described(summary: &str, citation: &str) -> String {
    if citation.is_empty() { summary.to_owned() } else { format!("{summary} ({citation})") }
}

#[derive(Serialize)]
struct Alternative {
    #[serde(rename = "type")]
    kind: &'static str,
    description: String,
    properties: std::collections::BTreeMap<&'static str, Schema>,
    required: [&'static str; 1],
    #[serde(rename = "additionalProperties")]
    additional_properties: bool,
}
