//! The rooms of the program, held by a test: a subcommand imports no other subcommand, and no room imports a subcommand.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules of the subcommands.
const SUBCOMMANDS: [&str; 15] = [
    "bench",
    "cells",
    "config::commands",
    "data",
    "doctor",
    "generate",
    "list",
    "manual",
    "metric",
    "report::command",
    "run",
    "status",
    "submit",
    "tune",
    "weights",
];

/// The modules that subcommands share.
const ROOMS: [&str; 7] = ["config", "files", "quantities", "report", "results", "threads", "ui"];

/// The modules that know the subcommands: the command line, and the library's doors.
const DOORS: [&str; 5] = ["args", "input", "lib", "program", "rooms"];

fn sources() -> Vec<PathBuf> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root(), &mut found);
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The path of a file's module: `run::cells` for `run/cells.rs`, `run` for `run/mod.rs`.
fn module(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root()).unwrap().with_extension("");
    let mut names: Vec<String> = relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.pop_if(|name| name == "mod");
    names
}

/// The words, `::`, `{`, `}`, `,` and `;` of a source, without comments and strings.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in source.lines() {
        // A string's content is no path of this crate, and an escaped quote ends none.
        let code = line.split("//").next().unwrap_or("").replace("\\\"", "");
        for (i, part) in code.split('"').enumerate() {
            let spaced = if i % 2 == 0 { part.replace("::", " :: ") } else { String::new() };
            let mut word = String::new();
            for c in spaced.chars().chain([' ']) {
                if c.is_alphanumeric() || c == '_' || c == ':' {
                    word.push(c);
                    continue;
                }
                if !word.is_empty() {
                    tokens.push(std::mem::take(&mut word));
                }
                if "{},;".contains(c) {
                    tokens.push(c.to_string());
                }
            }
        }
    }
    tokens
}

/// Every path in a source that begins with `crate`, `self` or `super`, from the crate's root, with the trees of `use`
/// taken apart.
fn paths(source: &str, module: &[String]) -> Vec<String> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    for start in 0..tokens.len() {
        let first = tokens[start].as_str();
        let begins = start == 0 || tokens[start - 1] != "::";
        let goes_on = tokens.get(start + 1).is_some_and(|next| next == "::");
        if begins && goes_on && ["crate", "self", "super"].contains(&first) {
            let mut base = if first == "crate" { Vec::new() } else { module.to_vec() };
            if first == "super" {
                base.pop();
            }
            tree(&tokens[start + 1..], &mut base, &mut found);
        }
    }
    found
}

/// Takes a path apart, from behind its first word; gives the number of tokens that it has.
fn tree(tokens: &[String], base: &mut Vec<String>, found: &mut Vec<String>) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| token == "::") {
        match tokens.get(at + 1).map(String::as_str) {
            Some("{") => {
                at += 2;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let mut branch = base.clone();
                    if tokens[at] == "," {
                        at += 1;
                        continue;
                    }
                    step(&tokens[at], &mut branch);
                    at += 1 + tree(&tokens[at + 1..], &mut branch, found);
                }
                return at + 1;
            }
            Some(word) => {
                step(word, base);
                at += 2;
            }
            None => break,
        }
    }
    found.push(base.join("::"));
    at
}

fn step(word: &str, path: &mut Vec<String>) {
    match word {
        "super" => {
            path.pop();
        }
        "self" => {}
        word => path.push(word.to_owned()),
    }
}

/// The subcommand that a path is in.
fn subcommand(path: &str) -> Option<&'static str> {
    let is_in = |known: &&str| path == *known || path.starts_with(&format!("{known}::"));
    SUBCOMMANDS.into_iter().find(is_in)
}

#[test]
fn no_module_imports_a_subcommand_but_the_subcommand_itself() {
    let mut wrong = Vec::new();
    for file in sources() {
        let module = module(&file);
        let name = module.join("::");
        if DOORS.contains(&name.as_str()) || name == "main" {
            continue;
        }
        for path in paths(&fs::read_to_string(&file).unwrap(), &module) {
            let other = subcommand(&path).filter(|other| Some(*other) != subcommand(&name));
            // `mod.rs` of a room may declare a subcommand's module, which is no import.
            wrong.extend(other.map(|other| format!("{name} imports {path} of `cldiff {other}`")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A new module says in the lists above what it is.
#[test]
fn every_module_is_a_subcommand_or_a_room() {
    for file in sources() {
        let module = module(&file);
        let first = module[0].as_str();
        let known = [&SUBCOMMANDS[..], &ROOMS, &DOORS, &["main"]].concat();
        assert!(known.contains(&first), "{} is in no list of {}", file.display(), file!());
    }
    for name in [&SUBCOMMANDS[..], &ROOMS].concat() {
        let path = root().join(name.replace("::", "/"));
        assert!(path.is_dir() || path.with_extension("rs").is_file(), "there is no module {name}");
    }
}

#[test]
fn paths_are_taken_apart() {
    let source = r#"
        use crate::{
            run::{grid, cells::{self, Runner}}, // crate::list
            files::tensors::Tensors,
        };
        pub use super::set::Set;
        fn of(x: &super::super::data::Show) { crate::metric::measure(self::inner(), "crate::weights") }
    "#;
    let module = ["metric".to_owned(), "files".to_owned()];
    let expected = [
        "run::grid",
        "run::cells",
        "run::cells::Runner",
        "files::tensors::Tensors",
        "metric::set::Set",
        "data::Show",
        "metric::measure",
        "metric::files::inner",
    ];
    assert_eq!(paths(source, &module), expected);
    assert_eq!(subcommand("run::grid"), Some("run"));
    assert_eq!((subcommand("running"), subcommand("report::charts")), (None, None));
}
