//! Speed and memory on the reference workloads: what `cldiff bench` measures, and PyTorch beside it does as well.

use std::{ops::ControlFlow, time::Instant};

use burn::tensor::{Int, Tensor};
use burn_autodiff::Autodiff;
use cl_strategies::{ConditionOn, Finetune, StepReport, Trainer, TrainerConfig};
use data_streams::{DatasetPair, ImageDataset, ImageShape, Joint, StreamBuilder};
use ddpm_core::{
    AnyNetwork, BuildNetwork, Conditioning, Denoiser, ImageSize, Kernels, ProcessConfig, TrainBackend,
    UNet2DConfig,
    noise::{Key, NormalNoise, Purpose, indices},
    sampler::{self, Ddim, SampleRequest},
    unet::{DownBlockType, UpBlockType},
};
use rand::RngCore;

use crate::{EngineError, PrecisionConfig, memory};

const MODEL: Purpose = Purpose::named("model");
const NOISE: Purpose = Purpose::named("benchmark");

/// Images of a DDIM measurement.
const SAMPLES: usize = 64;

/// Training steps before the timed ones.
const WARM_UP: usize = 2;

/// The networks and batches on which speed is compared; architectures as diffusers' `UNet2DModel` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceWorkload {
    /// 1x28x28, channels 32-64-64, one layer a block, attention at the lowest level, batches of 64.
    MnistSmall,
    /// 1x32x32, channels 64-128-256-512, one layer a block, attention at the lowest level, batches of 64.
    FmnistMedium,
    /// 3x32x32, channels 128-256-256-256, two layers a block, attention at 16x16, unconditional, batches of 16 (128 on
    /// a GPU).
    CifarDdpm,
}

impl ReferenceWorkload {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MnistSmall, Self::FmnistMedium, Self::CifarDdpm];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::MnistSmall => "mnist-small",
            Self::FmnistMedium => "fmnist-medium",
            Self::CifarDdpm => "cifar-ddpm",
        }
    }

    /// Images of a training batch.
    pub fn batch(self, on_gpu: bool) -> usize {
        match self {
            Self::CifarDdpm if on_gpu => 128,
            Self::CifarDdpm => 16,
            _ => 64,
        }
    }

    /// The network.
    pub fn network(self) -> UNet2DConfig {
        let (size, channels, levels, attention, layers, groups, head_dim): (_, _, &[usize], _, _, _, _) =
            match self {
                Self::MnistSmall => (28, 1, &[32, 64, 64], 2, 1, 8, Some(8)),
                Self::FmnistMedium => (32, 1, &[64, 128, 256, 512], 3, 1, 32, Some(8)),
                Self::CifarDdpm => (32, 3, &[128, 256, 256, 256], 1, 2, 32, None),
            };
        let with_attention = |level: usize| level == attention;
        UNet2DConfig {
            sample_size: Some(ImageSize::square(size)),
            in_channels: channels,
            out_channels: channels,
            down_block_types: (0..levels.len())
                .map(|level| {
                    if with_attention(level) {
                        DownBlockType::AttnDownBlock2D
                    } else {
                        DownBlockType::DownBlock2D
                    }
                })
                .collect(),
            up_block_types: (0..levels.len())
                .rev()
                .map(
                    |level| {
                        if with_attention(level) {
                            UpBlockType::AttnUpBlock2D
                        } else {
                            UpBlockType::UpBlock2D
                        }
                    },
                )
                .collect(),
            block_out_channels: levels.to_vec(),
            layers_per_block: layers,
            norm_num_groups: groups,
            attention_head_dim: head_dim,
            num_class_embeds: (self != Self::CifarDdpm).then_some(10),
            ..UNet2DConfig::default()
        }
    }
}

/// The options of a speed measurement.
#[derive(Debug, Clone, Copy)]
pub struct BenchmarkJob {
    /// The network and batch.
    pub workload: ReferenceWorkload,
    /// Timed repetitions; the median counts.
    pub repetitions: usize,
    /// Whether to measure training: `first_step`, `train`, `peak_memory`.
    pub train: bool,
    /// Whether to measure a pass without gradient: `forward`.
    pub forward: bool,
    /// Whether to measure DDIM with 50 steps: `sample`.
    pub sample: bool,
    /// Number format of the inputs of matrix products.
    pub precision: PrecisionConfig,
    /// When the process started, or as near to it as can be told.
    pub started: Instant,
}

/// A measured quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// `first_step` (process start to the end of the first training step), `train`, `peak_memory` (until the end of training,
    /// the process's, or what the backend holds of a GPU's own), `forward` or `sample`.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// `s`, `images/s` or `MiB`.
    pub unit: &'static str,
}

