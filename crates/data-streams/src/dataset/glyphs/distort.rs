//! The random distortion of one symbol: an affine map about the centre, then a smooth elastic displacement.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A map of the unit square near the identity.
#[derive(Debug)]
pub(super) struct Distortion {
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
    /// Amplitude, wave numbers in x and y, and phase of a sinusoid, for each coordinate.
    waves: [[f32; 4]; 2],
}

impl Distortion {
    /// Rotation within 15 degrees, scale within 15%, shear within 0.15, shift within 0.06, and an elastic part of
    /// at most 0.03, less than half a stroke's distance between any two parts of a symbol.
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let angle: f32 = rng.random_range(-15.0..=15.0_f32).to_radians();
        let (sx, sy) = (rng.random_range(0.85..=1.1), rng.random_range(0.85..=1.1));
        let shear: f32 = rng.random_range(-0.15..=0.15);
        let (sin, cos) = angle.sin_cos();
        let matrix = [[sx * cos, sy * (cos * shear - sin)], [sx * sin, sy * (sin * shear + cos)]];
        let shift = [rng.random_range(-0.06..=0.06), rng.random_range(-0.06..=0.06)];
        let mut wave = || {
            [
                rng.random_range(0.0..=0.03),
                rng.random_range(-1.5..=1.5),
                rng.random_range(-1.5..=1.5),
                rng.random_range(0.0..TAU),
            ]
        };
        Self { matrix, shift, waves: [wave(), wave()] }
    }

    /// Where a point goes.
    pub(super) fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let centred = [x - 0.5, y - 0.5];
        let coordinate = |i: usize| {
            let [amplitude, kx, ky, phase] = self.waves[i];
            let [a, b] = self.matrix[i];
            let elastic = amplitude * (TAU * (kx * x + ky * y) + phase).sin();
            0.5 + a * centred[0] + b * centred[1] + self.shift[i] + elastic
        };
        [coordinate(0), coordinate(1)]
    }
}
