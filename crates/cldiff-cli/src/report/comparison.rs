//! Runs of different settings beside each other: the keys in which they differ, and a row for each strategy and run.
//!
//! Nothing is called better here. Seeds are paired within a run, and runs of different settings may measure with other
//! images, features or numbers of samples; where they do, it is said.

mod paper;

use std::path::Path;

use anyhow::Context;
use cl_strategies::durable::write_whole;
use minijinja::{Environment, Value, context};
use toml::Table;

use super::{ReportInput, long, tables};
use crate::{
    config::differences,
    quantities::{
        cells::{is_bound, strategies},
        columns::Column,
        judge::{heading, judge_note},
        named::{self, chosen, headline},
    },
    results::Results,
    ui::{
        failure::Failure,
        sheet::Sheet,
        table::{forgetting, row_name},
        width::{of_stdout, say, wrap},
    },
};

/// Settings in which runs may differ and make one run.
const FREE: [&str; 3] = ["name", "seeds", "checkpoints"];
/// More keys than these stand in a list, and a row has the number of its run.
const MOST_KEYS: usize = 3;
/// In the place of a value that a run has not.
const ABSENT: &str = "–";

/// Some runs, and the settings in which they differ.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    runs: &'a [ReportInput],
    /// A key, and its value in each run.
    settings: Vec<(String, Vec<String>)>,
}

/// A strategy in one run.
struct Line {
    /// The row's name.
    strategy: String,
    /// Whether it is a bound.
    is_bound: bool,
    /// The run, from 0.
    run: usize,
    /// Its values, column by column, as they are shown.
    values: Vec<String>,
}

impl<'a> Comparison<'a> {
    /// Finds the settings in which some runs differ. Strategies are compared by their labels.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a configuration that is no TOML.
    pub fn of(runs: &'a [ReportInput]) -> Result<Self, Failure> {
        let parse = |run: &ReportInput| {
            let table = run.config_toml.parse::<Table>();
            table.map_err(|error| {
                Failure::mistake(format!("the configuration of the run {}: {error}", run.place.display()))
            })
        };
        // One run differs from nothing, whatever its configuration is.
        let tables: Vec<Table> =
            if runs.len() > 1 { runs.iter().map(parse).collect::<Result<_, _>>()? } else { Vec::new() };
        let shown = |values: Vec<Option<String>>| -> Vec<String> {
            values.into_iter().map(|value| value.unwrap_or_else(|| ABSENT.into())).collect()
        };
        let settings =
            differences(&tables, &FREE).into_iter().map(|(key, values)| (key, shown(values))).collect();
        Ok(Self { runs, settings })
    }

    /// Whether the runs are of one setting.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// Prints the comparison, and writes it as a page, and beside it every number as CSV.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for columns that are not there, and files that cannot be where they are asked for;
    /// [`Failure::Other`] if the disk is to blame.
    pub fn show(&self, names: &[String], out: &Path) -> Result<(), Failure> {
        let columns =
            self.columns(names).map_err(|problem| Failure::mistake(format!("--columns: {problem}")))?;
        self.write(&columns, out).map_err(Failure::of_files)?;
        println!("{}\n", self.render(&columns, of_stdout()));
        say(&format!("report: {}", out.display()));
        Ok(())
    }

    /// The columns, of each run and of all runs together: the headline, or those that are asked for.
    fn columns(&self, names: &[String]) -> Result<Columns, String> {
        let mut together = self.runs[0].results.clone();
        self.runs[1..].iter().for_each(|run| together.cells.extend(run.results.cells.iter().cloned()));
        let is_headline = names.is_empty();
        let all = if is_headline { headline(&together) } else { chosen(&together, names)? };
        // A run may lack a column that another has.
        let of_run = |run: &ReportInput| {
            let known = if is_headline { Ok(headline(&run.results)) } else { named::all(&run.results) };
            let mut known = known.map_err(|error| error.to_string())?;
            known.retain(|column| all.iter().any(|shown| shown.key == column.key));
            Ok(known)
        };
        let of_each = self.runs.iter().map(of_run).collect::<Result<_, String>>()?;
        Ok(Columns { of_each, all })
    }

