//! Spearman's rank correlation, Student's t interval and Fieller's interval against scipy, on numbers that `tools/golden/evidence.py` froze.

use cl_metrics::summary::over_seeds;
use serde::Deserialize;

use super::{clear_share::ratio_of_means, correlation::spearman};

#[derive(Deserialize)]
struct Fixture {
    correlations: Vec<Correlation>,
    intervals: Vec<Interval>,
    ratios: Vec<Means>,
}

#[derive(Deserialize)]
struct Means {
    a: Vec<f64>,
    b: Vec<f64>,
    ratio: f64,
    ends: [f64; 2],
}

#[derive(Deserialize)]
struct Correlation {
    a: Vec<f64>,
    b: Vec<f64>,
    spearman: f64,
}

#[derive(Deserialize)]
struct Interval {
    values: Vec<f64>,
    ends: [f64; 2],
}

#[test]
fn correlations_and_intervals_agree_with_scipy() {
    let fixture: Fixture = serde_json::from_str(include_str!("scipy.json")).unwrap();
    assert!(fixture.correlations.len() > 3 && fixture.intervals.len() > 3);
    assert!(fixture.ratios.len() > 3);
    for Correlation { a, b, spearman: expected } in fixture.correlations {
        let found = spearman(&a, &b);
        assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
    }
    for Interval { values, ends } in fixture.intervals {
        let found = over_seeds(values).unwrap().interval().unwrap();
        for (found, expected) in [found.low, found.high].into_iter().zip(ends) {
            assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found} and {expected}");
        }
    }
    for Means { a, b, ratio, ends } in fixture.ratios {
        let found = ratio_of_means(&a, &b).unwrap();
        let interval = found.interval.unwrap();
        let pairs = [(found.value, ratio), (interval.low, ends[0]), (interval.high, ends[1])];
        for (found, expected) in pairs {
            assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
        }
    }
}
