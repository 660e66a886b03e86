//! A metric of one's own: the energy distance of features (Székely & Rizzo 2013, "Energy statistics", equation 5),
//! 2 E|X - Y| - E|X - X'| - E|Y - Y'|, which is zero only between equal distributions, unlike the distance of
//! Gaussians, and has no kernel to choose. The means over pairs within a set leave an image's pair with itself out, so that
//! the estimate is unbiased and may be below zero.

use cl_metrics::{
    MetricError,
    features::FeatureMatrix,
    sample::{Describe, Metric, Need, Sets, Values},
    summary::Direction,
};
use rayon::prelude::*;

/// The energy distance.
#[derive(Debug)]
pub struct EnergyDistance;

impl Describe for EnergyDistance {
    const NAME: &'static str = "energy_distance";
    const SUMMARY: &'static str = "Energy distance of features, unbiased";
    const CITATION: &'static str = "Székely & Rizzo 2013";
}

impl Metric for EnergyDistance {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.features();
        Ok(vec![(Self::NAME, energy_distance(real, generated)?.into())])
    }
}

fn energy_distance(a: &FeatureMatrix, b: &FeatureMatrix) -> Result<f64, MetricError> {
    let fewest = a.rows().min(b.rows());
    if fewest < 2 {
        return Err(MetricError::TooFew { metric: EnergyDistance::NAME, needed: 2, found: fewest });
    }
    let (n, m) = (a.rows() as f64, b.rows() as f64);
    let between = sum_of_distances(a, b) / (n * m);
    let within = |x: &FeatureMatrix, n: f64| sum_of_distances(x, x) / (n * (n - 1.0));
    Ok(2.0 * between - within(a, n) - within(b, m))
}

/// Over all pairs of rows. Each row has a sum of its own, and these are added in order, whatever the number of threads.
fn sum_of_distances(a: &FeatureMatrix, b: &FeatureMatrix) -> f64 {
    let distance = |x: &[f32], y: &[f32]| {
        let squares = x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let of_row = |i: usize| (0..b.rows()).map(|j| distance(a.row(i), b.row(j))).sum::<f64>();
    (0..a.rows()).into_par_iter().map(of_row).collect::<Vec<f64>>().into_iter().sum()
}