    /// The rows: strategy by strategy, bounds last, and there run by run.
    fn lines(&self, columns: &Columns) -> Vec<Line> {
        let mut found: Vec<(bool, usize, Line)> = Vec::new();
        let mut labels: Vec<String> = Vec::new();
        for (run, input) in self.runs.iter().enumerate() {
            for (label, cells) in strategies(&input.results) {
                let order = labels.iter().position(|known| *known == label).unwrap_or_else(|| {
                    labels.push(label.clone());
                    labels.len() - 1
                });
                let value = |column: &Column| {
                    let own = columns.of_each[run].iter().find(|own| own.key == column.key);
                    column.format(own.and_then(|own| own.shown(&cells)))
                };
                let values = columns.all.iter().map(value).collect();
                let strategy = row_name(&label, &cells);
                let is_bound = is_bound(&cells);
                found.push((is_bound, order, Line { strategy, is_bound, run, values }));
            }
        }
        found.sort_by_key(|(bound, order, line)| (*bound, *order, line.run));
        found.into_iter().map(|(_, _, line)| line).collect()
    }

    /// Whether rows have the numbers of their runs, for want of room for the settings or since these are the same.
    fn by_number(&self) -> bool {
        let setting = |run: usize| self.settings.iter().map(move |(_, values)| &values[run]);
        let alike = (1..self.runs.len()).any(|i| (0..i).any(|j| setting(i).eq(setting(j))));
        self.settings.len() > MOST_KEYS || alike
    }

    fn render(&self, columns: &Columns, width: usize) -> String {
        let by_number = self.by_number();
        let settings = if self.settings.len() == 1 { "setting" } else { "settings" };
        let mut text =
            vec![format!("{} runs differ in {} {settings}:", self.runs.len(), self.settings.len())];
        if by_number {
            for (i, run) in self.runs.iter().enumerate() {
                text.push(format!("{} {}", i + 1, run.place.display()));
                text.extend(self.settings.iter().map(|(key, values)| format!("    {key} = {}", values[i])));
            }
        } else {
            text.extend(self.settings.iter().map(|(key, _)| format!("  {key}")));
            let values = |i: usize| self.setting(i).join(", ");
            let of_run =
                |(i, run): (usize, &ReportInput)| format!("  {}: {}", run.place.display(), values(i));
            text.push("The runs have these values:".to_owned());
            text.extend(self.runs.iter().enumerate().map(of_run));
        }
        let mut text: Vec<String> = text.iter().map(|line| wrap(line, width)).collect();
        let of_run = if by_number { vec!["run".to_owned()] } else { self.short_keys() };
        let names = 1 + of_run.len();
        let noted = self.noted();
        let headings = columns.all.iter().map(|column| heading(column, noted));
        let mut sheet = Sheet::new(["strategy".to_owned()].into_iter().chain(of_run).chain(headings), names);
        for line in self.lines(columns) {
            let of_run = if by_number { vec![(line.run + 1).to_string()] } else { self.setting(line.run) };
            sheet.add([line.strategy].into_iter().chain(of_run).chain(line.values).collect());
        }
        text.extend([String::new(), sheet.render(width)]);
        text.extend(self.notes(columns).iter().map(|note| wrap(note, width)));
        text.join("\n")
    }

    /// The name of a run in a note: its number where rows have it, else its settings.
    fn name(&self, run: usize) -> String {
        if self.by_number() {
            return format!("run {}", run + 1);
        }
        let settings = self.short_keys().into_iter().zip(self.setting(run));
        settings.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    }

    fn setting(&self, run: usize) -> Vec<String> {
        self.settings.iter().map(|(_, values)| values[run].clone()).collect()
    }

    /// The last parts of the keys, as many as tell them apart.
    fn short_keys(&self) -> Vec<String> {
        let keys: Vec<&str> = self.settings.iter().map(|(key, _)| key.as_str()).collect();
        let last = |key: &str, parts: usize| {
            let all: Vec<&str> = key.split('.').collect();
            all[all.len().saturating_sub(parts)..].join(".")
        };
        let is_unique = |key: &str, parts: usize| {
            keys.iter().filter(|other| last(other, parts) == last(key, parts)).count() == 1
        };
        let short = |key: &&str| {
            (1..20)
                .find(|&parts| is_unique(key, parts))
                .map_or_else(|| (*key).to_owned(), |parts| last(key, parts))
        };
        keys.iter().map(short).collect()
    }

    /// The run whose note on its classifier stands beside the numbers, if there is one.
    fn noted(&self) -> &Results {
        let noted = self.runs.iter().find(|run| judge_note(&run.results).is_some());
        &noted.unwrap_or(&self.runs[0]).results
    }

