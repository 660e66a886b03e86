//! The same model on the same batch gives the same output and gradients on every backend, ndarray the reference.
//! A backend without its libraries here is skipped, and says so.

use cldiff_engine::{BackendChoice, Probe, open};

fn probe(choice: BackendChoice) -> Option<Probe> {
    match open(choice, 0) {
        Ok(engine) => {
            println!("{choice:?} on {}", engine.device());
            Some(engine.probe().unwrap())
        }
        Err(refusal) => {
            println!("skipped: {refusal}");
            None
        }
    }
}

/// The largest difference, relative to the largest value of the reference.
fn distance(a: &[f32], reference: &[f32]) -> f32 {
    assert_eq!(a.len(), reference.len());
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, v| most.max(v.abs()));
    let scale = largest(&mut reference.iter().copied());
    largest(&mut a.iter().zip(reference).map(|(x, y)| x - y)) / scale.max(1e-3)
}

fn compare(choice: BackendChoice) {
    let Some(reference) = probe(BackendChoice::Ndarray) else { return };
    let Some(found) = probe(choice) else { return };
    assert!(reference.gradients.len() > 50 && reference.output.iter().all(|v| v.is_finite()));
    assert!(distance(&found.output, &reference.output) < 1e-4);
    assert_eq!(found.gradients.len(), reference.gradients.len());
    for (name, gradient) in &reference.gradients {
        let difference = distance(&found.gradients[name], gradient);
        assert!(difference < 1e-3, "the gradient of {name} differs by {difference}");
    }
}

#[test]
fn flex_agrees_with_ndarray() {
    compare(BackendChoice::Flex);
}

#[test]
fn wgpu_agrees_with_ndarray() {
    compare(BackendChoice::Wgpu);
}

#[test]
fn cuda_agrees_with_ndarray() {
    compare(BackendChoice::Cuda);
}
