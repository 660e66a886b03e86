//! `report.html`: one file, no network, for someone who knows the field and not this program. `cldiff run` ends with
//! it; `command` is `cldiff report`.

mod bits_and_samples;
mod charts;
pub(crate) mod command;
pub(crate) mod comparison;
mod crowd;
mod drawing;
mod forgetting;
mod forgetting_curves;
mod frame;
mod gallery;
mod headings;
mod heat_map;
mod hybrid;
mod lines;
pub mod long;
mod looks;
mod merge;
mod palette;
pub mod plot;
mod readings;
mod results_table;
mod scale;
mod sections;
mod simultaneous;
mod small_multiples;
mod statistics;
mod tables;
mod verdicts;
mod views;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cl_metrics::summary::{FEWEST_FOR_INTERVAL, FEWEST_SEEDS};
use cl_strategies::durable::write_whole;
use minijinja::{Environment, Value, context, value::merge_maps};

use gallery::Gallery;

pub use crate::files::finished_run::FinishedRun as ReportInput;
use crate::{
    files::finished_run,
    quantities::{
        judge::{is_judged, judge_note},
        named::headline,
    },
    results::Results,
    ui::{
        failure::Failure,
        table,
        width::{of_stdout, say},
    },
};

/// The page of a run in its directory.
const PAGE: &str = "report.html";
/// The tables beside a page.
const CSV: &str = "results.csv";
const PARQUET: &str = "results.parquet";

/// Reads runs from their directories.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no run, or one that was changed; [`Failure::Other`] if the disk is to blame.
pub(crate) fn read(directories: &[PathBuf]) -> Result<Vec<ReportInput>, Failure> {
    directories.iter().map(|dir| finished_run::load(dir).map_err(Failure::of_files)).collect()
}

/// Reads a run that this process has made, and writes its report into its directory.
///
/// # Errors
/// If a file cannot be read or written, and without a cell that has a result.
pub(crate) fn write_of(root: &Path) -> Result<()> {
    write(&[finished_run::load(root)?], &root.join(PAGE))
}

/// Prints the headline of a run that has ended, and where the rest is. The report is written if it is not there.
///
/// # Errors
/// [`Failure::Other`] as [`write_of`].
pub(crate) fn of_whole_run(root: &Path, results: &Results) -> Result<(), Failure> {
    let page = root.join(PAGE);
    if [PAGE, CSV, PARQUET].iter().any(|name| !root.join(name).exists()) {
        write_of(root)?;
    }
    println!("{}\n", table::render(results, &headline(results), of_stdout()));
    say(&format!("more columns: cldiff report {} --columns all, or names as in results.csv", root.display()));
    say(&format!("report: {}", page.display()));
    Ok(())
}

/// Writes the report of one run, or of several as one, and beside it every number as `results.csv` and
/// `results.parquet`.
///
/// # Errors
/// If the runs do not compare, have no cells, or a file cannot be written.
pub fn write(inputs: &[ReportInput], out: &Path) -> Result<()> {
    let merged = merge::merge(inputs)?;
    let html = render(inputs)?;
    let runs: Vec<&Results> = inputs.iter().map(|input| &input.results).collect();
    let rows = long::rows(&runs, &merged.results)?;
    let write = |path: &Path, bytes: &[u8]| write_whole(path, bytes).context("the report cannot be written");
    write(out, html.as_bytes())?;
    write(&out.with_file_name(CSV), tables::csv(&rows).as_bytes())?;
    write(&out.with_file_name(PARQUET), &tables::parquet(&rows)?)
}

/// The report of one run, or of several as one.
///
/// # Errors
/// If the runs do not compare, or have no cells.
pub fn render(inputs: &[ReportInput]) -> Result<String> {
    let merged = merge::merge(inputs)?;
    let mut environment = Environment::new();
    // The names' ending switches the escaping of HTML on.
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).context("the report's template")?;
    }
    let template = environment.get_template("report.html").context("the report's template")?;
    let content = merge_maps([words_and_tables(&merged), figures(&merged.results)]);
    let page = context! {
        style => STYLE,
        script => SCRIPT,
        manifests => Value::from_serialize(inputs.iter().map(|i| &i.manifest).collect::<Vec<_>>()),
        configs => Value::from_serialize(inputs.iter().map(|i| &i.config_toml).collect::<Vec<_>>()),
        ..merge_maps([headings::Contents::of(&merged.results, &content).value(), content])
    };
    template.render(page).context("the report's template")
}

