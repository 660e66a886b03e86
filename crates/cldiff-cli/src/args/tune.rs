//! The options of `tune`.

use std::path::PathBuf;

use clap::Args;

use super::{ChangeArgs, ComputeArgs, PrecisionArg, RunArgs, SettingArgs};

/// The options of `tune`.
#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    /// The configuration: a file, or `default` or `smoke`, which are built in
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Passes of images through a network that the trainings of each strategy may take in all, as `cost` counts them;
    /// those of the evaluation do not count
    #[arg(long, value_name = "PASSES")]
    pub budget: u64,
    /// Where the search goes. The same command goes on with a search that is there
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// The quantity that candidates are compared by, by its name in results.csv
    #[arg(long, value_name = "NAME", default_value = "fid.final_average")]
    pub metric: String,
    /// The seeds of the search, none of them one of the configuration's [default: the first two from 1000 on that are free]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// A rung keeps one candidate of so many, and trains so many times as long
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub eta: u64,
    /// Rungs of the search [default: as many as the budget pays for, at most 3]
    #[arg(long, value_name = "N")]
    pub rungs: Option<usize>,
    /// The seed of the candidates' values and of the order of classes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub search_seed: u64,
    /// Show the plan, and begin nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only these strategies: labels of the configuration, or names of strategies
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub strategy: Vec<String>,
    /// Another value for a key of the configuration, as in training.batch_size=32. The key of a strategy has its label, as
    /// in strategy.ewc.ewc.lambda=1000
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Number format of the inputs of matrix products, instead of the configuration's `precision`
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// The directory of the data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the cells are computed.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

impl TuneArgs {
    /// The setting that is tuned.
    pub fn setting(&self) -> SettingArgs {
        SettingArgs {
            config: self.config.clone(),
            changes: ChangeArgs {
                precision: self.precision,
                strategy: self.strategy.clone(),
                overrides: self.overrides.clone(),
                data_dir: self.data_dir.clone(),
                ..ChangeArgs::default()
            },
        }
    }

    /// The arguments of a run in the directory of a search, which nothing but the search goes on with.
    pub fn run(&self, config: PathBuf, out: PathBuf, go_on: &'static str) -> RunArgs {
        let mut run = RunArgs::of_config();
        run.setting = SettingArgs {
            config,
            changes: ChangeArgs { data_dir: self.data_dir.clone(), ..ChangeArgs::default() },
        };
        run.compute.clone_from(&self.compute);
        run.quiet = self.quiet;
        run.resume = true;
        run.within.clone_from(&self.out);
        run.out = Some(out);
        run.part = Some(go_on);
        run
    }
}
