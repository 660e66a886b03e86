//! `--strategy`: the strategies of a configuration that a run has, and those that the command line adds to it.

use cldiff_engine::{StrategySpec, StrategyTerm};
use toml::{Table, Value};

use super::{assign::Assignment, nearest::nearest};
use crate::failure::Failure;

/// Adds the strategies that the command line names and the configuration has not, with their default options.
pub(super) fn add_strategies(table: &mut Table, names: &[String]) {
    let Ok(configured) = table
        .get("strategy")
        .cloned()
        .unwrap_or_else(|| Value::Array(Vec::new()))
        .try_into::<Vec<StrategySpec>>()
    else {
        return;
    };
    let is_there =
        |name: &String| configured.iter().any(|spec| spec.label() == *name || spec.name() == *name);
    let mut added: Vec<&String> = Vec::new();
    for name in names {
        if !is_there(name) && !added.contains(&name) && StrategySpec::named(name).is_some() {
            added.push(name);
        }
    }
    if added.is_empty() {
        return;
    }
    let list = table.entry("strategy").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        let defaults =
            |name: &String| Value::Table(Table::from_iter([(name.clone(), Value::Table(Table::new()))]));
        list.extend(added.into_iter().map(defaults));
    }
}

/// The strategies named on the command line, by label or name, each with its place.
pub(super) fn chosen(
    configured: &[StrategySpec],
    names: &[String],
) -> Result<Vec<(usize, StrategySpec)>, Failure> {
    let mut chosen: Vec<(usize, StrategySpec)> = Vec::new();
    for name in names {
        let those = |matches: &dyn Fn(&StrategySpec) -> bool| -> Vec<(usize, StrategySpec)> {
            let places = configured.iter().enumerate();
            places.filter(|(_, s)| matches(s)).map(|(i, s)| (i, s.clone())).collect()
        };
        let mut matching = those(&|strategy| strategy.label() == *name);
        if matching.is_empty() {
            matching = those(&|strategy| strategy.name() == *name);
        }
        if matching.is_empty() {
            let labels: Vec<String> = configured.iter().map(StrategySpec::label).collect();
            return Err(unknown(name, &labels));
        }
        matching.retain(|(place, _)| chosen.iter().all(|(other, _)| other != place));
        if matching.is_empty() {
            return Err(Failure::mistake(format!("--strategy {}: {name} is chosen twice", names.join(","))));
        }
        chosen.extend(matching);
    }
    Ok(chosen)
}

/// A name that is neither a label of the configuration nor a strategy.
fn unknown(name: &str, labels: &[String]) -> Failure {
    let known = StrategyTerm::list().names();
    let near = nearest(name, labels.iter().map(String::as_str).chain(known.iter().copied()));
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    Failure::mistake(format!(
        "--strategy {name}: unknown strategy{near}; this configuration has {}, and the known strategies are {}",
        labels.join(", "),
        known.join(", ")
    ))
}

/// Refuses an assignment to a strategy that `--strategy` leaves out.
pub(super) fn check_chosen(
    overridden: &[Assignment],
    places: &[usize],
    labels: &[String],
    names: &[String],
) -> Result<(), Failure> {
    let left_out = |made: &&Assignment| made.strategy().is_some_and(|place| !places.contains(&place));
    let Some(made) = overridden.iter().find(left_out) else { return Ok(()) };
    let label = made.strategy().and_then(|place| labels.get(place)).map_or("", String::as_str);
    Err(Failure::mistake(format!(
        "{}: `{label}` is not among the strategies of this run (--strategy {})",
        made.typed(),
        names.join(",")
    )))
}

/// The problem of a composition with a bound or a baseline among its terms: a header was forgotten between two strategies.
pub(super) fn misplaced(strategy: &StrategySpec) -> Option<String> {
    let terms: Vec<String> = strategy.misplaced().into_iter().map(|term| format!("`{term}`")).collect();
    match &terms[..] {
        [] => None,
        [term] => Some(format!("{term} is a strategy of its own: begin it with its own [[strategy]]")),
        [before @ .., last] => {
            let before = before.join(", ");
            Some(format!("{before} and {last} are strategies of their own: begin each with [[strategy]]"))
        }
    }
}

/// A line on an unknown key of a `[[strategy]]`, where a known strategy is near to it. The message lists all of them.
pub(super) fn hint(message: &str) -> String {
    let known = StrategyTerm::list().names();
    let unknown = message.rsplit_once("unknown field `").and_then(|(_, rest)| rest.split_once('`'));
    let of_strategies =
        |(_, rest): &(&str, &str)| known.iter().all(|name| rest.contains(&format!("`{name}`")));
    let near = unknown.filter(of_strategies).and_then(|(name, _)| nearest(name, known.iter().copied()));
    near.map_or_else(String::new, |near| format!("\ndid you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_strategy_is_told_with_the_one_that_it_is_near_to() {
        let told = |text: &str| toml::from_str::<StrategySpec>(text).unwrap_err().to_string();
        assert_eq!(hint(&told("finetoon = {}")), "\ndid you mean `finetune`?");
        assert_eq!(hint(&told("rehearse = {}")), "");
        // An option is no strategy.
        assert_eq!(hint(&told("replay = { replay = 1 }")), "");
        let Failure::Mistake(told) = unknown("replay-2", &["replay-1".into(), "mine".into()]) else {
            panic!("no mistake")
        };
        let begins = "--strategy replay-2: unknown strategy (did you mean `replay-1`?); this configuration has replay-1, \
                      mine, and the known strategies are joint, cumulative, ";
        assert!(told.starts_with(begins), "{told}");
        assert_eq!(told.matches("finetune").count(), 1);
    }

    #[test]
    fn a_bound_or_a_baseline_is_no_term_of_a_composition() {
        let told = |text: &str| misplaced(&toml::from_str(text).unwrap());
        assert_eq!(
            told("finetune = {}\njoint = {}\n").unwrap(),
            "`joint` and `finetune` are strategies of their own: begin each with [[strategy]]"
        );
        assert_eq!(
            told("label = \"x\"\newc = {}\nfinetune = {}\n").unwrap(),
            "`finetune` is a strategy of its own: begin it with its own [[strategy]]"
        );
        assert_eq!((told("joint = {}\n"), told("ewc = {}\nreplay = {}\n"), told("")), (None, None, None));
    }
}
