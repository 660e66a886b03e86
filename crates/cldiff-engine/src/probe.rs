//! The computations of a run, in small and on fixed numbers, for one backend to be held against another: a UNet with everything
//! in it forward and backward, training steps, samples, and the tensor parts of metrics.

use std::collections::BTreeMap;

use burn::{
    module::{AutodiffModule, Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};
use cl_metrics::features::classifier::{Classifier, ClassifierConfig};
use data_streams::ImageShape;
use ddpm_core::{
    AdamW, AdamWConfig, Conditioning, Ema, GaussianDiffusion, Kernels, NoisyBatch, Objective, TrainBackend,
    UNet2D, UNet2DConfig,
    diffusion::Threshold,
    ema::EmaConfig,
    likelihood::{prior_terms, timestep_terms},
    nn::Initializer,
    noise::{Key, NormalNoise, Purpose, indices},
    parameters::named_parameters,
    sampler::{self, Ddim, SampleRequest},
    schedule::BetaSchedule,
    unet::{DownBlockType, UpBlockType},
};

use crate::{EngineError, Probe};

const KEY: Key = Key::new(0, Purpose::named("backend probe"));
const LABELS: [usize; 4] = [0, 3, 7, 9];
const IMAGES: [usize; 4] = [LABELS.len(), 1, 8, 8];
const TRAINING_STEPS: usize = 10;
const DDIM_STEPS: usize = 20;

/// All of it, on a backend.
pub(crate) fn run<B: TrainBackend>(device: &B::Device) -> Result<Probe, EngineError> {
    let unet = network().init::<B>(KEY, device)?;
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000)?;
    let batch = batch::<B>(&process, KEY.step(2), device);
    let output = unet.forward(batch.x_t.clone(), indices(&batch.t, device), batch.y.clone());
    let loss = Objective::default().loss(&unet, &batch, &process);
    let grads = GradientsParams::from_grads(loss.backward(), &unet);
    let mut collector = Collector { grads, path: Vec::new(), found: BTreeMap::new() };
    unet.visit(&mut collector);
    let valid = unet.valid();
    Ok(Probe {
        output: floats(output.into_data()),
        gradients: collector.found,
        samples: samples(&valid, &process, device)?,
        features: features::<B::InnerBackend>(device),
        likelihood: likelihood(&valid, &process, device),
        trained: trained(unet, &process, device),
        convolution: convolution::<B>(device),
    })
}

fn network() -> UNet2DConfig {
    UNet2DConfig {
        num_class_embeds: Some(10),
        add_attention: true,
        attention_head_dim: Some(8),
        down_block_types: vec![DownBlockType::DownBlock2D, DownBlockType::AttnDownBlock2D],
        up_block_types: vec![UpBlockType::AttnUpBlock2D, UpBlockType::UpBlock2D],
        ..UNet2DConfig::small(8, 1, &[8, 16])
    }
}

/// Images of 8 bits in [-1, 1].
fn images<B: Kernels>(device: &B::Device) -> Tensor<B, 4> {
    let pixel = |i: usize| (i * 73 + i / 64 * 31) % 256;
    let values = (0..IMAGES.iter().product()).map(|i| pixel(i) as f32 / 127.5 - 1.0);
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<f32>>(), IMAGES),
        ddpm_kernels::floats_on::<B>(device),
    )
}

fn batch<B: Kernels>(process: &GaussianDiffusion, key: Key, device: &B::Device) -> NoisyBatch<B> {
    NoisyBatch::draw(process, images::<B>(device), Some(indices(&LABELS, device)), key)
}

/// Every parameter, and its moving average, after some steps with clipped gradients.
fn trained<B: TrainBackend>(
    mut unet: UNet2D<B>,
    process: &GaussianDiffusion,
    device: &B::Device,
) -> BTreeMap<String, Vec<f32>> {
    // Adam divides a gradient by its own size. The gradients of the keys' biases in attention are zero but for rounding:
    // with the usual 1e-8, these biases would be moved as far as other parameters, in directions that say nothing.
    let mut optimizer = AdamW::new(AdamWConfig { epsilon: 1e-4, ..AdamWConfig::default() });
    let mut average = Ema::new(EmaConfig::default(), &unet);
    for step in 0..TRAINING_STEPS {
        let batch = batch::<B>(process, KEY.step(10 + step), device);
        let loss = Objective::default().loss(&unet, &batch, process);
        let grads = GradientsParams::from_grads(loss.backward(), &unet);
        unet = optimizer.step::<B, _>(unet, grads, 1e-3, Some(1.0), &mut average);
    }
    let parameters = named_parameters(&unet.valid());
    let averages = named_parameters(&average.averaged(&unet));
    let averages = averages.into_iter().map(|(name, value)| (format!("average of {name}"), value));
    parameters.into_iter().chain(averages).map(|(name, value)| (name, floats(value))).collect()
}

