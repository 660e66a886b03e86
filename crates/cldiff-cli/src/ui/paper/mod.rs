//! The table of results as a paper takes it: LaTeX with booktabs, or Markdown. Bold is what the statistics mark, and nothing
//! else; the caption says what a ± is, how many seeds and samples are behind the numbers, and in whose features.

mod latex;
mod markdown;

use cl_metrics::{sample::SampleMetric, summary::FEWEST_SEEDS};

use super::table::setting;
use crate::{
    quantities::{
        cells::{is_bound, range, range_text, strategies},
        columns::Column,
        judge::{heading, judge_note},
        marks::marked,
    },
    results::{CellResult, Results},
};

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A `table` with a `tabular`, for booktabs.
    Latex,
    /// A table of pipes.
    Markdown,
}

/// A table with its caption.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paper {
    /// The name of the run, for the label.
    pub name: String,
    /// Sentences with their full stops.
    pub caption: Vec<String>,
    /// Headings of the columns that name a row.
    pub names: Vec<String>,
    /// Headings of the columns of values.
    pub headings: Vec<String>,
    /// The rows; those of bounds stand last, behind a rule.
    pub rows: Vec<Row>,
    /// Why values are missing.
    pub notes: Vec<String>,
}

/// A row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// A text for each column that names a row.
    pub names: Vec<String>,
    /// Whether it is of a bound.
    pub is_bound: bool,
    /// An entry for each column of values.
    pub entries: Vec<Entry>,
}

/// A value as it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The mean; none where there is no value.
    pub value: Option<String>,
    /// The number behind ±.
    pub spread: Option<String>,
    /// Whether the statistics mark it.
    pub is_bold: bool,
}

impl Paper {
    /// The table of some columns: competing strategies, then bounds.
    pub fn of(results: &Results, columns: &[Column]) -> Self {
        let all = strategies(results);
        let (bounds, competing): (Vec<_>, Vec<_>) = all.iter().partition(|(_, cells)| is_bound(cells));
        let marks: Vec<Vec<String>> = columns.iter().map(|column| marked(results, column)).collect();
        let seeds = range(all.iter().map(|(_, cells)| Some(cells.len()))).unwrap_or((0, 0));
        let row = |(label, cells): &(String, Vec<&CellResult>)| Row {
            names: vec![name(label, cells, seeds)],
            is_bound: is_bound(cells),
            entries: columns
                .iter()
                .zip(&marks)
                .map(|(column, marks)| entry(column, marks, label, cells))
                .collect(),
        };
        let rows: Vec<Row> = competing.into_iter().chain(bounds).map(row).collect();
        let title = |column: &Column| match column.arrow() {
            "" => heading(column, results),
            arrow => format!("{} {arrow}", heading(column, results)),
        };
        let reasons = |column: &Column| {
            let of = |(label, cells): &(String, Vec<&CellResult>)| {
                Some(format!("{} of {label}: {}", column.title, column.reason_of_dash(cells)?))
            };
            all.iter().filter_map(of).collect::<Vec<_>>()
        };
        Self {
            name: results.name.clone(),
            caption: caption(results, columns, &rows, seeds),
            names: vec!["strategy".to_owned()],
            headings: columns.iter().map(title).collect(),
            rows,
            notes: columns.iter().flat_map(reasons).collect(),
        }
    }

    /// The text of the table.
    pub fn render(&self, form: Form) -> String {
        match form {
            Form::Latex => latex::render(self),
            Form::Markdown => markdown::render(self),
        }
    }
}

fn name(label: &str, cells: &[&CellResult], (fewest, most): (usize, usize)) -> String {
    let seeds = match cells.len() {
        _ if fewest == most => String::new(),
        1 => ", 1 seed".to_owned(),
        n => format!(", {n} seeds"),
    };
    let bound = if is_bound(cells) { ", bound" } else { "" };
    let notes = format!("{bound}{seeds}");
    if notes.is_empty() { label.to_owned() } else { format!("{label} ({})", &notes[2..]) }
}

fn entry(column: &Column, marks: &[String], label: &String, cells: &[&CellResult]) -> Entry {
    let value = column.shown(cells);
    let spread = match cells {
        [cell] => column.error_over_samples(cell),
        _ => column.over_seeds(cells).and_then(|values| values.standard_deviation),
    };
    Entry {
        value: value.map(|value| column.format(Some(value))),
        spread: spread.filter(|_| value.is_some()).map(|spread| column.format(Some(spread))),
        is_bold: marks.contains(label),
    }
}

fn caption(results: &Results, columns: &[Column], rows: &[Row], seeds: (usize, usize)) -> Vec<String> {
    let entries = || rows.iter().flat_map(|row| &row.entries);
    let mut caption = vec![over(seeds, entries().any(|entry| entry.spread.is_some()))];
    if columns.iter().any(|column| !column.arrow().is_empty()) {
        caption.push("Arrows point to better values.".to_owned());
    }
    caption.extend(samples(results, columns));
    if entries().any(|entry| entry.is_bold) {
        caption.push(
            "Bold: not told apart from the best and told apart from all others (Student's paired t tests over seeds, Holm, \
             5 %)."
                .to_owned(),
        );
    } else if seeds.1 < FEWEST_SEEDS && rows.len() > 1 {
        caption
            .push(format!("With fewer than {FEWEST_SEEDS} seeds no strategy is called better than another."));
    }
    if rows.iter().any(|row| row.is_bound) {
        caption.push(
            "A bound sees more data at once, or holds more models, and is in no comparison.".to_owned(),
        );
    }
    let beside = columns.iter().find_map(|column| Some((&column.title, column.beside.as_ref()?)));
    caption.extend(beside.map(|(title, key)| {
        format!("{title} is read with {key}: a strategy that never learned has nothing to forget.")
    }));
    let is_noted = columns.iter().any(|column| heading(column, results).ends_with('†'));
    caption.extend(judge_note(results).filter(|_| is_noted).map(|note| format!("† {note}.")));
    if entries().any(|entry| entry.value.is_none()) {
        caption.push("A dash: no value.".to_owned());
    }
    caption
}

