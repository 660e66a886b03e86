//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cldiff_engine::{PrecisionConfig, ReferenceWorkload};

pub use self::{
    cells::{CellsArg, Chosen},
    chosen::{BackendArg, FeaturesArg, SamplerArg},
    cluster::{CellsArgs, MergeArgs, PrepareArgs, SlurmArgs, StatusArgs, SubmitCommand},
    compute::ComputeArgs,
    parse::{command, parse},
    setting::{ChangeArgs, NamedSettingArgs, SettingArgs},
    tune::TuneArgs,
};
pub use crate::metric::args::MetricCommand;
use crate::ui::paper::Form;

mod cells;
mod chosen;
mod cluster;
mod compute;
mod parse;
mod setting;
mod tune;

/// Train a diffusion model on a stream of tasks with several continual-learning strategies, and measure what it
/// forgets, where along the timesteps, and at what cost.
///
/// Without arguments: the default benchmark on an embedded data set, on the best backend found.
#[derive(Debug, Parser)]
#[command(
    name = "cldiff",
    version,
    override_usage = "cldiff [OPTIONS]\n       cldiff [--threads <N>] <COMMAND>"
)]
pub struct Cli {
    /// Threads of the CPU kernels [default: one for each core]; results do not depend on them
    #[arg(long, value_name = "N", global = true)]
    pub threads: Option<usize>,
    /// The command; `run` if none is named.
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
    /// Draw samples from a model.
    Sample(SampleArgs),
    /// Write a model's predictions for given noisy images.
    Predict(PredictArgs),
    /// Write a model as a pipeline that diffusers' DDPMPipeline.from_pretrained loads.
    Export(ExportArgs),
    /// Bits per dimension of images under a model, term by term.
    Bpd(BpdArgs),
    /// Measure samples: FID, KID, precision and recall, and others, between two sets.
    #[command(subcommand)]
    Metric(MetricCommand),
    /// Measure speed and memory on a reference workload.
    Bench(BenchArgs),
    /// List the backends that can be used here, and compare each with the CPU.
    Doctor(DoctorArgs),
    /// List what can be chosen, with options, defaults and sources.
    List {
        /// Kind of choice to list
        #[arg(value_enum)]
        what: Listed,
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Public data sets: list them, look at them, get them.
    #[command(subcommand)]
    Data(crate::data::DataCommand),
    /// Published weights of feature extractors: list them, get them, convert them.
    #[command(subcommand)]
    Weights(crate::weights::WeightsCommand),
    /// Check a configuration, show one with everything filled in, or print its JSON Schema.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show and write the results of runs, at any moment of their life; compare runs of different settings.
    Report(ReportArgs),
    /// List the cells of a benchmark in their order: every strategy with every seed.
    Cells(CellsArgs),
    /// Make what all cells of a run share, once: configuration, classifier, features of real images, floors.
    Prepare(PrepareArgs),
    /// Make results and report of the cells that are there, and name those that are missing.
    Merge(MergeArgs),
    /// Show which cells of a run are done, running, silent, failed or waiting.
    Status(StatusArgs),
    /// Choose options of strategies on seeds that the comparison never uses, with the same passes for each strategy.
    Tune(TuneArgs),
    /// Hand a benchmark to a batch system.
    #[command(subcommand)]
    Submit(SubmitCommand),
    /// Print a shell's completions.
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write a man page for each subcommand; `cargo xtask man` calls it.
    #[command(hide = true)]
    Man {
        /// The directory of the pages
        dir: PathBuf,
    },
}

/// The kinds of choices that `list` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Listed {
    /// Terms of a `[[strategy]]`
    Strategies,
    /// Storage policies of replay
    Buffers,
    /// Ways from a data set to experiences
    Streams,
    /// Sources of images
    DataSets,
    /// Ways from noise to images
    Samplers,
    /// Noise schedules
    Schedules,
    /// Networks that are trained
    Networks,
    /// Features in which images are compared
    Features,
    /// Backends to compute on
    Backends,
    /// Measures of samples and models
    Metrics,
}

/// `cldiff config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check files as a run would before it begins.
    Check {
        /// TOML files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Directory with the data set's files
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Show a configuration with everything filled in.
    Show(SettingArgs),
    /// Print the JSON Schema of configurations, for editors.
    Schema,
}

/// The model, and the backend that computes.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The model: a directory that diffusers' save_pretrained or a run of cldiff wrote, or hf:OWNER/NAME on the Hub
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Backend to compute on
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// Device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
}