fn samples<B: Kernels>(
    unet: &UNet2D<B>,
    process: &GaussianDiffusion,
    device: &B::Device,
) -> Result<Vec<f32>, EngineError> {
    let request = SampleRequest {
        count: LABELS.len(),
        batch: LABELS.len(),
        shape: [IMAGES[1], IMAGES[2], IMAGES[3]],
        conditioning: Conditioning::Classes(LABELS.to_vec()),
        key: KEY.step(3),
    };
    // A network that knows nothing removes no noise: what x_T is off by grows by 1 / sqrt(abar_T), as x_T itself does. Clipped,
    // images would stay small and the difference would not.
    let ddim = Ddim { steps: DDIM_STEPS, threshold: Threshold::None, ..Ddim::default() };
    Ok(floats(sampler::draw(&ddim, unet, process, &request, device, &mut |_| ())?.into_data()))
}

/// Features and logits of a classifier that knows nothing yet.
fn features<B: Kernels>(device: &B::Device) -> Vec<f32> {
    let shape = ImageShape { channels: IMAGES[1], height: IMAGES[2], width: IMAGES[3] };
    let mut init = Initializer::<B>::new(KEY.step(4), device);
    let classifier = Classifier::new(&ClassifierConfig::default(), shape, 10, &mut init);
    let (features, logits) = classifier.forward(images::<B>(device));
    let (features, logits) = (floats(features.into_data()), floats(logits.into_data()));
    features.into_iter().chain(logits).collect()
}

/// A convolution of 1.2 billion products, large enough to be cut into tiles for tensor cores, and its gradients.
fn convolution<B: TrainBackend>(device: &B::Device) -> BTreeMap<String, Vec<f32>> {
    let values = |step, shape| KEY.step(step).normal::<B>(0, shape, device);
    let x = values(6, [32, 128, 16, 16]).require_grad();
    let weight = values(7, [128, 128, 3, 3]).require_grad();
    let bias = values(8, [1, 128, 1, 1]).reshape([128]).require_grad();
    let y = B::convolve_2d(ddpm_kernels::Convolve {
        x: x.clone().into(),
        weight: weight.clone(),
        bias: bias.clone(),
        stride: 1,
        padding: 1,
    });
    let grads = (y.clone() * values(9, y.dims())).sum().backward();
    let gradient = |found: Option<TensorData>| floats(found.expect("it was asked for"));
    let found = [
        ("output", floats(y.into_data())),
        ("gradient of x", gradient(x.grad(&grads).map(Tensor::into_data))),
        ("gradient of weight", gradient(weight.grad(&grads).map(Tensor::into_data))),
        ("gradient of bias", gradient(bias.grad(&grads).map(Tensor::into_data))),
    ];
    found.map(|(name, values)| (name.to_owned(), values)).into()
}

/// The bound's terms and the errors under them, from the first timestep to the last, and the prior's.
fn likelihood<B: Kernels>(unet: &UNet2D<B>, process: &GaussianDiffusion, device: &B::Device) -> Vec<f64> {
    let x_0 = images::<B>(device);
    let eps = KEY.step(5).normal(0, IMAGES, device);
    let labels = Some(indices(&LABELS, device));
    let batch = NoisyBatch::at(process, x_0.clone(), labels, vec![0, 1, 100, 999], eps);
    let terms = timestep_terms(unet, process, &batch, Threshold::Clip);
    [terms.vlb, terms.eps_mse, terms.x_0_mse, prior_terms(process, x_0)].concat()
}

fn floats(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().iter::<f32>().collect()
}

struct Collector {
    grads: GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(grad) = self.grads.get::<B::InnerBackend, D>(param.id) {
            self.found.insert(self.path.join("."), floats(grad.into_data()));
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}
