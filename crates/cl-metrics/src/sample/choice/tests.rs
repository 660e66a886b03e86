//! Only the built-in metrics: adding one would show in the other tests of this process (`tests/own_metric.rs` does).

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, from_value, json};

use super::*;

/// As configurations and results have spelt them since schema 1, in the order of tables.
const NAMES: [&str; 18] = [
    "fid",
    "fid_infinity",
    "kid",
    "inception_score",
    "precision",
    "recall",
    "density",
    "coverage",
    "coverage_normalised",
    "kld",
    "ard",
    "accuracy",
    "swd",
    "vendi",
    "memorisation",
    "memorised_training",
    "authenticity",
    "ct",
];

#[test]
fn names_are_those_of_configurations() {
    assert_eq!(SampleMetric::names(), NAMES);
    for (metric, name) in SampleMetric::all().into_iter().zip(NAMES) {
        assert_eq!(serde_json::to_value(metric).unwrap(), name);
        assert_eq!(from_value::<SampleMetric>(json!(name)).unwrap(), metric);
        assert_eq!(SampleMetric::named(name), Some(metric));
        assert_eq!(format!("{metric:?}"), name);
    }
    assert_eq!(SampleMetric::FID.name(), "fid");
    assert_eq!(SampleMetric::named("fidd"), None);
}

#[test]
fn an_unknown_name_is_shown_with_its_place_and_those_that_there_are() {
    let expected = format!("unknown variant `fidd`, expected one of `{}`", NAMES.join("`, `"));
    assert_eq!(from_value::<SampleMetric>(json!("fidd")).unwrap_err().to_string(), expected);
    let text = "metrics = [\"fid\", \"fidd\"]";
    let error = toml::from_str::<BTreeMap<String, Vec<SampleMetric>>>(text).unwrap_err();
    assert_eq!(error.message(), expected);
    assert_eq!(text[error.span().unwrap()].trim_matches('"'), "fidd");
    assert!(from_value::<SampleMetric>(json!(3)).is_err());
}

#[test]
fn tables_keep_the_order_of_the_list() {
    let mut shuffled: Vec<_> = SampleMetric::all().into_iter().rev().map(|metric| (metric, 0)).collect();
    shuffled.swap(2, 9);
    let table = BTreeMap::from_iter(shuffled);
    assert_eq!(table.keys().map(|metric| metric.name()).collect::<Vec<_>>(), NAMES);
    // As the keys of an object too.
    let text = serde_json::to_string(&table).unwrap();
    assert!(text.starts_with(r#"{"fid":0,"fid_infinity":0,"kid":0"#), "{text}");
    assert_eq!(serde_json::from_str::<BTreeMap<SampleMetric, i32>>(&text).unwrap(), table);
    assert_eq!(SampleMetric::all().into_iter().collect::<HashSet<_>>().len(), NAMES.len());
}

#[test]
fn the_defaults_are_the_metrics_that_cost_little() {
    let others = ["fid_infinity", "inception_score", "coverage_normalised", "vendi", "authenticity", "ct"];
    let without: Vec<&str> = NAMES.into_iter().filter(|name| !others.contains(name)).collect();
    assert_eq!(SampleMetric::defaults().into_iter().map(SampleMetric::name).collect::<Vec<_>>(), without);
}

#[test]
fn distances_are_better_when_lower_and_descriptions_have_no_direction() {
    let of = |direction| {
        let all = SampleMetric::all().into_iter().filter(move |metric| metric.direction() == direction);
        all.map(SampleMetric::name).collect::<Vec<_>>()
    };
    let lower = ["fid", "fid_infinity", "kid", "kld", "ard", "swd"];
    assert_eq!(of(Some(Direction::LowerIsBetter)), lower);
    // Noise copies nothing and is most diverse: the extreme is not the best.
    let describe = ["vendi", "memorisation", "memorised_training", "authenticity", "ct"];
    assert_eq!(of(None), describe);
}

#[test]
fn the_schema_has_every_name_with_its_meaning_and_source() {
    let schema = schemars::schema_for!(SampleMetric).to_value();
    let alternatives = schema["oneOf"].as_array().unwrap();
    assert_eq!(alternatives.iter().map(|one| &one["const"]).collect::<Vec<_>>(), NAMES);
    assert_eq!(
        alternatives[0],
        json!({
            "description": "Fréchet distance of features of samples and held-out images (Heusel et al. 2017, \
                            arXiv 1706.08500)",
            "type": "string",
            "const": "fid",
        })
    );
    let described = |one: &Value| one["description"].as_str().is_some_and(|text| text.len() > 20);
    assert!(alternatives.iter().all(described));
}

#[test]
fn comparisons_are_named_once_and_stand_by_what_they_need() {
    let names: Vec<&str> = super::super::comparisons().into_iter().map(|(_, one)| one.name).collect();
    assert_eq!(
        names,
        [
            "fid",
            "fid_infinity",
            "kid",
            "precision_recall",
            "density_coverage",
            "vendi",
            "inception_score",
            "swd",
            "kld",
            "ard",
            "memorisation",
            "memorised_training",
            "authenticity",
            "ct",
        ]
    );
}
