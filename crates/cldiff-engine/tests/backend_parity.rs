//! The same model on the same numbers gives the same output, gradients, training steps, samples and metrics on every
//! backend, ndarray the reference. A backend without its libraries here is skipped, and says so.
//!
//! `cargo test -p cldiff-engine --features wgpu,ndarray,flex --test backend_parity -- --nocapture` prints how far they
//! are apart.

use cldiff_engine::{Probe, Rounding, open};

fn probe(backend: &str, rounding: Rounding) -> Option<Probe> {
    match open(backend, 0) {
        Ok(engine) => {
            if let Err(refusal) = engine.check_precision(rounding.precision()) {
                println!("skipped: {refusal}");
                return None;
            }
            let start = std::time::Instant::now();
            let probe = engine.probe(rounding.precision()).unwrap();
            println!("{backend} on {}: {:.1} s", engine.device(), start.elapsed().as_secs_f64());
            Some(probe)
        }
        Err(refusal) => {
            println!("skipped: {refusal}");
            None
        }
    }
}

/// Compares all before it fails, so that all differences are seen.
fn compare(backend: &str, roundings: &[Rounding]) {
    let Some(reference) = probe("ndarray", Rounding::F32) else { return };
    assert!(reference.gradients.len() > 50 && reference.trained.len() > 100);
    let mut too_far = vec![];
    for rounding in roundings {
        let Some(found) = probe(backend, *rounding) else { continue };
        assert_eq!(found.gradients.len(), reference.gradients.len());
        for difference in found.differences(&reference, *rounding) {
            println!(
                "{backend}, {rounding:?}: {}: {:.1e}, allowed {:.0e}",
                difference.what, difference.value, difference.tolerance
            );
            too_far.extend((!difference.is_fine()).then_some(difference));
        }
    }
    assert!(too_far.is_empty(), "{backend}: {too_far:?}");
}

/// The comparison tells other numbers, missing numbers and none.
#[test]
fn differences_are_seen() {
    let Some(reference) = probe("flex", Rounding::F32) else { return };
    let told = |change: fn(&mut Probe)| {
        let mut found = reference.clone();
        change(&mut found);
        let differences = found.differences(&reference, Rounding::F32);
        differences.iter().filter(|difference| !difference.is_fine()).count()
    };
    assert_eq!(told(|_| ()), 0);
    assert_eq!(told(|found| found.output[7] += 0.1), 1);
    assert_eq!(told(|found| found.output.truncate(3)), 1);
    assert_eq!(told(|found| _ = found.gradients.pop_first()), 1);
    assert_eq!(told(|found| found.gradients.values_mut().next().unwrap()[0] = f32::NAN), 1);
    assert_eq!(told(|found| found.trained.values_mut().last().unwrap()[0] += 1.0), 1);
    assert_eq!(told(|found| found.samples.rotate_left(1)), 1);
    assert_eq!(told(|found| found.features.rotate_left(1)), 1);
    assert_eq!(told(|found| found.likelihood[0] *= 1.001), 1);
    assert_eq!(told(|found| found.convolution.values_mut().last().unwrap()[0] += 1.0), 1);
}

#[test]
fn flex_agrees_with_ndarray() {
    compare("flex", &[Rounding::F32]);
}

#[test]
fn wgpu_agrees_with_ndarray() {
    compare("wgpu", &Rounding::ALL);
}

#[test]
fn cuda_agrees_with_ndarray() {
    compare("cuda", &Rounding::ALL);
}

/// A CPU rounds as tensor cores do: what that changes is what is allowed to them, and is more than the order of sums does.
#[test]
fn rounded_products_are_as_far_from_exact_ones_as_is_allowed() {
    let rounded = [Rounding::Tf32, Rounding::Bf16, Rounding::F16];
    compare("flex", &rounded);
    for rounding in rounded {
        let Some(reference) = probe("flex", Rounding::F32) else { return };
        let found = probe("flex", rounding).unwrap();
        let exact = found.differences(&reference, Rounding::F32);
        assert!(exact.iter().all(|difference| !difference.is_fine()), "{rounding:?}: {exact:?}");
    }
}
