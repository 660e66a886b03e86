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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_their_ends() {
        type Check = fn(&str, f64) -> Result<(), StrategyError>;
        let checks: [(Check, &[f64], &[f64]); 3] = [
            (at_least_0, &[0.0, 1e-300, 1e300], &[-1e-300, f64::NAN, f64::INFINITY]),
            (above_0, &[1e-300, 1e300], &[0.0, -1.0, f64::NAN, f64::INFINITY]),
            (share, &[0.0, 0.5, 1.0], &[-1e-9, 1.0 + 1e-9, f64::NAN]),
        ];
        for (check, fine, wrong) in checks {
            fine.iter().for_each(|value| check("x", *value).unwrap());
            for value in wrong {
                let message = check("x", *value).unwrap_err().to_string();
                assert!(message.starts_with("`x` is "), "{value}: {message}");
            }
        }
        assert!(at_least_1("n", 1).is_ok() && at_least_1("n", 0).is_err());
        assert!(batch_size("n", None).is_ok() && batch_size("n", Some(1)).is_ok());
        assert!(batch_size("n", Some(0)).is_err());
    }
}
