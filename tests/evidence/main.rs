//! Tables of measured results. Each table in the documents is what its files under `evidence/` give:
//! `CLDIFF_WRITE_DOCS=1 cargo test -p cldiff-cli --test evidence` writes them, and without it the test fails if a document
//! and the files differ.

mod rows;
mod spec;
mod table;

use std::{fs, path::Path};

use rows::Rows;
use spec::Spec;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The experiments, in the order of their names.
fn experiments() -> Vec<(String, Spec, Rows)> {
    let entries = fs::read_dir(repository().join("evidence")).expect("evidence/");
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let experiment = |folder: &std::path::PathBuf| {
        let text = fs::read_to_string(folder.join("tables.toml")).expect("tables.toml");
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let spec: Spec = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, spec, Rows::read(&folder.join("results.parquet")))
    };
    folders.iter().map(experiment).collect()
}

/// A document with the text between a table's marks replaced.
fn replaced(document: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- evidence: {name} -->\n"), format!("<!-- end of {name} -->"));
    let Some((before, rest)) = document.split_once(&begin) else { panic!("no mark {begin}") };
    let Some((_, after)) = rest.split_once(&end) else { panic!("no mark {end}") };
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn every_table_is_what_its_files_give() {
    let mut wrong = Vec::new();
    for (experiment, spec, rows) in experiments() {
        for table in &spec.tables {
            let path = repository().join(&table.into);
            let found = fs::read_to_string(&path).unwrap();
            let name = format!("{experiment}/{}", table.name);
            let expected = replaced(&found, &name, &table::markdown(&spec, table, &rows));
            if found == expected {
                continue;
            }
            if std::env::var_os("CLDIFF_WRITE_DOCS").is_some() {
                fs::write(&path, expected).unwrap();
            } else {
                wrong.push(format!("{} in {}", name, table.into));
            }
        }
    }
    assert!(wrong.is_empty(), "written by CLDIFF_WRITE_DOCS=1, these differ: {wrong:?}");
}

/// An experiment says how it was made, by a configuration that is in the repository and is still read.
#[test]
fn every_experiment_says_how_it_was_made() {
    for (experiment, spec, rows) in experiments() {
        let config = spec.command.split_whitespace().skip_while(|word| *word != "--config").nth(1);
        let config = config.unwrap_or_else(|| panic!("{experiment}: no --config in {}", spec.command));
        assert!(repository().join(config).is_file(), "{experiment}: {config} is not there");
        assert!(!spec.machine.is_empty() && !spec.commit.is_empty() && !spec.date.is_empty(), "{experiment}");
        assert!(!rows.labels().is_empty(), "{experiment} has no cells");
        for table in &spec.tables {
            for label in &table.rows {
                assert!(rows.labels().contains(label), "{experiment}/{}: no cell {label}", table.name);
            }
        }
    }
}
