//! A small stream and a small training, for any CPU backend.
#![allow(dead_code, reason = "not every test needs all of it")]

use burn_autodiff::Autodiff;
use cl_strategies::{OptimizerConfig, Trainer, TrainerConfig};
use data_streams::{ClassIncremental, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    GaussianDiffusion, Kernels, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    schedule::BetaSchedule,
};

/// Glyphs of 8 x 8 pixels, 12 of each class.
pub fn stream(experiences: usize) -> Stream {
    let data =
        GlyphsConfig { size: 8.into(), train_per_class: 12, eval_per_class: 2, ..GlyphsConfig::default() };
    ClassIncremental { experiences, ..ClassIncremental::default() }.build(data.build().unwrap()).unwrap()
}

/// Four steps an experience.
pub fn options() -> TrainerConfig {
    TrainerConfig {
        steps_per_experience: 4,
        batch_size: 6,
        log_every: 1,
        optimizer: OptimizerConfig { learning_rate: 1e-3, ..OptimizerConfig::default() },
        ..TrainerConfig::default()
    }
}

/// A trainer of a small UNet with attention.
pub fn trainer<I: Kernels>(options: TrainerConfig) -> Trainer<Autodiff<I>, UNet2D<Autodiff<I>>> {
    // One more for the label that stands for none.
    let classes = 10 + usize::from(options.label_dropout > 0.0);
    let config = UNet2DConfig { num_class_embeds: Some(classes), ..UNet2DConfig::small(8, 1, &[4, 8]) };
    let key = Key::new(1, Purpose::named("model"));
    let model = config.init::<Autodiff<I>>(key, &Default::default()).unwrap();
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
    Trainer::new(model, process, options, 1, Default::default()).unwrap()
}
