//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cldiff_engine::BackendChoice;

/// Train a diffusion model on a stream of tasks with several continual-learning strategies, and measure what it
/// forgets, where along the timesteps, and at what cost.
///
/// Without arguments: the default benchmark on an embedded data set, on the best backend found.
#[derive(Debug, Parser)]
#[command(name = "cldiff", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` if nothing is named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a benchmark: every strategy with every seed.
    Run(RunArgs),
    /// Make the table and report.html again, from the files of one or several runs.
    Report {
        /// Run directories.
        #[arg(required = true, value_name = "DIR")]
        directories: Vec<PathBuf>,
        /// Where to write the report [default: report.html in the first directory]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// The options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration: a file, or `default` or `smoke`, which are built in
    #[arg(long, value_name = "FILE", default_value = "default")]
    pub config: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = BackendArg::Auto)]
    pub backend: BackendArg,
    /// Which device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// The run directory [default: runs/NAME, or the first of runs/NAME-2, -3, .. that is free]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only these strategies: labels of the configuration, or names of strategies
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub strategy: Vec<String>,
    /// These seeds instead of the configuration's
    #[arg(long, value_name = "0,1", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Another value for a key of the configuration, as in training.batch_size=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The directory of the data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Go on with the run in --out: finished cells are kept
    #[arg(long)]
    pub resume: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendArg {
    /// The first that works: CUDA, a hardware Vulkan device, the fastest CPU backend
    Auto,
    /// An NVIDIA GPU
    Cuda,
    /// Any GPU by Vulkan
    Wgpu,
    /// The CPU, by burn-ndarray
    Ndarray,
    /// The CPU, by burn-flex
    Flex,
}

impl From<BackendArg> for BackendChoice {
    fn from(arg: BackendArg) -> Self {
        match arg {
            BackendArg::Auto => Self::Auto,
            BackendArg::Cuda => Self::Cuda,
            BackendArg::Wgpu => Self::Wgpu,
            BackendArg::Ndarray => Self::Ndarray,
            BackendArg::Flex => Self::Flex,
        }
    }
}
