//! `cldiff report`: table and report of runs, at any moment of their life.

use std::path::PathBuf;

use super::{ReportInput, comparison::Comparison, merge::merge, read, write, write_figures};
use crate::{
    args::ReportArgs,
    quantities::{
        columns::Column,
        named::{chosen, headline},
    },
    results::Results,
    ui::{
        failure::Failure,
        paper::Paper,
        table,
        width::{of_stdout, say, tell},
    },
};

/// Says which cells of each run have no result, shows the results of the others, and writes the report. Runs of one setting
/// are shown as one run; runs of several settings beside each other.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no run, a column that is not there, runs of one setting that do not make one
/// run, and a file that cannot be where it is asked for; [`Failure::Other`] if the disk is to blame.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let inputs = read(&args.directories)?;
    let form = args.form();
    for state in inputs.iter().filter_map(state) {
        if form.is_some() {
            // Standard output is the table's alone.
            tell(&state);
        } else {
            say(&state);
            println!();
        }
    }
    let with_cells: Vec<ReportInput> =
        inputs.into_iter().filter(|input| !input.results.cells.is_empty()).collect();
    if with_cells.is_empty() && form.is_some() {
        return Err(Failure::mistake("no cell has a result yet: there is no table".to_owned()));
    }
    if with_cells.is_empty() {
        say("no cell has a result yet: there is nothing to report");
        return Ok(());
    }
    let comparison = Comparison::of(&with_cells)?;
    match (comparison.is_empty(), form) {
        (true, None) => as_one(args, &with_cells),
        (false, None) if args.figures.is_some() => Err(Failure::mistake(
            "--figures: runs of different settings have a table and no figures; give runs of one setting",
        )),
        (false, None) => comparison.show(&args.columns, &out(args, "comparison.html")),
        (true, Some(form)) => {
            let merged = merged(&with_cells)?;
            println!("{}", Paper::of(&merged, &columns(args, &merged)?).render(form));
            Ok(())
        }
        (false, Some(form)) => {
            println!("{}", comparison.paper(&args.columns)?.render(form));
            Ok(())
        }
    }
}

/// The results of runs of one setting.
fn merged(inputs: &[ReportInput]) -> Result<Results, Failure> {
    merge(inputs).map(|merged| merged.results).map_err(|error| Failure::mistake(format!("{error:#}")))
}

/// The columns that are asked for, or the headline.
fn columns(args: &ReportArgs, results: &Results) -> Result<Vec<Column>, Failure> {
    if args.columns.is_empty() {
        return Ok(headline(results));
    }
    chosen(results, &args.columns).map_err(|problem| Failure::mistake(format!("--columns: {problem}")))
}

fn out(args: &ReportArgs, usual: &str) -> PathBuf {
    args.out.clone().unwrap_or_else(|| args.directories[0].join(usual))
}

/// Runs of one setting.
fn as_one(args: &ReportArgs, inputs: &[ReportInput]) -> Result<(), Failure> {
    let merged = merged(inputs)?;
    let columns = columns(args, &merged)?;
    let out = out(args, "report.html");
    write(inputs, &out).map_err(Failure::of_files)?;
    println!("{}\n", table::render(&merged, &columns, of_stdout()));
    say(&format!("report: {}", out.display()));
    if let Some(directory) = &args.figures {
        let figures = write_figures(inputs, directory).map_err(Failure::of_files)?;
        say(&format!("figures: {} ({figures}, each as SVG and PDF)", directory.display()));
    }
    Ok(())
}

/// How far a run is, if cells of it have no result.
fn state(input: &ReportInput) -> Option<String> {
    let (results, missing) = (&input.results, &input.missing);
    let (done, all) = (results.cells.len(), results.cells.len() + results.failed.len() + missing.len());
    let lines = results.failed.iter().map(ToString::to_string).chain(missing.iter().cloned());
    let lines: String = lines.map(|line| format!("\n  {line}")).collect();
    (done < all)
        .then(|| format!("{}: {done} of {all} cells are done; these are not:{lines}", input.place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests::{cell, input},
        results::FailedCell,
    };

    #[test]
    fn what_is_missing_is_named_and_a_whole_run_says_nothing() {
        let mut run = input(vec![cell("a", 0, 2)], 2);
        assert_eq!(state(&run), None);
        run.missing = vec!["b (seed 0): under way, task 1 of 2, step 30".into()];
        let failed = FailedCell::new("c".into(), "c".into(), 1, "it diverged".into());
        run.results.failed.push(failed);
        let told = state(&run).unwrap();
        assert!(told.starts_with("runs/made-up: 1 of 3 cells are done; these are not:\n"), "{told}");
        assert!(
            told.contains(
                "\n  c (seed 1) failed: it diverged\n  b (seed 0): under way, task 1 of 2, step 30"
            ),
            "{told}"
        );
    }
}
