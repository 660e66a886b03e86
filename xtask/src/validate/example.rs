//! The example of a crate's README, as a project: its dependencies and its program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folder of the crates in the READMEs, whose projects stand beside a clone of the repository.
const CRATES: &str = "../cldiff/crates/";

/// A crate's name and the folder of its package.
pub(super) type Package = (String, PathBuf);

/// The dependencies of a project and its program.
#[derive(Debug)]
pub(super) struct Example {
    dependencies: String,
    program: String,
}

impl Example {
    /// Reads the example in the README of a folder.
    ///
    /// # Errors
    /// If there is no README, or it lacks a `[dependencies]` in TOML or a `fn main` in Rust.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let path = folder.join("README.md");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let example = |language, holds| {
            let lacks = || format!("{}: no example in {language} with `{holds}`", path.display());
            block(&text, language, holds).map(str::to_owned).with_context(lacks)
        };
        Ok(Self { dependencies: example("toml", "[dependencies]")?, program: example("rust", "fn main")? })
    }

    /// Writes the project into a directory. The crates in it are these packages.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub(super) fn write(&self, directory: &Path, name: &str, packages: &[Package]) -> Result<()> {
        fs::create_dir(directory.join("src"))?;
        fs::write(directory.join("src/main.rs"), &self.program)?;
        fs::write(directory.join("Cargo.toml"), self.manifest(name, packages))?;
        Ok(())
    }

    fn manifest(&self, name: &str, packages: &[Package]) -> String {
        let mut dependencies = self.dependencies.clone();
        for (name, folder) in packages {
            dependencies = dependencies.replace(&format!("\"{CRATES}{name}\""), &quoted(folder));
        }
        let patch = |(name, folder): &Package| format!("{name} = {{ path = {} }}\n", quoted(folder));
        let patches: String = packages.iter().map(patch).collect();
        format!(
            "[package]\nname = \"alone-{name}\"\nedition = \"2024\"\n\n{dependencies}\n\n\
             # A package names the others by their versions.\n[patch.crates-io]\n{patches}\n[workspace]\n"
        )
    }
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// The first block of code in a language that holds a text.
fn block<'a>(text: &'a str, language: &str, holds: &str) -> Option<&'a str> {
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(block, _)| block).find(|block| block.contains(holds))
}

#[cfg(test)]
mod tests {
    use super::{super::alone::crates, *};

    #[test]
    fn every_crate_has_an_example_that_depends_on_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let names = crates(&folder).unwrap();
        assert!(names.iter().any(|name| name == "keyed-random"), "{names:?}");
        for name in &names {
            let example = Example::of(&folder.join(name)).unwrap();
            let dependency = format!("{name} = {{ path = \"{CRATES}{name}\"");
            assert!(example.dependencies.contains(&dependency), "{name}: {}", example.dependencies);
            assert!(example.program.contains(&name.replace('-', "_")), "{name}: {}", example.program);
        }
    }

    #[test]
    fn a_project_has_the_first_example_and_the_packages() {
        let directory = tempfile::tempdir().unwrap();
        let readme = "# one\n\n```toml\n[data]\n```\n\n```toml\n[dependencies]\none = { path = \"../cldiff/crates/one\" }\n\
                      ```\n\n```rust\nfn part() {}\n```\n\n```rust\nfn main() {\n    one::run();\n}\n```\n";
        fs::write(directory.path().join("README.md"), readme).unwrap();
        let packages = [("one".into(), "/t/one-0.1.0".into()), ("two".into(), "/t/two-0.1.0".into())];
        Example::of(directory.path()).unwrap().write(directory.path(), "one", &packages).unwrap();
        let written = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(written("src/main.rs"), "fn main() {\n    one::run();\n}");
        let manifest = written("Cargo.toml");
        assert!(manifest.contains("[dependencies]\none = { path = \"/t/one-0.1.0\" }\n"), "{manifest}");
        assert!(
            manifest.contains("[patch.crates-io]\none = { path = \"/t/one-0.1.0\" }\ntwo = "),
            "{manifest}"
        );
        fs::write(directory.path().join("README.md"), "# one\n\n```rust\nfn main() {}\n```\n").unwrap();
        let error = Example::of(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("README.md: no example in toml with `[dependencies]`"), "{error}");
    }
}
