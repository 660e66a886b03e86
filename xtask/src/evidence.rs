//! The figures, tables and numbers that are made of the files under `evidence/`: the test `evidence` writes or compares them.

use anyhow::Result;

use crate::build::{CPU, cargo};

/// The options of `cargo xtask evidence`.
#[derive(Debug, clap::Args)]
pub(crate) struct EvidenceArgs {
    /// Change nothing: fail if a document or a figure differs from what the files give
    #[arg(long)]
    check: bool,
    /// Only the CPU backends, which build in a fraction of the time
    #[arg(long)]
    cpu: bool,
}

/// Runs the test, with the features of the other checks, so that they share one build.
pub(crate) fn run(args: &EvidenceArgs) -> Result<()> {
    let environment: &[(&str, &str)] = if args.check { &[] } else { &[("CLDIFF_WRITE_DOCS", "1")] };
    let features = if args.cpu { CPU } else { &[] };
    cargo(&[&["test", "--workspace"], features, &["--test", "evidence"]].concat(), environment)
}
