//! Man pages of the program, a page for each subcommand, by its own hidden `cldiff man`: the command line is known to the
//! program alone, with the choices of its lists.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::build::cargo;

/// The options of `cargo xtask man`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The directory of the pages, which is made
    #[arg(long, value_name = "DIR", default_value = "target/man")]
    out: PathBuf,
    /// A program that is there already, instead of the one that `cargo run -p cldiff-cli` builds
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Writes the pages.
pub(crate) fn run(args: &ManArgs) -> Result<()> {
    let out = args.out.to_str().context("--out: expected a path of text")?;
    let Some(program) = &args.program else {
        return cargo(&["run", "-p", "cldiff-cli", "--", "man", out], &[]);
    };
    let status = Command::new(program).args(["man", out]).status();
    match status.with_context(|| format!("cannot run {}", program.display()))? {
        status if status.success() => Ok(()),
        status => bail!("{} man: {status}", program.display()),
    }
}
