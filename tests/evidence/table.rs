//! A table in Markdown: mean and standard deviation over the seeds, with a star where a verdict tells a strategy apart.

use std::fmt::Write;

use cl_metrics::summary::over_seeds;

use super::{
    number::{fixed, with_deviation},
    rows::Rows,
    source::source,
    spec::{Column, Spec, Table},
    verdict::AgainstReferences,
};

/// The table with a line that says where it comes from.
pub fn markdown(spec: &Spec, table: &Table, rows: &Rows) -> String {
    let labels = if table.rows.is_empty() { rows.labels() } else { &table.rows };
    let titles: Vec<&str> = table.columns.iter().map(|column| column.title.as_str()).collect();
    let mut text = format!("| strategy | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    let verdicts: Vec<Option<AgainstReferences>> =
        table.columns.iter().map(|column| verdicts(spec, table, labels, rows, column)).collect();
    for label in labels {
        let cells = table.columns.iter().zip(&verdicts);
        let cells: Vec<String> =
            cells.map(|(column, verdicts)| cell(column, verdicts.as_ref(), label, rows)).collect();
        writeln!(text, "| `{label}` | {} |", cells.join(" | ")).unwrap();
    }
    text + "\n" + &about(spec, table, labels, rows)
}

/// The verdicts of a column, with a correction over all comparisons that the table makes in its quantity.
fn verdicts(
    spec: &Spec,
    table: &Table,
    labels: &[String],
    rows: &Rows,
    column: &Column,
) -> Option<AgainstReferences> {
    column.better?;
    let of_quantity = |other: &&Column| other.better.is_some() && other.metric == column.metric;
    let references = table.columns.iter().filter(of_quantity).filter_map(|other| other.less.as_deref());
    let references: Vec<&str> = references.collect();
    let competing = labels.iter().filter(|label| spec.competes(label));
    let family = competing.flat_map(|label| references.iter().map(|reference| (label.as_str(), *reference)));
    Some(AgainstReferences::of(rows, &column.metric, family))
}

fn about(spec: &Spec, table: &Table, labels: &[String], rows: &Rows) -> String {
    let mut seeds: Vec<usize> = labels.iter().map(|label| rows.seeds(label).len()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    let mut text = match seeds.join(" or ").as_str() {
        "1" => "One seed.".to_owned(),
        several => format!("Mean ± standard deviation over {several} seeds."),
    };
    if table.columns.iter().any(|column| column.better.is_some()) {
        text += " ★: told apart by the paired t test with Holm's correction over all comparisons of the table in the \
                 quantity: an error rate of 5 % for the table. Bounds are not compared.";
    }
    format!("*{text} {}*\n", source(spec))
}

fn cell(column: &Column, verdicts: Option<&AgainstReferences>, label: &str, rows: &Rows) -> String {
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
    let star = if verdicts.is_some_and(|of| of.tells(label, other)) { " ★" } else { "" };
    let differences: Vec<f64> = differences.collect();
    let some = if differences.len() == values.len() {
        String::new()
    } else {
        format!(" (n = {})", differences.len())
    };
    shown(column, differences.into_iter()) + &some + star
}

fn shown(column: &Column, values: impl Iterator<Item = f64>) -> String {
    let Some(over) = over_seeds(values.map(|value| value / column.divide_by)) else { return "none".into() };
    if column.spread { with_deviation(&over, column.digits) } else { fixed(over.mean, column.digits) }
}
