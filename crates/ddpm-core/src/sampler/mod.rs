//! Samplers: from noise x_T to images x_0, one file each, one signature, and their list.

mod ancestral;
mod ddim;
mod dpm_solver;
mod heun;

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Once, PoisonError, RwLock},
};

use burn::tensor::{Int, Tensor};
use cldiff_choices::{Options, choice};

pub use ancestral::Ancestral;
pub use ddim::Ddim;
pub use dpm_solver::DpmSolver;
pub use heun::Heun;

use crate::{
    Conditioning, CoreError, Denoiser, GaussianDiffusion, Kernels,
    diffusers::SchedulerConfig,
    noise::{Key, NormalNoise, Purpose},
};

const X_T: Purpose = Purpose::named("x_T");
const STEP_NOISE: Purpose = Purpose::named("sampler noise");

/// The smallest alphas_cumprod that solvers work with, 2^-24, where a process ends without signal (as in diffusers).
const LEAST_SIGNAL: f64 = 5.960_464_477_539_063e-8;

/// Where a sampler's noise comes from.
pub trait NoiseSource<B: Kernels> {
    /// The noise added on the way from timestep `t`, for all samples of the batch.
    ///
    /// # Shapes
    /// - output: `shape` = `[n, c, h, w]`
    fn noise(&self, t: usize, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4>;
}

/// Noise that is a function of the key, the timestep and the sample's number, not of its batch.
#[derive(Debug, Clone, Copy)]
pub struct KeyedNoise {
    /// The key of the whole set of samples.
    pub key: Key,
    /// The number of the batch's first sample.
    pub first: u64,
}

impl<B: Kernels> NoiseSource<B> for KeyedNoise {
    fn noise(&self, t: usize, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
        self.key.within(STEP_NOISE).step(t).normal(self.first, shape, device)
    }
}

/// Warns, once, of samples that do not start where the process has no signal: they start from pure noise, which a model
/// has seen at the last timestep alone (Lin et al. 2024, section 3.3).
fn tell_start(process: &GaussianDiffusion, first: usize) {
    static TOLD: Once = Once::new();
    let last = process.timesteps() - 1;
    if first < last && !process.has_signal(last) {
        TOLD.call_once(|| {
            tracing::warn!(
                "with zero terminal SNR, samples start from pure noise, which is timestep {last}, but the sampler \
                 starts at {first}: `spacing = \"trailing\"` starts at the last"
            );
        });
    }
}

/// How far a sampler is: `done` of `total` denoiser evaluations of this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Evaluations done.
    pub done: usize,
    /// Evaluations in all.
    pub total: usize,
    /// Samples in the batch.
    pub batch: usize,
}

/// The options of a sampler, and what they say without a denoiser.
pub trait SamplerOptions: Options {
    /// Denoiser evaluations that one image takes in a process of so many timesteps.
    fn evaluations(&self, timesteps: usize) -> usize;

    /// Whether the options fit the process.
    ///
    /// # Errors
    /// [`CoreError::Config`] for the first that does not.
    fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError>;

    /// Takes the options that diffusers' scheduler of this kind would have for a pretrained model; `eta` is DDIM's.
    /// Without `steps`, there are no more of them than the process allows.
    fn follow(&mut self, scheduler: &SchedulerConfig, steps: Option<usize>, eta: f64);

    /// Writes the options into a scheduler with which diffusers draws the same, the reverse of
    /// [`follow`](Self::follow); by default nothing, for a sampler that diffusers does not have.
    fn to_scheduler(&self, scheduler: &mut SchedulerConfig) {
        let _ = scheduler;
    }

    /// Takes fewer steps where a process of so many timesteps does not allow the default; by default nothing.
    fn fit_steps(&mut self, timesteps: usize) {
        let _ = timesteps;
    }
}

