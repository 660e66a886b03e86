//! GEM's projection against the same problems solved by SciPy (`tools/golden/gem.py`).

use cl_strategies::minimise;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    past: Vec<Vec<f64>>,
    g: Vec<f64>,
    margin: f64,
    v: Vec<f64>,
}

#[test]
fn the_quadratic_problem_is_solved_as_a_library_solves_it() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/gem.json")).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!(fixture.cases.len() > 5);
    for Case { past, g, margin, v } in fixture.cases {
        let q: Vec<f64> = past.iter().map(|row| dot(row, &g)).collect();
        let p: Vec<f64> = past.iter().flat_map(|a| past.iter().map(move |b| dot(a, b))).collect();
        for (found, expected) in minimise(&p, &q, margin).iter().zip(&v) {
            assert!(
                (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{found} instead of {expected}"
            );
        }
    }
}
