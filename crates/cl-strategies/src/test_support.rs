//! A denoiser of one parameter, or of one for each label, for which what strategies compute can be worked out by hand.

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

/// `w x_t`; of several parameters `w_y x_t`, and `w_0 x_t` without labels; with a learned variance the channels `w_0 x_t` and
/// `w_1 x_t`
#[derive(Module, Debug)]
pub(crate) struct Line<B: Backend> {
    w: Param<Tensor<B, 1>>,
    #[module(skip)]
    learns_variance: bool,
}

impl<B: Kernels> Denoiser<B> for Line<B> {
    fn denoise(
        &self,
        x_t: Tensor<B, 4>,
        _t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        if self.learns_variance {
            return x_t.repeat_dim(1, 2) * self.w.val().reshape([1, 2, 1, 1]);
        }
        let w = match y {
            Some(y) if self.w.dims() != [1] => self.w.val().select(0, y),
            _ => self.w.val().narrow(0, 0, 1),
        };
        let [n] = w.dims();
        x_t * w.reshape([n, 1, 1, 1])
    }
}

pub(crate) fn line(w: f32) -> Line<B> {
    lines(&[w])
}

/// One parameter for each label.
pub(crate) fn lines(w: &[f32]) -> Line<B> {
    Line { w: Param::from_tensor(Tensor::from_floats(w, &Default::default())), learns_variance: false }
}

/// One parameter for the prediction, one for the channel of the variance.
pub(crate) fn with_variance(w: [f32; 2]) -> Line<B> {
    Line { learns_variance: true, ..lines(&w) }
}

/// Its parameter.
pub(crate) fn parameter(line: &Line<B>) -> f64 {
    f64::from(ParameterVector::of(line).to_floats()[0])
}

/// The container with one gradient for each parameter.
pub(crate) fn gradients(line: &Line<B>, g: &[f32]) -> GradientsParams {
    let like = ParameterVector::<Flex>::of(&burn::module::AutodiffModule::valid(line));
    gradients_from::<B, _>(line, like.with_floats(g))
}

/// The gradients in a container.
pub(crate) fn numbers(line: &Line<B>, mut grads: GradientsParams) -> Vec<f64> {
    let vector = ddpm_core::parameters::take_gradients::<B, _>(line, &mut grads);
    vector.to_floats().into_iter().map(f64::from).collect()
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
    pub objective: Objective,
    pub timesteps: TimestepSampler,
    pub training: TrainerConfig,
    average: Ema<Flex>,
    pub passes: PassCounter,
    pub experience: Experience,
    /// The number of the experience, from 0, of boundaries.
    pub k: usize,
    /// The number of the experience of steps.
    pub at: usize,
    pub condition_on: ConditionOn,
    pub label_dropout: LabelDropout,
    /// The seed of boundaries and steps.
    pub seed: u64,
    device: burn_flex::FlexDevice,
}

impl Fixture {
    pub fn new() -> Self {
        Self::labelled(&[0; 50], 1)
    }

    /// As many black images as labels, of so many classes; the model is told no label.
    pub fn labelled(labels: &[usize], classes: usize) -> Self {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = (0..classes).map(|class| class.to_string()).collect();
        let data = ImageDataset::new("black", shape, names, vec![0; labels.len()], labels.to_vec()).unwrap();
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
                removes: Vec::new(),
            },
            k: 0,
            at: 1,
            condition_on: ConditionOn::None,
            label_dropout: LabelDropout { probability: 0.0, null: classes },
            seed: 1,
            device: Default::default(),
        }
    }

    /// The moving average has these parameters.
    pub fn averaging(mut self, w: &[f32]) -> Self {
        self.average = Ema::new(EmaConfig::default(), &lines(w));
        self
    }

    /// The model is told labels, a share of which is dropped.
    pub fn told(mut self, probability: f64) -> Self {
        self.condition_on = ConditionOn::Class;
        self.label_dropout.probability = probability;
        self
    }

    /// A process of so many timesteps, drawn uniformly.
    pub fn of_timesteps(mut self, total: usize) -> Self {
        self.process = GaussianDiffusion::new(&BetaSchedule::linear(), total).unwrap();
        self.timesteps = TimestepSampler::new(TimestepSampling::Uniform, total);
        self
    }

    /// Timesteps are drawn from a process of `total`, the t-th with a probability in proportion to `losses(t)`.
    pub fn drawn_by(mut self, total: usize, losses: impl Fn(usize) -> f64) -> Self {
        self = self.of_timesteps(total);
        let sampling = TimestepSampling::LossSecondMoment { uniform_share: 0.0 };
        self.timesteps = TimestepSampler::new(sampling, total);
        for _ in 0..10 {
            let t: Vec<usize> = (0..total).collect();
            self.timesteps.record(&t, &t.iter().map(|&t| losses(t)).collect::<Vec<_>>());
        }
        self
    }

    pub fn boundary<'a>(&'a self, model: &'a Line<B>) -> Boundary<'a, B, Line<B>> {
        Boundary {
            k: self.k,
            experience: &self.experience,
            model,
            process: &self.process,
            objective: &self.objective,
            timesteps: &self.timesteps,
            training: &self.training,
            average: &self.average,
            condition_on: self.condition_on,
            label_dropout: self.label_dropout,
            progress: 0.0,
            passes: &self.passes,
            key: Key::new(self.seed, Purpose::named("test")),
            device: &self.device,
        }
    }

    pub fn batch(&self, model: &Line<B>) -> NoisyBatch<B> {
        self.batch_of(model, &[0, 1, 2])
    }

    pub fn batch_of(&self, model: &Line<B>, images: &[usize]) -> NoisyBatch<B> {
        self.boundary(model).noisy(images, Key::new(self.seed + 1, Purpose::named("test")))
    }

    pub fn step<'a>(&'a self, model: &'a Line<B>, batch: &'a NoisyBatch<B>) -> Step<'a, B, Line<B>> {
        Step {
            model,
            batch,
            process: &self.process,
            objective: &self.objective,
            timesteps: &self.timesteps,
            condition_on: self.condition_on,
            label_dropout: self.label_dropout,
            augmentation: Augmentation::default(),
            experience: self.at,
            step: 0,
            key: Key::new(self.seed + 2, Purpose::named("test")),
            device: &self.device,
            passes: &self.passes,
            batches: std::slice::from_ref(batch),
            losses: RefCell::default(),
        }
    }
}
