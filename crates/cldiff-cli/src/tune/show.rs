//! The plan of a search and its outcome, on a terminal.

use std::path::Path;

use serde_json::Value;

use super::{
    order::ClassOrder,
    prepare::{Prepared, Searchable},
    record::{Better, Chosen, FILE, Search, Searched},
    search::place,
};
use crate::ui::{
    sheet::Sheet,
    width::{of_stdout, say},
};

/// Prints the plan.
pub fn plan(prepared: &Prepared) {
    head(prepared);
    println!("\n{}", rungs(prepared));
    for strategy in &prepared.strategies {
        println!();
        say(&format!(
            "{}: {} candidates, {} passes",
            strategy.label,
            strategy.candidates.len(),
            prepared.planned_passes(strategy)
        ));
        for knob in &strategy.knobs {
            say(&format!("  {}: {}", knob.key, knob.range()));
        }
        println!("{}", candidates(strategy));
    }
}

/// The search in sentences.
fn head(prepared: &Prepared) {
    let plan = &prepared.plan;
    let better = if plan.better == Better::Lower { "lower" } else { "higher" };
    say(&format!(
        "{}: {} of {} strategies are tuned by {}, {better} is better",
        plan.name,
        prepared.strategies.len(),
        prepared.base.strategy.len(),
        plan.metric
    ));
    say(&format!("budget: {} passes of training for each strategy", plan.budget));
    let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
    say(&format!("seeds: {}, none of them one of the configuration's", seeds.join(", ")));
    match &plan.class_order {
        ClassOrder::Shuffled { seed } => {
            say(&format!(
                "classes: shuffled with seed {seed}, in {} tasks: {}",
                plan.tasks.len(),
                plan.tasks.join("; ")
            ));
        }
        ClassOrder::OfConfiguration { reason } => {
            say(&format!("classes: as in the configuration, since {reason}"));
        }
    }
    not_searched(prepared);
}

fn not_searched(prepared: &Prepared) {
    for other in &prepared.plan.not_searched {
        say(&format!("no search for {}: {}", other.label, other.reason));
    }
}

fn rungs(prepared: &Prepared) -> String {
    let whole = prepared.plan.passes_of_the_configuration;
    let headings = ["rung", "candidates", "passes an experience", "of the configuration's"];
    let mut sheet = Sheet::new(headings.map(str::to_owned), 1);
    for (i, rung) in prepared.rungs.iter().enumerate() {
        let part = format!("{:.0} %", 100.0 * rung.passes as f64 / whole as f64);
        sheet.add(vec![(i + 1).to_string(), rung.candidates.to_string(), rung.passes.to_string(), part]);
    }
    sheet.render(of_stdout())
}

fn candidates(strategy: &Searchable) -> String {
    let keys = strategy.knobs.iter().map(|knob| knob.key.clone());
    let mut sheet = Sheet::new(std::iter::once("candidate".to_owned()).chain(keys), 1);
    for (i, values) in strategy.candidates.iter().enumerate() {
        sheet.add(std::iter::once(i.to_string()).chain(values.iter().map(shown)).collect());
    }
    sheet.render(of_stdout())
}

/// A value as a configuration has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

/// Prints the outcome.
pub fn outcome(prepared: &Prepared, search: &Search, root: &Path) {
    println!("{}", chosen(prepared, search));
    let plan = &prepared.plan;
    let seeds =
        if plan.seeds.len() == 1 { "the seed".to_owned() } else { format!("the {} seeds", plan.seeds.len()) };
    say(&format!(
        "scores: {} on the last rung that both settings were on, the mean over {seeds} of the search",
        plan.metric
    ));
    for (strategy, searched) in prepared.strategies.iter().zip(&search.strategies) {
        for line in notes(strategy, searched, search) {
            say(&line);
        }
    }
    not_searched(prepared);
    println!();
    say(&format!(
        "configuration: {} (without the comments of the one that was tuned)",
        place(root).display()
    ));
    say(&format!("search: {}", root.join(FILE).display()));
}

/// A row for each option.
fn chosen(prepared: &Prepared, search: &Search) -> String {
    let headings = [
        "strategy",
        "option",
        "before",
        "chosen",
        "rung",
        "score before",
        "score chosen",
        "passes an experience",
    ];
    let mut sheet = Sheet::new(headings.map(str::to_owned), 2);
    for (strategy, searched) in prepared.strategies.iter().zip(&search.strategies) {
        let Some(chosen) = &searched.chosen else { continue };
        let Chosen { candidate, against_own, .. } = chosen;
        let passes = prepared.rungs[against_own.rung - 1].passes;
        for (i, knob) in strategy.knobs.iter().enumerate() {
            let value = |candidate: usize| shown(&strategy.candidates[candidate][i]);
            let scores = [against_own.own, against_own.chosen].map(score);
            let length = passes.to_string();
            let [own, other] = scores;
            sheet.add(vec![
                strategy.label.clone(),
                knob.key.clone(),
                value(0),
                value(*candidate),
                against_own.rung.to_string(),
                own,
                other,
                length,
            ]);
        }
    }
    sheet.render(of_stdout())
}

/// A score with four digits.
fn score(score: Option<f64>) -> String {
    let digits = |value: f64| (3.0 - value.abs().max(1e-12).log10().floor()).clamp(0.0, 6.0) as usize;
    score.map_or_else(|| "–".to_owned(), |value| format!("{value:.*}", digits(value)))
}

/// Sentences on one strategy.
fn notes(strategy: &Searchable, searched: &Searched, search: &Search) -> Vec<String> {
    let label = &searched.label;
    let mut lines = vec![format!(
        "{label}: {} candidates, {} passes of a budget of {}",
        strategy.candidates.len(),
        searched.spent,
        search.plan.budget
    )];
    if let Some(chosen) = &searched.chosen {
        if chosen.score.is_none() {
            lines.push(format!(
                "{label}: no candidate has a value, and the configuration's own setting stays"
            ));
        } else if chosen.candidate == 0 {
            lines.push(format!("{label}: the configuration's own setting is the best"));
        }
        if chosen.against_own.own.is_none() && chosen.score.is_some() {
            lines.push(format!(
                "{label}: the configuration's own setting has no value on the rung that both were on"
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_four_digits() {
        let shown = [Some(123.456), Some(0.012_345_6), Some(-1.5), Some(0.0), None].map(score);
        assert_eq!(shown, ["123.5", "0.01235", "-1.500", "0.000000", "–"]);
    }
}
