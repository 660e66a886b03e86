//! Options that a search may choose the values of: each strategy names its own, with ranges.
//!
//! ```
//! use cl_strategies::{EwcConfig, StrategyOptions};
//!
//! let options = EwcConfig::default();
//! let [lambda] = options.tunables() else { panic!("one option") };
//! assert_eq!((lambda.key, lambda.to_string()), ("lambda", "lambda: 100 to 10000000 (log)".to_owned()));
//! // 10^4.5, to three digits.
//! assert_eq!(lambda.at(0.5), 31600.0);
//! ```

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Significant digits of a number that is drawn: more would be noise to its reader.
const DIGITS: usize = 3;

/// An option that a search may choose a value of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tunable {
    /// The key in the table of the strategy's options, which has a value there; a path through tables has points.
    pub key: &'static str,
    /// The values that a search chooses from.
    #[serde(flatten)]
    pub values: Values,
}

/// The values that a search chooses from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Numbers from `low` to `high`, both included.
    Numbers {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Where equal steps lie.
        scale: Scale,
    },
    /// Whole numbers from `low` to `high`, both included.
    Whole {
        /// The least.
        low: u64,
        /// The greatest.
        high: u64,
        /// Where equal steps lie.
        scale: Scale,
    },
    /// One of some words.
    Choices {
        /// As they are spelt in a configuration.
        choices: &'static [&'static str],
    },
}

/// Where equal steps lie between two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// At equal differences.
    Linear,
    /// At equal ratios; the range is above 0.
    Log,
}

impl Tunable {
    /// A positive number, of which the order of magnitude is in question.
    pub const fn log(key: &'static str, low: f64, high: f64) -> Self {
        Self { key, values: Values::Numbers { low, high, scale: Scale::Log } }
    }

    /// A number.
    pub const fn linear(key: &'static str, low: f64, high: f64) -> Self {
        Self { key, values: Values::Numbers { low, high, scale: Scale::Linear } }
    }

    /// A whole number.
    pub const fn whole(key: &'static str, low: u64, high: u64, scale: Scale) -> Self {
        Self { key, values: Values::Whole { low, high, scale } }
    }

    /// One of some words.
    pub const fn one_of(key: &'static str, choices: &'static [&'static str]) -> Self {
        Self { key, values: Values::Choices { choices } }
    }

    /// The value at a share of the way through the range, from 0 to 1: of a share that is uniform on [0, 1) the value is
    /// uniform on the scale, and each whole number and each choice has its part. Numbers have three significant digits.
    pub fn at(&self, share: f64) -> Value {
        match self.values {
            Values::Numbers { low, high, scale } => {
                Value::from(rounded(scale.between(low, high, share)).clamp(low, high))
            }
            Values::Whole { low, high, scale } => {
                let number = scale.between(low as f64, high as f64 + 1.0, share).floor();
                // A conversion to integers saturates.
                Value::from((number as u64).clamp(low, high))
            }
            Values::Choices { choices } => {
                let place = (share * choices.len() as f64).floor() as usize;
                Value::from(choices[place.min(choices.len() - 1)])
            }
        }
    }

    /// Whether a value of a configuration is in the range.
    pub fn contains(&self, value: &Value) -> bool {
        match self.values {
            Values::Numbers { low, high, .. } => value.as_f64().is_some_and(|v| (low..=high).contains(&v)),
            Values::Whole { low, high, .. } => value.as_u64().is_some_and(|v| (low..=high).contains(&v)),
            Values::Choices { choices } => value.as_str().is_some_and(|word| choices.contains(&word)),
        }
    }
}

impl Scale {
    /// The number at a share of the way.
    fn between(self, low: f64, high: f64, share: f64) -> f64 {
        match self {
            Self::Linear => low + (high - low) * share,
            Self::Log => (low.ln() + (high.ln() - low.ln()) * share).exp(),
        }
    }
}

/// A number with three significant digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

impl fmt::Display for Tunable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match self.values {
            Values::Numbers { low, high, scale } => write!(f, "{key}: {low} to {high}{scale}"),
            Values::Whole { low, high, scale } => write!(f, "{key}: {low} to {high}, whole{scale}"),
            Values::Choices { choices } => write!(f, "{key}: {}", choices.join(", ")),
        }
    }
}

