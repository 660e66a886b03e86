//! `cost` in `results.json`: the costs that [`COSTS`] declares, by name, in its order.

use std::collections::BTreeMap;

use cldiff_engine::{Amount, COSTS, Cost};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The costs of a cell. One that an earlier version did not measure is absent; `null` stands for one that could not be
/// measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs(Vec<(&'static str, Option<Amount>)>);

impl Costs {
    /// The costs that follow from the counts of a cell.
    pub fn of(counts: &Cost) -> Self {
        Self(COSTS.iter().map(|cost| (cost.name, (cost.of)(counts))).collect())
    }

    /// A cost by its declared name.
    pub fn get(&self, name: &str) -> Option<f64> {
        debug_assert!(COSTS.iter().any(|cost| cost.name == name), "no cost is called {name}");
        let kept = |name: &str| self.0.iter().find(|(known, _)| *known == name)?.1.map(Amount::value);
        match kept(name) {
            // Files of earlier versions have what it follows from.
            None if name == "method_evaluations" => {
                Some(kept("denoiser_evaluations")? - kept("sampling_passes")? - kept("evaluation_passes")?)
            }
            found => found,
        }
    }
}

impl Serialize for Costs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, amount)| (name, amount)))
    }
}

impl<'de> Deserialize<'de> for Costs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let known = COSTS.iter().filter_map(|cost| Some((cost.name, all.remove(cost.name)?)));
        let read = |(name, value)| {
            let amount = Option::<Amount>::deserialize(value);
            amount
                .map(|amount| (name, amount))
                .map_err(|_| serde::de::Error::custom(format!("cost `{name}`: expected a number or null")))
        };
        known.map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_written_as_they_were_counted_and_read_back() {
        let counts = Cost { train_seconds: 3.0, skipped_steps: 7, ..Cost::default() };
        let costs = Costs::of(&counts);
        let text = serde_json::to_string(&costs).unwrap();
        assert!(text.starts_with(r#"{"train_seconds":3.0,"sample_seconds":0.0,"#), "{text}");
        assert!(text.contains(r#""skipped_steps":7,"peak_memory_bytes":null,"#), "{text}");
        assert_eq!(serde_json::from_str::<Costs>(&text).unwrap(), costs);
        assert_eq!((costs.get("skipped_steps"), costs.get("peak_memory_bytes")), (Some(7.0), None));
    }

    #[test]
    fn other_versions_costs_are_read_and_words_are_refused() {
        let old: Costs = serde_json::from_str(r#"{"parameter_bytes":0,"train_seconds":2.5}"#).unwrap();
        assert_eq!((old.get("train_seconds"), old.get("skipped_steps")), (Some(2.5), None));
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"train_seconds":2.5}"#);
        let old = r#"{"denoiser_evaluations":1000,"sampling_passes":300,"evaluation_passes":50}"#;
        let old: Costs = serde_json::from_str(old).unwrap();
        assert_eq!(old.get("method_evaluations"), Some(650.0));
        let refused = serde_json::from_str::<Costs>(r#"{"buffer_bytes":"3"}"#).unwrap_err().to_string();
        assert!(refused.contains("cost `buffer_bytes`: expected a number"), "{refused}");
    }
}
