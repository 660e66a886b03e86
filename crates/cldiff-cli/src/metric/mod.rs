//! `cldiff metric`: any metric of samples between two sets, for use alone and from any language. The metrics say
//! themselves what they take (`cl_metrics::sample::Comparison`); this module reads sets and prints numbers.

pub mod args;
mod directory;
mod features;
mod files;
mod npz;
pub(crate) mod set;
mod stats;

use cl_metrics::{
    MetricError,
    sample::{Compared, ComparedSet, Takes},
};
use serde_json::{Map, Value, json};

use self::{
    args::{Comparing, MetricCommand},
    features::Found,
    set::{Described, Set},
};
use crate::{
    failure::Failure,
    ui::{number::fixed, width::say},
};

/// The features of sets that do not say which they have.
const UNNAMED: &str = "those of the files";

/// Measures and prints.
///
/// # Errors
/// [`Failure::Mistake`] for sets that cannot be read or do not compare.
pub fn metric(command: &MetricCommand) -> Result<(), Failure> {
    match command {
        MetricCommand::Compare(comparing) => compare(comparing),
        MetricCommand::Stats(stats) => stats::save(stats),
    }
}

/// Reads the sets, finds their features, measures, prints.
fn compare(asked: &Comparing) -> Result<(), Failure> {
    let options = &asked.options;
    let read = |argument: &String| Set::read(argument, options.data_dir.as_deref(), options.skip_broken);
    let mut a = read(&asked.a)?;
    let mut b = asked.b.as_ref().map(read).transpose()?;
    let mut held_out = asked.held_out.as_ref().map(read).transpose()?;
    let mut counts = vec![("n_a", a.count()), ("n_b", b.as_ref().and_then(Set::count))];
    counts.extend(held_out.as_ref().map(|set| ("n_held_out", set.count())));

    let mut looked_at: Vec<&mut Set> = match asked.comparison.takes {
        Takes::One => vec![b.as_mut().unwrap_or(&mut a)],
        Takes::Pair | Takes::PairAndHeldOut => {
            [Some(&mut a), b.as_mut(), held_out.as_mut()].into_iter().flatten().collect()
        }
    };
    let Found { name: features, has_own_classes } =
        features::extract(&mut looked_at, &asked.features, options.data_dir.as_deref(), Some(asked.metric))?;
    let described = |set| Described { set, has_own_classes };
    let (first, second) = (described(&a), described(b.as_ref().unwrap_or(&a)));
    let third = held_out.as_ref().map(described);
    let held_out = third.as_ref().map(|set| set as &dyn ComparedSet);
    let sets = Compared { a: &first, b: &second, held_out };
    let found = (asked.comparison.compare)(&sets, &asked.arguments).map_err(mistake)?;
    let features = features.as_deref().unwrap_or(UNNAMED);
    tell(&found, &counts, features, options.json)
}

/// A metric's options are options of the command.
fn mistake(error: MetricError) -> Failure {
    match error {
        MetricError::Config { key, value, expected } => {
            Failure::mistake(format!("--{} {value}: {expected}", key.replace('_', "-")))
        }
        other => Failure::mistake(other),
    }
}

/// Prints what was found, of how many images and in which features. JSON has no NaN, and neither has the text.
fn tell(
    found: &[(&str, f64)],
    counts: &[(&str, Option<usize>)],
    features: &str,
    as_json: bool,
) -> Result<(), Failure> {
    if let Some((name, value)) = found.iter().find(|(_, value)| !value.is_finite()) {
        return Err(Failure::mistake(format!(
            "{name} is {value}: the features are too large to be compared"
        )));
    }
    if as_json {
        let mut object: Map<String, Value> =
            found.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        object.extend(counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        object.insert("features".into(), json!(features));
        println!("{}", Value::Object(object));
        return Ok(());
    }
    // One column for the names, as wide as the longest.
    let width = found.iter().map(|(name, _)| name.len()).fold(20, usize::max);
    for (name, value) in found {
        println!("{name:<width$} {}", fixed(*value, 6));
    }
    for (name, count) in counts {
        println!("{name:<width$} {}", count.map_or("unknown".to_owned(), |count| count.to_string()));
    }
    say(&format!("{:<width$} {features}", "features"));
    Ok(())
}
