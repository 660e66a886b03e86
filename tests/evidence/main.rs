//! Measured results in the documents. Each table, figure and number between marks is what the files under `evidence/` give:
//! `cargo xtask evidence` writes them (by `CLDIFF_WRITE_DOCS=1`), and without it the test fails if a document or a figure and
//! the files differ.

mod clear_share;
mod correlation;
mod curve;
mod documents;
mod experiments;
mod law;
mod made;
mod number;
mod optimum;
mod pareto;
mod parity;
mod pattern;
mod rows;
mod source;
mod spec;
mod table;
mod test_data;
mod timesteps;
mod value;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use documents::{FOLDER, documents, filled};
use experiments::Experiments;
use made::Made;
use spec::State;

/// The most that the files under `evidence/` may have.
const MOST_BYTES: u64 = 40_000_000;

static EXPERIMENTS: LazyLock<Experiments> = LazyLock::new(Experiments::read);

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The documents and figures as they should be, by their paths from the root of the repository.
fn expected(made: &Made, problems: &mut Vec<String>) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut marked = BTreeSet::new();
    for path in documents() {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        match filled(&path, &text, made, &mut marked) {
            Ok(text) => drop(files.insert(path, text)),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    for name in made.blocks.keys().chain(made.values.keys()).filter(|name| !marked.contains(*name)) {
        problems.push(format!("{name} is made, and no document has a mark for it"));
    }
    let figures = made.figures.iter();
    files.extend(figures.map(|(name, svg)| (Path::new(FOLDER).join(name), svg.clone())));
    files
}

/// The figures that are there and are not made.
fn left_over(files: &BTreeMap<PathBuf, String>) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(FOLDER)).into_iter().flatten();
    let paths = entries.map(|entry| Path::new(FOLDER).join(entry.unwrap().file_name()));
    paths.filter(|path| !files.contains_key(path)).collect()
}

#[test]
fn documents_and_figures_are_what_the_files_give() {
    let mut problems = Vec::new();
    let files = expected(&Made::of(&EXPERIMENTS), &mut problems);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let writes = std::env::var_os("CLDIFF_WRITE_DOCS").is_some();
    for (path, text) in &files {
        let whole = repository().join(path);
        if fs::read_to_string(&whole).ok().as_ref() == Some(text) {
            continue;
        }
        if writes {
            fs::create_dir_all(whole.parent().unwrap()).unwrap();
            fs::write(&whole, text).unwrap();
        } else {
            problems.push(path.display().to_string());
        }
    }
    for path in left_over(&files) {
        if writes {
            fs::remove_file(repository().join(&path)).unwrap();
        } else {
            problems.push(format!("{} (of no figure)", path.display()));
        }
    }
    assert!(problems.is_empty(), "written by `cargo xtask evidence`, these differ:\n{}", problems.join("\n"));
}

/// The seeds of a configuration.
fn seeds(config: &str) -> Vec<u64> {
    let text = fs::read_to_string(repository().join(config)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let seeds = table.get("seeds").map_or(&[][..], |seeds| seeds.as_array().unwrap());
    seeds.iter().map(|seed| u64::try_from(seed.as_integer().unwrap()).unwrap()).collect()
}

/// An experiment says how it was made, by a configuration that is in the repository and is still read.
#[test]
fn every_experiment_says_how_it_was_made() {
    for (experiment, spec, rows) in EXPERIMENTS.iter() {
        let config = spec.command.split_whitespace().skip_while(|word| *word != "--config").nth(1);
        let config = config.unwrap_or_else(|| panic!("{experiment}: no --config in {}", spec.command));
        assert!(repository().join(config).is_file(), "{experiment}: {config} is not there");
        assert!(!spec.machine.is_empty(), "{experiment}");
        let Some(rows) = rows else { continue };
        assert!(!spec.commit.is_empty() && !spec.date.is_empty(), "{experiment}: commit and date");
        assert_eq!(spec.state, State::Done);
        assert!(!rows.labels().is_empty(), "{experiment} has no cells");
        // A seed that is not there may have failed: the others are no sample of all.
        for label in rows.labels() {
            assert_eq!(rows.seeds(label), seeds(config), "{experiment}: the seeds of {label}");
        }
        let named = spec.tables.iter().flat_map(|table| &table.rows);
        let named = named.chain(spec.curves.iter().flat_map(|curve| curve.zero.iter().chain(&curve.levels)));
        for label in named.chain(spec.timesteps.iter().flat_map(|of| &of.labels)).chain(&spec.bounds) {
            assert!(rows.labels().contains(label), "{experiment}: no cell {label}");
        }
    }
}

#[test]
fn the_files_are_small() {
    let folders = fs::read_dir(repository().join("evidence")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).into_iter().flatten());
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < MOST_BYTES, "evidence/ has {bytes} bytes");
}
