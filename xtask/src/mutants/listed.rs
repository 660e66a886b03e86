//! The mutants that cargo-mutants lists as JSON, and the pattern by which it finds one again.

use anyhow::{Context, Result};
use serde_json::Value;

/// A change to the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mutant {
    /// The crate.
    pub package: String,
    /// File, line, column and change: `crates/a/src/lib.rs:3:5: replace f -> u8 with 0`.
    pub name: String,
}

impl Mutant {
    /// Reads an entry of the list, or of the outcomes.
    pub fn of(entry: &Value) -> Result<Self> {
        let text = |key: &str| {
            let found = entry[key].as_str().map(str::to_owned);
            found.with_context(|| {
                format!("a mutant has no `{key}`: cargo-mutants is older or newer than 25 to 27")
            })
        };
        Ok(Self { package: text("package")?, name: text("name")? })
    }

    /// The path of the changed file, from the root of the workspace.
    pub fn file(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }
}

/// The mutants of `cargo mutants --list --json`, in the order of their crates and names, each once.
///
/// # Errors
/// For what is not such a list, and for an empty one.
pub(super) fn listed(json: &str) -> Result<Vec<Mutant>> {
    let list: Value = serde_json::from_str(json).context("the list of mutants is not JSON")?;
    let list = list.as_array().context("the list of mutants is not a list")?;
    let mut mutants = list.iter().map(Mutant::of).collect::<Result<Vec<Mutant>>>()?;
    mutants.sort();
    mutants.dedup();
    if mutants.is_empty() {
        anyhow::bail!("there are no mutants");
    }
    Ok(mutants)
}

/// The regular expression that is this text and nothing else.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("^");
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of cargo-mutants 27 (`src/mutant.rs`, `src/list.rs`): operators, functions, one outside any function.
    #[test]
    fn the_list_of_cargo_mutants_is_read_in_order() {
        let mutants = listed(include_str!("../../fixtures/mutants.json")).unwrap();
        let found: Vec<_> = mutants.iter().map(|m| (m.package.as_str(), m.name.as_str())).collect();
        // As texts: `:1` before `:5`, `==` before `>=`.
        let expected = [
            (
                "a",
                "crates/a/src/lib.rs:10:5: replace boxed -> Box<dyn Fn() -> u32> with Box::new(Default::default())",
            ),
            ("a", "crates/a/src/lib.rs:14:16: replace * with +"),
            ("a", "crates/a/src/lib.rs:5:9: replace <impl PartialEq<u32> for One>::eq -> bool with true"),
            ("b", "crates/b/src/lib.rs:2:5: replace larger -> bool with true"),
            ("b", "crates/b/src/lib.rs:2:7: replace > with == in larger"),
            ("b", "crates/b/src/lib.rs:2:7: replace > with >= in larger"),
        ];
        assert_eq!(found, expected);
        assert!(listed("[]").unwrap_err().to_string().contains("no mutants"));
        assert!(listed("{}").unwrap_err().to_string().contains("not a list"));
        let old = listed(r#"[{"package":"a","file":"src/lib.rs"}]"#).unwrap_err().to_string();
        assert!(old.contains("no `name`"), "{old}");
    }

    #[test]
    fn a_pattern_is_the_name_with_its_special_characters_escaped() {
        let name = "crates/a/src/b.rs:3:5: replace <impl F for G>::h -> Option<u8> with Some(0) + [x] * {y}";
        let expected = r"^crates/a/src/b\.rs:3:5: replace <impl F for G>::h \-> Option<u8> with Some\(0\) \+ \[x\] \* \{y\}$";
        assert_eq!(pattern(name), expected);
        assert_eq!(pattern(r"a|b? c\^$ && #~"), r"^a\|b\? c\\\^\$ \&\& \#\~$");
    }
}
