//! Every number of a `results.json`, with the quantity that it is a value of.

use serde_json::Value;

use super::{
    Quantity,
    declared::{ATTRIBUTES, quantities},
    place::{At, Index, Place},
};
use crate::results::Results;

/// The numbers of a result.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Values of quantities: cell by cell, and there in the order of the declarations.
    pub values: Vec<Number>,
    /// Places of numbers that no declaration knows. There are none in what this program writes.
    pub undeclared: Vec<String>,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The quantity's name, with the metric's in it.
    pub name: String,
    /// `value` or `standard_error`
    pub statistic: &'static str,
    /// The kind and the value of each index on the way.
    pub indices: Vec<(Index, usize)>,
    /// The number.
    pub value: f64,
}

impl Number {
    /// An index on the way.
    pub fn index(&self, wanted: Index) -> Option<usize> {
        self.indices.iter().find(|(index, _)| *index == wanted).map(|(_, i)| *i)
    }
}

/// Finds the quantity of every number; a number at which several places fit belongs to the first of them.
///
/// # Errors
/// Never for results that were read from a file, or that a run gave.
pub fn numbers(results: &Results) -> serde_json::Result<Numbers> {
    let root = serde_json::to_value(results)?;
    let quantities = quantities();
    let attributes: Vec<Place> = ATTRIBUTES.iter().map(|(place, _)| Place::of(place)).collect();
    let errors = quantities.iter().enumerate().filter_map(|(i, quantity)| {
        Some((quantity.error.as_ref()?, Meaning { order: i, quantity, statistic: "standard_error" }))
    });
    let values = quantities
        .iter()
        .enumerate()
        .map(|(i, quantity)| (&quantity.place, Meaning { order: i, quantity, statistic: "value" }));
    let places = attributes.iter().map(|place| (place, None));
    let places = places.chain(values.chain(errors).map(|(place, meaning)| (place, Some(meaning)))).collect();
    let mut walk = Walk { places, path: Vec::new(), found: Vec::new(), undeclared: Vec::new() };
    let all: Vec<usize> = (0..walk.places.len()).collect();
    walk.visit(&root, &all);
    // Numbers of the run as a whole come first: none is less than any cell.
    walk.found.sort_by_key(|(order, number)| (number.index(Index::Cell), *order));
    Ok(Numbers {
        values: walk.found.into_iter().map(|(_, number)| number).collect(),
        undeclared: walk.undeclared,
    })
}

#[derive(Clone, Copy)]
struct Meaning<'a> {
    order: usize,
    quantity: &'a Quantity,
    statistic: &'static str,
}

struct Walk<'a> {
    /// Without a meaning: places of numbers that are attributes of others.
    places: Vec<(&'a Place, Option<Meaning<'a>>)>,
    path: Vec<At>,
    found: Vec<(usize, Number)>,
    undeclared: Vec<String>,
}

/// A place, as `cells.0.summary.fid`.
fn shown(path: &[At]) -> String {
    let part = |at: &At| match at {
        At::Key(key) => key.clone(),
        At::Index(index) => index.to_string(),
    };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}

impl Walk<'_> {
    /// Visits what is in a value, at which the places `live` have fitted so far.
    fn visit(&mut self, value: &Value, live: &[usize]) {
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.descend(At::Index(i), item, live);
                }
            }
            Value::Object(entries) => {
                for (key, item) in entries {
                    self.descend(At::Key(key.clone()), item, live);
                }
            }
            Value::Number(number) => self.number(number.as_f64().unwrap_or(f64::NAN), live),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn descend(&mut self, at: At, item: &Value, live: &[usize]) {
        let depth = self.path.len();
        let live: Vec<usize> = live.iter().copied().filter(|&i| self.places[i].0.fits(depth, &at)).collect();
        self.path.push(at);
        self.visit(item, &live);
        self.path.pop();
    }

    fn number(&mut self, value: f64, live: &[usize]) {
        let depth = self.path.len();
        match live.iter().map(|&i| self.places[i]).find(|(place, _)| place.depth() == depth) {
            None => self.undeclared.push(shown(&self.path)),
            Some((_, None)) => {}
            Some((place, Some(Meaning { order, quantity, statistic }))) => {
                let name = place.named(&quantity.name, &self.path);
                let indices = place.indices(&self.path).collect();
                self.found.push((order, Number { name, statistic, indices, value }));
            }
        }
    }
}
