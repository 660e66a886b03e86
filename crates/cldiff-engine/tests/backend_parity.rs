//! The same model on the same numbers gives the same output, gradients, training steps, samples and metrics on every
//! backend, ndarray the reference. A backend without its libraries here is skipped, and says so.
//!
//! `cargo test -p cldiff-engine --features wgpu,ndarray,flex --test backend_parity -- --nocapture` prints how far they
//! are apart.

use std::collections::BTreeMap;

use cldiff_engine::{BackendChoice, Probe, open};

/// How far results may differ from the reference's, each as a share of the largest number in its tensor.
#[derive(Debug, Clone, Copy)]
struct Tolerances {
    output: f64,
    gradients: f64,
    trained: f64,
    samples: f64,
    features: f64,
    /// Each number relative to itself.
    likelihood: f64,
}

/// Of arithmetic in f32.
const F32: Tolerances = Tolerances {
    output: 1e-4,
    gradients: 1e-4,
    trained: 1e-4,
    samples: 1e-4,
    features: 1e-4,
    likelihood: 1e-4,
};

fn probe(choice: BackendChoice) -> Option<Probe> {
    match open(choice, 0) {
        Ok(engine) => {
            let start = std::time::Instant::now();
            let probe = engine.probe().unwrap();
            println!("{choice:?} on {}: {:.1} s", engine.device(), start.elapsed().as_secs_f64());
            Some(probe)
        }
        Err(refusal) => {
            println!("skipped: {refusal}");
            None
        }
    }
}

/// The largest difference, relative to the largest value of the reference.
fn distance(a: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(a.len(), reference.len());
    assert!(reference.iter().chain(a).all(|v| v.is_finite()));
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, v| most.max(v.abs()));
    let scale = largest(&mut reference.iter().copied());
    f64::from(largest(&mut a.iter().zip(reference).map(|(x, y)| x - y)) / scale.max(1e-3))
}

/// The tensor that differs most, and by how much.
fn furthest(a: &BTreeMap<String, Vec<f32>>, reference: &BTreeMap<String, Vec<f32>>) -> (String, f64) {
    assert_eq!(a.len(), reference.len());
    assert!(reference.len() > 50);
    let distances = reference.iter().map(|(name, values)| (name.clone(), distance(&a[name], values)));
    distances.max_by(|(_, x), (_, y)| x.total_cmp(y)).unwrap()
}

fn compare(choice: BackendChoice, allowed: Tolerances) {
    let Some(reference) = probe(BackendChoice::Ndarray) else { return };
    let Some(found) = probe(choice) else { return };
    let relative = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs().max(1e-6);
    let (of_gradients, gradients) = furthest(&found.gradients, &reference.gradients);
    let (of_trained, trained) = furthest(&found.trained, &reference.trained);
    assert_eq!(found.likelihood.len(), reference.likelihood.len());
    let distances = [
        ("output", distance(&found.output, &reference.output), allowed.output),
        (&format!("gradient of {of_gradients}"), gradients, allowed.gradients),
        (&format!("after ten steps, {of_trained}"), trained, allowed.trained),
        ("samples", distance(&found.samples, &reference.samples), allowed.samples),
        ("classifier features", distance(&found.features, &reference.features), allowed.features),
        (
            "bits per dimension",
            found.likelihood.iter().zip(&reference.likelihood).map(relative).fold(0.0, f64::max),
            allowed.likelihood,
        ),
    ];
    for (what, distance, allowed) in distances {
        println!("{choice:?}: {what}: {distance:.1e}, allowed {allowed:.0e}");
    }
    for (what, distance, allowed) in distances {
        assert!(distance <= allowed, "{choice:?}: {what} differs by {distance:e}, allowed {allowed:e}");
    }
}

#[test]
fn flex_agrees_with_ndarray() {
    compare(BackendChoice::Flex, F32);
}

#[test]
fn wgpu_agrees_with_ndarray() {
    compare(BackendChoice::Wgpu, F32);
}

#[test]
fn cuda_agrees_with_ndarray() {
    compare(BackendChoice::Cuda, F32);
}
