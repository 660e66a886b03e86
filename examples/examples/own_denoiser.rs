//! A network of one's own in place of the UNet: `cargo run -p cldiff-examples --example own_denoiser`.
//!
//! A perceptron on points in the plane, seen as images of two channels and one pixel. It learns a ring, and everything
//! else (process, loss, samplers) is the same as for any other network.

use burn::{
    module::{AutodiffModule, Module},
    nn::{Linear, LinearConfig},
    optim::{AdamWConfig, GradientsParams, Optimizer},
    tensor::{Int, Tensor, TensorData, activation::silu, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use ddpm_core::{
    Conditioning, Denoiser, Kernels, NoisyBatch, Objective, ProcessConfig,
    diffusion::Prediction,
    noise::{Key, Purpose},
    sampler::{self, DpmSolver, SampleRequest},
    unet::sinusoids,
};

type B = Autodiff<Flex>;
const TIME: usize = 32;

/// `#[derive(Module)]` and an `impl Denoiser` are all that a network needs, to be trained by a strategy too.
#[derive(Module, Debug)]
struct Perceptron<B: Backend> {
    layers: Vec<Linear<B>>,
}

impl<B: Kernels> Perceptron<B> {
    fn new(device: &B::Device) -> Self {
        let widths = [(2 + TIME, 256), (256, 256), (256, 256), (256, 2)];
        Self { layers: widths.map(|(i, o)| LinearConfig::new(i, o).init(device)).to_vec() }
    }
}

impl<B: Kernels> Denoiser<B> for Perceptron<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, _: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        let shape = x_t.dims();
        let input = Tensor::cat(vec![x_t.flatten(1, 3), sinusoids(t, TIME, true, 0)], 1);
        let (last, hidden) = self.layers.split_last().expect("four layers");
        let features = hidden.iter().fold(input, |x, layer| silu(layer.forward(x)));
        last.forward(features).reshape(shape)
    }
}

fn main() -> Result<(), ddpm_core::CoreError> {
    let device = Default::default();
    let key = Key::new(0, Purpose::named("ring"));
    // A perceptron says more easily where the points are than which noise is on them.
    let process = ProcessConfig { prediction: Prediction::Sample, ..ProcessConfig::default() }.build()?;
    let mut model = Perceptron::<B>::new(&device);
    let mut adam = AdamWConfig::new().init();
    let ring: Vec<f32> = (0..256_u16)
        .map(|i| f32::from(i) * std::f32::consts::TAU / 256.0)
        .flat_map(|angle| [0.8 * angle.cos(), 0.8 * angle.sin()])
        .collect();
    for step in 0..2000 {
        let x_0 = Tensor::from_data(TensorData::new(ring.clone(), [256, 2, 1, 1]), &device);
        let batch = NoisyBatch::draw(&process, x_0, None, key.step(step));
        let loss = Objective::default().loss(&model, &batch, &process);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(2e-3 * (1.0 - step as f64 / 2000.0), model, gradients);
    }
    let request =
        SampleRequest { count: 64, batch: 64, shape: [2, 1, 1], conditioning: Conditioning::None, key };
    let solver = DpmSolver { steps: 100, ..DpmSolver::default() };
    let points = sampler::draw(&solver, &model.valid(), &process, &request, &device, &mut |_| {})?;
    let values: Vec<f32> = points.into_data().iter::<f32>().collect();
    let radii = values.chunks(2).map(|p| p[0].hypot(p[1]));
    let off = radii.map(|r| (r - 0.8).abs()).sum::<f32>() / 64.0;
    println!("64 samples of a ring of radius 0.8; their mean distance from it is {off:.3}");
    Ok(())
}
