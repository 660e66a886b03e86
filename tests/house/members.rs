//! A choice is named in its own file, or folder, and in one list: for a member of every kind, the files that name it are
//! those of the recipe in CONTRIBUTING.md.
//!
//! Read are the sources `crates/*/src/**/*.rs`. A file names a member if its code has the member's name, or that of one of
//! its types, as a whole word. Messages and the help of the command line are code; comments are not, but a link in a doc
//! comment is. Not read are tests (files `tests.rs`, folders `tests`, items under `#[cfg(test)]`), fixtures and benches.
//! A folder is one place. Other uses of the name, which are not about the choice, are listed below with their reasons.

use std::collections::BTreeSet;

use super::{
    names, repository, rust_files,
    source::{Docs, code, has_word},
    text,
};

/// A member that stands for its kind.
struct Member {
    /// The heading of its recipe in CONTRIBUTING.md.
    recipe: &'static str,
    /// The name of its file, or folder, without the ending: `NAME` of the recipe.
    file: &'static str,
    /// Its name in a configuration, and the names of its types.
    words: &'static [&'static str],
    /// Beginnings of paths that are not counted, and why.
    apart: &'static [(&'static str, &'static str)],
}

/// The crate below all choices.
const KERNELS: &str = "crates/ddpm-kernels/src/";

const MEMBERS: [Member; 11] = [
    Member {
        recipe: "A strategy",
        file: "packnet",
        words: &["packnet", "PackNet", "Packnet", "PacknetConfig"],
        apart: &[],
    },
    Member {
        recipe: "A strategy",
        file: "gdumb",
        words: &["gdumb", "GDumb", "Gdumb", "GdumbConfig"],
        apart: &[],
    },
    Member { recipe: "A buffer", file: "herding", words: &["herding", "Herding"], apart: &[] },
    Member {
        recipe: "A metric",
        file: "sliced_wasserstein",
        words: &["swd", "Swd", "sliced_wasserstein", "SlicedWasserstein"],
        apart: &[],
    },
    Member { recipe: "A stream", file: "blurry", words: &["blurry", "Blurry"], apart: &[] },
    Member { recipe: "A data set", file: "kmnist", words: &["kmnist", "KMNIST", "KmnistConfig"], apart: &[] },
    Member { recipe: "A sampler", file: "heun", words: &["heun", "Heun"], apart: &[] },
    Member {
        recipe: "A schedule",
        file: "sigmoid",
        words: &["sigmoid", "Sigmoid"],
        apart: &[(KERNELS, "the function of that name, in a crate that knows no schedules")],
    },
    Member { recipe: "A network", file: "dit", words: &["dit", "DiT", "DiTConfig"], apart: &[] },
    Member {
        recipe: "A feature extractor",
        file: "inception",
        words: &["inception", "Inception", "InceptionOptions", "InceptionFeatures"],
        apart: &[
            (
                "crates/cl-metrics/src/features/",
                "the network itself, a library's, which knows no configuration",
            ),
            ("crates/cl-metrics/src/sample/inception_score.rs", "the metric of that name"),
            ("crates/cl-metrics/src/sample/kid.rs", "the kernel Inception distance, a metric"),
            (
                "crates/cldiff-cli/src/files/published.rs",
                "the published file of weights: where it is and how it is read",
            ),
            ("crates/cldiff-cli/src/weights/", "the command, whose default it is"),
        ],
    },
    Member {
        recipe: "A backend",
        file: "wgpu",
        words: &["wgpu", "Wgpu"],
        apart: &[
            (KERNELS, "the kernels that are written for the backend, and its type"),
            ("crates/gpu-instances/src/", "the same kernels, compiled once"),
        ],
    },
];

impl Member {
    fn is_apart(&self, path: &str) -> bool {
        self.apart.iter().any(|(beginning, _)| path.starts_with(beginning))
    }

    /// The sources that the recipe says are touched.
    fn recipe(&self) -> BTreeSet<String> {
        let paths = recipe(self.recipe).into_iter().map(|path| path.replace("NAME", self.file));
        paths.filter(|path| is_source(path) && !self.is_apart(path)).collect()
    }

    /// The places where it is named: those of the recipe, and every other file.
    fn places(&self, recipe: &BTreeSet<String>) -> BTreeSet<String> {
        let is_named = |path: &&String| {
            let docs = if path.starts_with("crates/cldiff-cli/") { Docs::Whole } else { Docs::Links };
            !self.is_apart(path) && has_word(&code(&text(path), docs), self.words)
        };
        let place = |path: &String| {
            let within = |place: &&String| place.ends_with('/') && path.starts_with(place.as_str());
            recipe.iter().find(within).unwrap_or(path).clone()
        };
        sources().iter().filter(is_named).map(place).collect()
    }
}

/// Whether a path is of a crate's sources, and not of tests.
fn is_source(path: &str) -> bool {
    path.contains("/src/") && !path.ends_with("tests.rs") && !path.contains("/tests/")
}

/// The sources of the crates, without tests.
fn sources() -> Vec<String> {
    let of_crate = |name: String| rust_files(&format!("crates/{name}src"));
    names("crates").into_iter().flat_map(of_crate).filter(|path| is_source(path)).collect()
}

/// The paths of the numbered files under a heading of CONTRIBUTING.md.
fn recipe(heading: &str) -> Vec<String> {
    let contributing = text("CONTRIBUTING.md");
    let lines = contributing.lines().skip_while(|line| *line != format!("### {heading}")).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with('#')).collect();
    assert!(!lines.is_empty(), "CONTRIBUTING.md has no recipe `### {heading}`");
    let numbered = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    lines.into_iter().filter(numbered).filter_map(|line| line.split('`').nth(1)).map(str::to_owned).collect()
}

#[test]
fn a_choice_is_named_in_its_own_file_and_in_one_list() {
    for member in MEMBERS {
        let recipe = member.recipe();
        assert_eq!(
            recipe.len(),
            2,
            "{}: expected two sources of the crates, found {recipe:?}",
            member.recipe
        );
        for path in &recipe {
            assert!(repository().join(path).exists(), "{}: there is no {path}", member.recipe);
        }
        let places = member.places(&recipe);
        assert_eq!(
            places, recipe,
            "`{}`: the places where it is named (left) are not the recipe's",
            member.file
        );
    }
}

#[test]
fn what_is_apart_exists_and_bears_the_name() {
    let sources = sources();
    for member in MEMBERS {
        for (beginning, reason) in member.apart {
            let bears = |path: &&String| {
                path.starts_with(beginning) && has_word(&code(&text(path), Docs::Whole), member.words)
            };
            assert!(sources.iter().any(|path| bears(&path)), "`{}`: {beginning} ({reason})", member.file);
        }
    }
}
