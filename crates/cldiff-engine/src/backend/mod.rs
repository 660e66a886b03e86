//! Which backend: the choice, the search for its libraries and devices, and the engine on it.
//!
//! This module and `ddpm-kernels` are all that names concrete backends.

#[cfg(feature = "gpu")]
mod cubecl_setup;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod cuda_headers;
#[cfg(feature = "wgpu")]
mod vulkan;

use std::path::Path;

use burn::tensor::DType;
use burn_autodiff::Autodiff;
use cl_metrics::features::FeatureExtractor;
use cl_strategies::State;
use data_streams::Stream;
use ddpm_core::{Kernels, likelihood::BitsPerDimension, sampler};
use ddpm_kernels::Precision;

use crate::{
    BenchmarkJob, BitsJob, CellObserver, CellOutcome, CellSpec, Engine, EngineError, EvaluationConfig,
    ExtractorChoice, HostImages, Measurement, PrecisionConfig, PredictJob, Probe, Reference, SampleJob,
    benchmark, cell::Cell, extractor, generate, probe,
};

/// What the processor offers to the CPU kernels: results are the same, to the bit, where this is.
pub fn cpu_features() -> Vec<String> {
    let mut features = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    for set in ddpm_kernels::cpu::InstructionSet::available() {
        features.push(format!("{set:?}").to_lowercase());
    }
    features
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// The first that works: CUDA, a hardware Vulkan device, the fastest CPU backend.
    Auto,
    /// An NVIDIA GPU.
    Cuda,
    /// Any GPU by Vulkan, a software device included.
    Wgpu,
    /// The CPU, by burn-ndarray.
    Ndarray,
    /// The CPU, by burn-flex.
    Flex,
}

/// Finds a backend and a device.
///
/// # Errors
/// [`EngineError::Backend`] if a library or device is missing, or the backend was not built in.
pub fn open(choice: BackendChoice, device: usize) -> Result<Box<dyn Engine>, EngineError> {
    match choice {
        BackendChoice::Auto => auto(device),
        BackendChoice::Cuda => open_cuda(device),
        BackendChoice::Wgpu => open_wgpu(device, true),
        BackendChoice::Ndarray => open_ndarray(device),
        BackendChoice::Flex => open_flex(device),
    }
}

/// Flex comes before ndarray, whose operations other than those of `ddpm-kernels` are slower.
fn auto(device: usize) -> Result<Box<dyn Engine>, EngineError> {
    let attempts: [fn(usize) -> Result<Box<dyn Engine>, EngineError>; 4] =
        [cuda_or_why_not, |index| open_wgpu(index, false), open_flex, open_ndarray];
    let mut refusals = Vec::new();
    for attempt in attempts {
        match attempt(device) {
            Ok(engine) => return Ok(engine),
            Err(refusal) => refusals.push(refusal.to_string()),
        }
    }
    Err(EngineError::Backend { backend: "auto", problem: format!("nothing works: {}", refusals.join("; ")) })
}

/// CUDA, and if not, why a GPU that is there is left alone: who has one does not expect to be on the CPU.
fn cuda_or_why_not(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let opened = open_cuda(index);
    #[cfg(feature = "cuda")]
    if let Err(refusal) = &opened
        && cuda::is_there(index)
    {
        tracing::warn!("there is an NVIDIA GPU, which is not used: {refusal}");
    }
    opened
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = cuda::find(index)?;
    cubecl_setup::set_up("cuda", &description);
    let device = burn_cuda::CudaDevice { index };
    Ok(Box::new(On::<ddpm_kernels::gpu::Cuda> { device, backend: "cuda", description }))
}

#[cfg(feature = "wgpu")]
fn open_wgpu(index: usize, software_too: bool) -> Result<Box<dyn Engine>, EngineError> {
    let (device, description) = vulkan::find(index, software_too)?;
    cubecl_setup::set_up("wgpu", &description);
    Ok(Box::new(On::<ddpm_kernels::gpu::Wgpu> { device, backend: "wgpu", description }))
}

#[cfg(feature = "ndarray")]
fn open_ndarray(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = cpu("ndarray", index)?;
    let device = burn_ndarray::NdArrayDevice::Cpu;
    Ok(Box::new(On::<burn_ndarray::NdArray<f32>> { device, backend: "ndarray", description }))
}

#[cfg(feature = "flex")]
fn open_flex(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = cpu("flex", index)?;
    Ok(Box::new(On::<burn_flex::Flex> { device: burn_flex::FlexDevice, backend: "flex", description }))
}

