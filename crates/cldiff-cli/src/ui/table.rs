//! The table of results on stdout: a strategy a row, quality beside cost.

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    quantities::{
        cells::{is_bound, mean, range, range_text, strategies},
        columns::columns,
        judge::{heading, judge_note},
        marks::marked,
    },
    results::{CellResult, Results},
};

/// The table of means over seeds. Competing strategies come first, then bounds; a star marks the strategies that lead in a
/// quality. Lines below say what the numbers are, and why a value is missing.
pub fn render(results: &Results) -> String {
    let columns = columns(results);
    let marks: Vec<Vec<String>> = columns.iter().map(|column| marked(results, column)).collect();
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    let header = std::iter::once("strategy".to_owned()).chain(columns.iter().map(|c| heading(c, results)));
    table.set_header(header);
    let (bounds, competing): (Vec<_>, Vec<_>) =
        strategies(results).into_iter().partition(|(_, cells)| is_bound(cells));
    let mut missing = Vec::new();
    for (label, cells) in competing.iter().chain(&bounds) {
        let name = if is_bound(cells) { format!("{label} (bound)") } else { label.clone() };
        let entries = columns.iter().zip(&marks).map(|(column, marked)| {
            let reason =
                column.reason(cells).map(|reason| format!("– {} of {label}: {reason}", column.title));
            missing.extend(reason);
            let star = if marked.contains(label) { "*" } else { " " };
            format!("{}{star}", column.format(column.mean(cells)))
        });
        table.add_row(std::iter::once(name).chain(entries));
    }
    for i in 1..=columns.len() {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let doubt = judge_note(results).map_or_else(String::new, |note| format!("† {note}"));
    let star = marks.iter().any(|marked| !marked.is_empty());
    let lines =
        [seeds(&strategies(results)), leading(star), setting(results), doubt].into_iter().chain(missing);
    format!("{table}\n{}", lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
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

fn setting(results: &Results) -> String {
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
