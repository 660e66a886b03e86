//! What a change must pass.

use std::process::Command;

use anyhow::{Context, Result, bail};

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

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    eprintln!("==> {line}");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo).args(arguments).envs(environment.iter().copied()).status();
    match status.with_context(|| format!("cannot run {line}"))? {
        status if status.success() => Ok(()),
        status => bail!("{line}: {status}"),
    }
}
