//! Checks of options that several strategies have.

use crate::StrategyError;

/// A finite number that is not negative.
pub(crate) fn at_least_0(key: &str, value: f64) -> Result<(), StrategyError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(StrategyError::config(key, value, "expected 0 or more"))
}

/// A finite number above zero.
pub(crate) fn above_0(key: &str, value: f64) -> Result<(), StrategyError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(StrategyError::config(key, value, "expected a number above 0"))
}

/// A number from 0 to 1.
pub(crate) fn share(key: &str, value: f64) -> Result<(), StrategyError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(StrategyError::config(key, value, "expected 0 to 1"))
}

/// A count that is not zero.
pub(crate) fn at_least_1(key: &str, value: usize) -> Result<(), StrategyError> {
    if value > 0 {
        return Ok(());
    }
    Err(StrategyError::config(key, value, "expected at least 1"))
}

/// The size of a batch, where it is given.
pub(crate) fn batch_size(key: &str, value: Option<usize>) -> Result<(), StrategyError> {
    value.map_or(Ok(()), |value| at_least_1(key, value))
}
