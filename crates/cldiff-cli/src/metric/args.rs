//! The command line of `cldiff metric`: a subcommand for each comparison that a metric declares, and `stats`.

use std::path::PathBuf;

use cl_metrics::sample::{Arguments, Comparison, Need, Parameter, SampleMetric, Takes, comparisons};
use clap::{
    Arg, ArgMatches, Args, Command, Error, FromArgMatches, Subcommand, error::ErrorKind, value_parser,
};

use crate::args::{BackendArg, FeaturesArg};

const STATS: &str = "stats";

/// `cldiff metric`
#[derive(Debug)]
pub enum MetricCommand {
    /// A metric between sets.
    Compare(Box<Comparing>),
    /// The moments of one set.
    Stats(StatsArgs),
}

/// A comparison, and all that it is asked with.
#[derive(Debug)]
pub struct Comparing {
    /// The metric, or the first of those that are found together.
    pub metric: SampleMetric,
    /// How it is computed.
    pub comparison: &'static Comparison,
    /// The first set.
    pub a: String,
    /// The second; none where a comparison takes one set alone.
    pub b: Option<String>,
    /// Real images that were never trained on, where a comparison takes them.
    pub held_out: Option<String>,
    /// How features are found.
    pub features: FeatureOptions,
    /// How sets are read, and results printed.
    pub options: Options,
    /// The comparison's own numbers.
    pub arguments: Arguments,
}

/// Two sets.
#[derive(Debug, Args)]
struct Pair {
    /// A directory of images, a safetensors file (`features` N x d; or `images` u8, N x C x H x W or N x H x W x C; or
    /// `x_0` of `cldiff sample`; or `mu`, `sigma` and `n`), an .npz (`mu` and `sigma` of pytorch-fid; or images: `images`,
    /// `arr_0`; or `features`), or a data set: NAME, NAME:test or NAME:train
    a: String,
    /// Second set, in the same forms as A
    b: String,
}

/// One set, or the second of two.
#[derive(Debug, Args)]
struct One {
    /// Images, or a file with `probabilities`, `logits`, or `features` that are logits
    a: String,
    /// Second set, as A; if given, it is scored in place of A
    b: Option<String>,
}

/// Images of the kind of A and B.
#[derive(Debug, Args)]
struct HeldOut {
    /// Real images that were never trained on, as A and B
    #[arg(long, value_name = "C")]
    held_out: String,
}

/// `cldiff metric stats`
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Images or features, as the A of `cldiff metric fid`
    pub a: String,
    /// How features are found.
    #[command(flatten)]
    pub features: FeatureOptions,
    /// How the set is read, and the result printed.
    #[command(flatten)]
    pub options: Options,
    /// File for the tensors `mu`, `sigma` and `n`
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
}

/// How features are found. A comparison of pixels has none of these options.
#[derive(Debug, Clone, Args)]
pub struct FeatureOptions {
    /// Features of images [default: those that take --weights, if given; the classifier where A or B is a data set; else
    /// pixels]
    #[arg(long, value_enum)]
    pub features: Option<FeaturesArg>,
    /// Weights of the features [default: those that `weights fetch` got]
    #[arg(long, value_name = "FILE.safetensors")]
    pub weights: Option<PathBuf>,
    /// Backend that computes the features
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// Device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
}

/// How sets are read, and how results are printed.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The directory of a data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Directories of images: broken pictures of each that are left out, each with a warning; one more is an error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_broken: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

impl Subcommand for MetricCommand {
    fn augment_subcommands(command: Command) -> Command {
        let stats = StatsArgs::augment_args(Command::new(STATS));
        let of_metrics = comparisons().into_iter().map(|(metric, comparison)| subcommand(metric, comparison));
        command
            .subcommands(of_metrics)
            .subcommand(stats.about("Mean and covariance of a set, saved for later"))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == STATS || comparisons().iter().any(|(_, comparison)| is_called(comparison, name))
    }
}

