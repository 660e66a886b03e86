//! How a configuration spells metrics: by their names, as serde spells an enum without options.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{EnumAccess, Error, VariantAccess, Visitor},
};

use super::SampleMetric;

const TYPE: &str = "SampleMetric";

impl Serialize for SampleMetric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant(TYPE, self.position() as u32, self.name())
    }
}

/// A metric by its name alone: parsed apart, so that a format can show the place of an unknown name.
struct Name(SampleMetric);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOf;
        impl Visitor<'_> for OneOf {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a metric")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                let unknown = || {
                    let names = SampleMetric::names().join("`, `");
                    E::custom(format_args!("unknown variant `{name}`, expected one of `{names}`"))
                };
                SampleMetric::named(name).map(Name).ok_or_else(unknown)
            }
        }
        deserializer.deserialize_identifier(OneOf)
    }
}

impl<'de> Deserialize<'de> for SampleMetric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOf;
        impl<'de> Visitor<'de> for OneOf {
            type Value = SampleMetric;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a metric")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<SampleMetric, A::Error> {
                let (Name(metric), rest) = access.variant()?;
                rest.unit_variant()?;
                Ok(metric)
            }
        }
        // No list of variants: it would have to be known when the program is built.
        deserializer.deserialize_enum(TYPE, &[], OneOf)
    }
}

impl JsonSchema for SampleMetric {
    fn schema_name() -> Cow<'static, str> {
        TYPE.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let alternatives: Vec<Alternative> = Self::all().into_iter().map(Alternative::of).collect();
        json_schema!({
            "description": "A number that says how good samples are.",
            "oneOf": alternatives,
        })
    }
}

/// A name in the schema, with its meaning.
#[derive(Serialize)]
struct Alternative {
    description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "const")]
    name: &'static str,
}

impl Alternative {
    fn of(metric: SampleMetric) -> Self {
        let (summary, citation) = (metric.summary(), metric.citation());
        let description =
            if citation.is_empty() { summary.to_owned() } else { format!("{summary} ({citation})") };
        Self { description, kind: "string", name: metric.name() }
    }
}
