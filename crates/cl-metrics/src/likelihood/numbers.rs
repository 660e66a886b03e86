//! Numbers in JSON, which has no word for infinity: what a diverged model measures is written as a string, and read
//! again as what it was.

/// For serde's `with` on a list of numbers.
pub(super) mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Number;

    pub(in super::super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| Number::of(*value)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Number>::deserialize(from)?.into_iter().map(Number::value).collect())
    }

    /// A list of its own, for lists of lists.
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    pub(in super::super) struct List(#[serde(with = "self")] pub Vec<f64>);
}

/// For serde's `with` on lists of numbers in a list.
pub(super) mod lists {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::list::List;

    pub(in super::super) fn serialize<S: Serializer>(values: &[Vec<f64>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|list| List(list.clone())))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Vec<f64>>, D::Error> {
        Ok(Vec::<List>::deserialize(from)?.into_iter().map(|List(list)| list).collect())
    }
}

use serde::{Deserialize, Serialize};

/// A number as JSON has it, or the name of one that it has not.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(Other),
}

#[derive(Serialize, Deserialize)]
enum Other {
    #[serde(rename = "NaN")]
    NotANumber,
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    MinusInfinity,
}

impl Number {
    fn of(value: f64) -> Self {
        match value {
            _ if value.is_finite() => Self::Finite(value),
            _ if value.is_nan() => Self::Other(Other::NotANumber),
            _ if value > 0.0 => Self::Other(Other::Infinity),
            _ => Self::Other(Other::MinusInfinity),
        }
    }

    fn value(self) -> f64 {
        match self {
            Self::Finite(value) => value,
            Self::Other(Other::NotANumber) => f64::NAN,
            Self::Other(Other::Infinity) => f64::INFINITY,
            Self::Other(Other::MinusInfinity) => f64::NEG_INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Both {
        #[serde(with = "list")]
        one: Vec<f64>,
        #[serde(with = "lists")]
        two: Vec<Vec<f64>>,
    }

    #[test]
    fn every_number_comes_back_to_the_bit() {
        let one = vec![0.1, -0.0, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0 / 3.0];
        let two = vec![one.clone(), Vec::new(), vec![1e300]];
        let text = serde_json::to_string(&Both { one: one.clone(), two: two.clone() }).unwrap();
        let read: Both = serde_json::from_str(&text).unwrap();
        let bits = |list: &[f64]| list.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.one), bits(&one));
        assert!(read.two.iter().zip(&two).all(|(read, wrote)| bits(read) == bits(wrote)));
        assert!(text.contains("\"NaN\"") && text.contains("\"-inf\""));
        assert!(serde_json::from_str::<Both>(r#"{"one": ["nan"], "two": []}"#).is_err());
    }
}