/// The options of `sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// The model and the backend.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Number of samples [default: 16, or as many as --x-T holds]
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// Class of the samples; without it, a class-conditional model draws its classes in turn
    #[arg(long, value_name = "C")]
    pub class: Option<usize>,
    /// The sampler [default: that of the run, for its checkpoints and their exports, with its options; else ddim]
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerArg>,
    /// The number of timesteps visited.
    #[arg(long, value_name = "S", help = SamplerArg::help_on_steps())]
    pub steps: Option<usize>,
    /// The noise of ddim: 0 none, 1 that of ancestral sampling [default: as for --sampler; else 0]
    #[arg(long, value_name = "E")]
    pub eta: Option<f64>,
    /// The scale of classifier-free guidance, for a model whose last class stands for "no label" [default: as for --sampler;
    /// else none]
    #[arg(long, value_name = "G")]
    pub guidance: Option<f64>,
    /// The seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// The initial noise: tensor `x_T` (N x C x H x W) of a safetensors file
    #[arg(long = "x-T", value_name = "FILE.safetensors")]
    pub x_t: Option<PathBuf>,
    /// Maximum number of samples computed at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// FILE.png: one picture of all; FILE.safetensors: tensor `x_0` in [-1, 1], not clipped; else a directory of PNG files
    #[arg(long, value_name = "FILE|DIR")]
    pub out: PathBuf,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// The options of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The model and the backend.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Tensors `x_t` (N x C x H x W), `t` (N) and, for a class-conditional model, `y` (N)
    #[arg(long, value_name = "FILE.safetensors")]
    pub input: PathBuf,
    /// File for the tensor `prediction`
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    /// Do not print the path of the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// The options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The model and the backend.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The pipeline's directory, which must not exist yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Do not print the path of the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// The options of `bpd`.
#[derive(Debug, Args)]
pub struct BpdArgs {
    /// The model and the backend.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Tensor `images` (u8, N x C x H x W; and `labels`, N, for a class-conditional model) of a safetensors file, or a data
    /// set of `data list`: NAME, NAME:test or NAME:train
    #[arg(long, value_name = "FILE.safetensors|DATASET")]
    pub images: String,
    /// The directory of the data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Maximum number of images; each class keeps its share
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// 1: all timesteps; K: one drawn timestep for each stratum of up to K, with the standard error that it costs
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub stride: usize,
    /// Draws of noise (and timestep) for each image and stratum, whose terms are averaged
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub draws: usize,
    /// The seed of noise and timesteps
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Maximum number of images computed at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// File for the terms and their sum
    #[arg(long, value_name = "FILE.json")]
    pub out: PathBuf,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// The options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Only this backend; it must be usable
    #[arg(long, value_enum)]
    pub backend: Option<BackendArg>,
    /// Device of the backend, on a GPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// Interrupt and resume a small training at three moments, and compare its result with an uninterrupted one
    #[arg(long)]
    pub resume: bool,
    /// Print a JSON array instead of lines
    #[arg(long)]
    pub json: bool,
}

/// The options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The network and batch
    #[arg(long, value_enum)]
    pub workload: WorkloadArg,
    /// Backend to compute on
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// Device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// Number format of the inputs of matrix products
    #[arg(long, value_enum, default_value_t = PrecisionArg::Auto)]
    pub precision: PrecisionArg,
    /// The measurement
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Quantity::Train, Quantity::Forward])]
    pub what: Vec<Quantity>,
    /// Timed repetitions; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repetitions: usize,
    /// Print one JSON object a line instead of the table
    #[arg(long)]
    pub json: bool,
}

/// `--workload`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WorkloadArg {
    /// 1x28x28, channels 32-64-64, batches of 64
    MnistSmall,
    /// 1x32x32, channels 64-128-256-512, batches of 64
    FmnistMedium,
    /// 3x32x32, channels 128-256-256-256, batches of 16 (128 on a GPU)
    CifarDdpm,
}

impl From<WorkloadArg> for ReferenceWorkload {
    fn from(arg: WorkloadArg) -> Self {
        match arg {
            WorkloadArg::MnistSmall => Self::MnistSmall,
            WorkloadArg::FmnistMedium => Self::FmnistMedium,
            WorkloadArg::CifarDdpm => Self::CifarDdpm,
        }
    }
}

