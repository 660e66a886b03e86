//! A process that computes in f32 and in f64 on one device gets each in its own type, whichever came first.
//!
//! Burn fixes the default type of a device once a process, so each order takes a process of its own.

use std::{env, process::Command};

use burn::{
    module::AutodiffModule,
    optim::GradientsParams,
    tensor::{DType, Tensor},
};
use burn_autodiff::Autodiff;
use burn_ndarray::NdArray;
use ddpm_core::{
    AdamW, AdamWConfig, DiTConfig, Ema, GaussianDiffusion, NoisyBatch, Objective, TrainBackend, UNet2DConfig,
    ema::EmaConfig,
    noise::{Key, NormalNoise, Purpose, indices},
    parameters::ParameterVector,
    schedule::BetaSchedule,
};

/// The variable that names the type of a child process's first tensor.
const FIRST: &str = "CLDIFF_TEST_FIRST_TYPE";

/// The types of a training step's results and of a DiT's output, and the loss.
fn step<B: TrainBackend>() -> (Vec<DType>, f64) {
    let (device, key) = (B::Device::default(), Key::new(0, Purpose::named("types")));
    let unet = UNet2DConfig::small(8, 1, &[8, 16]).init::<B>(key, &device).unwrap();
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
    let x_0 = key.normal::<B>(0, [4, 1, 8, 8], &device);
    let dit =
        DiTConfig { input_size: 8.into(), depth: 1, ..DiTConfig::default() }.init::<B>(key, &device).unwrap();
    let of_dit = dit.forward(x_0.clone(), indices(&[1, 2, 3, 4], &device), None);

    let batch = NoisyBatch::draw(&process, x_0, None, key.step(1));
    let loss = Objective::default().loss(&unet, &batch, &process);
    let grads = GradientsParams::from_grads(loss.backward(), &unet);
    let mut average = Ema::new(EmaConfig::default(), &unet);
    let unet =
        AdamW::new(AdamWConfig::default()).step::<B, _>(unet, grads, 1e-3, Some(1.0), &mut average).valid();

    let mut types = vec![of_dit.dtype(), loss.dtype()];
    types.extend(ParameterVector::of(&unet).entries().map(|(_, parameter)| parameter.dtype()));
    (types, loss.into_data().convert::<f64>().to_vec().unwrap()[0])
}

#[test]
fn each_backend_computes_in_its_own_type() {
    let Ok(first) = env::var(FIRST) else {
        for first in ["f32", "f64"] {
            let mut child = Command::new(env::current_exe().unwrap());
            let child = child.args(["--exact", "each_backend_computes_in_its_own_type"]).env(FIRST, first);
            let output = child.output().unwrap();
            assert!(output.status.success(), "{first} first: {}", String::from_utf8_lossy(&output.stdout));
        }
        return;
    };
    let device = Default::default();
    match &first[..] {
        "f32" => _ = Tensor::<NdArray<f32>, 1>::zeros([1], &device),
        _ => _ = Tensor::<NdArray<f64>, 1>::zeros([1], &device),
    }
    let (single, loss_in_f32) = step::<Autodiff<NdArray<f32>>>();
    let (double, loss) = step::<Autodiff<NdArray<f64>>>();
    assert!(single.iter().all(|dtype| *dtype == DType::F32), "{single:?}");
    assert!(double.iter().all(|dtype| *dtype == DType::F64), "{double:?}");
    assert!((loss - loss_in_f32).abs() < 1e-5 * loss, "{loss_in_f32} instead of {loss}");
    assert_ne!(loss, f64::from(loss as f32), "a loss in f64 has digits that f32 has not");
}
