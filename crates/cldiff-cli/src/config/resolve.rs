//! Settings that a configuration leaves to the data, and the check that all settings fit together.

use std::{collections::BTreeSet, path::Path};

use cl_strategies::{ConditionOn, Setting, StrategyError};
use cldiff_engine::{EvaluationConfig, Misfit, StrategyTerm};
use data_streams::{DataError, Inventory, Stream, StreamConfig};
use ddpm_core::{CoreError, diffusion::Variance, network::Fit};

use super::{
    Config, Loaded, SCHEMA,
    counts::too_much_work,
    data::{advised, places},
    names::{label_problem, run_problem},
    strategies::misplaced,
};
use crate::{failure::Failure, files::weights::default_weights};

impl Loaded {
    /// Fills in what the data decide and checks every value, so that nothing fails for a mistake once a run has
    /// begun.
    ///
    /// # Errors
    /// [`Failure::Mistake`] that names the file, the line and the key.
    pub fn resolve(&mut self, stream: &Stream) -> Result<(), Failure> {
        self.fill_model(stream)?;
        self.fill_steps();
        self.fill_weights()?;
        let config = &self.config;
        config.model.validate_training().map_err(|e| self.core(&self.model_key(""), &e))?;
        config.process.build().map_err(|e| self.core("process", &e))?;
        config.training.validate().map_err(|e| self.of_training(e))?;
        config.training.check_images(stream.shape()).map_err(|e| self.of_training(e))?;
        if let Some(excess) = too_much_work(config, stream) {
            return Err(self.mistake(&excess.key, excess.message));
        }
        self.check_schema()?;
        self.check_evaluation()?;
        self.check_checkpoints()?;
        self.check_name()?;
        self.check_seeds()?;
        self.check_strategies(Some(stream))?;
        let Config { evaluation, training, .. } = &self.config;
        self.check_read_back()?;
        for Misfit { key, value, expected } in cldiff_engine::evaluation_doubts(evaluation, training, stream)
        {
            tracing::warn!("`{key}` is {value}: {expected}");
        }
        if let Some(doubt) = Inventory::of(stream.source()).never_trained_in(&Inventory::of_stream(stream)) {
            tracing::warn!("`stream`: {doubt}");
        }
        Ok(())
    }

    /// Loads or draws the data, and makes the stream.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged, and for options out of range.
    pub fn stream(&self, data_dir: Option<&Path>) -> Result<Stream, DataError> {
        self.other_stream(&self.config.stream, data_dir)
    }

    /// As [`stream`](Self::stream), of other options.
    ///
    /// # Errors
    /// As there.
    pub fn other_stream(&self, stream: &StreamConfig, data_dir: Option<&Path>) -> Result<Stream, DataError> {
        let data = self.config.data.build(&places(data_dir)).map_err(|error| error.at("data"))?;
        stream.build(data).map_err(|error| error.at("stream"))
    }

    /// A mistake that the data have shown, named with its place.
    pub fn data_mistake(&self, error: &DataError) -> Failure {
        match error.key() {
            Some(key) => self.mistake(key, advised(error)),
            None => Failure::mistake(advised(error)),
        }
    }

    /// Checks what does not depend on the data.
    ///
    /// # Errors
    /// [`Failure::Mistake`] that names the file, the line and the key.
    pub fn check_without_data(&mut self) -> Result<(), Failure> {
        self.fill_steps();
        self.fill_weights()?;
        let config = &self.config;
        config.process.build().map_err(|e| self.core("process", &e))?;
        config.training.validate().map_err(|e| self.of_training(e))?;
        self.check_schema()?;
        self.check_evaluation()?;
        self.check_checkpoints()?;
        self.check_name()?;
        self.check_seeds()?;
        self.check_strategies(None)
    }

