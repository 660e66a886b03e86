//! The JSON Schema of a kind: one of the list, as `{ name: options }`.

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::List;

/// The schema of one choice of a list.
pub fn one_of<K: ?Sized + 'static>(list: &List<K>, generator: &mut SchemaGenerator) -> Schema {
    let alternatives: Vec<Schema> = list
        .entries()
        .into_iter()
        .map(|entry| {
            let description = described(entry.summary, entry.citation);
            if entry.bare {
                return json_schema!({ "type": "string", "const": entry.name, "description": description });
            }
            let options = (entry.schema)(generator);
            json_schema!({
                "type": "object",
                "description": description,
                "properties": { entry.name: options },
                "required": [entry.name],
                "additionalProperties": false,
            })
        })
        .collect();
    json_schema!({ "oneOf": alternatives })
}

/// A summary with its source.
pub(crate) fn described(summary: &str, citation: &str) -> String {
    if citation.is_empty() { summary.to_owned() } else { format!("{summary} ({citation})") }
}
