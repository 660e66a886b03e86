//! The generated pages of the book, `docs/reference/`, say what the program says.
//!
//! `CLDIFF_WRITE_DOCS=1 cargo test -p cldiff-cli --lib --test reference --test book page` writes them. Without the variable
//! a page that differs fails its test.

#[path = "../common.rs"]
mod common;
mod help;
mod schema;

use std::{fs, path::Path};

use common::{Scratch, text};

const BEGIN: &str = "<!-- generated: begin -->";
const END: &str = "<!-- generated: end -->";

/// Compares the part of a page between the two marks, or writes it.
fn compare(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = format!("\n\n{}\n\n", expected.trim());
    if std::env::var_os("CLDIFF_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "docs/reference/{page} differs, see {}: {differs:?}", file!());
}

#[test]
fn the_page_of_the_command_line_is_the_help_of_every_command() {
    compare("command-line.md", &help::page(&Scratch::new()));
}

#[test]
fn the_page_of_the_configuration_has_every_key_of_the_schema() {
    let output = Scratch::new().cldiff(&["config", "schema"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    compare("configuration.md", &schema::page(&serde_json::from_slice(&output.stdout).unwrap()));
}
