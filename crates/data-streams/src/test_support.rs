//! Helpers that the tests of both lists share: every built-in choice describes itself and its options, and its file has an
//! example that parses.

use std::{fs, path::Path};

use cldiff_choices::List;
use schemars::SchemaGenerator;
use serde_json::Value;

/// The first example of configuration in the file of a choice, `src/FOLDER/NAME.rs` or `src/FOLDER/NAME/mod.rs`.
pub(crate) fn documented_example(folder: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let files = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_else(|| panic!("{name} has no file in {}", folder.display()));
    let prose = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_start);
    let example: Vec<&str> =
        prose.skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```").collect();
    assert!(!example.is_empty(), "the file of {name} has no example");
    example.join("\n")
}

/// Every choice has a summary of one sentence, and every option says what it means.
pub(crate) fn assert_described<K: ?Sized>(list: &List<K>) {
    for entry in list.entries() {
        assert!(!entry.summary.is_empty() && !entry.summary.ends_with('.'), "{}", entry.name);
        let mut generator = SchemaGenerator::default();
        let schema = (entry.schema)(&mut generator).to_value();
        let reference = schema["$ref"].as_str().unwrap_or_default();
        let definition = reference.rsplit('/').next().unwrap_or_default();
        let options = &generator.definitions()[definition];
        assert_eq!(options["additionalProperties"], Value::Bool(false), "{}", entry.name);
        for (option, schema) in options["properties"].as_object().into_iter().flatten() {
            let meaning = schema["description"].as_str().unwrap_or_default();
            assert!(!meaning.is_empty(), "{}.{option} has no meaning", entry.name);
            for flag in ["--", "data."] {
                assert!(!meaning.contains(flag), "{}.{option} names {flag}", entry.name);
            }
        }
    }
}
