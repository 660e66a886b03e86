//! The command line of `cldiff metric`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::BackendArg;

/// `cldiff metric`
#[derive(Debug, Subcommand)]
pub enum MetricCommand {
    /// Fréchet distance of features
    Fid {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
    },
    /// FID of B extrapolated to infinitely many samples
    FidInfinity {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// Numbers of samples on the line
        #[arg(long, value_name = "N", default_value_t = cl_metrics::sample::fid_infinity::POINTS)]
        points: usize,
        /// The seed of the subsets
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
    },
    /// Kernel Inception distance
    Kid {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// Pairs of subsets, whose mean and standard deviation are given; 0: all rows at once, with the standard error
        #[arg(long, value_name = "N", default_value_t = 100)]
        subsets: usize,
        /// Images in a subset [default: 1000, or as many as the smaller set has]
        #[arg(long, value_name = "N")]
        subset_size: Option<usize>,
        /// The seed of the subsets
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
    },
    /// Improved precision and recall: A real, B generated
    PrecisionRecall {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// The nearest neighbour that a ball reaches to
        #[arg(long, value_name = "K", default_value_t = cl_metrics::sample::precision_recall::NEIGHBOURS)]
        k: usize,
    },
    /// Density and coverage: A real, B generated
    DensityCoverage {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// The nearest neighbour that a ball reaches to
        #[arg(long, value_name = "K", default_value_t = cl_metrics::sample::density_coverage::NEIGHBOURS)]
        k: usize,
    },
    /// Inception score of A alone, or of B where both are given
    InceptionScore {
        /// Images, or a file with `probabilities`, `logits`, or `features` that are logits
        a: String,
        /// As A; then this set is scored
        b: Option<String>,
        /// How features are found.
        #[command(flatten)]
        options: Options,
        /// Parts of the samples, whose mean and standard deviation are given
        #[arg(long, value_name = "N", default_value_t = 10)]
        splits: usize,
        /// The seed of the order in which samples are dealt to the parts
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
    },
    /// Sliced Wasserstein distance, of images in their pixels
    Swd {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// Random directions
        #[arg(long, value_name = "N", default_value_t = cl_metrics::sample::sliced_wasserstein::PROJECTIONS)]
        projections: usize,
        /// The seed of the directions
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
    },
    /// Kullback-Leibler divergence of class frequencies: A real, B generated
    Kld {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
    },
    /// Absolute ratio distance of class frequencies: A real, B generated
    Ard {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
    },
    /// How near samples (B) come to stored images (A), relative to held-out images; of images in their pixels
    #[command(alias = "memorization")]
    Memorisation {
        /// The sets and their features.
        #[command(flatten)]
        pair: Pair,
        /// Real images that were never trained on, as A and B
        #[arg(long, value_name = "C")]
        held_out: String,
    },
    /// Mean and covariance of a set, saved for later
    Stats {
        /// The set
        a: String,
        /// How features are found.
        #[command(flatten)]
        options: Options,
        /// Tensors `mu`, `sigma` and `n`
        #[arg(long, value_name = "FILE.safetensors")]
        out: PathBuf,
    },
}

/// Two sets.
#[derive(Debug, Args)]
pub struct Pair {
    /// A directory of images, a safetensors file (`features` N x d; or `images` u8, N x C x H x W or N x H x W x C; or
    /// `mu`, `sigma` and `n`), an .npz of pytorch-fid (`mu`, `sigma`), or a data set: NAME, NAME:test or NAME:train
    pub a: String,
    /// As A
    pub b: String,
    /// How features are found.
    #[command(flatten)]
    pub options: Options,
}

/// How features are found, and how results are told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Features of images [default: inception with --weights; the classifier where A or B is a data set; else pixels]
    #[arg(long, value_enum)]
    pub features: Option<FeaturesArg>,
    /// Inception's weights [default: those that `weights fetch` got]
    #[arg(long, value_name = "FILE.safetensors")]
    pub weights: Option<PathBuf>,
    /// The directory of a data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to compute features
    #[arg(long, value_enum, default_value_t = BackendArg::Auto)]
    pub backend: BackendArg,
    /// Which device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `--features`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FeaturesArg {
    /// A small classifier, trained on the train split of the data set that is A or B
    Classifier,
    /// Inception-v3 in the form of the FID literature
    Inception,
    /// Pixels in [-1, 1]
    Pixels,
}
