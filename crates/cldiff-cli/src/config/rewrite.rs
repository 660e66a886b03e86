//! A configuration as its user wrote it, with other values for keys of strategies.

use toml::{Table, Value};

use super::{Loaded, assign::assign};
use crate::failure::Failure;

impl Loaded {
    /// The table of the file and the command line, with the strategies of the configuration alone, each with other values
    /// for some keys (`ewc.lambda`). Comments are not part of a table.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a key that goes through a value which is no table.
    pub fn rewritten(&self, values: &[Vec<(String, Value)>]) -> Result<Table, Failure> {
        let mut table = self.table.clone();
        let all = table.get("strategy").and_then(Value::as_array).cloned().unwrap_or_default();
        let changed = self.places.iter().zip(values).enumerate().map(|(i, (&place, values))| {
            let mut strategy = all.get(place).and_then(Value::as_table).cloned().unwrap_or_default();
            for (key, value) in values {
                assign(&mut strategy, key, value.clone())
                    .map_err(|why| self.strategy_mistake(i, key, why))?;
            }
            Ok(Value::Table(strategy))
        });
        table.insert("strategy".to_owned(), Value::Array(changed.collect::<Result<_, Failure>>()?));
        // An option of its own gives it on the command line.
        let precision = Value::try_from(self.config.precision).map_err(|e| Failure::Other(e.into()))?;
        let is_default = self.config.precision == cldiff_engine::PrecisionConfig::default();
        if table.contains_key("precision") || !is_default {
            table.insert("precision".to_owned(), precision);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{
        args::{PrecisionArg, SettingArgs},
        config::{Config, load},
    };

    #[test]
    fn other_values_stand_where_the_strategies_stood_and_the_rest_is_as_it_was() {
        let mut args = SettingArgs::of_config(Path::new("smoke"));
        args.changes.strategy = vec!["replay-0.1".into(), "ewc".into(), "finetune".into()];
        args.changes.overrides = vec!["training.batch_size=8".into()];
        args.changes.precision = Some(PrecisionArg::F32);
        let loaded = load(&args).unwrap();
        let key = "replay.rehearsal_coefficient".to_owned();
        let values = [vec![(key, 0.3.into())], vec![("ewc.lambda".to_owned(), 7.0.into())], Vec::new()];
        let table = loaded.rewritten(&values).unwrap();
        // The model's size is left to the data, as it was.
        assert!(table["model"].get("sample_size").is_none());
        let config: Config = table.try_into().unwrap();
        let labels: Vec<String> = config.strategy.iter().map(cldiff_engine::StrategySpec::label).collect();
        assert_eq!(labels, ["replay-0.1", "ewc", "finetune"]);
        let json = serde_json::to_value(&config.strategy).unwrap();
        assert_eq!(json[0]["replay"]["rehearsal_coefficient"], 0.3);
        assert_eq!(json[0]["replay"]["buffer"]["class_balanced"]["per_class"], 10);
        assert_eq!(json[1]["ewc"]["lambda"], 7.0);
        assert_eq!((config.training.batch_size, config.seeds), (8, vec![0]));
        assert_eq!(config.precision, cldiff_engine::PrecisionConfig::F32);
    }
}
