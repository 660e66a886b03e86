//! A metric alone, without any model: `cargo run -p cldiff-examples --example frechet_distance`.

use cl_metrics::{features::FeatureMatrix, sample::fid::frechet_distance_of};

fn main() -> Result<(), cl_metrics::MetricError> {
    // Two sets of 100 points in the plane, the second moved by 3 to the right: the distance is 3 squared.
    let circle = |shift: f32| {
        let points = (0..100_u8).flat_map(|i| {
            let angle = f32::from(i) * std::f32::consts::TAU / 100.0;
            [angle.cos() + shift, angle.sin()]
        });
        FeatureMatrix::new(2, points.collect())
    };
    println!("{:.6}", frechet_distance_of(&circle(0.0)?, &circle(3.0)?)?);
    Ok(())
}
