//! C_T against the authors' code, the Vendi score against its authors', authenticity and relative distances against their
//! formulas with scikit-learn's neighbours (`tools/golden/copies.py`).

use cl_metrics::{
    features::FeatureMatrix,
    sample::{
        authenticity::authenticity, ct::ct, memorised_training::relative_distances, vendi::vendi_score,
    },
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    train: Vec<Vec<f32>>,
    labels: Vec<usize>,
    held_out: Vec<Vec<f32>>,
    samples: Vec<Vec<f32>>,
    samples_per_cell: Vec<usize>,
    c_t: f64,
    authenticity: f64,
    relative: Vec<f64>,
    vendi: f64,
    vendi_of_few: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/copies.json")).unwrap()
}

fn rows(rows: &[Vec<f32>]) -> FeatureMatrix {
    FeatureMatrix::new(rows[0].len(), rows.concat()).unwrap()
}

#[test]
fn c_t_is_that_of_the_authors_code() {
    let fixture = fixture();
    let sets = [&fixture.train, &fixture.samples, &fixture.held_out].map(|set| rows(set));
    let found = ct(&sets[0], &fixture.labels, &sets[1], &sets[2]).unwrap();
    assert!((found.score - fixture.c_t).abs() < 1e-6, "{found:?} and {}", fixture.c_t);
    // One of the cells has too few samples to count, in both.
    assert_eq!(found.cells, fixture.samples_per_cell.iter().filter(|samples| **samples > 20).count());
    assert!(found.cells < fixture.samples_per_cell.len());
}

#[test]
fn authenticity_and_relative_distances_are_those_of_their_formulas() {
    let fixture = fixture();
    let (train, samples) = (rows(&fixture.train), rows(&fixture.samples));
    assert!((authenticity(&train, &samples).unwrap() - fixture.authenticity).abs() < 1e-9);
    let found = relative_distances(&samples, &train);
    assert_eq!(found.len(), fixture.relative.len());
    for (found, expected) in found.iter().zip(&fixture.relative) {
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }
}

/// With more images than features and with fewer: the authors' `score_dual` takes the features in any case.
#[test]
fn the_vendi_score_is_that_of_the_authors_code() {
    let fixture = fixture();
    let samples = rows(&fixture.samples);
    assert!((vendi_score(&samples).unwrap().value - fixture.vendi).abs() < 1e-6);
    assert!((vendi_score(&samples.select(&[0, 1])).unwrap().value - fixture.vendi_of_few).abs() < 1e-6);
}
