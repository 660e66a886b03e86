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
        Self {
            config: file.to_owned(),
            precision: None,
            strategy: Vec::new(),
            seeds: Vec::new(),
            overrides: Vec::new(),
            data_dir: None,
            swept: Vec::new(),
        }
    }
}
