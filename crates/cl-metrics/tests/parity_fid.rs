//! The Fréchet distance against pytorch-fid's, on features from NumPy.

use std::{collections::HashMap, fs, path::PathBuf};

use cl_metrics::{features::FeatureMatrix, sample::fid::frechet_distance_of};
use safetensors::{Dtype, SafeTensors};

#[test]
fn distances_agree_with_pytorch_fid() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fid.safetensors");
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let features: HashMap<String, FeatureMatrix> = file
        .tensors()
        .into_iter()
        .filter(|(_, view)| view.dtype() == Dtype::F32)
        .map(|(name, view)| {
            let values =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            (name, FeatureMatrix::new(view.shape()[1], values).unwrap())
        })
        .collect();
    for name in ["full_rank", "wide"] {
        let expected = file.tensor(&format!("{name}.distance")).unwrap();
        let expected = f64::from_le_bytes(expected.data().try_into().unwrap());
        let ours =
            frechet_distance_of(&features[&format!("{name}.a")], &features[&format!("{name}.b")]).unwrap();
        assert!((ours / expected - 1.0).abs() < 1e-6, "{name}: {ours} and {expected}");
    }
}