    /// The reasons why numbers of different runs do not compare, and why values are missing.
    fn notes(&self, columns: &Columns) -> Vec<String> {
        let of_each = |text: &dyn Fn(&ReportInput) -> String| -> String {
            let texts =
                self.runs.iter().enumerate().map(|(i, run)| format!("{}: {}", self.name(i), text(run)));
            texts.collect::<Vec<_>>().join("; ")
        };
        let first = &self.runs[0];
        let differ = |differs: &dyn Fn(&ReportInput) -> bool| self.runs.iter().any(differs);
        let mut notes = vec!["no strategy is called better across settings".to_owned()];
        if differ(&|run| run.results.features != first.results.features) {
            let features = of_each(&|run| run.results.features.clone());
            notes.push(format!(
                "FID and other sample metrics are in different features and do not compare: {features}"
            ));
        }
        if differ(&|run| run.results.samples_per_task != first.results.samples_per_task) {
            let n = of_each(&|run| run.results.samples_per_task.to_string());
            notes.push(format!(
                "sample metrics are of different numbers of samples, on which their bias depends: {n}"
            ));
        }
        if differ(&|run| run.results.stream != first.results.stream) {
            notes.push("the tasks differ: values are of other tasks, or of others at their end".into());
        } else if differ(&|run| run.data_sha256.get("eval") != first.data_sha256.get("eval")) {
            notes.push("the held-out images differ".into());
        }
        notes.extend(Some(forgetting(&columns.all)).filter(|note| !note.is_empty()));
        let mut doubts: Vec<String> = self.runs.iter().filter_map(|run| judge_note(&run.results)).collect();
        doubts.dedup();
        notes.extend(doubts.into_iter().map(|note| format!("† {note}")));
        for (i, run) in self.runs.iter().enumerate() {
            for (label, cells) in strategies(&run.results) {
                let reason = |column: &Column| Some((column.title.clone(), column.reason_of_dash(&cells)?));
                let reasons = columns.of_each[i].iter().filter_map(reason);
                let told = |(title, reason)| format!("– {title} of {label}, {}: {reason}", self.name(i));
                notes.extend(reasons.map(told));
            }
        }
        notes
    }

    fn write(&self, columns: &Columns, out: &Path) -> anyhow::Result<()> {
        let write =
            |path: &Path, bytes: &[u8]| write_whole(path, bytes).context("the comparison cannot be written");
        let (page, table) = (self.page(columns)?, self.csv()?);
        write(out, page.as_bytes())?;
        write(&out.with_extension("csv"), table.as_bytes())
    }

    fn page(&self, columns: &Columns) -> anyhow::Result<String> {
        let mut environment = Environment::new();
        // The name's ending switches the escaping of HTML on.
        let text = include_str!("comparison.html");
        environment.add_template("comparison.html", text).context("the comparison's template")?;
        let runs: Vec<Value> = self
            .runs
            .iter()
            .enumerate()
            .map(|(i, run)| {
                let state: Vec<String> =
                    run.results.failed.iter().map(ToString::to_string).chain(run.missing.iter().cloned()).collect();
                context! { number => i + 1, place => run.place.display().to_string(), values => self.setting(i), state => state }
            })
            .collect();
        let row = |line: Line| context! { strategy => line.strategy, number => line.run + 1, settings => self.setting(line.run), values => line.values };
        let headings: Vec<Value> = columns
            .all
            .iter()
            .map(|column| context! { title => heading(column, self.noted()), meaning => column.meaning })
            .collect();
        let page = context! {
            style => super::STYLE,
            keys => self.settings.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
            short_keys => if self.by_number() { Vec::new() } else { self.short_keys() },
            runs => runs,
            headings => headings,
            rows => self.lines(columns).into_iter().map(row).collect::<Vec<Value>>(),
            notes => self.notes(columns),
        };
        environment
            .get_template("comparison.html")
            .and_then(|template| template.render(page))
            .context("the comparison's template")
    }

    /// The long table of each run with its directory for a name, and behind it a column for each key that differs.
    fn csv(&self) -> anyhow::Result<String> {
        let mut rows = Vec::new();
        for (i, run) in self.runs.iter().enumerate() {
            for mut row in long::rows(&[&run.results], &run.results)? {
                row.run = run.place.display().to_string();
                rows.push((row, self.setting(i)));
            }
        }
        let keys: Vec<&str> = self.settings.iter().map(|(key, _)| key.as_str()).collect();
        Ok(tables::csv_with(&keys, &rows))
    }
}