/// A way to turn noise into images with a denoiser.
pub trait Sampler<B: Kernels>: SamplerOptions {
    /// Samples x_0 from x_T.
    ///
    /// # Shapes
    /// - `x_T` and output: `[n, c, h, w]`, `y`: `[n]`
    ///
    /// # Errors
    /// [`CoreError::Config`] for options that do not fit the process.
    fn sample(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        noise: &dyn NoiseSource<B>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tensor<B, 4>, CoreError>;
}

/// Declares the choice and the making of samplers from one list.
macro_rules! samplers {
    ($($Sampler:ident),* $(,)?) => {
        choice! {
            /// The choice of a sampler, with its options.
            pub struct SamplerConfig(dyn SamplerOptions), kind "sampler";
            $($Sampler),*
        }

        impl SamplerConfig {
            fn built_in<B: Kernels>(&self) -> Option<Box<dyn Sampler<B>>> {
                $(if let Some(sampler) = self.get::<$Sampler>() {
                    return Some(Box::new(sampler.clone()));
                })*
                None
            }
        }
    };
}

samplers! {
    Ddim,
    Ancestral,
    DpmSolver,
    Heun,
}

impl SamplerConfig {
    /// Makes the sampler.
    ///
    /// # Panics
    /// For a sampler of an outside crate that was [added](add_sampler) for other backends alone.
    pub fn build<B: Kernels>(&self) -> Box<dyn Sampler<B>> {
        self.built_in().unwrap_or_else(|| added(&**self))
    }
}

/// How the samplers of outside crates are made: `fn(&dyn SamplerOptions) -> Box<dyn Sampler<B>>`, by the types of the
/// options and of the backend.
static ADDED: RwLock<Option<HashMap<(TypeId, TypeId), Box<dyn Any + Send + Sync>>>> = RwLock::new(None);

/// Makes a sampler of an outside crate known on a backend; its options have to be
/// [added](cldiff_choices::List::add) to [`SamplerConfig::list`] besides.
pub fn add_sampler<B: Kernels, S: Sampler<B> + Clone>() {
    let make: fn(&dyn SamplerOptions) -> Option<Box<dyn Sampler<B>>> = |options| {
        let options: &dyn Any = options;
        options.downcast_ref::<S>().map(|sampler| Box::new(sampler.clone()) as Box<dyn Sampler<B>>)
    };
    let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
    added.get_or_insert_with(HashMap::new).insert((TypeId::of::<S>(), TypeId::of::<B>()), Box::new(make));
}

fn added<B: Kernels>(options: &dyn SamplerOptions) -> Box<dyn Sampler<B>> {
    let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
    let of_options = (options as &dyn Any).type_id();
    let make = added.as_ref().and_then(|makers| makers.get(&(of_options, TypeId::of::<B>())));
    make.and_then(|make| make.downcast_ref::<fn(&dyn SamplerOptions) -> Option<Box<dyn Sampler<B>>>>())
        .and_then(|make| make(options))
        .unwrap_or_else(|| panic!("the sampler `{}` was not added for this backend", options.name()))
}

/// The samples to draw.
#[derive(Debug, Clone)]
pub struct SampleRequest {
    /// How many.
    pub count: usize,
    /// At most so many at a time.
    pub batch: usize,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Their conditions.
    pub conditioning: Conditioning,
    /// The key of their noise; the i-th sample depends on it and on i alone.
    pub key: Key,
}

/// Draws samples in batches; the i-th does not depend on the size of the batches.
///
/// # Shapes
/// - output: `[count, c, h, w]`, not clipped
///
/// # Errors
/// The errors of the sampler; [`CoreError::Config`] for an empty request.
pub fn draw<B: Kernels>(
    sampler: &dyn Sampler<B>,
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    request: &SampleRequest,
    device: &B::Device,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tensor<B, 4>, CoreError> {
    let [c, h, w] = request.shape;
    let x_t = |first: usize, n| request.key.within(X_T).normal(first as u64, [n, c, h, w], device);
    in_batches(sampler, denoiser, process, request, &x_t, device, progress)
}

/// As [`draw`], from given noise.
///
/// # Shapes
/// - `x_T` and output: `[count, c, h, w]`
///
/// # Errors
/// As [`draw`].
///
/// # Panics
/// If `x_T` has another shape than the request.
pub fn draw_from<B: Kernels>(
    sampler: &dyn Sampler<B>,
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    request: &SampleRequest,
    x_t: Tensor<B, 4>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tensor<B, 4>, CoreError> {
    let ([c, h, w], device) = (request.shape, x_t.device());
    assert_eq!(x_t.dims(), [request.count, c, h, w], "the noise has another shape than the samples");
    let part = |first: usize, n| x_t.clone().narrow(0, first, n);
    in_batches(sampler, denoiser, process, request, &part, &device, progress)
}

fn in_batches<B: Kernels>(
    sampler: &dyn Sampler<B>,
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    request: &SampleRequest,
    x_t: &dyn Fn(usize, usize) -> Tensor<B, 4>,
    device: &B::Device,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tensor<B, 4>, CoreError> {
    if request.count == 0 || request.batch == 0 {
        return Err(CoreError::config(
            "samples",
            request.count,
            "expected at least one sample and one a batch",
        ));
    }
    let mut batches = Vec::new();
    for first in (0..request.count).step_by(request.batch) {
        let n = request.batch.min(request.count - first);
        let x_t = x_t(first, n);
        let y = request.conditioning.tensor(first, n, device);
        let noise = KeyedNoise { key: request.key, first: first as u64 };
        batches.push(sampler.sample(denoiser, process, x_t, y, &noise, progress)?);
    }
    Ok(Tensor::cat(batches, 0))
}
