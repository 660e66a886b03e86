//! Sample metrics against pytorch-fid, torchmetrics, torch-fidelity and prdc, on features from NumPy
//! (`tools/golden/metrics.py`).

use std::{fs, path::PathBuf};

use burn::tensor::{Tensor, TensorData, activation::softmax};
use burn_flex::Flex;
use cl_metrics::{
    features::FeatureMatrix,
    sample::{
        density_coverage::density_coverage, fid::frechet_distance_of,
        inception_score::inception_score_in_order, kid::kid_of_subsets, precision_recall::precision_recall,
    },
};
use safetensors::SafeTensors;

struct Fixture(Vec<u8>);

impl Fixture {
    fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics.safetensors");
        Self(fs::read(path).unwrap())
    }

    fn features(&self, name: &str) -> FeatureMatrix {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        FeatureMatrix::new(view.shape()[1], values).unwrap()
    }

    fn expected(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(&format!("expected.{name}")).unwrap();
        view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    }
}

/// One value against what several programs say.
fn close(found: f64, expected: &[f64]) {
    for (i, expected) in expected.iter().enumerate() {
        assert!((found / expected - 1.0).abs() < 1e-6, "reference {i}: {found} and {expected}");
    }
}

#[test]
fn fid_is_that_of_three_programs_with_and_without_full_rank() {
    let fixture = Fixture::open();
    let [a, b, few] = ["a", "b", "few"].map(|name| fixture.features(name));
    close(frechet_distance_of(&a, &b).unwrap(), &fixture.expected("fid"));
    close(frechet_distance_of(&few, &b).unwrap(), &fixture.expected("fid.few"));
    close(frechet_distance_of(&b, &few).unwrap(), &fixture.expected("fid.few"));
}

#[test]
fn kid_is_that_of_torch_fidelity() {
    let fixture = Fixture::open();
    // Subsets of all rows are all the same subset, whoever draws it.
    let a = fixture.features("a").select(&(0..120).collect::<Vec<_>>());
    let found = kid_of_subsets(&a, &fixture.features("b"), 2, 120, 7).unwrap();
    close(found.kid, &fixture.expected("kid"));
    assert!(found.deviation < 1e-12);
}

#[test]
fn inception_score_is_that_of_torch_fidelity() {
    let fixture = Fixture::open();
    let logits = fixture.features("logits");
    let data: Vec<f32> = (0..logits.rows()).flat_map(|i| logits.row(i).to_vec()).collect();
    let tensor = Tensor::<Flex, 2>::from_data(TensorData::new(data, [120, 10]), &Default::default());
    let probabilities = softmax(tensor, 1).into_data().to_vec().unwrap();
    let found = inception_score_in_order(&FeatureMatrix::new(10, probabilities).unwrap(), 4).unwrap();
    let expected = fixture.expected("inception_score");
    close(found.score, &expected[..1]);
    close(found.deviation, &expected[1..]);
}

#[test]
fn precision_recall_density_and_coverage_are_those_of_prdc() {
    let fixture = Fixture::open();
    let (a, b) = (fixture.features("a"), fixture.features("b"));
    let found = precision_recall(&a, &b, 3).unwrap();
    assert_eq!([found.precision, found.recall][..], fixture.expected("precision_recall"));
    let found = density_coverage(&a, &b, 5).unwrap();
    let expected = fixture.expected("density_coverage");
    close(found.density, &expected[..1]);
    close(found.coverage, &expected[1..]);
}
