//! `report.html`: one file, no network, for someone who knows the field and not this program.

mod charts;
mod forgetting;
mod heat_map;
mod merge;
pub mod numbers;
mod palette;
mod sections;
mod svg;
mod words;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use minijinja::{Environment, Value, context};

use crate::results::Results;

/// Everything that a report shows of one run.
#[derive(Debug, Clone)]
pub struct ReportInput {
    /// The numbers.
    pub results: Results,
    /// The resolved configuration.
    pub config_toml: String,
    /// Where and with what the run was made.
    pub manifest: Vec<(String, String)>,
    /// The sample grids (PNG) after each task, by label and seed.
    pub grids: BTreeMap<(String, u64), Vec<Vec<u8>>>,
    /// Real images of each task (PNG).
    pub real_grid: Option<Vec<u8>>,
}

/// The report of one run, or of several as one.
///
/// # Errors
/// If the runs do not compare, or have no cells.
pub fn render(inputs: &[ReportInput]) -> Result<String> {
    let merged = merge::merge(inputs)?;
    let results = &merged.results;
    let mut environment = Environment::new();
    // The name's ending switches the escaping of HTML on.
    environment
        .add_template("report.html", include_str!("template.html"))
        .context("the report's template")?;
    let template = environment.get_template("report.html").context("the report's template")?;
    let strategies = numbers::strategies(results);
    let html = template.render(context! {
        title => results.name,
        setting => words::setting(results),
        findings => words::findings(results),
        tasks => Value::from_serialize(&results.stream.tasks),
        columns => sections::table_header(),
        rows => sections::table_rows(results),
        floor => sections::floor(results),
        features => results.features,
        real => merged.real_grid.as_deref().map(sections::data_uri),
        legend => sections::legend(results),
        samples => sections::samples(&merged),
        fid_maps => sections::figures(&strategies, |cells| heat_map::fid(results, cells))?,
        fid_curves => charts::fid_over_the_stream(results)?,
        timestep_maps => sections::figures(&strategies, |cells| forgetting::map(results, cells))?,
        timestep_words => words::timesteps(results),
        timestep_curves => charts::forgetting_by_timestep(results)?,
        bpd_panels => sections::figures(&strategies, |cells| charts::bpd_beside_fid(results, cells))?,
        bpd_words => words::bits_per_dimension(results),
        manifests => Value::from_serialize(inputs.iter().map(|i| &i.manifest).collect::<Vec<_>>()),
        configs => Value::from_serialize(inputs.iter().map(|i| &i.config_toml).collect::<Vec<_>>()),
    });
    html.context("the report's template")
}

#[cfg(test)]
mod tests;
