//! Continual-learning strategies for diffusion models, and the loop that trains with them.
//!
//! A [`Strategy`] is one file that shows its whole algorithm as hooks into the [`Trainer`]'s loop: which data an
//! experience trains on, what is added to the loss, what happens to the gradients, what is kept afterwards. A
//! buffer's storage policy ([`buffer`]) is apart from its use. Strategies work with any
//! [`TrainableDenoiser`](ddpm_core::TrainableDenoiser) on any backend, and draw everything random from keys.
//!
//! Each strategy has options ([`StrategyOptions`]) that hold its name, its checks and its needs, and that
//! [build](BuildStrategy) it; [`built_in_strategies!`] lists them.
//!
//! # Training with replay
//!
//! Two experiences of small glyphs; the second one is rehearsed with stored images of the first:
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use burn_autodiff::Autodiff;
//! use burn_flex::Flex;
//! use cl_strategies::{
//!     BuildStrategy, ReplayConfig, Trainer, TrainerConfig,
//!     buffer::{BufferConfig, ClassBalanced},
//! };
//! use data_streams::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
//! use ddpm_core::{
//!     GaussianDiffusion, UNet2DConfig,
//!     noise::{Key, Purpose},
//!     schedule::BetaSchedule,
//! };
//!
//! let glyphs = GlyphsConfig { size: 8.into(), train_per_class: 8, eval_per_class: 2, ..GlyphsConfig::default() };
//! let stream = ClassIncremental { experiences: 2, ..ClassIncremental::default() }.build(glyphs.build()?)?;
//!
//! let device = Default::default();
//! let unet = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[4, 8]) };
//! let model = unet.init::<Autodiff<Flex>>(Key::new(0, Purpose::named("model")), &device)?;
//! let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100)?;
//! let options = TrainerConfig { steps_per_experience: 2, batch_size: 4, ..TrainerConfig::default() };
//! let mut trainer = Trainer::new(model, process, options, 0, device)?;
//!
//! let buffer = BufferConfig::of(ClassBalanced::per_class(3));
//! let mut replay = ReplayConfig { buffer, ..ReplayConfig::default() }.build()?;
//! for k in 0..stream.len() {
//!     trainer.train_experience(&mut *replay, &stream, k, &mut |report| {
//!         println!("experience {k}, step {}: {} images", report.done, report.images);
//!         ControlFlow::Continue(())
//!     })?;
//! }
//! assert_eq!(replay.memory().buffer_bytes, 3 * 10 * 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A strategy of one's own
//!
//! Later experiences count less, so that less is forgotten. With options, it can stand in a configuration:
//!
//! ```
//! use burn::tensor::Tensor;
//! use cl_strategies::{BuildStrategy, Needs, Step, Strategy, StrategyError, StrategyOptions};
//! use cldiff_choices::Describe;
//! use ddpm_core::{TrainBackend, TrainableDenoiser};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct FadingConfig {
//!     /// By what the loss is multiplied with each experience
//!     factor: f64,
//! }
//!
//! impl Describe for FadingConfig {
//!     const NAME: &'static str = "fading";
//!     const SUMMARY: &'static str = "Later experiences count less";
//! }
//!
//! impl StrategyOptions for FadingConfig {
//!     fn validate(&self) -> Result<(), StrategyError> {
//!         if (0.0..=1.0).contains(&self.factor) {
//!             return Ok(());
//!         }
//!         let (key, value) = ("factor".into(), self.factor.to_string());
//!         Err(StrategyError::Config { key, value, expected: "expected 0 to 1".into() })
//!     }
//!
//!     fn needs(&self) -> Needs {
//!         Needs::boundaries()
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Fading(FadingConfig);
//!
//! impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Fading {
//!     fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
//!         Ok(loss.mul_scalar(self.0.factor.powi(step.experience as i32)))
//!     }
//! }
//!
//! impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for FadingConfig {
//!     fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
//!         self.validate()?;
//!         Ok(Box::new(Fading(self.clone())))
//!     }
//! }
//!
//! let error = FadingConfig { factor: 2.0 }.validate().unwrap_err().at("fading");
//! assert_eq!(error.to_string(), "`fading.factor` is 2: expected 0 to 1");
//! ```

#[cfg(test)]
mod analytic_tests;
pub mod buffer;
mod check;
mod error;
#[cfg(test)]
mod pass_tests;
mod persistence;
mod strategies;
#[cfg(test)]
mod task_tests;
#[cfg(test)]
mod test_support;
mod training;

pub use cldiff_durable as durable;

pub use error::StrategyError;
pub use persistence::*;
pub use strategies::*;
pub use training::*;
