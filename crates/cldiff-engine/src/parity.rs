//! Whether a backend computes what another one does: the differences between two probes, each beside what is allowed.

use crate::Probe;

/// Rounding and the order of sums, in f32.
const OUTPUT: f32 = 1e-4;
/// Gradients are sums over a batch and its pixels.
const GRADIENT: f32 = 1e-3;

/// How far one quantity of a probe is from that of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What was compared.
    pub what: String,
    /// The largest difference, as a part of the reference's largest value; infinite where shapes differ or a number is not
    /// finite.
    pub value: f32,
    /// What is allowed.
    pub tolerance: f32,
}

impl Difference {
    /// Whether it is small enough.
    pub fn is_fine(&self) -> bool {
        self.value <= self.tolerance
    }
}

impl Probe {
    /// The differences from a reference; of the gradients the largest one, with its parameter.
    pub fn differences(&self, reference: &Self) -> Vec<Difference> {
        let of = |what: String, a: &[f32], b: &[f32], tolerance| Difference {
            what,
            value: distance(a, b),
            tolerance,
        };
        let gradients = reference.gradients.iter().map(|(name, expected)| {
            let found = self.gradients.get(name).map_or(&[][..], Vec::as_slice);
            of(format!("gradient of {name}"), found, expected, GRADIENT)
        });
        let worst = gradients.max_by(|a, b| a.value.total_cmp(&b.value));
        let output = of("output".into(), &self.output, &reference.output, OUTPUT);
        std::iter::once(output).chain(worst).collect()
    }
}

fn distance(found: &[f32], expected: &[f32]) -> f32 {
    let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
    if found.len() != expected.len() || !finite(found) || !finite(expected) {
        return f32::INFINITY;
    }
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, v| most.max(v.abs()));
    let scale = largest(&mut expected.iter().copied());
    largest(&mut found.iter().zip(expected).map(|(x, y)| x - y)) / scale.max(1e-3)
}
