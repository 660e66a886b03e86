//! The options that make a configuration: the file, and other values for its keys.

use std::path::{Path, PathBuf};

use clap::Args;

use super::PrecisionArg;

/// A configuration and where its data are.
#[derive(Debug, Clone, Args)]
pub struct SettingArgs {
    /// The configuration: a file, or `default` or `smoke`, which are built in
    #[arg(long, value_name = "FILE", default_value = "default")]
    pub config: PathBuf,
    /// Other values than the file's.
    #[command(flatten)]
    pub changes: ChangeArgs,
}

/// The same, where the configuration is named without an option.
#[derive(Debug, Clone, Args)]
pub struct NamedSettingArgs {
    /// The configuration: a file, or `default` or `smoke`, which are built in
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Other values than the file's.
    #[command(flatten)]
    pub changes: ChangeArgs,
}

/// Other values than a configuration file's, and where the data are.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// Number format of the inputs of matrix products, instead of the configuration's `precision`
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// Only these strategies: labels of the configuration, or names of strategies
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub strategy: Vec<String>,
    /// These seeds instead of the configuration's
    #[arg(long, value_name = "0,1", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Another value for a key of the configuration, as in training.batch_size=32. The key of a strategy has its label, as
    /// in strategy.ewc.ewc.lambda=1000
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The directory of the data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Further `KEY=VALUE`, of a sweep.
    #[arg(skip)]
    pub swept: Vec<String>,
}

impl SettingArgs {
    /// A configuration file as it is.
    pub fn of_config(file: &Path) -> Self {
        Self { config: file.to_owned(), changes: ChangeArgs::default() }
    }
}

impl From<NamedSettingArgs> for SettingArgs {
    fn from(NamedSettingArgs { config, changes }: NamedSettingArgs) -> Self {
        Self { config, changes }
    }
}
