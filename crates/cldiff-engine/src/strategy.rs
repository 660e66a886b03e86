//! A strategy as a configuration has it: the composition of some terms.

use std::fmt;

use cl_strategies::{Family, ReferenceKind, Setting, StrategyError};
use cldiff_choices::{Describe, Serializable, choice, private::AddedOptions};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::EveryStrategy;

macro_rules! terms {
    ({} $($Config:ty),*) => {
        choice! {
            /// A term that strategies are composed of, with its options.
            pub struct StrategyTerm(dyn EveryStrategy), kind "strategy";
            $($Config),*
        }

        impl StrategyTerm {
            /// Reads the options of a term whose name is in the list.
            fn read<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Self, A::Error> {
                // The built-in terms one by one, so that a format can show the place of a mistake.
                $(if name == <$Config as Describe>::NAME {
                    return map.next_value::<$Config>().map(Self::of);
                })*
                let entry = Self::list().find(name).ok_or_else(|| A::Error::custom("no such strategy"))?;
                map.next_value_seed(AddedOptions(entry)).map(Self)
            }
        }
    };
}
cl_strategies::built_in_strategies!(terms! {});

/// A strategy: the composition of its terms, which are applied in the order of the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategySpec {
    /// Name in tables and file names; made from the terms if absent.
    pub label: Option<String>,
    terms: Vec<StrategyTerm>,
}

impl StrategySpec {
    /// The composition of some terms.
    pub fn of(mut terms: Vec<StrategyTerm>) -> Self {
        terms.sort_by_key(|term| StrategyTerm::list().position(term.name()));
        Self { label: None, terms }
    }

    /// The strategy with the default options of one term.
    pub fn named(name: &str) -> Option<Self> {
        StrategyTerm::named(name).map(|term| Self::of(vec![term]))
    }

    /// The terms in the order in which they are applied.
    pub fn terms(&self) -> &[StrategyTerm] {
        &self.terms
    }

    /// The names of the terms, joined by `+`.
    pub fn name(&self) -> String {
        self.terms.iter().map(|term| term.name()).collect::<Vec<_>>().join("+")
    }

    /// Name in tables and file names.
    pub fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.name())
    }

    /// The comparison that this strategy is the reference of: that of its term, if it has one term.
    pub fn reference(&self) -> Option<ReferenceKind> {
        if let [term] = &self.terms[..] { term.reference() } else { None }
    }

    /// The terms that are [strategies of their own](Family::stands_alone), where one of them stands beside another term.
    pub fn misplaced(&self) -> Vec<&'static str> {
        let alone = self.terms.iter().filter(|term| term.family().stands_alone()).map(|term| term.name());
        if self.terms.len() > 1 { alone.collect() } else { Vec::new() }
    }

    /// Whether a step looks at other images beside the current ones.
    pub(crate) fn looks_back(&self) -> bool {
        self.terms.iter().any(|term| term.needs().looks_back)
    }

    /// Whether the strategy is a bound for others rather than a competitor: one of its terms is.
    pub fn is_bound(&self) -> bool {
        self.terms.iter().any(|term| term.is_bound())
    }

    /// Whether a strategy of this [name](Self::name) is a bound, by the terms that this program knows.
    pub fn is_bound_named(name: &str) -> bool {
        let is_bound = |term: &str| StrategyTerm::named(term).is_some_and(|term| term.is_bound());
        name.split('+').any(is_bound)
    }

    /// The family of a strategy of this [name](Self::name), by the terms that this program knows: a bound if a term is one,
    /// else the family of the first term that is no baseline, else that of the first term.
    pub fn family_named(name: &str) -> Family {
        let of = |term: &str| StrategyTerm::named(term).map_or(Family::Other, |term| term.family());
        let families: Vec<Family> = name.split('+').map(of).collect();
        let first = |wanted: &dyn Fn(Family) -> bool| families.iter().copied().find(|family| wanted(*family));
        first(&|family| family == Family::Bound)
            .or_else(|| first(&|family| family != Family::Baseline))
            .unwrap_or(families[0])
    }

    /// Checks the options of every term against a training, a process, and the data if these are known.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first that does not fit, with the term's name before its key;
    /// [`StrategyError::Training`] for an option of the training that a term cannot work with.
    pub fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.terms.iter().try_for_each(|term| term.check_all(setting))
    }
}