impl FromArgMatches for MetricCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let (name, matches) = matches.subcommand().unwrap_or(("", matches));
        if name == STATS {
            return StatsArgs::from_arg_matches(matches).map(Self::Stats);
        }
        let known = comparisons().into_iter().find(|(_, comparison)| is_called(comparison, name));
        let Some((metric, comparison)) = known else {
            return Err(Error::raw(
                ErrorKind::InvalidSubcommand,
                format!("unrecognized subcommand '{name}'"),
            ));
        };
        Comparing::of(metric, comparison, matches).map(|comparing| Self::Compare(Box::new(comparing)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Comparing {
    fn of(
        metric: SampleMetric,
        comparison: &'static Comparison,
        matches: &ArgMatches,
    ) -> Result<Self, Error> {
        let (a, b) = match comparison.takes {
            Takes::One => {
                let One { a, b } = One::from_arg_matches(matches)?;
                (a, b)
            }
            Takes::Pair | Takes::PairAndHeldOut => {
                let Pair { a, b } = Pair::from_arg_matches(matches)?;
                (a, Some(b))
            }
        };
        let features = if is_of_pixels(metric) {
            FeatureOptions::none()
        } else {
            FeatureOptions::from_arg_matches(matches)?
        };
        let options = Options::from_arg_matches(matches)?;
        let held_out = match comparison.takes {
            Takes::PairAndHeldOut => Some(HeldOut::from_arg_matches(matches)?.held_out),
            Takes::One | Takes::Pair => None,
        };
        let given = |parameter: &Parameter| matches.get_one::<u64>(parameter.name).copied();
        let arguments = comparison.parameters.iter().fold(Arguments::default(), |arguments, parameter| {
            match given(parameter) {
                Some(number) => arguments.with(parameter, number),
                None => arguments,
            }
        });
        Ok(Self { metric, comparison, a, b, held_out, features, options, arguments })
    }
}

impl FeatureOptions {
    /// Nothing chosen.
    fn none() -> Self {
        Self { features: None, weights: None, backend: BackendArg::AUTO, device: 0 }
    }
}

/// Whether a metric is defined on pixels, so that no other features are to be chosen.
pub(super) fn is_of_pixels(metric: SampleMetric) -> bool {
    metric.needs().contains(&Need::Pixels)
}

/// The subcommand of a comparison: its sets, how features are found, its own numbers.
fn subcommand(metric: SampleMetric, comparison: &'static Comparison) -> Command {
    let command = Command::new(kebab(comparison.name));
    let command = match comparison.takes {
        Takes::One => One::augment_args(command),
        Takes::Pair | Takes::PairAndHeldOut => Pair::augment_args(command),
    };
    let command = if is_of_pixels(metric) { command } else { FeatureOptions::augment_args(command) };
    let command = Options::augment_args(command);
    let command = match comparison.takes {
        Takes::PairAndHeldOut => HeldOut::augment_args(command),
        Takes::One | Takes::Pair => command,
    };
    let command = command.about(comparison.summary).aliases(comparison.aliases);
    comparison.parameters.iter().fold(command, |command, parameter| command.arg(option(parameter)))
}

fn option(parameter: &'static Parameter) -> Arg {
    let option = Arg::new(parameter.name)
        .long(kebab(parameter.name))
        .value_name(parameter.placeholder)
        .help(parameter.meaning)
        .value_parser(value_parser!(u64));
    match parameter.default {
        Some(default) => option.default_value(kept(default.to_string())),
        None => option,
    }
}

/// Whether a subcommand is that of a comparison.
fn is_called(comparison: &Comparison, subcommand: &str) -> bool {
    comparison.name == subcommand.replace('-', "_")
}

/// A name as the command line spells it.
fn kebab(name: &'static str) -> &'static str {
    if name.contains('_') { kept(name.replace('_', "-")) } else { name }
}

/// A text for the rest of the process, as clap keeps names: a command line is made once or twice.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[cfg(test)]
mod tests;
