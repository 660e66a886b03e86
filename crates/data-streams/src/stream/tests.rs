use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    dataset::glyphs::GlyphsConfig,
    test_support::{assert_described, documented_example},
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    stream: StreamConfig,
}

#[test]
fn every_stream_says_what_it_and_its_options_are() {
    assert_described(StreamConfig::list());
}

#[test]
fn every_stream_parses_from_its_example_and_is_written_back() {
    let names = StreamConfig::list().names();
    assert_eq!(names.len(), 8);
    for name in names {
        let text = documented_example("stream", name);
        let example: Example = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(example.stream.name(), name);
        let written = toml::to_string(&example).unwrap();
        assert_eq!(toml::from_str::<Example>(&written).unwrap(), example, "{written}");
        // Each has defaults, which parse from an empty table.
        assert!(StreamConfig::named(name).is_some(), "{name}");
    }
    assert_eq!(StreamConfig::named("class_incremental"), Some(StreamConfig::default()));
}

#[test]
fn options_are_written_as_they_always_were() {
    let written = |text: &str| toml::to_string(&toml::from_str::<Example>(text).unwrap()).unwrap();
    assert_eq!(written("[stream.joint]\n"), "[stream.joint]\n");
    let online = "[stream.online]\nseed = 2\n\n[stream.online.stream.class_incremental]\nexperiences = 2\nclass_order = \
                  \"natural\"\n\n[stream.online.drift.linear]\nwidth = 0.5\n";
    let order = "[stream.online]\ndrift = { linear = { width = 0.5 } }\nseed = 2\nstream = { class_incremental = { \
                 experiences = 2 } }\n";
    assert_eq!(toml::from_str::<Example>(&written(order)).unwrap(), toml::from_str(online).unwrap());
}

#[test]
fn unknown_names_and_keys_show_their_line() {
    let error = |text: &str| toml::from_str::<Example>(text).unwrap_err().to_string();
    let key = error("[stream.class_incremental]\nexperiences = 5\nexperience = 5\n");
    assert!(key.contains("line 3") && key.contains("unknown field `experience`"), "{key}");
    let inner = error("[stream.online.stream.subset]\nclass = [1]\n");
    assert!(inner.contains("line 2") && inner.contains("unknown field `class`"), "{inner}");
    let joint = error("[stream.joint]\nall = true\n");
    assert!(joint.contains("line 2") && joint.contains("unknown field `all`"), "{joint}");
    let name = error("[stream.lifelong]\n");
    assert!(name.contains("`lifelong`") && name.contains("`class_incremental`, "), "{name}");
}

#[test]
fn a_mistake_has_the_names_of_the_streams_around_it() {
    let data = GlyphsConfig { train_per_class: 2, eval_per_class: 1, ..Default::default() };
    let data = data.build().unwrap();
    let thirds = StreamConfig::of(ClassIncremental { experiences: 3, ..Default::default() });
    let part = StreamConfig::of(Subset { stream: thirds, ..Default::default() });
    let online = StreamConfig::of(Online { stream: part, ..Default::default() });
    let error = online.build(data.clone()).unwrap_err().at("stream");
    assert_eq!(error.key(), Some("stream.online.stream.subset.stream.class_incremental.experiences"));
    let one = StreamConfig::of(DataSetSequence::default()).build(data).unwrap_err();
    assert_eq!(one.key(), Some("data_set_sequence"));
}