impl Serialize for StrategySpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(label) = &self.label {
            map.serialize_entry(LABEL, label)?;
        }
        for term in &self.terms {
            map.serialize_entry(term.name(), &Serializable(&**term))?;
        }
        map.end()
    }
}

const LABEL: &str = "label";

impl<'de> Deserialize<'de> for StrategySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Terms)
    }
}

struct Terms;

impl<'de> Visitor<'de> for Terms {
    type Value = StrategySpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the terms of a strategy")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StrategySpec, A::Error> {
        let (mut label, mut terms) = (None, Vec::new());
        while let Some(name) = map.next_key_seed(TermName)? {
            if name == LABEL {
                label = Some(map.next_value()?);
            } else {
                terms.push(StrategyTerm::read(&name, &mut map)?);
            }
        }
        Ok(StrategySpec { label, ..StrategySpec::of(terms) })
    }
}

/// A key of a `[[strategy]]`.
struct TermName;

impl<'de> DeserializeSeed<'de> for TermName {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = String::deserialize(deserializer)?;
        let known = StrategyTerm::list().names();
        if key == LABEL || known.contains(&key.as_str()) {
            return Ok(key);
        }
        Err(D::Error::custom(format_args!(
            "unknown field `{key}`, expected one of `{LABEL}`, `{}`",
            known.join("`, `")
        )))
    }
}

impl JsonSchema for StrategySpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StrategySpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let meaning = "Name in tables and file names; made from the terms if absent.";
        properties.insert(LABEL.into(), serde_json::json!({ "description": meaning, "type": "string" }));
        for entry in StrategyTerm::list().entries() {
            let options = (entry.schema)(generator);
            let term = serde_json::json!({ "description": entry.summary, "allOf": [options] });
            properties.insert(entry.name.into(), term);
        }
        json_schema!({
            "type": "object",
            "description": "A strategy: the composition of its terms, which are applied in the order of the list.",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_by_their_terms() {
        let bounds =
            StrategyTerm::list().names().into_iter().filter(|name| StrategySpec::is_bound_named(name));
        assert_eq!(bounds.collect::<Vec<_>>(), ["joint", "cumulative", "ensemble"]);
        assert!(StrategySpec::is_bound_named("cumulative+l2") && !StrategySpec::is_bound_named("replay+l2"));
        assert!(!StrategySpec::is_bound_named("jointly") && !StrategySpec::is_bound_named(""));
        let joint = StrategySpec::named("joint").unwrap();
        assert!(joint.is_bound() && !StrategySpec::named("finetune").unwrap().is_bound());
    }

    #[test]
    fn bounds_and_baselines_are_misplaced_beside_another_term() {
        let misplaced = |names: &[&str]| {
            let terms = names.iter().map(|name| StrategyTerm::named(name).unwrap()).collect();
            StrategySpec::of(terms).misplaced()
        };
        assert_eq!(misplaced(&["finetune", "joint"]), ["joint", "finetune"]);
        assert_eq!(misplaced(&["ewc", "gdumb", "replay"]), ["gdumb"]);
        assert_eq!(misplaced(&["replay", "ewc"]), [""; 0]);
        for alone in ["joint", "cumulative", "ensemble", "finetune", "gdumb"] {
            assert_eq!((misplaced(&[alone]).len(), misplaced(&[alone, "l2"])), (0, vec![alone]));
        }
    }

    #[test]
    fn a_composition_has_the_family_of_its_first_means() {
        let family = StrategySpec::family_named;
        assert_eq!((family("replay"), family("replay+ewc")), (Family::Rehearsal, Family::Rehearsal));
        assert_eq!((family("finetune+ewc"), family("finetune")), (Family::Penalty, Family::Baseline));
        assert_eq!((family("l2+joint"), family("jointly")), (Family::Bound, Family::Other));
        for name in StrategyTerm::list().names() {
            assert_ne!(family(name), Family::Other, "{name}");
            assert_eq!(family(name) == Family::Bound, StrategySpec::is_bound_named(name), "{name}");
        }
    }
}
