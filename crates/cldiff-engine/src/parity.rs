//! Whether a backend computes what another one does: the differences between two probes, each beside what is allowed.

use std::collections::BTreeMap;

use crate::{PrecisionConfig, Probe};

/// How a backend rounds what it multiplies, which says how far it may be from the reference in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Not: the order of sums alone differs.
    F32,
    /// To the eleven bits of TF32.
    Tf32,
    /// To the eight bits of bf16.
    Bf16,
    /// To the eleven bits of f16, in a smaller range.
    F16,
}

impl Rounding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The precision with which an engine rounds so.
    pub fn precision(self) -> PrecisionConfig {
        match self {
            Self::F32 => PrecisionConfig::F32,
            Self::Tf32 => PrecisionConfig::Tf32,
            Self::Bf16 => PrecisionConfig::Bf16,
            Self::F16 => PrecisionConfig::F16,
        }
    }

    /// The tolerances of values, and of each tensor of gradients and of trained parameters: three to five times what the
    /// roundings do on a CPU (1.1e-3 and 1.7e-2 with eleven bits, 1.1e-2 and 1.4e-1 with eight). A gradient of few large
    /// terms that nearly cancel, as some biases have, keeps the fewest digits, so that theirs is the larger.
    fn tolerances(self) -> [f64; 2] {
        match self {
            Self::F32 => [1e-4; 2],
            Self::Tf32 | Self::F16 => [5e-3, 5e-2],
            Self::Bf16 => [5e-2, 4e-1],
        }
    }
}

/// How far one quantity of a probe is from that of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// How what was compared was rounded.
    pub rounding: Rounding,
    /// The quantity that was compared.
    pub what: String,
    /// The largest difference, as a part of the reference's largest value; infinite where shapes differ or a number is not
    /// finite.
    pub value: f64,
    /// The largest difference that is allowed.
    pub tolerance: f64,
}

impl Difference {
    /// Whether it is small enough.
    pub fn is_fine(&self) -> bool {
        self.value <= self.tolerance
    }
}

impl Probe {
    /// The differences from a reference; of tensors with names the largest one.
    pub fn differences(&self, reference: &Self, rounding: Rounding) -> Vec<Difference> {
        let (of_gradients, gradients) = furthest(&self.gradients, &reference.gradients);
        let (of_trained, trained) = furthest(&self.trained, &reference.trained);
        let (of_convolution, convolution) = furthest(&self.convolution, &reference.convolution);
        let [of_values, of_tensors] = rounding.tolerances();
        let found = [
            ("output".to_owned(), distance(&self.output, &reference.output), of_values),
            (format!("gradient of {of_gradients}"), gradients, of_tensors),
            (format!("after ten steps, {of_trained}"), trained, of_tensors),
            ("samples".to_owned(), distance(&self.samples, &reference.samples), of_values),
            ("classifier features".to_owned(), distance(&self.features, &reference.features), of_values),
            (
                "bits per dimension".to_owned(),
                each_relative(&self.likelihood, &reference.likelihood),
                of_values,
            ),
            (format!("a large convolution's {of_convolution}"), convolution, of_values),
        ];
        found.map(|(what, value, tolerance)| Difference { rounding, what, value, tolerance }).into()
    }
}

/// The tensor that differs most, and by how much.
fn furthest(found: &BTreeMap<String, Vec<f32>>, expected: &BTreeMap<String, Vec<f32>>) -> (String, f64) {
    let of = |name: &String| found.get(name).map_or(&[][..], Vec::as_slice);
    let distances = expected.iter().map(|(name, values)| (name.clone(), distance(of(name), values)));
    distances.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or_default()
}

fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
    if found.len() != expected.len() || !finite(found) || !finite(expected) {
        return f64::INFINITY;
    }
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, v| most.max(v.abs()));
    let scale = largest(&mut expected.iter().copied());
    f64::from(largest(&mut found.iter().zip(expected).map(|(x, y)| x - y)) / scale.max(1e-3))
}

/// The largest difference of a number as a part of itself: the terms of the bound are of very different sizes.
fn each_relative(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() || !found.iter().chain(expected).all(|v| v.is_finite()) {
        return f64::INFINITY;
    }
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1e-6)).fold(0.0, f64::max)
}
