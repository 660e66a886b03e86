//! A denoiser of one parameter, for which what strategies compute can be worked out by hand.

use std::cell::RefCell;

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Int, Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use data_streams::{Augmentation, Experience, ImageDataset, ImageShape};
use ddpm_core::{
    Denoiser, Ema, GaussianDiffusion, Kernels, NoisyBatch, Objective,
    ema::EmaConfig,
    noise::{Key, Purpose},
    objective::{TimestepSampler, TimestepSampling},
    parameters::{ParameterVector, gradients_from},
    schedule::BetaSchedule,
};

use crate::{Boundary, ConditionOn, LabelDropout, PassCounter, Step, TrainerConfig};

pub(crate) type B = Autodiff<Flex>;

/// `w x_t`
#[derive(Module, Debug)]
pub(crate) struct Line<B: Backend> {
    w: Param<Tensor<B, 1>>,
}

impl<B: Kernels> Denoiser<B> for Line<B> {
    fn denoise(
        &self,
        x_t: Tensor<B, 4>,
        _t: Tensor<B, 1, Int>,
        _y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        x_t * self.w.val().reshape([1, 1, 1, 1])
    }
}

pub(crate) fn line(w: f32) -> Line<B> {
    Line { w: Param::from_tensor(Tensor::from_floats([w], &Default::default())) }
}

/// Its parameter.
pub(crate) fn parameter(line: &Line<B>) -> f64 {
    f64::from(ParameterVector::of(line).to_floats()[0])
}

/// The container with one gradient.
pub(crate) fn gradient(line: &Line<B>, g: f32) -> GradientsParams {
    gradients_from::<B, _>(
        line,
        ParameterVector::<Flex>::of(&burn::module::AutodiffModule::valid(line)).map(|w| w * 0.0 + g),
    )
}

/// An experience of black images of one pixel (x_0 = -1), and all that a strategy is shown.
pub(crate) struct Fixture {
    pub process: GaussianDiffusion,
    objective: Objective,
    timesteps: TimestepSampler,
    training: TrainerConfig,
    average: Ema<Flex>,
    pub passes: PassCounter,
    pub experience: Experience,
    device: burn_flex::FlexDevice,
}

impl Fixture {
    pub fn new() -> Self {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let data = ImageDataset::new("black", shape, vec!["black".into()], vec![0; 50], vec![0; 50]).unwrap();
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        Self {
            timesteps: TimestepSampler::new(TimestepSampling::Uniform, process.timesteps()),
            process,
            training: TrainerConfig::default(),
            average: Ema::new(EmaConfig::default(), &line(0.0)),
            objective: Objective::default(),
            passes: PassCounter::default(),
            experience: Experience {
                name: "black".into(),
                classes: vec![0],
                train: data.clone(),
                eval: data,
            },
            device: Default::default(),
        }
    }

    pub fn boundary<'a>(&'a self, model: &'a Line<B>) -> Boundary<'a, B, Line<B>> {
        Boundary {
            k: 0,
            experience: &self.experience,
            model,
            process: &self.process,
            objective: &self.objective,
            timesteps: &self.timesteps,
            training: &self.training,
            average: &self.average,
            condition_on: ConditionOn::None,
            progress: 0.0,
            passes: &self.passes,
            key: Key::new(1, Purpose::named("test")),
            device: &self.device,
        }
    }

    pub fn batch(&self, model: &Line<B>) -> NoisyBatch<B> {
        self.boundary(model).noisy(&[0, 1, 2], Key::new(2, Purpose::named("test")))
    }

    pub fn step<'a>(&'a self, model: &'a Line<B>, batch: &'a NoisyBatch<B>) -> Step<'a, B, Line<B>> {
        Step {
            model,
            batch,
            process: &self.process,
            objective: &self.objective,
            timesteps: &self.timesteps,
            condition_on: ConditionOn::None,
            label_dropout: LabelDropout { probability: 0.0, null: 0 },
            augmentation: Augmentation::default(),
            experience: 1,
            step: 0,
            key: Key::new(3, Purpose::named("test")),
            device: &self.device,
            passes: &self.passes,
            losses: RefCell::default(),
        }
    }
}
