//! What a change must pass.

use anyhow::Result;

use crate::build::cargo;

/// Runs every check, and stops at the first that fails.
pub(crate) fn run(cpu: bool) -> Result<()> {
    let features: &[&str] = if cpu {
        &["--no-default-features", "--features", "cldiff-cli/flex,cldiff-cli/ndarray"]
    } else {
        &[]
    };
    let workspace = [&["--workspace"], features].concat();
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&[&["clippy"], &workspace[..], &["--all-targets", "--", "-D", "warnings"]].concat(), &[])?;
    cargo(&[&["test"], &workspace[..]].concat(), &[])?;
    cargo(&[&["doc", "--no-deps"], &workspace[..]].concat(), &[("RUSTDOCFLAGS", "-D warnings")])
}
