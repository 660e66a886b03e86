//! GEM's and A-GEM's projections against the same problems solved by SciPy (`tools/golden/gem.py`).

use burn::{module::ParamId, tensor::Tensor};
use burn_flex::Flex;
use cl_strategies::{minimise, project};
use ddpm_core::parameters::ParameterVector;
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

/// A-GEM's problem is GEM's with one past gradient and no margin.
#[test]
fn a_gem_is_the_case_of_one_past_gradient() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/gem.json")).unwrap();
    let vector = |values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let tensor = Tensor::<Flex, 1>::from_floats(&values[..], &Default::default());
        ParameterVector::from_entries(vec![(ParamId::from(1), tensor)])
    };
    let cases = fixture.cases.iter().filter(|case| case.past.len() == 1 && case.margin == 0.0);
    let mut checked = 0;
    for Case { past, g, v, .. } in cases {
        assert!(v[0] > 0.0, "the projection is active");
        let found = project(vector(g), vector(&past[0])).to_floats();
        for ((found, g), past) in found.iter().zip(g).zip(&past[0]) {
            let expected = g + v[0] * past;
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
        checked += 1;
    }
    assert!(checked > 0);
}