macro_rules! not_built_in {
    ($feature:literal, $name:ident, ($($argument:ident: $type:ty),*)) => {
        #[cfg(not(feature = $feature))]
        fn $name($($argument: $type),*) -> Result<Box<dyn Engine>, EngineError> {
            $(let _ = $argument;)*
            let problem = concat!("not built into this program; build it with `--features ", $feature, "`");
            Err(EngineError::Backend { backend: $feature, problem: problem.into() })
        }
    };
}
not_built_in!("cuda", open_cuda, (index: usize));
not_built_in!("wgpu", open_wgpu, (index: usize, software_too: bool));
not_built_in!("ndarray", open_ndarray, (index: usize));
not_built_in!("flex", open_flex, (index: usize));

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn cpu(backend: &'static str, index: usize) -> Result<String, EngineError> {
    if index > 0 {
        let problem = format!("--device {index} does not exist: a CPU backend has device 0 only");
        return Err(EngineError::Backend { backend, problem });
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(format!("CPU ({threads} threads)"))
}

/// An engine on a backend `B` (without autodiff, which it adds where it trains).
struct On<B: Kernels> {
    device: B::Device,
    backend: &'static str,
    description: String,
}

impl<B: Kernels> On<B> {
    fn on_gpu(&self) -> bool {
        matches!(self.backend, "cuda" | "wgpu")
    }

    /// # Errors
    /// [`EngineError::Backend`] for a device without the numbers.
    fn precision(&self, config: PrecisionConfig) -> Result<Precision, EngineError> {
        let has = |dtype| !self.on_gpu() || B::supports_dtype(&self.device, dtype);
        let has_tf32 = B::has_tf32(&self.device);
        let (precision, name, is_there) = match config {
            PrecisionConfig::Auto if has_tf32 => (Precision::Tf32, "auto", true),
            PrecisionConfig::Auto | PrecisionConfig::F32 => (Precision::F32, "f32", true),
            PrecisionConfig::Tf32 => (Precision::Tf32, "tf32", !self.on_gpu() || has_tf32),
            PrecisionConfig::Bf16 => (Precision::Bf16, "bf16", has(DType::BF16)),
            PrecisionConfig::F16 => (Precision::F16, "f16", has(DType::F16)),
        };
        if is_there {
            return Ok(precision);
        }
        let problem = format!("--precision {name}: {} cannot compute with it; use f32", self.description);
        Err(EngineError::Backend { backend: self.backend, problem })
    }

    /// Work for which nobody asks for a precision.
    fn as_usual<T>(&self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        self.precision(PrecisionConfig::Auto)?.within(work)
    }
}

impl<B: Kernels> Engine for On<B> {
    fn warms_up(&self) -> bool {
        self.on_gpu()
    }

    fn check_precision(&self, precision: PrecisionConfig) -> Result<(), EngineError> {
        self.precision(precision).map(|_| ())
    }

    fn backend(&self) -> &'static str {
        self.backend
    }

    fn device(&self) -> String {
        self.description.clone()
    }

    fn prepare(
        &self,
        stream: &Stream,
        evaluation: &EvaluationConfig,
        cache: Option<&Path>,
    ) -> Result<Reference, EngineError> {
        self.as_usual(|| extractor::reference::<B>(stream, evaluation, cache, &self.device))
    }

    fn extractor(
        &self,
        choice: &ExtractorChoice,
        cache: Option<&Path>,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        self.as_usual(|| extractor::build::<B>(choice, cache, &self.device))
    }

    fn probe(&self, precision: PrecisionConfig) -> Result<Probe, EngineError> {
        self.precision(precision)?.within(|| probe::run::<Autodiff<B>>(&self.device))
    }

    fn sample(
        &self,
        job: &SampleJob,
        progress: &mut dyn FnMut(sampler::Progress),
    ) -> Result<HostImages, EngineError> {
        self.as_usual(|| generate::sample::<B>(job, &self.device, progress))
    }

    fn export(&self, model: &Path, to: &Path) -> Result<(), EngineError> {
        generate::export::<B>(model, to, &self.device)
    }

    fn predict(&self, job: &PredictJob) -> Result<HostImages, EngineError> {
        self.as_usual(|| generate::predict::<B>(job, &self.device))
    }

    fn bits_per_dimension(
        &self,
        job: &BitsJob,
        progress: &mut dyn FnMut(f64),
    ) -> Result<BitsPerDimension, EngineError> {
        self.as_usual(|| generate::bits_per_dimension::<B>(job, &self.device, progress))
    }

    fn benchmark(&self, job: &BenchmarkJob, tell: &mut dyn FnMut(Measurement)) -> Result<(), EngineError> {
        let precision = self.precision(job.precision)?;
        precision.within(|| benchmark::run::<B>(job, &self.device, self.on_gpu(), tell))
    }

    fn run_cell(
        &self,
        spec: &CellSpec,
        stream: &Stream,
        reference: &Reference,
        state: Option<State>,
        observer: &mut dyn CellObserver,
    ) -> Result<CellOutcome, EngineError> {
        let precision = self.precision(spec.precision)?;
        precision.within(|| {
            let mut cell = Cell::<Autodiff<B>>::new(spec, stream, reference, &self.device)?;
            if let Some(state) = state {
                cell.restore(state, observer)?;
            }
            cell.run(observer)
        })
    }
}
