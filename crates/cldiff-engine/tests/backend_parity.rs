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

fn compare(choice: BackendChoice) {
    let Some(reference) = probe(BackendChoice::Ndarray) else { return };
    let Some(found) = probe(choice) else { return };
    assert!(reference.gradients.len() > 50 && reference.output.iter().all(|v| v.is_finite()));
    assert_eq!(found.gradients.len(), reference.gradients.len());
    for difference in found.differences(&reference) {
        println!("{choice:?}: {difference:?}");
        assert!(difference.is_fine(), "{difference:?}");
    }
}

/// What the comparison is worth: another output, or a gradient that is missing or not a number, is told.
#[test]
fn differences_are_seen() {
    let Some(reference) = probe(BackendChoice::Flex) else { return };
    let told = |change: fn(&mut Probe)| {
        let mut found = reference.clone();
        change(&mut found);
        found.differences(&reference).iter().filter(|difference| !difference.is_fine()).count()
    };
    assert_eq!(told(|_| ()), 0);
    assert_eq!(told(|found| found.output[7] += 0.1), 1);
    assert_eq!(told(|found| found.output.truncate(3)), 1);
    assert_eq!(told(|found| _ = found.gradients.pop_first()), 1);
    assert_eq!(told(|found| found.gradients.values_mut().next().unwrap()[0] = f32::NAN), 1);
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
