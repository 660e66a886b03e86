//! Numbers in text: means, intervals, and what stands beside them.

use cl_metrics::summary::{Interval, OverSeeds};

/// A number with so many digits after the point, and no minus before a zero.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let is_zero = text.trim_start_matches(['-', '0', '.']).is_empty();
    if is_zero { text.replace('-', "") } else { text }
}

/// The shortest text of a number of a grid: 0.1, 3.
pub fn short(value: f64) -> String {
    format!("{value}")
}

/// A mean with its standard deviation, if there is one.
pub fn with_deviation(over: &OverSeeds, digits: usize) -> String {
    let mean = fixed(over.mean, digits);
    match over.standard_deviation {
        Some(sd) => format!("{mean} ± {}", fixed(sd, digits)),
        None => mean,
    }
}

/// A mean with its 95 % t interval, if there is one.
pub fn with_interval(over: &OverSeeds, digits: usize) -> String {
    let mean = fixed(over.mean, digits);
    over.interval().map_or(mean.clone(), |of| format!("{mean} ({})", interval(of, digits)))
}

/// The ends of an interval.
pub fn interval(of: Interval, digits: usize) -> String {
    format!("{} to {}", fixed(of.low, digits), fixed(of.high, digits))
}

/// A list in words: "a", "a and b", "a, b and c".
pub fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use cl_metrics::summary::over_seeds;

    use super::*;

    #[test]
    fn a_zero_has_no_minus_and_an_interval_has_its_ends() {
        assert_eq!((fixed(-0.004, 2), fixed(-0.006, 2)), ("0.00".into(), "-0.01".into()));
        let over = over_seeds([1.0, 2.0, 6.0]).unwrap();
        assert_eq!(with_interval(&over, 2), "3.00 (-3.57 to 9.57)");
        assert_eq!(with_deviation(&over, 2), "3.00 ± 2.65");
        assert_eq!(with_interval(&over_seeds([1.0]).unwrap(), 1), "1.0");
        assert_eq!(listed(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
