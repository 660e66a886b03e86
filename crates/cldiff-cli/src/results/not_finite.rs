//! Numbers that are not finite: `null` in every file of JSON, the same word as for a number that was not measured, and
//! NaN where the type has no place for its absence. A cell that diverged can be read, and its numbers are gaps.

use serde::{Deserialize, Deserializer};

/// A number or `null`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::deserialize(deserializer).map(nan)
}

/// A list of numbers or `null`.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Vec::deserialize(deserializer).map(numbers)
}

/// A list that may be `null` itself.
pub(super) fn optional_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<f64>>, D::Error> {
    Option::deserialize(deserializer).map(|found: Option<Vec<Option<f64>>>| found.map(numbers))
}

/// `[k][j][bin]`
pub(super) fn cube<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<Vec<f64>>>, D::Error> {
    let found: Vec<Vec<Vec<Option<f64>>>> = Vec::deserialize(deserializer)?;
    Ok(found.into_iter().map(|rows| rows.into_iter().map(numbers).collect()).collect())
}

fn numbers(found: Vec<Option<f64>>) -> Vec<f64> {
    found.into_iter().map(nan).collect()
}

fn nan(number: Option<f64>) -> f64 {
    number.unwrap_or(f64::NAN)
}