/// The quantities that `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Quantity {
    /// Training steps, the time to the first of them, and the peak of memory
    Train,
    /// Passes without gradient
    Forward,
    /// 64 images by DDIM with 50 steps
    Sample,
}

/// Options of a whole run, which cells of a prepared one do not take. An option that needs `--cell` conflicts with them too:
/// where one of them stands, the parser does not miss `--cell`, since that could not stand there.
const OF_WHOLE_RUNS: [&str; 6] = ["config", "precision", "strategy", "seeds", "overrides", "sweeps"];

/// The options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The settings.
    #[command(flatten)]
    pub setting: SettingArgs,
    /// Where the cells are computed.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// The run directory [default: runs/NAME, or the first of runs/NAME-2, -3, .. that is free]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Several runs, one for each value of a key as --set takes it, each in a directory below --out. Two sweeps multiply
    #[arg(long = "sweep", value_name = "KEY=A,B")]
    pub sweeps: Vec<String>,
    /// Go on with the run in --out: finished cells are kept, and a run that is not there is started
    #[arg(long)]
    pub resume: bool,
    /// Only these cells of the run that `cldiff prepare` made in --out, counted from 0 as `cldiff cells` lists them: 3, 0-4,
    /// 1,7; auto: by SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I", requires = "out", conflicts_with_all = OF_WHOLE_RUNS)]
    pub cell: Option<CellsArg>,
    /// With --cell auto: the cells that one task makes, one after another or by --jobs
    #[arg(long, value_name = "N", default_value_t = 1, requires = "cell", conflicts_with_all = OF_WHOLE_RUNS)]
    pub cells_per_task: usize,
    /// Write event files for TensorBoard too: tensorboard --logdir DIR/cells
    #[arg(long)]
    pub tensorboard: bool,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
    /// The directory of the sweep that this run belongs to.
    #[arg(skip)]
    pub within: Option<PathBuf>,
    /// How to go on, if the run is a part of what another command makes: its results are not shown then.
    #[arg(skip)]
    pub part: Option<&'static str>,
}

impl RunArgs {
    /// Nothing but the default configuration.
    pub fn of_config() -> Self {
        Self {
            setting: SettingArgs::of_config("default".as_ref()),
            compute: ComputeArgs::default(),
            out: None,
            sweeps: Vec::new(),
            resume: false,
            cell: None,
            cells_per_task: 1,
            tensorboard: false,
            quiet: false,
            within: None,
            part: None,
        }
    }
}

/// The options of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run directories; runs of one setting are shown as one
    #[arg(required = true, value_name = "DIR")]
    pub directories: Vec<PathBuf>,
    /// Columns of the table by their names in results.csv, as in fid.forgetting,cost.train_seconds; `all` for every one
    /// [default: FID, its forgetting, bits/dim, accuracy, passes]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Print the table alone, as LaTeX for booktabs with a caption, and write no report
    #[arg(long, conflicts_with_all = ["markdown", "out"])]
    pub latex: bool,
    /// Print the table alone, as Markdown with its caption, and write no report
    #[arg(long, conflicts_with = "out")]
    pub markdown: bool,
    /// File of the report; the tables go beside it [default: report.html in the first directory, comparison.html for
    /// runs of different settings]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write each figure of the report into this directory, as SVG and as PDF
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
}

impl ReportArgs {
    /// The form of a table that is asked for in place of a report.
    pub fn form(&self) -> Option<Form> {
        match (self.latex, self.markdown) {
            (true, _) => Some(Form::Latex),
            (_, true) => Some(Form::Markdown),
            _ => None,
        }
    }
}

/// `--precision`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PrecisionArg {
    /// tf32 where tensor cores have it, f32 elsewhere
    Auto,
    /// f32 without tensor cores: slower on a GPU
    F32,
    /// f32 of which tensor cores may leave out the last 13 bits; on a CPU the rounding alone
    Tf32,
    /// bf16 factors, f32 weights and sums; on a CPU the rounding alone
    Bf16,
    /// f16 factors, f32 weights and sums, gradients scaled into their range: for GPUs without bf16
    F16,
}

impl From<PrecisionArg> for PrecisionConfig {
    fn from(arg: PrecisionArg) -> Self {
        match arg {
            PrecisionArg::Auto => Self::Auto,
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Tf32 => Self::Tf32,
            PrecisionArg::Bf16 => Self::Bf16,
            PrecisionArg::F16 => Self::F16,
        }
    }
}
