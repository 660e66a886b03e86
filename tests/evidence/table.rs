//! A table in Markdown: mean and standard deviation over the seeds, with a star where a verdict tells a strategy apart.

use std::fmt::Write;

use cl_metrics::summary::{BySeed, Comparison, Direction, over_seeds};

use super::{
    rows::Rows,
    spec::{Better, Column, Spec, Table},
};

/// The table with a line that says where it comes from.
pub fn markdown(spec: &Spec, table: &Table, rows: &Rows) -> String {
    let labels = if table.rows.is_empty() { rows.labels() } else { &table.rows };
    let titles: Vec<&str> = table.columns.iter().map(|column| column.title.as_str()).collect();
    let mut text = format!("| strategy | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    for label in labels {
        let cells: Vec<String> = table.columns.iter().map(|column| cell(spec, column, label, rows)).collect();
        writeln!(text, "| `{label}` | {} |", cells.join(" | ")).unwrap();
    }
    text + "\n" + &source(spec, table, labels, rows)
}

fn source(spec: &Spec, table: &Table, labels: &[String], rows: &Rows) -> String {
    let mut seeds: Vec<usize> = labels.iter().map(|label| rows.seeds(label).len()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    let mut text = match seeds.join(" or ").as_str() {
        "1" => "*One seed.".to_owned(),
        several => format!("*Mean ± standard deviation over {several} seeds."),
    };
    if table.columns.iter().any(|column| column.better.is_some()) {
        text += " ★: told apart by the paired t test with Holm's correction over all pairs of strategies in the column.";
    }
    let Spec { command, machine, commit, date, .. } = spec;
    writeln!(text, " `{command}`, {machine}, commit {commit}, {date}.*").unwrap();
    text
}

fn cell(spec: &Spec, column: &Column, label: &str, rows: &Rows) -> String {
    let values = rows.of(label, &column.metric);
    if values.is_empty() {
        return "none".into();
    }
    let Some(other) = &column.less else { return shown(column, values.values().copied()) };
    if other == label {
        return "0".into();
    }
    let others = rows.of(other, &column.metric);
    let differences = values.iter().filter_map(|(seed, value)| Some(value - others.get(seed)?));
    let star = if told(spec, column, label, other, rows) { " ★" } else { "" };
    shown(column, differences) + star
}

fn shown(column: &Column, values: impl Iterator<Item = f64>) -> String {
    let Some(over) = over_seeds(values.map(|value| value / column.divide_by)) else { return "none".into() };
    let digits = column.digits;
    let mean = format!("{:.digits$}", over.mean);
    // No minus before a zero.
    let mean = if mean.trim_start_matches(['-', '0', '.']).is_empty() { mean.replace('-', "") } else { mean };
    match over.standard_deviation.filter(|_| column.spread) {
        Some(sd) => format!("{mean} ± {sd:.digits$}"),
        None => mean,
    }
}

/// Whether the seeds tell a strategy from another in this column. Bounds compete with none and have no star.
fn told(spec: &Spec, column: &Column, label: &str, other: &str, rows: &Rows) -> bool {
    let Some(better) = column.better else { return false };
    if spec.bounds.iter().any(|bound| bound == label) {
        return false;
    }
    let competing: Vec<&String> = rows.labels().iter().filter(|label| !spec.bounds.contains(label)).collect();
    let values: Vec<BySeed> = competing.iter().map(|label| rows.of(label, &column.metric)).collect();
    let direction = match better {
        Better::Lower => Direction::LowerIsBetter,
        Better::Higher => Direction::HigherIsBetter,
    };
    let found = Comparison::of(&values, direction);
    let place = |label: &str| competing.iter().position(|of| *of == label);
    place(label).zip(place(other)).is_some_and(|(a, b)| found.is_better(a, b) || found.is_better(b, a))
}
