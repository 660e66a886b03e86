//! What a configuration leaves open and the data decide, and whether all of it fits together.

use std::{collections::BTreeSet, path::Path};

use cl_strategies::StrategyError;
use cldiff_engine::{FeaturesConfig, StrategySpec};
use data_streams::{DataError, Stream};
use ddpm_core::{
    CoreError,
    diffusion::Variance,
    unet::{DownBlockType, UpBlockType},
};

use super::{
    Config, Loaded, SCHEMA,
    data::{advised, places},
    names::{label_problem, run_problem},
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
        self.fill_weights()?;
        let config = &self.config;
        config.model.validate().map_err(|e| self.core("model", &e))?;
        config.process.build().map_err(|e| self.core("process", &e))?;
        config.training.validate().map_err(|e| self.strategy_mistake("", &e))?;
        self.check_schema()?;
        self.check_evaluation()?;
        self.check_checkpoints()?;
        self.check_name()?;
        self.check_seeds()?;
        self.check_strategies(Some(stream))
    }

    /// Loads or draws the data, and makes the stream.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged, and for options out of range.
    pub fn stream(&self, data_dir: Option<&Path>) -> Result<Stream, DataError> {
        let data = self.config.data.build(&places(data_dir)).map_err(|error| error.at("data"))?;
        let shape = data.train.shape();
        if shape.height != shape.width {
            let problem = format!("its images are {shape}: a model here needs as many rows as columns");
            return Err(DataError::Inconsistent { name: data.train.name().into(), problem });
        }
        self.config.stream.build(data).map_err(|error| error.at("stream"))
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
        self.fill_weights()?;
        let config = &self.config;
        config.process.build().map_err(|e| self.core("process", &e))?;
        config.training.validate().map_err(|e| self.strategy_mistake("", &e))?;
        self.check_schema()?;
        self.check_evaluation()?;
        self.check_checkpoints()?;
        self.check_name()?;
        self.check_seeds()?;
        self.check_strategies(None)
    }

    fn fill_model(&mut self, stream: &Stream) -> Result<(), Failure> {
        let (shape, classes) = (stream.shape(), stream.class_names().len());
        let absent = |key: &str| !self.model_keys.contains(key);
        let training = &self.config.training;
        let null_class = usize::from(training.label_dropout > 0.0);
        let conditions =
            training.condition_on.cardinality(classes, stream.len()).map(|classes| classes + null_class);
        let outputs = match self.config.process.variance {
            Variance::LearnedRange => 2 * shape.channels,
            Variance::FixedSmall | Variance::FixedLarge => shape.channels,
        };
        let model = &mut self.config.model;
        let levels = model.block_out_channels.len();
        if absent("down_block_types") {
            model.down_block_types = vec![DownBlockType::DownBlock2D; levels];
        }
        if absent("up_block_types") {
            model.up_block_types = vec![UpBlockType::UpBlock2D; levels];
        }
        let decided = [
            ("sample_size", &mut model.sample_size, Some(shape.height)),
            ("num_class_embeds", &mut model.num_class_embeds, conditions),
        ];
        let mut wrong = None;
        for (key, value, data) in decided {
            if absent(key) {
                *value = data;
            } else if *value != data {
                wrong = Some((key, format!("{value:?}"), format!("{data:?}")));
            }
        }
        for (key, value, needed) in [
            ("in_channels", &mut model.in_channels, shape.channels),
            ("out_channels", &mut model.out_channels, outputs),
        ] {
            if absent(key) {
                *value = needed;
            } else if *value != needed {
                wrong = Some((key, value.to_string(), needed.to_string()));
            }
        }
        match wrong {
            None => Ok(()),
            Some((key, value, data)) => Err(self.mistake(
                &format!("model.{key}"),
                format!("`{key}` is {value}, but the data ({shape}, {classes} classes) need {data}; leave the key out"),
            )),
        }
    }

    /// The weights that were fetched, where features need some and no file is named.
    fn fill_weights(&mut self) -> Result<(), Failure> {
        if let FeaturesConfig::Inception { weights: weights @ None } = &mut self.config.evaluation.features {
            match default_weights() {
                Ok(path) => *weights = Some(path),
                Err(problem) => {
                    let key = "evaluation.features.inception.weights";
                    return Err(self.mistake(key, format!("`{key}` is absent, and {problem}")));
                }
            }
        }
        Ok(())
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
        if e.guidance.is_some() && self.config.training.label_dropout == 0.0 {
            let message = "`guidance` needs a model that was also trained without labels: set \
                           training.label_dropout, to 0.1 for example";
            return Err(self.mistake("evaluation.guidance", message));
        }
        cldiff_engine::check_evaluation(e, &self.config.process)
            .map_err(|m| self.mistake(&m.key, format!("`{}` is {}: {}", m.key, m.value, m.expected)))
    }

    fn check_name(&self) -> Result<(), Failure> {
        run_problem(&self.config.name).map_or(Ok(()), |message| Err(self.mistake("name", message)))
    }

    fn check_seeds(&self) -> Result<(), Failure> {
        let seeds = &self.config.seeds;
        if seeds.is_empty() {
            return Err(self.mistake("seeds", "`seeds` is empty: expected at least one"));
        }
        if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
            return Err(self.mistake("seeds", format!("`seeds` is {seeds:?}: a seed occurs twice")));
        }
        Ok(())
    }

    fn check_strategies(&self, stream: Option<&Stream>) -> Result<(), Failure> {
        let strategies = &self.config.strategy;
        if strategies.is_empty() {
            let known = StrategySpec::KNOWN.join(", ");
            return Err(
                self.mistake("strategy", format!("no [[strategy]] is given; the known ones are: {known}"))
            );
        }
        let mut labels = BTreeSet::new();
        for (i, strategy) in strategies.iter().enumerate() {
            let (key, label) = (format!("strategy.{i}"), strategy.label());
            if strategy.name().is_empty() {
                let known = StrategySpec::KNOWN.join(", ");
                return Err(
                    self.mistake(&key, format!("this strategy has no term; the known ones are: {known}"))
                );
            }
            if let Some(message) = label_problem(&label) {
                return Err(self.mistake(&format!("{key}.label"), message));
            }
            if !labels.insert(label.to_lowercase()) {
                let message =
                    format!("two strategies are called \"{label}\"; give one of them another `label`");
                return Err(self.mistake(&key, message));
            }
            let Config { training, process, .. } = &self.config;
            cldiff_engine::check_strategy(strategy, training, process, stream)
                .map_err(|e| self.strategy_mistake(&key, &e))?;
        }
        Ok(())
    }

    fn core(&self, section: &str, error: &CoreError) -> Failure {
        match error {
            CoreError::Config { key, .. } => self.mistake(&format!("{section}.{key}"), error),
            other => Failure::mistake(other),
        }
    }

    fn strategy_mistake(&self, section: &str, error: &StrategyError) -> Failure {
        match error {
            StrategyError::Config { key, .. } if section.is_empty() || key.starts_with("training.") => {
                self.mistake(key, error)
            }
            StrategyError::Config { key, .. } => self.mistake(&format!("{section}.{key}"), error),
            other => Failure::mistake(other),
        }
    }
}
