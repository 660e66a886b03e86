//! One forward and backward pass of a small UNet with everything in it, on fixed numbers.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, backend::AutodiffBackend},
};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch, Objective, TrainBackend, UNet2DConfig,
    noise::{Key, Purpose, indices},
    schedule::BetaSchedule,
    unet::{DownBlockType, UpBlockType},
};

use crate::{EngineError, Probe};

const KEY: Key = Key::new(0, Purpose::named("backend probe"));

/// The pass on a backend.
pub(crate) fn run<B: TrainBackend>(device: &B::Device) -> Result<Probe, EngineError> {
    let config = UNet2DConfig {
        num_class_embeds: Some(10),
        add_attention: true,
        attention_head_dim: Some(8),
        down_block_types: vec![DownBlockType::DownBlock2D, DownBlockType::AttnDownBlock2D],
        up_block_types: vec![UpBlockType::AttnUpBlock2D, UpBlockType::UpBlock2D],
        ..UNet2DConfig::small(8, 1, &[8, 16])
    };
    let unet = config.init::<B>(KEY, device)?;
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000)?;
    let x_0 = KEY.step(1).normal::<B>(0, [4, 1, 8, 8], device).clamp(-1.0, 1.0);
    let y = indices(&[0, 3, 7, 9], device);
    let batch = NoisyBatch::draw(&process, x_0, Some(y), KEY.step(2));
    let output = unet.forward(batch.x_t.clone(), indices(&batch.t, device), batch.y.clone());
    let loss = Objective::default().loss(&unet, &batch, &process);
    let grads = GradientsParams::from_grads(loss.backward(), &unet);
    let mut collector = Collector { grads, path: Vec::new(), found: BTreeMap::new() };
    unet.visit(&mut collector);
    let output = output.into_data().convert::<f32>().iter::<f32>().collect();
    Ok(Probe { output, gradients: collector.found })
}

struct Collector {
    grads: GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(grad) = self.grads.get::<B::InnerBackend, D>(param.id) {
            let values = grad.into_data().convert::<f32>().iter::<f32>().collect();
            self.found.insert(self.path.join("."), values);
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}