/// The columns of a comparison.
struct Columns {
    /// The columns of each run, from which values are taken.
    of_each: Vec<Vec<Column>>,
    /// The columns of all runs together, by which values are shown.
    all: Vec<Column>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests::{cell, input},
        ui::width::columns as columns_of,
    };

    pub(super) fn run(coefficient: &str, steps: usize) -> ReportInput {
        let mut run = input(vec![cell("replay-1", 0, 2), cell("finetune", 0, 2)], 2);
        run.place = format!("runs/{coefficient}-{steps}").into();
        run.config_toml = format!(
            "name = 'x{steps}'\n[training]\nsteps = {steps}\n[[strategy]]\nlabel = 'replay-1'\n\
             replay = {{ rehearsal_coefficient = {coefficient} }}\n[[strategy]]\nfinetune = {{}}\n"
        );
        let fid = coefficient.parse::<f64>().unwrap() * 100.0 + steps as f64;
        run.results.cells[0].summary.insert("fid.final_average".into(), Some(fid));
        run
    }

    fn rendered(runs: &[ReportInput], width: usize) -> String {
        let comparison = Comparison::of(runs).unwrap();
        comparison.render(&comparison.columns(&[]).unwrap(), width)
    }

    #[test]
    fn runs_of_one_setting_are_none() {
        assert!(Comparison::of(&[run("0.1", 3)]).unwrap().is_empty());
        assert!(Comparison::of(&[run("0.1", 3), run("0.1", 3)]).unwrap().is_empty());
    }

    #[test]
    fn the_keys_that_differ_are_named_and_each_row_has_their_values() {
        let runs = [run("0.1", 3), run("0.5", 3)];
        let text = rendered(&runs, 80);
        assert!(
            text.contains("2 runs differ in 1 setting:\n  strategy.replay-1.replay.rehearsal_coefficient\n"),
            "{text}"
        );
        assert!(text.contains(&format!("  {}: 0.5\n", runs[1].place.display())), "{text}");
        let row = |words: &[&str]| {
            text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().starts_with(words))
        };
        assert!(row(&["replay-1", "0.1", "13.00"]) && row(&["replay-1", "0.5", "53.00"]), "{text}");
        assert!(row(&["finetune", "0.1", "20.00"]), "{text}");
        assert!(!text.contains('*'), "{text}");
    }

    #[test]
    fn two_keys_are_two_columns_and_many_are_a_list_by_run() {
        let text = rendered(&[run("0.1", 3), run("0.1", 4), run("0.5", 3), run("0.5", 4)], 80);
        let row = |words: &[&str]| {
            text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().starts_with(words))
        };
        assert!(row(&["replay-1", "0.5", "4", "54.00"]), "{text}");
        let mut many = run("0.1", 3);
        many.config_toml.push_str("[process]\na = 1\nb = 2\nc = 3\nd = 4\n");
        let text = rendered(&[run("0.1", 3), many], 80);
        assert!(
            text.contains("2 runs/0.1-3\n    process.a = 1\n")
                && text.contains("1 runs/0.1-3\n    process.a = –\n"),
            "{text}"
        );
        assert!(text.lines().any(|line| line.starts_with("replay-1  2")), "{text}");
    }

    #[test]
    fn what_does_not_compare_is_said_and_nothing_is_wider_than_asked() {
        let mut other = run("0.5", 3);
        other.results.features = "9-d other features".into();
        other.results.samples_per_task = 99;
        for width in [60, 80, 120] {
            let text = rendered(&[run("0.1", 3), other.clone()], width);
            assert!(text.lines().all(|line| columns_of(line) <= width), "{text}");
        }
        let text = rendered(&[run("0.1", 3), other], 1000);
        let [one, two] = ["0.1", "0.5"].map(|value| format!("rehearsal_coefficient = {value}"));
        let features = format!("and do not compare: {one}: 8-d test features; {two}: 9-d other features");
        assert!(text.contains(&features), "{text}");
        assert!(text.contains(&format!("depends: {one}: 16; {two}: 99")), "{text}");
    }

    #[test]
    fn the_page_and_the_table_have_every_key() {
        let runs = [run("0.1", 3), run("0.5", 4)];
        let comparison = Comparison::of(&runs).unwrap();
        let html = comparison.page(&comparison.columns(&[]).unwrap()).unwrap();
        for part in
            ["strategy.replay-1.replay.rehearsal_coefficient", "training.steps", "runs&#x2f;0.5-4", ">54.00<"]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("<script"), "{html}");
        let csv = comparison.csv().unwrap();
        let header = csv.lines().next().unwrap();
        assert!(
            header.starts_with("run,label,")
                && header.ends_with(",reason,strategy.replay-1.replay.rehearsal_coefficient,training.steps")
        );
        assert!(csv.lines().skip(1).all(
            |line| line.starts_with("runs/0.") && (line.ends_with(",0.1,3") || line.ends_with(",0.5,4"))
        ));
    }
}
