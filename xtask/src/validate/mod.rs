//! Validation of a change: every check once, the tests many times in random order, or each crate alone.

mod alone;
mod example;
mod rounds;
mod sharing;
mod suite;

use std::path::PathBuf;

use anyhow::Result;

use crate::build::{CPU, cargo, command};

/// The options of `cargo xtask validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// Only the CPU backends, which build in a fraction of the time
    #[arg(long)]
    cpu: bool,
    #[command(flatten)]
    rounds: rounds::RoundsArgs,
    #[command(flatten)]
    alone: alone::AloneArgs,
}

/// Runs every check, and stops at the first that fails; with `--repeat` runs only the tests, with
/// `--alone` only the crates by themselves.
pub(crate) fn run(args: &ValidateArgs) -> Result<()> {
    if args.alone.asked() {
        return args.alone.run();
    }
    let workspace = [&["--workspace"][..], if args.cpu { CPU } else { &[] }].concat();
    if let Some(rounds) = args.rounds.asked() {
        return args.rounds.run(rounds, &workspace);
    }
    sharing::check()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&[&["clippy"], &workspace[..], &["--all-targets", "--", "-D", "warnings"]].concat(), &[])?;
    cargo(&[&["test"], &workspace[..]].concat(), &[])?;
    cargo(&[&["doc", "--no-deps"], &workspace[..]].concat(), &[("RUSTDOCFLAGS", "-D warnings")])?;
    dependencies()
}

/// Licences, sources and versions of what is depended upon; advisories where their database is on this machine.
fn dependencies() -> Result<()> {
    if !command().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("==> cargo-deny is not installed: licences, sources and advisories are not checked");
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"], &[])?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if !home.is_some_and(|home| home.join("advisory-dbs").is_dir()) {
        eprintln!("==> no database of advisories here: they are not checked; `cargo deny fetch` gets it");
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "advisories"], &[])
}
