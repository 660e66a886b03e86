//! The program with choices of an outside crate.

use std::process::ExitCode;

use cl_metrics::sample::{Metric, SampleMetric};
use cl_strategies::buffer::{BufferConfig, BufferOptions};
use cldiff_choices::{Describe, ListError, entry};
use cldiff_engine::{
    EveryFeatures, EveryNetwork, EverySampler, EveryStrategy, FeaturesConfig, NetworkConfig, SamplerConfig,
    StrategyTerm, add_sampler,
};
use data_streams::{DataConfig, StreamBuilder, StreamConfig, dataset::DatasetOptions};
use ddpm_core::{
    sampler::SamplerOptions,
    schedule::{BetaSchedule, Schedule},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{config::builtin, failure::Failure};

/// The options of a choice, as a configuration reads them.
pub trait FromConfig: Describe + DeserializeOwned + JsonSchema {}

impl<T: Describe + DeserializeOwned + JsonSchema> FromConfig for T {}

/// `cldiff` with choices of one's own beside the built-in ones: in configurations, the schema, `list`, checks, runs,
/// resumption and reports.
///
/// ```no_run
/// # use cl_strategies::{BuildStrategy, FinetuneConfig};
/// # type MyStrategy = FinetuneConfig;
/// fn main() -> std::process::ExitCode {
///     cldiff_cli::Program::new()
///         .strategy::<MyStrategy>()
///         .configuration("smoke", "name = 'mine'\n...")
///         .main()
/// }
/// ```
///
/// An addition stays for the rest of the process. An addition that fails (its name is taken) is reported by
/// [`main`](Self::main), which then does nothing else.
#[derive(Debug, Default)]
pub struct Program {
    problems: Vec<String>,
}

impl Program {
    /// The program with its built-in choices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a strategy: a term of `[[strategy]]`.
    #[must_use]
    pub fn strategy<T: EveryStrategy + FromConfig>(self) -> Self {
        self.noted(StrategyTerm::list().add(entry!(T as dyn EveryStrategy)))
    }

    /// Adds a network: `[model.NAME]`.
    #[must_use]
    pub fn network<T: EveryNetwork + FromConfig>(self) -> Self {
        self.noted(NetworkConfig::list().add(entry!(T as dyn EveryNetwork)))
    }

    /// Adds a data set: `[data.NAME]`.
    #[must_use]
    pub fn data_set<T: DatasetOptions + FromConfig>(self) -> Self {
        self.noted(DataConfig::list().add(entry!(T as dyn DatasetOptions)))
    }

    /// Adds a stream: `[stream.NAME]`.
    #[must_use]
    pub fn stream<T: StreamBuilder + FromConfig>(self) -> Self {
        self.noted(StreamConfig::list().add(entry!(T as dyn StreamBuilder)))
    }

    /// Adds a storage policy of buffers.
    #[must_use]
    pub fn buffer<T: BufferOptions + FromConfig>(self) -> Self {
        self.noted(BufferConfig::list().add(entry!(T as dyn BufferOptions)))
    }

    /// Adds a noise schedule.
    #[must_use]
    pub fn schedule<T: Schedule + FromConfig>(self) -> Self {
        self.noted(BetaSchedule::list().add(entry!(T as dyn Schedule)))
    }

    /// Adds a sampler.
    #[must_use]
    pub fn sampler<T: EverySampler + FromConfig>(self) -> Self {
        add_sampler::<T>();
        self.noted(SamplerConfig::list().add(entry!(T as dyn SamplerOptions)))
    }

    /// Adds a feature extractor: `evaluation.features`.
    #[must_use]
    pub fn features<T: EveryFeatures + FromConfig>(self) -> Self {
        self.noted(FeaturesConfig::list().add(entry!(T as dyn EveryFeatures)))
    }

    /// Adds a metric of samples: `evaluation.metrics`.
    #[must_use]
    pub fn metric(self, metric: &'static dyn Metric) -> Self {
        let added = SampleMetric::add(metric).map(|_| ());
        self.noted(added)
    }

    /// Adds a configuration that `--config NAME` names, before a built-in one of that name; `default` is the one of a run
    /// without arguments.
    #[must_use]
    pub fn configuration(self, name: &'static str, text: &'static str) -> Self {
        builtin::add(name, text);
        self
    }

    /// Parses the command line, does what it says, and reports a failure in one message.
    pub fn main(self) -> ExitCode {
        match self.problems.first() {
            Some(problem) => Failure::mistake(problem).tell(),
            None => crate::program(),
        }
    }

    fn noted(mut self, added: Result<(), ListError>) -> Self {
        self.problems.extend(added.err().map(|error| error.to_string()));
        self
    }
}

#[cfg(test)]
mod tests {
    use ddpm_core::schedule::Linear;

    use super::*;

    #[test]
    fn a_name_that_is_taken_is_told() {
        let program = Program::new().schedule::<Linear>();
        assert_eq!(program.problems, ["there is a schedule called `linear` already"]);
        assert!(BetaSchedule::list().find("linear").is_some());
    }
}
