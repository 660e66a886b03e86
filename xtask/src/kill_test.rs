//! The kill test at length: a run is killed again and again, and comes to the same results each time.

use anyhow::Result;

use crate::build::cargo;

/// The options of `cargo xtask kill-test`.
#[derive(Debug, clap::Args)]
pub(crate) struct KillTestArgs {
    /// How often each way of dying is tried: SIGKILL, SIGINT, in the middle of a write
    #[arg(long, default_value_t = 100)]
    kills: u32,
}

/// Runs it.
pub(crate) fn run(args: &KillTestArgs) -> Result<()> {
    let kills = args.kills.to_string();
    cargo(&["test", "-p", "cldiff-cli", "--test", "kill"], &[("CLDIFF_KILLS", &kills)])
}