/// Behind a range: nothing where steps are equal.
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Log { " (log)" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_are_equal_ratios_on_a_log_scale_and_equal_differences_else() {
        let log = Tunable::log("x", 0.01, 100.0);
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| log.at(share)), [0.01, 0.1, 1.0, 10.0, 100.0]);
        let linear = Tunable::linear("x", -1.0, 3.0);
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|share| linear.at(share)), [-1.0, 0.0, 1.0, 3.0]);
        // 10^(1/3) = 2.1544 and 10^(2/3) = 4.6416, to three digits.
        let decade = Tunable::log("x", 1.0, 10.0);
        assert_eq!([1.0 / 3.0, 2.0 / 3.0].map(|share| decade.at(share)), [2.15, 4.64]);
        // Rounding leaves no range: 0.9996 would be 1.00.
        assert_eq!(Tunable::linear("x", 0.0, 0.9996).at(1.0), 0.9996);
    }

    /// On a log scale from 1 to 7 the numbers have parts in proportion to ln((n + 1) / n) of ln 8: 1 has a third.
    #[test]
    fn every_whole_number_and_every_choice_has_its_part() {
        let whole = Tunable::whole("x", 2, 5, Scale::Linear);
        assert_eq!([0.0, 0.24, 0.25, 0.74, 0.75, 1.0].map(|share| whole.at(share)), [2, 2, 3, 4, 5, 5]);
        let log = Tunable::whole("x", 1, 7, Scale::Log);
        assert_eq!([0.0, 0.33, 0.34, 0.66, 0.67, 1.0].map(|share| log.at(share)), [1, 1, 2, 3, 4, 7]);
        let words = Tunable::one_of("x", &["a", "b", "c"]);
        assert_eq!([0.0, 0.33, 0.34, 0.67, 1.0].map(|share| words.at(share)), ["a", "a", "b", "c", "c"]);
    }

    #[test]
    fn a_range_has_its_ends_and_nothing_of_another_kind() {
        let log = Tunable::log("x", 0.5, 2.0);
        assert!([0.5, 1.0, 2.0].iter().all(|value| log.contains(&Value::from(*value))));
        assert!(log.contains(&Value::from(1)) && !log.contains(&Value::from(2.1)));
        assert!(!log.contains(&Value::Null) && !log.contains(&Value::from("1")));
        let whole = Tunable::whole("x", 1, 3, Scale::Log);
        assert!(whole.contains(&Value::from(3)) && !whole.contains(&Value::from(1.5)));
        let words = Tunable::one_of("x", &["a", "b"]);
        assert!(words.contains(&Value::from("b")) && !words.contains(&Value::from("c")));
    }

    #[test]
    fn a_range_is_told_in_words_and_as_json() {
        let shown = |tunable: Tunable| tunable.to_string();
        assert_eq!(shown(Tunable::log("x", 0.01, 3.0)), "x: 0.01 to 3 (log)");
        assert_eq!(shown(Tunable::linear("a.b", 0.0, 1.0)), "a.b: 0 to 1");
        assert_eq!(shown(Tunable::whole("x", 1, 64, Scale::Log)), "x: 1 to 64, whole (log)");
        assert_eq!(shown(Tunable::one_of("x", &["a", "b"])), "x: a, b");
        let json = serde_json::to_value(Tunable::log("x", 0.5, 2.0)).unwrap();
        assert_eq!(json, serde_json::json!({ "key": "x", "low": 0.5, "high": 2.0, "scale": "log" }));
        let json = serde_json::to_value(Tunable::one_of("x", &["a"])).unwrap();
        assert_eq!(json, serde_json::json!({ "key": "x", "choices": ["a"] }));
    }
}
