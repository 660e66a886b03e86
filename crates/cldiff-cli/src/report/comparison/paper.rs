//! A comparison as a table for a paper.

use super::{ABSENT, Columns, Comparison, Line};
use crate::{
    quantities::{
        cells::{range, range_text, strategies},
        judge::heading,
    },
    report::ReportInput,
    ui::{
        failure::Failure,
        paper::{Entry, Paper, Row},
    },
};

impl Comparison<'_> {
    /// The comparison as a table for a paper, in which nothing is bold.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for columns that are not there.
    pub fn paper(&self, names: &[String]) -> Result<Paper, Failure> {
        let columns =
            self.columns(names).map_err(|problem| Failure::mistake(format!("--columns: {problem}")))?;
        let by_number = self.by_number();
        let of_run = |run: usize| if by_number { vec![(run + 1).to_string()] } else { self.setting(run) };
        let entry = |value: String| Entry { value: (value != ABSENT).then_some(value), ..Entry::default() };
        let row = |line: Line| Row {
            names: std::iter::once(line.strategy).chain(of_run(line.run)).collect(),
            is_bound: line.is_bound,
            entries: line.values.into_iter().map(entry).collect(),
        };
        let rows = self.lines(&columns).into_iter().map(row).collect();
        let keys = if by_number { vec!["run".to_owned()] } else { self.short_keys() };
        let runs = self.runs.iter().enumerate().filter(|_| by_number).map(|(i, run)| {
            let settings = self.settings.iter().map(|(key, values)| format!("{key} = {}", values[i]));
            let settings: Vec<String> = settings.collect();
            format!("Run {} is {}: {}.", i + 1, run.place.display(), settings.join(", "))
        });
        let (reasons, notes): (Vec<String>, Vec<String>) =
            self.notes(&columns).into_iter().partition(|note| note.starts_with(ABSENT));
        let sentence = |note: String| {
            // The option is none of a reader's.
            let note = note.replace(" (--columns)", "");
            let mut letters = note.chars();
            letters
                .next()
                .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        };
        Ok(Paper {
            name: "comparison".to_owned(),
            caption: self
                .measured(&columns)
                .into_iter()
                .chain(runs)
                .chain(notes.into_iter().map(sentence))
                .collect(),
            names: std::iter::once("strategy".to_owned()).chain(keys).collect(),
            headings: columns.all.iter().map(|column| heading(column, self.noted())).collect(),
            rows,
            notes: reasons
                .into_iter()
                .map(|note| note.trim_start_matches(ABSENT).trim().to_owned())
                .collect(),
        })
    }

    /// The seeds of all runs, and the samples and features behind FID where they are the same in all.
    fn measured(&self, columns: &Columns) -> Vec<String> {
        let cells = self.runs.iter().flat_map(|run| strategies(&run.results));
        let seeds = match range(cells.map(|(_, cells)| Some(cells.len()))) {
            None | Some((1, 1)) => "One seed each.".to_owned(),
            Some(n) => format!("Means over {} seeds.", range_text(n)),
        };
        let first = &self.runs[0].results;
        let is_same = |run: &ReportInput| {
            (&run.results.features, run.results.samples_per_task) == (&first.features, first.samples_per_task)
        };
        let of_fid = columns.all.iter().any(|column| column.key.starts_with("fid."));
        let samples = (of_fid && self.runs.iter().all(is_same)).then(|| {
            let (n, features) = (first.samples_per_task, &first.features);
            format!("FID from {n} samples a task in the features of the {features}.")
        });
        std::iter::once(seeds).chain(samples).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::run, *};

    #[test]
    fn a_paper_names_the_settings_seeds_and_samples_and_has_nothing_bold() {
        let mut runs = [run("0.1", 3), run("0.5", 3)];
        let paper = |runs: &[ReportInput]| Comparison::of(runs).unwrap().paper(&[]).unwrap();
        let found = paper(&runs);
        assert_eq!(found.names, ["strategy", "rehearsal_coefficient"]);
        let names: Vec<String> = found.rows.iter().map(|row| row.names.join(" ")).collect();
        assert_eq!(names, ["replay-1 0.1", "replay-1 0.5", "finetune 0.1", "finetune 0.5"]);
        assert_eq!(found.rows[1].entries[0].value.as_deref(), Some("53.00"));
        assert!(found.rows.iter().flat_map(|row| &row.entries).all(|entry| !entry.is_bold));
        let caption = found.caption.join(" ");
        assert!(
            caption.starts_with("One seed each. FID from 16 samples a task in the features of the 8-d test features. No strategy"),
            "{caption}"
        );
        runs[1].results.samples_per_task = 99;
        let caption = paper(&runs).caption.join(" ");
        assert!(
            !caption.contains("FID from 16") && caption.contains("rehearsal_coefficient = 0.5: 99."),
            "{caption}"
        );
    }
}
