//! Spearman's rank correlation and Student's t interval against scipy, on numbers that `tools/golden/evidence.py` froze.

use cl_metrics::summary::over_seeds;
use serde::Deserialize;

use super::correlation::spearman;

#[derive(Deserialize)]
struct Fixture {
    correlations: Vec<Correlation>,
    intervals: Vec<Interval>,
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
}
