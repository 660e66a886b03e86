//! A strategy of one's own in a few lines, trained on a stream: `cargo run -p cldiff-examples --example own_strategy`.
//!
//! Frozen class embeddings: the gradient of the class table is dropped after the first experience.

use std::ops::ControlFlow;

use burn::{
    module::{ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, backend::AutodiffBackend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{Step, Strategy, StrategyError, Trainer, TrainerConfig};
use data_streams::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    GaussianDiffusion, TrainBackend, TrainableDenoiser, UNet2DConfig,
    noise::{Key, Purpose},
    schedule::BetaSchedule,
};

#[derive(Debug)]
struct FrozenClasses;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for FrozenClasses {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let mut dropper = Dropper { path: Vec::new(), grads };
        if step.experience > 0 {
            step.model.visit(&mut dropper);
        }
        Ok(dropper.grads)
    }
}

struct Dropper {
    path: Vec<String>,
    grads: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Dropper {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<B, N>>) {
        if self.path.first().is_some_and(|name| name == "class_embedding") {
            self.grads.remove::<B::InnerBackend, N>(param.id);
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data =
        GlyphsConfig { size: 8.into(), train_per_class: 50, eval_per_class: 10, ..GlyphsConfig::default() }
            .build()?;
    let stream = ClassIncremental::default().build(data)?;
    let device = burn_flex::FlexDevice;
    let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[8, 16]) };
    let model = config.init::<Autodiff<Flex>>(Key::new(0, Purpose::named("model")), &device)?;
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000)?;
    let options = TrainerConfig { steps_per_experience: 20, batch_size: 16, ..TrainerConfig::default() };
    let mut trainer = Trainer::new(model, process, options, 0, device)?;
    for k in 0..stream.len() {
        let mut last = None;
        trainer.train_experience(&mut FrozenClasses, &stream, k, &mut |report| {
            last = report.loss.or(last);
            ControlFlow::Continue(())
        })?;
        println!("after {}: loss {:.3}", stream.experiences()[k].name, last.unwrap_or(f64::NAN));
    }
    Ok(())
}