/// Measures; `tell` gets each quantity as soon as it is known.
pub(crate) fn run<B: Kernels>(
    job: &BenchmarkJob,
    device: &B::Device,
    on_gpu: bool,
    tell: &mut dyn FnMut(Measurement),
) -> Result<(), EngineError> {
    let batch = job.workload.batch(on_gpu);
    let key = Key::new(0, MODEL);
    let unet = BuildNetwork::<Autodiff<B>>::build(&job.workload.network(), key, device)?;
    let mut trainer = Trainer::new(
        unet,
        ProcessConfig::default().build()?,
        TrainerConfig {
            steps_per_experience: (job.repetitions + WARM_UP) * steps_between_reads(on_gpu),
            batch_size: batch,
            log_every: steps_between_reads(on_gpu),
            condition_on: match job.workload.network().num_class_embeds {
                Some(_) => ConditionOn::Class,
                None => ConditionOn::None,
            },
            ..TrainerConfig::default()
        },
        0,
        device.clone(),
    )?;
    if job.train {
        train(job, &mut trainer, (batch, steps_between_reads(on_gpu)), device, tell)?;
    }
    let (unet, network) = (&trainer.average(), job.workload.network());
    let ImageSize { height, width } = size_of(&network);
    let shape = |n| [n, network.in_channels, height, width];
    let conditions = |n: usize| network.num_class_embeds.map(|classes| indices(&turns(n, classes), device));
    let noisy = |n: usize| {
        let x_t = Key::new(0, NOISE).normal::<B>(0, shape(n), device);
        (x_t, indices(&vec![500; n], device), conditions(n))
    };
    let denoise = |(x_t, t, condition): &(Tensor<B, 4>, Tensor<B, 1, Int>, Option<Tensor<B, 1, Int>>)| {
        unet.denoise(x_t.clone(), t.clone(), condition.clone())
    };
    if job.forward {
        let (input, calls) = (noisy(batch), steps_between_reads(on_gpu));
        wait(denoise(&input));
        // As many calls as a GPU has waiting in training, of which the last is waited for.
        let several = || (1..calls).fold(denoise(&input), |_, _| denoise(&input));
        let times = (0..job.repetitions).map(|_| seconds(|| wait(several())) / calls as f64);
        let seconds = median(times.collect());
        tell(Measurement { what: "forward", value: batch as f64 / seconds, unit: "images/s" });
    }
    if job.sample {
        wait(denoise(&noisy(SAMPLES)));
        let request = SampleRequest {
            count: SAMPLES,
            batch: SAMPLES,
            shape: [network.in_channels, height, width],
            conditioning: network
                .num_class_embeds
                .map_or(Conditioning::None, |n| Conditioning::Classes(turns(SAMPLES, n))),
            key: Key::new(0, NOISE),
        };
        let start = Instant::now();
        wait(sampler::draw(&Ddim::default(), unet, trainer.process(), &request, device, &mut |_| ())?);
        let seconds = start.elapsed().as_secs_f64();
        tell(Measurement { what: "sample", value: SAMPLES as f64 / seconds, unit: "images/s" });
    }
    Ok(())
}

/// A GPU computes while the next steps are made ready, and is waited for where a loss is read.
fn steps_between_reads(on_gpu: bool) -> usize {
    if on_gpu { 10 } else { 1 }
}

/// Steps of the product's own training loop, on images of noise, timed from one reading of the loss to the next.
fn train<B: TrainBackend>(
    job: &BenchmarkJob,
    trainer: &mut Trainer<B, AnyNetwork<B>>,
    (batch, steps): (usize, usize),
    device: &B::Device,
    tell: &mut dyn FnMut(Measurement),
) -> Result<(), EngineError> {
    let stream = Joint {}.build(noise(&job.workload.network(), 4 * batch)?)?;
    let mut last = Instant::now();
    let mut times = Vec::new();
    let mut observe = |step: StepReport| {
        let now = Instant::now();
        if step.done == 1 {
            let value = (now - job.started).as_secs_f64();
            tell(Measurement { what: "first_step", value, unit: "s" });
        }
        if step.done.is_multiple_of(steps) {
            if step.done > WARM_UP * steps {
                times.push((now - last).as_secs_f64() / steps as f64);
            }
            last = now;
        }
        ControlFlow::Continue(())
    };
    trainer.train_experience(&mut Finetune, &stream, 0, &mut observe)?;
    tell(Measurement { what: "train", value: batch as f64 / median(times), unit: "images/s" });
    if let Some(bytes) = B::reserved_memory(device).or_else(memory::peak_bytes) {
        tell(Measurement { what: "peak_memory", value: bytes as f64 / f64::from(1 << 20), unit: "MiB" });
    }
    Ok(())
}

/// Images of noise, and labels in turn.
fn noise(network: &UNet2DConfig, n: usize) -> Result<DatasetPair, EngineError> {
    let shape = ImageShape::of(network.in_channels, size_of(network));
    let mut rng = Key::new(0, NOISE).rng(0);
    let mut pixels = vec![0; n * shape.len()];
    rng.fill_bytes(&mut pixels);
    let classes = network.num_class_embeds.unwrap_or(1);
    let names = (0..classes).map(|class| class.to_string()).collect();
    let images = ImageDataset::new("noise", shape, names, pixels, turns(n, classes))?;
    Ok(DatasetPair { train: images.clone(), eval: images })
}

/// Every workload's network names the size of its images.
fn size_of(network: &UNet2DConfig) -> ImageSize {
    network.sample_size.unwrap_or(ImageSize::square(1))
}

fn turns(n: usize, classes: usize) -> Vec<usize> {
    (0..n).map(|i| i % classes).collect()
}

/// Waits for a result, which a GPU computes in its own time.
fn wait<B: Kernels>(result: Tensor<B, 4>) {
    let _ = result.slice([0..1, 0..1, 0..1, 0..1]).into_data();
}

fn seconds(body: impl FnOnce()) -> f64 {
    let start = Instant::now();
    body();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