/// The number of seeds, and the meaning of ±.
fn over((fewest, most): (usize, usize), has_spread: bool) -> String {
    let error = "the standard error over samples or images";
    let deviation = "the standard deviation over seeds";
    let (numbers, spread) = match (fewest, most) {
        (_, 1) => ("One seed each".to_owned(), error.to_owned()),
        (1, most) => (format!("Means over 1–{most} seeds"), format!("{deviation}, for one seed {error}")),
        n => (format!("Means over {} seeds", range_text(n)), deviation.to_owned()),
    };
    if has_spread { format!("{numbers}; ± is {spread}.") } else { format!("{numbers}.") }
}

/// The number of samples behind metrics of samples, and the features of FID.
fn samples(results: &Results, columns: &[Column]) -> Option<String> {
    let metric = |column: &Column| column.key.split('.').next().unwrap_or_default().to_owned();
    let has =
        |is_it: &dyn Fn(&str) -> bool| columns.iter().any(|column| column.quality && is_it(&metric(column)));
    if has(&|name| name == "fid") {
        return Some(format!("{}.", setting(results)));
    }
    let of_samples = has(&|name| SampleMetric::named(name).is_some());
    of_samples.then(|| format!("Metrics of samples: {} samples a task.", results.samples_per_task))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        quantities::named::headline,
        report::tests::{cell, input},
    };

    /// `b` is 10 better than `a` on every seed, but for a little noise.
    fn results(seeds: u64) -> Results {
        let of = |label: &str, by: f64, strategy: &str| -> Vec<CellResult> {
            (0..seeds)
                .map(|seed| {
                    let mut cell = cell(label, seed, 2);
                    cell.strategy = strategy.into();
                    let noise = 0.1 * ((2 + label.len() as u64) * seed % 5) as f64;
                    let fid = 20.0 + 30.0 * seed as f64 + by + noise;
                    cell.summary.insert("fid.final_average".into(), Some(fid));
                    cell.standard_errors.insert("fid".into(), vec![vec![Some(3.0); 2]; 2]);
                    cell
                })
                .collect()
        };
        let cells = [of("joint", 0.0, "joint"), of("a_1", 10.0, "ewc"), of("b", 0.0, "replay")].concat();
        input(cells, 2).results
    }

    fn paper(results: &Results) -> Paper {
        let fid = headline(results)
            .into_iter()
            .filter(|column| column.key.starts_with("fid.final"))
            .collect::<Vec<_>>();
        Paper::of(results, &fid)
    }

    #[test]
    fn bold_is_what_the_statistics_mark_and_the_caption_names_the_spread_seeds_and_samples() {
        let five = paper(&results(5));
        let bold: Vec<(&str, bool)> =
            five.rows.iter().map(|row| (row.names[0].as_str(), row.entries[0].is_bold)).collect();
        assert_eq!(bold, [("a_1", false), ("b", true), ("joint (bound)", false)]);
        let caption = five.caption.join(" ");
        assert!(
            caption.starts_with("Means over 5 seeds; ± is the standard deviation over seeds. Arrows"),
            "{caption}"
        );
        assert!(
            caption.contains("FID from 16 samples a task in the features of the 8-d test features"),
            "{caption}"
        );
        assert!(caption.contains("Bold: not told apart from the best"), "{caption}");
        // 20 + 0, 30, ..., 120 and the noise 0, .3, .1, .4, .2: the squares of the deviations add up to 9030.1.
        assert_eq!(five.rows[1].entries[0].value.as_deref(), Some("80.20"));
        assert_eq!(five.rows[1].entries[0].spread.as_deref(), Some("47.51"));
    }

    #[test]
    fn few_seeds_mark_nothing_and_one_has_the_error_over_samples() {
        let four = paper(&results(4));
        assert!(four.rows.iter().all(|row| !row.entries[0].is_bold));
        assert!(four.caption.join(" ").contains("With fewer than 5 seeds no strategy is called better"));
        let one = paper(&results(1));
        assert!(one.caption[0].starts_with("One seed each; ± is the standard error over samples or images."));
        // sqrt(3² + 3²) / 2
        assert_eq!(one.rows[0].entries[0].spread.as_deref(), Some("2.12"));
    }

    #[test]
    fn a_missing_value_is_a_dash_with_its_reason_and_different_seeds_are_named() {
        let mut results = results(2);
        results.cells.remove(0);
        results.cells[1].summary.insert("fid.final_average".into(), None);
        results.cells[1].summary_missing.insert("fid.final_average".into(), "it was lost".into());
        let paper = paper(&results);
        assert_eq!(paper.notes, ["FID of a_1: seed 0: it was lost"]);
        assert_eq!(paper.rows[0].entries[0], Entry::default());
        assert_eq!(paper.rows[2].names, ["joint (bound, 1 seed)"]);
        assert!(
            paper.caption[0]
                .starts_with("Means over 1–2 seeds; ± is the standard deviation over seeds, for one seed")
        );
        assert_eq!(paper.caption.last().unwrap(), "A dash: no value.");
    }
}
