//! `cldiff data`: the public data sets, what is in them, and getting them.

mod fetch;
mod list;
mod show;
mod statistics;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use data_streams::{DataConfig, ImageSize};

use crate::{download::DownloadArgs, failure::Failure};

/// `cldiff data`
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// The data sets, where they are read from, and whether they are there.
    List {
        /// Directory with the data sets' files, or with a directory for each set [default: the cache]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Count and picture the images of a data set, or of a directory of pictures.
    Show(ShowArgs),
    /// Get the published files of data sets: checked, and resumed where they broke off.
    Fetch(FetchArgs),
}

/// The options of `data show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A data set of `data list` (emnist-letters and so on for a division of EMNIST), or a directory with one directory
    /// of pictures a class
    #[arg(value_name = "NAME|DIR")]
    pub source: String,
    /// Directory with the data set's files, or with a directory of its name [default: the cache]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Split to count and show; no image of the other is read
    #[arg(long, value_enum, default_value_t = SplitArg::Train)]
    pub split: SplitArg,
    /// Images of each class in the grid
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub columns: usize,
    /// Pictures: resize the short side to N pixels and crop the long one, or crop to height x width [default: as they
    /// are, all of one size]
    #[arg(long, value_name = "N|HxW", value_parser = image_size)]
    pub size: Option<ImageSize>,
    /// Pictures: broken ones that are left out, each with a warning; one more is an error
    #[arg(long, value_name = "N")]
    pub skip_broken: Option<usize>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// File for a grid of images, one row for each class
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,
}

/// The options of `data fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Names of data sets, from `cldiff data list`
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Parent directory: each data set gets a directory of its name in it [default: the cache]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The mirrors.
    #[command(flatten)]
    pub download: DownloadArgs,
}

/// `--split`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArg {
    /// The images that models train on
    Train,
    /// The held-out images that models are measured against
    #[value(alias = "eval")]
    Test,
}

/// A size as an argument has it: `32`, or `24x32` for height and width.
fn image_size(text: &str) -> Result<ImageSize, String> {
    let side =
        |text: &str| text.parse().map_err(|_| "expected N, or HxW: height and width in pixels".to_owned());
    match text.split_once('x') {
        Some((height, width)) => Ok(ImageSize { height: side(height)?, width: side(width)? }),
        None => Ok(ImageSize::square(side(text)?)),
    }
}

/// Does what a command says.
///
/// # Errors
/// [`Failure::Mistake`] for names, options and files that are not right.
pub fn data(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::List { data_dir, json } => list::list(data_dir.as_deref(), *json),
        DataCommand::Show(args) => show::show(args),
        DataCommand::Fetch(args) => fetch::fetch(args),
    }
}

/// The names of the data sets that need no options, for messages.
fn names() -> String {
    listed_names(DataConfig::without_options())
}

/// The names of the data sets that can be fetched, for messages.
fn published_names() -> String {
    let sets = DataConfig::without_options();
    listed_names(sets.into_iter().filter(|set| set.published().is_some()))
}

fn listed_names(sets: impl IntoIterator<Item = DataConfig>) -> String {
    sets.into_iter().map(|set| set.public_name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_one_number_or_two() {
        assert_eq!(image_size("32"), Ok(ImageSize::square(32)));
        assert_eq!(image_size("24x32"), Ok(ImageSize { height: 24, width: 32 }));
        for wrong in ["", "x", "8x", "x8", "8x8x8", "-8", "8 x 8", "8.5"] {
            assert!(image_size(wrong).unwrap_err().contains("HxW"), "{wrong}");
        }
    }
}
