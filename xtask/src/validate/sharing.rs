//! Checks that the tests use the artefacts of `cargo run -p cldiff-cli`: no crate has other features there.
//!
//! Cargo chooses the features of a crate anew for each selection of packages. A feature that a dependency of the tests
//! alone turns on builds that crate again, and with it all that depends on it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::build::command;

/// Compares the features of both selections.
pub(super) fn check() -> Result<()> {
    let of_run = features(&["-p", "cldiff-cli", "--edges", "normal,build"])?;
    let of_tests = features(&["--workspace", "--edges", "normal,build,dev"])?;
    let again = built_again(&of_run, &of_tests);
    if again.is_empty() {
        return Ok(());
    }
    bail!(
        "`cargo test --workspace` builds again what `cargo run -p cldiff-cli` has built, with other features:\n{}\n\
         give these crates the same features in [workspace.dependencies]",
        again.join("\n")
    )
}

/// A line for each crate that the tests have with other features only.
fn built_again(of_run: &BTreeSet<String>, of_tests: &BTreeSet<String>) -> Vec<String> {
    of_run.difference(of_tests).cloned().collect()
}

fn features(selection: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = command();
    command.args(["tree", "--offline", "--prefix", "none", "--format", "{p} {f}"]).args(selection);
    let output = command.output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(parse(&String::from_utf8(output.stdout)?))
}

/// Crates with their features; ` (*)` marks one that was printed before.
fn parse(tree: &str) -> BTreeSet<String> {
    tree.lines().map(|line| line.trim_end_matches(" (*)").trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_another_feature_in_the_tests_is_named() {
        let run = parse(
            "clap v4.6.9 derive,std\nring v0.17.14 alloc\nserde v1.0.229 std\nserde v1.0.229 std (*)\n",
        );
        let tests = parse(
            "clap v4.6.9 derive,env,std\nring v0.17.14 alloc\nserde v1.0.229 std\nproptest v1.12.0 std\n",
        );
        assert_eq!(built_again(&run, &tests), ["clap v4.6.9 derive,std"]);
        let both = parse(
            "clap v4.6.9 derive,env,std\nclap v4.6.9 derive,std\nring v0.17.14 alloc\nserde v1.0.229 std",
        );
        assert!(built_again(&run, &both).is_empty());
    }

    #[test]
    fn this_workspace_shares_all() {
        check().unwrap();
    }
}
