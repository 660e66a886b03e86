//! Means over seeds and their intervals against scipy's.

use std::{fs, path::PathBuf};

use cl_metrics::summary::over_seeds;
use safetensors::SafeTensors;

#[test]
fn intervals_agree_with_scipy() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bootstrap.safetensors");
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: String| -> Vec<f64> {
        let view = file.tensor(&name).unwrap();
        view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    };
    for (name, tolerance) in [("three", 0.03), ("five", 0.03), ("skewed", 0.03), ("many", 0.03)] {
        let ours = over_seeds(numbers(format!("{name}.values"))).unwrap();
        let [low, high] = numbers(format!("{name}.interval"))[..] else { panic!("two ends") };
        let interval = ours.interval.unwrap();
        // 9,999 resamples against 400,000: the ends move by a few per cent of the width.
        let off = ((interval.low - low).abs().max((interval.high - high).abs())) / (high - low);
        assert!(off < tolerance, "{name}: {interval:?} and [{low}, {high}], off by {off:.4} of the width");
        let deviation = numbers(format!("{name}.deviation"))[0];
        assert!((ours.standard_deviation.unwrap() / deviation - 1.0).abs() < 1e-12, "{name}");
    }
}
