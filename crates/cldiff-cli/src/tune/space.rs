//! The options of a strategy that a search may change: those of all its terms, each behind the name of its term.

use cl_strategies::Tunable;
use cldiff_engine::StrategySpec;
use serde_json::Value;

/// An option of a strategy, and its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Knob {
    /// The key in the table of the strategy: `ewc.lambda`.
    pub key: String,
    /// The range; its key is the one within the term.
    pub tunable: Tunable,
}

impl Knob {
    /// Every option of a strategy that a search may change, in the order of its terms.
    pub fn of(strategy: &StrategySpec) -> Vec<Self> {
        let terms = strategy.terms().iter();
        let of_term = terms.flat_map(|term| {
            let knob = |tunable: &Tunable| Self {
                key: format!("{}.{}", term.name(), tunable.key),
                tunable: *tunable,
            };
            term.tunables().iter().map(knob).collect::<Vec<_>>()
        });
        of_term.collect()
    }

    /// The place in the JSON of the strategy.
    fn place(&self) -> String {
        format!("/{}", self.key.replace('.', "/"))
    }

    /// The range without the key, in words.
    pub fn range(&self) -> String {
        let words = self.tunable.to_string();
        words.split_once(": ").map_or(words.clone(), |(_, range)| range.to_owned())
    }

    /// The range as JSON, with the whole key.
    pub fn json(&self) -> serde_json::Result<Value> {
        let mut json = serde_json::to_value(self.tunable)?;
        json["key"] = Value::from(self.key.clone());
        Ok(json)
    }
}

/// The values that a strategy has; null where it has none.
pub fn values(strategy: &StrategySpec, knobs: &[Knob]) -> serde_json::Result<Vec<Value>> {
    let json = serde_json::to_value(strategy)?;
    Ok(knobs.iter().map(|knob| json.pointer(&knob.place()).cloned().unwrap_or(Value::Null)).collect())
}

/// The strategy with other values; what is null stays as it is.
///
/// # Errors
/// A message for an option that the strategy has not, and for a value that it does not take.
pub fn with(strategy: &StrategySpec, knobs: &[Knob], values: &[Value]) -> Result<StrategySpec, String> {
    let mut json = serde_json::to_value(strategy).map_err(|error| error.to_string())?;
    for (knob, value) in knobs.iter().zip(values).filter(|(_, value)| !value.is_null()) {
        let place = json.pointer_mut(&knob.place());
        *place
            .ok_or_else(|| format!("`{}` is to be tuned, and the strategy has no such option", knob.key))? =
            value.clone();
    }
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strategy(text: &str) -> StrategySpec {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_composition_has_the_options_of_all_its_terms() {
        let composed = strategy("label = 'x'\newc = { lambda = 7.0 }\n[generative_distillation]\n");
        let knobs = Knob::of(&composed);
        let keys: Vec<&str> = knobs.iter().map(|knob| knob.key.as_str()).collect();
        assert_eq!(keys, ["generative_distillation.distillation_coefficient", "ewc.lambda"]);
        assert_eq!(values(&composed, &knobs).unwrap(), [json!(1.0), json!(7.0)]);
        let other = with(&composed, &knobs, &[Value::Null, json!(250.0)]).unwrap();
        assert_eq!(values(&other, &knobs).unwrap(), [json!(1.0), json!(250.0)]);
        assert_eq!((other.label(), other.name()), ("x".into(), composed.name()));
        assert_eq!(with(&composed, &knobs, &[json!(1.0), json!(7.0)]).unwrap(), composed);
        assert!(Knob::of(&strategy("finetune = {}")).is_empty());
    }

    #[test]
    fn a_key_may_go_through_tables() {
        let replay = strategy("[timestep_replay]\nemphasis = { power = { exponent = 0.5 } }\n");
        let knobs = Knob::of(&replay);
        assert_eq!(knobs[1].key, "timestep_replay.emphasis.power.exponent");
        assert_eq!(values(&replay, &knobs).unwrap()[1], json!(0.5));
        let other = with(&replay, &knobs, &[Value::Null, json!(2.0)]).unwrap();
        assert_eq!(values(&other, &knobs).unwrap()[1], json!(2.0));
        assert_eq!(knobs[1].range(), "-0.8 to 3");
        let json = knobs[0].json().unwrap();
        assert_eq!(json["key"], "timestep_replay.rehearsal_coefficient");
        assert_eq!(json["scale"], "log");
    }

    #[test]
    fn what_a_strategy_has_not_is_told() {
        let replay = strategy("replay = {}");
        let absent = Knob { key: "replay.absent".into(), tunable: Tunable::log("absent", 0.1, 1.0) };
        assert_eq!(values(&replay, std::slice::from_ref(&absent)).unwrap(), [Value::Null]);
        let message = with(&replay, &[absent], &[json!(0.5)]).unwrap_err();
        assert!(message.contains("`replay.absent`"), "{message}");
        let knobs = Knob::of(&replay);
        assert!(with(&replay, &knobs, &[json!("much")]).is_err());
    }
}