    fn fill_model(&mut self, stream: &Stream) -> Result<(), Failure> {
        let (shape, classes) = (stream.shape(), stream.class_names().len());
        let training = &self.config.training;
        let null_class = usize::from(training.label_dropout > 0.0);
        let conditions = training.condition_on.cardinality(classes, stream.len());
        let fit = Fit {
            channels: shape.channels,
            size: shape.size(),
            conditions: conditions.map(|conditions| conditions + null_class),
            learned_variance: self.config.process.variance == Variance::LearnedRange,
        };
        let keys = &self.model_keys;
        let fitted = self.config.model.0.edit().fit(&fit, &|key| keys.contains(key));
        fitted.map_err(|error| match error {
            CoreError::Config { key, value, expected } => {
                let message = format!("`{key}` is {value}, but for {shape} and {classes} classes {expected}");
                self.mistake(&self.model_key(&key), message)
            }
            other => Failure::mistake(other),
        })
    }

    /// The steps of the sampler, where nobody asked for a number: at most as many as the process has.
    fn fill_steps(&mut self) {
        let name = self.config.evaluation.sampler.name();
        if !self.is_given(&format!("evaluation.sampler.{name}.steps")) {
            let timesteps = self.config.process.timesteps;
            self.config.evaluation.sampler.edit().fit_steps(timesteps);
        }
    }

    /// The whole key of a key of the network.
    fn model_key(&self, key: &str) -> String {
        match self.config.model.path() {
            Some(network) => format!("model.{network}.{key}"),
            None => format!("model.{key}"),
        }
    }

    /// The weights that were fetched, where features need some and no file is named.
    fn fill_weights(&mut self) -> Result<(), Failure> {
        let features = &mut self.config.evaluation.features;
        let name = features.name();
        let Some(weights @ None) = features.edit().weights() else { return Ok(()) };
        match default_weights(name) {
            Ok(path) => {
                *weights = Some(path);
                Ok(())
            }
            Err(problem) => {
                let key = format!("evaluation.features.{name}.weights");
                Err(self.mistake(&key, format!("`{key}` is absent, and {problem}")))
            }
        }
    }

    fn check_checkpoints(&self) -> Result<(), Failure> {
        let c = self.config.checkpoints;
        if c.keep == 0 {
            return Err(self.mistake("checkpoints.keep", "`keep` is 0: expected at least 1"));
        }
        if !(c.most_time > 0.0 && c.most_time <= 1.0) {
            let message = format!("`most_time` is {}: expected more than 0 and at most 1", c.most_time);
            return Err(self.mistake("checkpoints.most_time", message));
        }
        Ok(())
    }

    fn check_schema(&self) -> Result<(), Failure> {
        let schema = self.config.schema;
        if schema == SCHEMA {
            return Ok(());
        }
        let message = format!("`schema` is {schema}: this program reads configurations of schema {SCHEMA}");
        Err(self.mistake("schema", message))
    }

    fn check_evaluation(&self) -> Result<(), Failure> {
        let e = &self.config.evaluation;
        let counts = [
            ("samples_per_task", e.samples_per_task, 2),
            ("sample_batch", e.sample_batch, 1),
            ("grid_columns", e.grid_columns, 1),
            ("likelihood.images_per_task", e.likelihood.images_per_task, 1),
        ];
        for (key, value, least) in counts {
            if value < least {
                let message = format!("`{key}` is {value}: expected at least {least}");
                return Err(self.mistake(&format!("evaluation.{key}"), message));
            }
        }
        self.check_columns()?;
        if e.guidance.is_some() && self.config.training.label_dropout == 0.0 {
            let message = "`guidance` needs a model that was also trained without labels: set \
                           training.label_dropout, to 0.1 for example";
            return Err(self.mistake("evaluation.guidance", message));
        }
        if e.cas.is_some() && self.config.training.condition_on != ConditionOn::Class {
            let message = "`cas` needs samples with a class: set training.condition_on to \"class\"";
            return Err(self.mistake("evaluation.cas", message));
        }
        cldiff_engine::check_evaluation(e, &self.config.process).map_err(|misfit| {
            let Misfit { key, value, expected } = misfit.at("evaluation");
            self.mistake(&key, format!("`{key}` is {value}: {expected}"))
        })
    }

