//! Random features and images for tests.

use keyed_random::{Key, Purpose};
use rand::Rng;
use rand_distr::StandardNormal;

use crate::features::FeatureMatrix;

/// Rows from a Gaussian with independent features.
pub(crate) fn gaussian_rows(rows: usize, width: usize, scale: f32, shift: f32, seed: u64) -> FeatureMatrix {
    let key = Key::new(seed, Purpose::named("test features"));
    let row = |i| key.rng(i).sample_iter::<f32, _>(StandardNormal).take(width);
    let data = (0..rows as u64).flat_map(row).map(|z| shift + scale * z).collect();
    FeatureMatrix::new(width, data).expect("finite")
}

/// Side of the images of [`strokes`].
const SIDE: usize = 12;

/// Images with structure: lines through four points, in ten classes of mean points, each point moved by chance. Pixels
/// are in [-1, 1].
pub(crate) struct Strokes {
    pub rows: FeatureMatrix,
}

pub(crate) fn strokes(images: usize, seed: u64) -> Strokes {
    let moved = Key::new(seed, Purpose::named("test strokes")).normal_values(0, images, 8);
    let image = |i: usize| {
        let (class, moved) = ((i % 10) as f64, &moved[8 * i..][..8]);
        let point = move |k: usize| {
            let (at, moved) = (k as f64, &moved[2 * k..][..2]);
            let mean = [(1.0 + 7.0 * class + 3.0 * at).sin(), (2.0 + 5.0 * class + 4.0 * at * at).cos()];
            [0, 1].map(|axis| 5.5 + 4.0 * mean[axis] + f64::from(moved[axis]))
        };
        (0..SIDE * SIDE).map(move |pixel| {
            let place = [pixel % SIDE, pixel / SIDE].map(|axis| axis as f64);
            let nearest = (0..3).map(|k| squared_distance_to_line(place, point(k), point(k + 1)));
            (2.0 * (-nearest.fold(f64::INFINITY, f64::min) / 1.28).exp() - 1.0) as f32
        })
    };
    let pixels = (0..images).flat_map(|i| image(i).collect::<Vec<_>>()).collect();
    Strokes { rows: FeatureMatrix::new(SIDE * SIDE, pixels).expect("finite") }
}

fn squared_distance_to_line(place: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let squares = (along[0] * along[0] + along[1] * along[1]).max(1e-9);
    let share = ((place[0] - from[0]) * along[0] + (place[1] - from[1]) * along[1]) / squares;
    let share = share.clamp(0.0, 1.0);
    [0, 1].map(|axis| (place[axis] - from[axis] - share * along[axis]).powi(2)).iter().sum()
}

impl Strokes {
    /// The mean of each image and of that image blurred by (1, 2, 1) / 4 along both axes.
    pub fn half_blurred(&self) -> FeatureMatrix {
        let at = |row: &[f32], x: usize, y: usize, dx: usize, dy: usize| {
            let clamp = |place: usize, by: usize| (place + by).clamp(1, SIDE) - 1;
            row[clamp(y, dy) * SIDE + clamp(x, dx)]
        };
        let weights = [0.25, 0.5, 0.25];
        let pixel = |row: &[f32], pixel: usize| {
            let (x, y) = (pixel % SIDE, pixel / SIDE);
            let around = (0..9).map(|i| weights[i % 3] * weights[i / 3] * at(row, x, y, i % 3, i / 3));
            f32::midpoint(row[pixel], around.sum())
        };
        let blurred = |i: usize| (0..SIDE * SIDE).map(move |p| pixel(self.rows.row(i), p));
        let pixels = (0..self.rows.rows()).flat_map(|i| blurred(i).collect::<Vec<_>>()).collect();
        FeatureMatrix::new(SIDE * SIDE, pixels).expect("finite")
    }

    /// The images with noise of a standard deviation.
    pub fn noisy(&self, deviation: f32, seed: u64) -> FeatureMatrix {
        let noise = gaussian_rows(self.rows.rows(), SIDE * SIDE, deviation, 0.0, seed);
        let sum =
            |i: usize| self.rows.row(i).iter().zip(noise.row(i)).map(|(x, z)| x + z).collect::<Vec<_>>();
        let pixels = (0..self.rows.rows()).flat_map(sum).collect();
        FeatureMatrix::new(SIDE * SIDE, pixels).expect("finite")
    }

    /// As many images of uniform noise.
    pub fn noise(&self, seed: u64) -> FeatureMatrix {
        let key = Key::new(seed, Purpose::named("test noise"));
        let pixels = (0..self.rows.rows() as u64).flat_map(|i| {
            let mut rng = key.rng(i);
            (0..SIDE * SIDE).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>()
        });
        FeatureMatrix::new(SIDE * SIDE, pixels.collect()).expect("finite")
    }
}
