//! The engine on one backend.

use std::{path::Path, time::Duration};

use burn::{module::AutodiffModule, tensor::DType};
use burn_autodiff::Autodiff;
use cl_metrics::features::FeatureExtractor;
use cl_strategies::{Compose, State, StrategyError};
use data_streams::Stream;
use ddpm_core::{
    Kernels,
    likelihood::BitsPerDimension,
    noise::{Key, Purpose},
    sampler,
};
use ddpm_kernels::Precision;

use crate::{
    Asked, BenchmarkJob, BitsJob, CellObserver, CellOutcome, CellSpec, Engine, EngineError, EvaluationConfig,
    ExtractorContext, FeaturesConfig, HostImages, Measurement, PrecisionConfig, PredictJob, Probe, Reference,
    SampleJob, Shared, StrategyTerm, benchmark,
    cell::{Cell, Parts},
    everywhere::Home,
    generate, memory, pace, probe, reference,
};

const MODEL: Purpose = Purpose::named("model");

/// An engine on a backend `B` (without autodiff, which it adds where it trains).
pub(super) struct BackendEngine<B: Kernels> {
    pub device: B::Device,
    pub backend: &'static str,
    pub is_gpu: bool,
    pub description: String,
}

impl<B: Home> BackendEngine<B> {
    /// # Errors
    /// [`EngineError::Backend`] for a device without the numbers.
    fn precision(&self, config: PrecisionConfig) -> Result<Precision, EngineError> {
        let has = |dtype| !self.is_gpu || B::supports_dtype(&self.device, dtype);
        let has_tf32 = B::has_tf32(&self.device);
        let (precision, name, is_there) = match config {
            PrecisionConfig::Auto if has_tf32 => (Precision::Tf32, "auto", true),
            PrecisionConfig::Auto | PrecisionConfig::F32 => (Precision::F32, "f32", true),
            PrecisionConfig::Tf32 => (Precision::Tf32, "tf32", !self.is_gpu || has_tf32),
            PrecisionConfig::Bf16 => (Precision::Bf16, "bf16", has(DType::BF16)),
            PrecisionConfig::F16 => (Precision::F16, "f16", has(DType::F16)),
        };
        if is_there {
            return Ok(precision);
        }
        let problem = format!("{} cannot compute with it; use f32", self.description);
        Err(EngineError::Backend { backend: self.backend, asked: Asked::Precision(name), problem })
    }

    /// The network and the strategy of a cell, made on this backend.
    ///
    /// # Errors
    /// For options out of range.
    fn parts(&self, spec: &CellSpec) -> Result<Parts<'_, Autodiff<B>>, EngineError> {
        memory::reset_peak();
        let key = Key::new(spec.seed, MODEL);
        let network = B::network(&**spec.model).build(key, &self.device)?;
        let built = |term: &StrategyTerm| {
            let strategy = B::strategy(&**term).build().map_err(|error| error.at(term.name()))?;
            Ok((term.name(), strategy))
        };
        let terms = spec.strategy.terms().iter().map(built).collect::<Result<_, StrategyError>>()?;
        let strategy = Compose::named(terms);
        Ok(Parts { network, strategy, device: &self.device })
    }

    /// Does work for which nobody asks for a precision.
    fn with_default_precision<T>(
        &self,
        work: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.precision(PrecisionConfig::Auto)?.within(work)
    }
}

impl<B: Home> Engine for BackendEngine<B> {
    fn warms_up(&self) -> bool {
        self.is_gpu
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

    fn time_of_a_pass(&self, spec: &CellSpec, stream: &Stream) -> Result<Option<Duration>, EngineError> {
        if self.is_gpu {
            return Ok(None);
        }
        self.precision(spec.precision)?.within(|| {
            let network = B::network(&**spec.model).build(Key::new(spec.seed, MODEL), &self.device)?.valid();
            Ok(Some(pace::of_a_pass::<B>(&network, spec, stream, &self.device)))
        })
    }

    fn prepare(
        &self,
        stream: &Stream,
        evaluation: &EvaluationConfig,
        shared: Shared<'_>,
    ) -> Result<Reference, EngineError> {
        self.with_default_precision(|| reference::prepare::<B>(stream, evaluation, shared, &self.device))
    }

    fn extractor(
        &self,
        features: &FeaturesConfig,
        context: &ExtractorContext<'_>,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        self.with_default_precision(|| B::features(&**features).build(context, &self.device))
    }

    fn probe(&self, precision: PrecisionConfig) -> Result<Probe, EngineError> {
        self.precision(precision)?.within(|| probe::run::<Autodiff<B>>(&self.device))
    }

    fn sample(
        &self,
        job: &SampleJob,
        progress: &mut dyn FnMut(sampler::Progress),
    ) -> Result<HostImages, EngineError> {
        self.with_default_precision(|| generate::sample::<B>(job, &self.device, progress))
    }

    fn export(&self, model: &Path, to: &Path) -> Result<(), EngineError> {
        generate::export::<B>(model, to, &self.device)
    }

    fn predict(&self, job: &PredictJob) -> Result<HostImages, EngineError> {
        self.with_default_precision(|| generate::predict::<B>(job, &self.device))
    }

    fn bits_per_dimension(
        &self,
        job: &BitsJob,
        progress: &mut dyn FnMut(f64),
    ) -> Result<BitsPerDimension, EngineError> {
        self.with_default_precision(|| generate::bits_per_dimension::<B>(job, &self.device, progress))
    }

    fn benchmark(&self, job: &BenchmarkJob, tell: &mut dyn FnMut(Measurement)) -> Result<(), EngineError> {
        let precision = self.precision(job.precision)?;
        precision.within(|| benchmark::run::<B>(job, &self.device, self.is_gpu, tell))
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
            let mut cell = Cell::<Autodiff<B>>::new(spec, stream, reference, self.parts(spec)?)?;
            if let Some(state) = state {
                cell.restore(state, observer)?;
            }
            cell.run(observer)
        })
    }
}