    /// A picture has no more images in a row than there are samples; the default, which nobody has to name, may be more.
    fn check_columns(&self) -> Result<(), Failure> {
        let EvaluationConfig { grid_columns: columns, samples_per_task: samples, .. } =
            self.config.evaluation;
        if columns <= samples.max(EvaluationConfig::default().grid_columns) {
            return Ok(());
        }
        let message = format!(
            "`grid_columns` is {columns}: expected at most {samples}, the samples of a task (`samples_per_task`)"
        );
        Err(self.mistake("evaluation.grid_columns", message))
    }

    fn check_name(&self) -> Result<(), Failure> {
        run_problem(&self.config.name).map_or(Ok(()), |message| Err(self.mistake("name", message)))
    }

    fn check_seeds(&self) -> Result<(), Failure> {
        let seeds = &self.config.seeds;
        if seeds.is_empty() {
            return Err(self.mistake("seeds", "`seeds` is empty: expected at least one"));
        }
        if let Some(seed) = seeds.iter().find(|&&seed| i64::try_from(seed).is_err()) {
            let message =
                format!("`seeds` has {seed}: expected at most {}, the largest integer of TOML", i64::MAX);
            return Err(self.mistake("seeds", message));
        }
        if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
            return Err(self.mistake("seeds", format!("`seeds` is {seeds:?}: a seed occurs twice")));
        }
        Ok(())
    }

    /// The configuration is kept in the run's directory: one that cannot be read there could never be resumed.
    fn check_read_back(&self) -> Result<(), Failure> {
        let lost = |why: String| {
            let problem = anyhow::anyhow!("the configuration cannot be read back from its TOML: {why}");
            Failure::Other(problem)
        };
        let text = toml::to_string(&self.config).map_err(|error| lost(error.to_string()))?;
        let again: Config = toml::from_str(&text).map_err(|error| lost(error.to_string()))?;
        let again = toml::to_string(&again).map_err(|error| lost(error.to_string()))?;
        if again == text { Ok(()) } else { Err(lost("it is another then".to_owned())) }
    }

    fn check_strategies(&self, stream: Option<&Stream>) -> Result<(), Failure> {
        let strategies = &self.config.strategy;
        if strategies.is_empty() {
            let known = StrategyTerm::list().names().join(", ");
            return Err(
                self.mistake("strategy", format!("no [[strategy]] is given; the known ones are: {known}"))
            );
        }
        let mut labels = BTreeSet::new();
        for (i, strategy) in strategies.iter().enumerate() {
            let label = strategy.label();
            if strategy.name().is_empty() {
                let known = StrategyTerm::list().names().join(", ");
                let message = format!("this strategy has no term; the known ones are: {known}");
                return Err(self.strategy_mistake(i, "", message));
            }
            if let Some(message) = misplaced(strategy) {
                return Err(self.strategy_mistake(i, "", message));
            }
            if let Some(message) = label_problem(&label) {
                return Err(self.strategy_mistake(i, "label", message));
            }
            if !labels.insert(label.to_lowercase()) {
                let message =
                    format!("two strategies are called \"{label}\"; give one of them another `label`");
                return Err(self.strategy_mistake(i, "", message));
            }
            let Config { training, process, .. } = &self.config;
            let setting = Setting { training, process, stream };
            strategy.check(&setting).map_err(|error| self.of_strategy(i, error))?;
        }
        Ok(())
    }

    /// A mistake that a strategy has found in its options, or in the training.
    fn of_strategy(&self, i: usize, error: StrategyError) -> Failure {
        let error = error.training_at("training");
        match &error {
            StrategyError::Config { key, .. } if key.starts_with("training.") => self.mistake(key, &error),
            StrategyError::Config { key, .. } => self.strategy_mistake(i, key, &error),
            _ => Failure::mistake(error),
        }
    }

    /// A mistake in the training.
    fn of_training(&self, error: StrategyError) -> Failure {
        match error.at("training") {
            StrategyError::Config { key, value, expected } => {
                self.mistake(&key, format!("`{key}` is {value}: {expected}"))
            }
            other => Failure::mistake(other),
        }
    }

    fn core(&self, section: &str, error: &CoreError) -> Failure {
        match error {
            CoreError::Config { key, .. } => {
                self.mistake(&format!("{}.{key}", section.trim_end_matches('.')), error)
            }
            other => Failure::mistake(other),
        }
    }
}