/// The page and its parts.
const TEMPLATES: [(&str, &str); 3] = [
    ("report.html", include_str!("template.html")),
    ("readings.html", include_str!("readings/section.html")),
    ("macros.html", include_str!("macros.html")),
];
/// The style sheets of every page.
const STYLE: &str = concat!(include_str!("style.css"), include_str!("layout.css"));
/// The scripts of the report.
const SCRIPT: &str = concat!(include_str!("script.js"), include_str!("zoom.js"));

fn words_and_tables(merged: &ReportInput) -> Value {
    let results = &merged.results;
    context! {
        title => results.name,
        setting => words::setting(results),
        cells => results.cells.len() + results.failed.len() + merged.missing.len(),
        unfinished => merged.missing,
        failed => results.failed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        crowd => crowd::is_crowd(results),
        groups => crowd::groups(results),
        findings => words::findings(results),
        first_task => words::first_task(results),
        tasks => Value::from_serialize(&results.stream.tasks),
        tables => results_table::tables(results),
        missing => sections::missing(results),
        blocks => verdicts::blocks(results),
        has_verdicts => verdicts::any(results),
        ..merge_maps([notes(results), parts(merged)])
    }
}

/// The notes beside tables and figures.
fn notes(results: &Results) -> Value {
    context! {
        floor => sections::floor(results),
        floor_overlap => results.floor_draws_overlap,
        confusion => results.judge_confusion,
        judge_note => judge_note(results),
        fid_judged => is_judged("fid", results),
        fid_note => sections::fid_note(results),
        missing_fid => sections::missing_fid(results),
        marks_seeds => FEWEST_SEEDS,
        interval_seeds => FEWEST_FOR_INTERVAL,
        features => results.features,
    }
}

/// Samples, summaries, and the sentences of the sections.
fn parts(merged: &ReportInput) -> Value {
    let results = &merged.results;
    context! {
        summaries => sections::summary_rows(results),
        real => merged.real_grid.as_deref().map(sections::real),
        legend => sections::legend(results),
        samples => sections::samples(merged),
        timestep_words => words::timesteps(results),
        bpd_words => words::bits_per_dimension(results),
        hybrid_legend => Value::from_serialize(hybrid::legend()),
    }
}

fn figures(results: &Results) -> Value {
    let gallery = Gallery::of(results);
    let hybrid = |task: usize| {
        let figures = gallery.figures(&Gallery::hybrid(task));
        context! { task => task + 1, words => words::hybrid(results, task), figures => figures }
    };
    context! {
        cost_charts => gallery.pictures("cost"),
        fid_maps => gallery.figures("fid-matrix"),
        fid_curves => gallery.pictures("fid"),
        timestep_maps => gallery.figures("timestep-matrix"),
        timestep_rows => gallery.figures("timestep-small"),
        timestep_curves => gallery.pictures("timestep"),
        bpd_panels => gallery.figures("bits"),
        hybrids => hybrid::tasks(results).into_iter().map(hybrid).collect::<Vec<_>>(),
        gradient_maps => gallery.figures("gradients"),
        cka_maps => gallery.figures("cka"),
        readings => readings::sections(results, &gallery),
    }
}

/// Writes each figure of the runs' report as SVG and as PDF into a directory, which is made if it is not there; their number.
///
/// # Errors
/// If the runs do not compare, or have no cells, and files that cannot be written.
pub(crate) fn write_figures(inputs: &[ReportInput], directory: &Path) -> Result<usize> {
    Gallery::of(&merge::merge(inputs)?.results).write(directory)
}

#[cfg(test)]
mod every_number;
#[cfg(test)]
pub(crate) mod tests;
