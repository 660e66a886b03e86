//! The project's own chores: `cargo xtask validate`, `cargo xtask bench`.

mod bench;
mod validate;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Formatting, lints, tests and documentation, as a change must pass them
    Validate {
        /// Only the CPU backends, which build in a fraction of the time
        #[arg(long)]
        cpu: bool,
    },
    /// Training and sampling throughput of the smoke configuration on each backend, as ratios within one run
    Bench {
        /// The backends to compare
        #[arg(long, value_delimiter = ',', default_value = "flex,ndarray")]
        backend: Vec<String>,
        /// Runs of each backend, in turn
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Validate { cpu } => validate::run(cpu),
        Command::Bench { backend, runs } => bench::run(&backend, runs),
    }
}
