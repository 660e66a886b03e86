use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Describe, ListError, Options};

trait Shape: Options {
    fn area(&self) -> f64;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Square {
    /// Length of a side
    side: f32,
}

impl Default for Square {
    fn default() -> Self {
        Self { side: 0.9 }
    }
}

impl Describe for Square {
    const NAME: &'static str = "square";
    const SUMMARY: &'static str = "Four equal sides";
    const CITATION: &'static str = "Euclid";
}

impl Shape for Square {
    fn area(&self) -> f64 {
        f64::from(self.side * self.side)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Scaled {
    by: f64,
    shape: ShapeConfig,
}

impl Describe for Scaled {
    const NAME: &'static str = "scaled";
    const SUMMARY: &'static str = "Another shape, larger";
}

impl Shape for Scaled {
    fn area(&self) -> f64 {
        self.by * self.by * self.shape.area()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Circle {
    radius: f64,
}

impl Describe for Circle {
    const NAME: &'static str = "circle";
    const SUMMARY: &'static str = "All points at one distance";
}

impl Shape for Circle {
    fn area(&self) -> f64 {
        std::f64::consts::PI * self.radius * self.radius
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Point {}

impl Describe for Point {
    const NAME: &'static str = "point";
    const SUMMARY: &'static str = "No extent";
    const BARE: bool = true;
}

impl Shape for Point {
    fn area(&self) -> f64 {
        0.0
    }
}

crate::choice! {
    struct ShapeConfig(dyn Shape), kind "shape";
    Square,
    Scaled,
    Point,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Drawing {
    shape: ShapeConfig,
}

#[test]
fn options_are_read_and_written_as_a_derived_enum_would() {
    let text = "[shape.scaled]\nby = 2.0\n\n[shape.scaled.shape.square]\nside = 0.9\n";
    let drawing: Drawing = toml::from_str(text).unwrap();
    assert_eq!(drawing.shape.name(), "scaled");
    assert!((drawing.shape.area() - 3.24).abs() < 1e-6);
    // An f32 stays one: 0.9 is not 0.8999999761581421.
    assert_eq!(toml::to_string(&drawing).unwrap(), text);
    let again: Drawing = serde_json::from_str(&serde_json::to_string(&drawing).unwrap()).unwrap();
    assert_eq!(again, drawing);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let error = |text: &str| toml::from_str::<Drawing>(text).unwrap_err().to_string();
    let wrong = error("[shape.square]\nside = 1.0\ncorner = 4\n");
    assert!(wrong.contains("line 3") && wrong.contains("unknown field `corner`"), "{wrong}");
    let unknown = error("[shape.blob]\n");
    assert!(
        unknown.contains("unknown variant `blob`, expected one of `square`, `scaled`, `point`"),
        "{unknown}"
    );
    let inner = error("[shape.scaled]\nby = 1.0\n[shape.scaled.shape.square]\nside = \"x\"\n");
    assert!(inner.contains("line 4"), "{inner}");
}

#[test]
fn a_choice_without_options_is_its_name() {
    let drawing: Drawing = toml::from_str("shape = \"point\"\n").unwrap();
    assert_eq!(toml::to_string(&drawing).unwrap(), "shape = \"point\"\n");
    assert_eq!(toml::from_str::<Drawing>("shape = { point = {} }").unwrap(), drawing);
    let error = |text: &str| toml::from_str::<Drawing>(text).unwrap_err().to_string();
    assert!(error("shape = \"square\"").contains("`square` has options"));
    assert!(error("shape = \"blob\"").contains("unknown variant `blob`"));
    assert!(error("shape = { point = {}, square = {} }").contains("found `square` beside `point`"));
    assert!(error("shape = {}").contains("the name of a shape"));
    assert!(error("shape = 3").contains("a table with one key"));
}

#[test]
fn a_program_adds_its_own_choices() {
    crate::choice! {
        struct Open(dyn Shape), kind "open shape";
        Square,
    }
    assert!(toml::from_str::<std::collections::BTreeMap<String, Open>>("a.circle.radius = 1.0").is_err());
    Open::list().add(crate::entry!(Circle as dyn Shape)).unwrap();
    let parsed: std::collections::BTreeMap<String, Open> = toml::from_str("a.circle.radius = 1.0").unwrap();
    assert!((parsed["a"].area() - std::f64::consts::PI).abs() < 1e-12);
    assert_eq!(Open::list().names(), ["square", "circle"]);
    assert_eq!(Open::list().position("circle"), 1);
    assert_eq!(Open::named("circle"), Some(Open::of(Circle { radius: 0.0 })));
    let taken = Open::list().add(crate::entry!(Square as dyn Shape)).unwrap_err();
    assert_eq!(taken, ListError::NameTaken { kind: "open shape", name: "square" });
    let wrong =
        toml::from_str::<std::collections::BTreeMap<String, Open>>("[a.circle]\nradios = 1.0").unwrap_err();
    assert!(wrong.to_string().contains("unknown field `radios`"), "{wrong}");
    let schema = serde_json::to_value(schemars::schema_for!(Open)).unwrap();
    assert_eq!(schema["oneOf"][1]["required"], serde_json::json!(["circle"]));
    assert_eq!(schema["oneOf"][0]["description"], "Four equal sides (Euclid)");
}

#[test]
fn options_can_be_changed_without_changing_others() {
    let first = ShapeConfig::of(Square { side: 1.0 });
    let mut second = first.clone();
    let options: &mut dyn std::any::Any = second.edit();
    options.downcast_mut::<Square>().unwrap().side = 3.0;
    assert_eq!(first.get::<Square>().unwrap().side, 1.0);
    assert_eq!(second.get::<Square>().unwrap().side, 3.0);
    assert!(first != second && first.get::<Circle>().is_none());
}

#[test]
fn defaults_are_those_of_an_empty_table() {
    assert_eq!(ShapeConfig::named("square"), Some(ShapeConfig::of(Square::default())));
    // `by` has to be given.
    assert_eq!(ShapeConfig::named("scaled"), None);
    assert_eq!(ShapeConfig::named("blob"), None);
}
