//! The table of results on stdout: a strategy a row, the headline or the columns that were asked for.

use super::{sheet::Sheet, width::wrap};
use crate::{
    quantities::{
        cells::{is_bound, mean, range, range_text, strategies},
        columns::Column,
        judge::{heading, judge_note},
        marks::marked,
    },
    results::{CellResult, Results},
};

/// The table of means over seeds, in lines of at most `width` columns. Competing strategies come first, then bounds; a star
/// marks the strategies that lead in a quality. Lines below say what the numbers are, and why a value is missing.
pub fn render(results: &Results, columns: &[Column], width: usize) -> String {
    let marks: Vec<Vec<String>> = columns.iter().map(|column| marked(results, column)).collect();
    let headings = columns.iter().map(|column| heading(column, results));
    let mut sheet = Sheet::new(std::iter::once("strategy".to_owned()).chain(headings), 1);
    let (bounds, competing): (Vec<_>, Vec<_>) =
        strategies(results).into_iter().partition(|(_, cells)| is_bound(cells));
    let mut missing = Vec::new();
    for (label, cells) in competing.iter().chain(&bounds) {
        let entries = columns.iter().zip(&marks).map(|(column, marked)| {
            let star = if marked.contains(label) { "*" } else { " " };
            format!("{}{star}", column.format(column.shown(cells)))
        });
        sheet.add(std::iter::once(row_name(label, cells)).chain(entries).collect());
        let reasons = reasons(columns, cells).into_iter();
        missing
            .extend(reasons.map(|(reason, titles)| format!("– {} of {label}: {reason}", titles.join(", "))));
    }
    let star = marks.iter().any(|marked| !marked.is_empty());
    let doubt = judge_note(results).map_or_else(String::new, |note| format!("† {note}"));
    let of_fid = columns.iter().any(|column| column.key.starts_with("fid."));
    let setting = if of_fid { setting(results) } else { String::new() };
    let lines = [seeds(&strategies(results)), leading(star), forgetting(columns), setting, doubt];
    let lines = lines.into_iter().filter(|line| !line.is_empty()).chain(missing);
    let lines: Vec<String> = lines.map(|line| wrap(&line, width)).collect();
    format!("{}\n{}", sheet.render(width), lines.join("\n"))
}

/// Why a strategy has no values, each reason with the headings of its columns.
pub fn reasons<'c>(columns: &'c [Column], cells: &[&CellResult]) -> Vec<(String, Vec<&'c str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for column in columns {
        let Some(reason) = column.reason_of_dash(cells) else { continue };
        match found.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, titles)) => titles.push(&column.title),
            None => found.push((reason, vec![&column.title])),
        }
    }
    found
}

/// The name of a strategy's row.
pub fn row_name(label: &str, cells: &[&CellResult]) -> String {
    if is_bound(cells) { format!("{label} (bound)") } else { label.to_owned() }
}

/// The number of values behind each mean.
fn seeds(strategies: &[(String, Vec<&CellResult>)]) -> String {
    match range(strategies.iter().map(|(_, cells)| Some(cells.len()))) {
        Some((1, 1)) => "one seed each: no strategy is called better than another".into(),
        Some(n) => format!("means over {} seeds", range_text(n)),
        None => String::new(),
    }
}

fn leading(any: bool) -> String {
    let meaning = "* not told apart from the best, and told apart from all others (paired t tests, Holm)";
    if any { meaning.into() } else { String::new() }
}

/// A note on the column that a column of forgetting is read with, where that is not shown; else nothing.
pub fn forgetting(columns: &[Column]) -> String {
    let shown = |key: &str| columns.iter().any(|column| column.key == key);
    let alone =
        columns.iter().find_map(|column| Some((column, column.beside.as_ref().filter(|key| !shown(key))?)));
    alone.map_or_else(String::new, |(column, beside)| {
        format!(
            "{} is read with {beside} (--columns): a strategy that never learned has nothing to forget",
            column.title
        )
    })
}

/// The samples and features behind FID, and its floor.
pub(super) fn setting(results: &Results) -> String {
    let floor = results.floor.get("fid").and_then(|floor| mean(floor.iter().copied()));
    let n = results.floor_samples.get("fid").and_then(|n| range(n.iter().copied()));
    let n = n.map_or_else(String::new, |n| format!(" (N = {})", range_text(n)));
    let floor = floor
        .map_or_else(String::new, |v| format!("; floor (training images as samples){n} {v:.2} on average"));
    format!(
        "FID from {} samples a task in the features of the {}{floor}",
        results.samples_per_task, results.features
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        quantities::named::chosen,
        report::tests::{cell, input},
    };

    #[test]
    fn joint_training_has_dashes_for_learning_in_turn_with_one_reason() {
        let mut cells = vec![cell("joint", 0, 2), cell("a", 0, 2)];
        cells[0].strategy = "joint".into();
        for cell in &mut cells {
            for (name, value) in [("forgetting", 21.5), ("plasticity", 12.25)] {
                cell.summary.insert(format!("fid.{name}"), Some(value));
            }
        }
        let results = input(cells, 2).results;
        let names = ["fid.final_average", "fid.forgetting", "fid.plasticity"].map(str::to_owned);
        let table = render(&results, &chosen(&results, &names).unwrap(), 200);
        let row = |name: &str| {
            let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{table}"));
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        // Four digits of the largest value in each column.
        assert_eq!(row("a "), ["a", "20", "21.50", "12.25"]);
        assert_eq!(row("joint"), ["joint", "(bound)", "20", "–", "–"]);
        let reason = "– fid.forgetting, fid.plasticity of joint: trained on all tasks from the start";
        assert_eq!(table.lines().filter(|line| line.starts_with('–')).collect::<Vec<_>>(), [reason]);
    }
}
