//! Denoising diffusion probabilistic models on [Burn](https://burn.dev), exact and backend-generic.
//!
//! The network ([`unet`]) has the architecture and the parameter names of Hugging Face diffusers' `UNet2DModel`;
//! the process ([`diffusion`], [`schedule`]) computes its coefficients in f64; [`objective`] is what a model is
//! trained on, [`sampler`] what draws from it, [`likelihood`] what its bits per dimension consist of. Everything
//! but the UNet works with any network that implements [`Denoiser`]. This crate knows nothing of tasks, buffers
//! or files of results.
//!
//! # The smallest useful program
//!
//! One training step on random pixels, then four samples:
//!
//! ```
//! use burn::{module::AutodiffModule, optim::{AdamWConfig, GradientsParams, Optimizer}};
//! use burn_autodiff::Autodiff;
//! use burn_flex::Flex;
//! use ddpm_core::{
//!     Conditioning, GaussianDiffusion, NoisyBatch, Objective, UNet2DConfig,
//!     noise::{Key, Purpose}, sampler::{self, Ddim, SampleRequest}, schedule::BetaSchedule,
//! };
//! type B = Autodiff<Flex>;
//!
//! let device = Default::default();
//! let key = Key::new(0, Purpose::named("example"));
//! let unet = UNet2DConfig::small(8, 1, &[8, 16]).init::<B>(key, &device)?;
//! let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100)?;
//!
//! let x_0 = burn::tensor::Tensor::<B, 4>::zeros([4, 1, 8, 8], &device);
//! let batch = NoisyBatch::draw(&process, x_0, None, key.step(1));
//! let loss = Objective::default().loss(&unet, &batch, &process);
//! let grads = GradientsParams::from_grads(loss.backward(), &unet);
//! let unet = AdamWConfig::new().init().step(1e-3, unet, grads);
//!
//! let request = SampleRequest { count: 4, batch: 4, shape: [1, 8, 8], conditioning: Conditioning::None, key };
//! let ddim = Ddim { steps: 10, ..Ddim::default() };
//! let samples = sampler::draw(&ddim, &unet.valid(), &process, &request, &device, &mut |_| {})?;
//! assert_eq!(samples.dims(), [4, 1, 8, 8]);
//! # Ok::<(), ddpm_core::CoreError>(())
//! ```

pub mod classifier_guidance;
pub mod denoiser;
pub mod diffusers;
pub mod diffusion;
pub mod ema;
mod error;
pub mod guidance;
pub mod likelihood;
pub mod network;
mod networks;
pub mod nn;
pub mod noise;
pub mod objective;
pub mod optimizer;
pub mod parameters;
pub mod sampler;
pub mod schedule;
pub mod timestep_switch;

pub use cldiff_choices::ImageSize;
pub use ddpm_kernels::{Kernels, TrainBackend};
pub use denoiser::{Conditioning, Denoiser, TrainableDenoiser};
pub use diffusion::{GaussianDiffusion, ProcessConfig};
pub use ema::Ema;
pub use error::{CoreError, plain_value, plain_words};
pub use guidance::Guided;
pub use network::{AnyNetwork, BuildNetwork, Network, NetworkOptions};
pub use networks::*;
pub use objective::{NoisyBatch, Objective};
pub use optimizer::{AdamW, AdamWConfig, AdamWMoments};
pub use timestep_switch::TimestepSwitch;
