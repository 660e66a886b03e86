//! The options of the subcommands by which many machines make one run.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{BackendArg, NamedSettingArgs};

/// The options of `cells`.
#[derive(Debug, Args)]
pub struct CellsArgs {
    /// The settings.
    #[command(flatten)]
    pub setting: NamedSettingArgs,
    /// Print only the number of cells
    #[arg(long, conflicts_with = "json")]
    pub count: bool,
    /// Print a JSON array instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The options of `prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// The settings.
    #[command(flatten)]
    pub setting: NamedSettingArgs,
    /// Backend that the cells will be computed on
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// Device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// The run directory, which all machines see; one that is prepared already is left as it is
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// The options of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The run directory
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// The options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The run directory
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Print a JSON array instead of lines
    #[arg(long)]
    pub json: bool,
}

/// `cldiff submit`
#[derive(Debug, Subcommand)]
pub enum SubmitCommand {
    /// To Slurm: a job that prepares the run, a job array of the cells, a job that merges them.
    Slurm(SlurmArgs),
}

/// The options of `submit slurm`.
#[derive(Debug, Args)]
pub struct SlurmArgs {
    /// The settings.
    #[command(flatten)]
    pub setting: NamedSettingArgs,
    /// Backend that the cells will be computed on
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// The run directory, which all nodes see; the scripts go to DIR/slurm
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// GPUs of a task, by --gres
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpus: usize,
    /// Cells that one task makes [default: as many as take about ten minutes here, where that can be measured; else 1]
    #[arg(long, value_name = "N")]
    pub cells_per_task: Option<usize>,
    /// Maximum number of tasks that run at a time
    #[arg(long, value_name = "N")]
    pub at_once: Option<usize>,
    /// Show the scripts; write and submit nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Options of sbatch for every job, as in -- --partition=gpu --time=4:00:00
    #[arg(last = true, value_name = "SBATCH OPTIONS", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
}
