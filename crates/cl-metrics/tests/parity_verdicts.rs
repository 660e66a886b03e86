//! Student's t, Holm's correction, the error rate and the power of verdicts, against scipy and statsmodels.

use std::{fs, path::PathBuf};

use cl_metrics::summary::{
    BySeed, Comparison, Direction, ERROR_RATE, FEWEST_SEEDS, holm, over_seeds, paired_difference,
    two_sided_quantile,
};
use keyed_random::{Key, Purpose};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};
use rayon::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    columns: Vec<Column>,
    quantiles: Vec<Quantile>,
    power: Vec<Power>,
}

#[derive(Deserialize)]
struct Column {
    values: Vec<Vec<f64>>,
    p: Vec<f64>,
    holm: Vec<f64>,
    intervals: Vec<[f64; 2]>,
}

#[derive(Deserialize)]
struct Quantile {
    df: f64,
    p: f64,
    t: f64,
}

#[derive(Deserialize)]
struct Power {
    methods: usize,
    seeds: usize,
    #[serde(rename = "power")]
    share: f64,
}

fn fixture() -> Fixture {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verdicts.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn by_seed(values: &[f64]) -> BySeed {
    (0..).zip(values.iter().copied()).collect()
}

fn close(found: f64, expected: f64, what: &str) {
    assert!((found / expected - 1.0).abs() < 1e-8, "{what}: {found:e} and {expected:e}");
}

#[test]
fn tests_intervals_and_corrections_agree_with_scipy_and_statsmodels() {
    let Fixture { columns, quantiles, .. } = fixture();
    for Quantile { df, p, t } in quantiles {
        close(two_sided_quantile(p, df), t, &format!("the quantile of {p} with {df}"));
    }
    for column in columns {
        let methods: Vec<BySeed> = column.values.iter().map(|values| by_seed(values)).collect();
        let found = Comparison::of(&methods, Direction::LowerIsBetter);
        assert_eq!(found.pairs().len(), column.p.len());
        for (i, pair) in found.pairs().iter().enumerate() {
            let difference = paired_difference(&methods[pair.a], &methods[pair.b]).unwrap();
            close(difference.p_value().unwrap(), column.p[i], "a p-value");
            close(pair.adjusted_p.unwrap(), column.holm[i], "an adjusted p-value");
        }
        for (found, expected) in holm(&column.p).into_iter().zip(&column.holm) {
            close(found, *expected, "Holm's correction alone");
        }
        for (values, [low, high]) in column.values.iter().zip(column.intervals) {
            let interval = over_seeds(values.iter().copied()).unwrap().interval().unwrap();
            close(interval.low, low, "a lower end");
            close(interval.high, high, "an upper end");
        }
    }
}

/// Draws a method's own part of a value, which has a mean of 0.
type Own = fn(&mut ChaCha8Rng, usize) -> f64;

/// Values of some methods over some seeds.
fn drawn(rng: &mut ChaCha8Rng, methods: usize, seeds: usize, own: Own) -> Vec<BySeed> {
    let common: Vec<f64> = (0..seeds).map(|_| 20.0 + 5.0 * normal(rng, 0)).collect();
    let mut values = |method| common.iter().map(|c| c + own(rng, method)).collect::<Vec<_>>();
    (0..methods).map(|method| by_seed(&values(method))).collect()
}

fn normal(rng: &mut ChaCha8Rng, _: usize) -> f64 {
    rng.sample(StandardNormal)
}

fn heavy_tailed(rng: &mut ChaCha8Rng, _: usize) -> f64 {
    StudentT::new(3.0).unwrap().sample(rng)
}

/// Two methods spread five times as wide as the others: an error pooled over all of them fails here.
fn unequal(rng: &mut ChaCha8Rng, method: usize) -> f64 {
    let scale = if method < 2 { 5.0 } else { 1.0 };
    scale * normal(rng, method)
}

/// The share of columns of equal methods in which any two are told apart.
fn error_rate(methods: usize, seeds: usize, own: Own, repetitions: u64) -> f64 {
    let key = Key::new(0, Purpose::named("verdicts of equal methods")).experience(methods).step(seeds);
    let told = |i: &u64| {
        let methods = drawn(&mut key.rng(*i), methods, seeds, own);
        let found = Comparison::of(&methods, Direction::LowerIsBetter);
        found.pairs().iter().any(|pair| found.better(pair).is_some())
    };
    (0..repetitions).into_par_iter().filter(told).count() as f64 / repetitions as f64
}

#[test]
fn equal_methods_are_told_apart_in_at_most_five_columns_of_a_hundred() {
    let distributions: [(&str, Own); 3] =
        [("normal", normal), ("t with 3 degrees of freedom", heavy_tailed), ("unequal", unequal)];
    for (name, own) in distributions {
        for (methods, repetitions) in [(2, 4000), (6, 4000), (25, 1000)] {
            assert_eq!(error_rate(methods, 3, own, 100), 0.0, "three seeds have no verdict");
            assert_eq!(error_rate(methods, FEWEST_SEEDS - 1, own, 100), 0.0);
            for seeds in [5, 10] {
                let rate = error_rate(methods, seeds, own, repetitions);
                // Three standard errors of a simulated share of 5 %.
                let doubt = 3.0 * (ERROR_RATE * (1.0 - ERROR_RATE) / repetitions as f64).sqrt();
                println!("{name}, {methods} methods, {seeds} seeds: {:.1} %", 100.0 * rate);
                assert!(rate <= ERROR_RATE + doubt, "{name}, {methods} methods, {seeds} seeds: {rate}");
            }
        }
    }
}

/// The share of pairs told apart of which one method is shifted by two standard deviations of a difference.
fn power(methods: usize, seeds: usize, repetitions: u64) -> f64 {
    let key = Key::new(1, Purpose::named("power of verdicts")).experience(methods).step(seeds);
    let told = |i: u64| {
        let mut values = drawn(&mut key.rng(i), methods, seeds, normal);
        values[0].values_mut().for_each(|value| *value += 2.0 * 2.0_f64.sqrt());
        let found = Comparison::of(&values, Direction::HigherIsBetter);
        (1..methods).filter(|&other| found.is_better(0, other)).count()
    };
    let told: usize = (0..repetitions).into_par_iter().map(told).sum();
    told as f64 / repetitions as f64 / (methods - 1) as f64
}

#[test]
fn the_power_for_an_effect_of_two_standard_deviations_is_known() {
    for Power { methods, seeds, share: expected } in fixture().power {
        let repetitions = if methods > 6 { 500 } else { 2000 };
        let found = power(methods, seeds, repetitions);
        println!("{methods} methods, {seeds} seeds: {:.1} % told apart", 100.0 * found);
        // Pairs with one method depend on each other: three standard errors of a share over repetitions alone.
        let doubt = 3.0 * (0.25 / repetitions as f64).sqrt();
        assert!((found - expected).abs() < doubt, "{methods} methods, {seeds} seeds: {found} and {expected}");
    }
}
