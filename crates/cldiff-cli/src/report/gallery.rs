//! All figures of a report, drawn once: the page shows them in its sections, and `--figures` writes each as files.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};
use cl_strategies::durable::write_whole;
use minijinja::{Value, context};

use super::{
    bits_and_samples, charts,
    drawing::{Figure, Parts},
    forgetting, forgetting_curves, heat_map, hybrid, readings, views,
};
use crate::{
    quantities::cells::strategies,
    results::{CellResult, Results},
};

/// A figure, with its heading where the page has one above it.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    heading: Option<String>,
    figure: Figure,
    parts: Parts,
}

/// The figures of a report by the names of their places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gallery(Vec<(String, Vec<Shown>)>);

impl Gallery {
    /// Draws all figures.
    pub(super) fn of(results: &Results) -> Self {
        let all = strategies(results);
        let maps = |draw: &dyn Fn(&[&CellResult]) -> Option<Figure>| -> Vec<Shown> {
            let one = |(label, cells): &(String, Vec<&CellResult>)| {
                Some(Shown { heading: Some(label.clone()), figure: draw(cells)?, parts: Parts::Drawing })
            };
            all.iter().filter_map(one).collect()
        };
        let bits = bits_and_samples::draw(results).into_iter();
        let bits = bits.map(|(names, figure)| Shown { heading: Some(names), figure, parts: Parts::Noted });
        let mut places = vec![
            ("cost".to_owned(), titled(charts::quality_against_cost(results))),
            ("fid-matrix".to_owned(), maps(&|cells| Some(heat_map::fid(results, cells)))),
            ("fid".to_owned(), titled(charts::fid_over_the_stream(results))),
            ("timestep-matrix".to_owned(), maps(&|cells| Some(forgetting::map(results, cells)))),
            ("timestep-small".to_owned(), headed(forgetting_curves::draw(results))),
            ("timestep".to_owned(), titled(charts::forgetting_by_timestep(results))),
            ("bits".to_owned(), bits.collect()),
        ];
        for task in hybrid::tasks(results) {
            places.push((Self::hybrid(task), headed(vec![hybrid::draw(results, task)])));
        }
        places.extend([
            ("gradients".to_owned(), maps(&|cells| views::gradients(results, cells))),
            ("cka".to_owned(), maps(&|cells| views::cka(results, cells))),
            ("classes".to_owned(), maps(&readings::class_map)),
            ("within".to_owned(), titled(readings::within(results).into_iter().collect())),
            ("drift".to_owned(), titled(readings::drift(results).into_iter().collect())),
        ]);
        Self(places)
    }

    /// The place of the figure of hybrid sampling of a task, from 0.
    pub(super) fn hybrid(task: usize) -> String {
        format!("hybrid-{}", task + 1)
    }

    fn at(&self, place: &str) -> &[Shown] {
        self.0.iter().find(|(name, _)| name == place).map_or(&[], |(_, shown)| shown)
    }

    /// The SVG of each figure of a place.
    pub(super) fn pictures(&self, place: &str) -> Vec<String> {
        self.at(place).iter().map(|shown| shown.figure.in_page(shown.parts)).collect()
    }

    /// The SVG of each figure of a place, with the heading above it.
    pub(super) fn figures(&self, place: &str) -> Vec<Value> {
        let one =
            |shown: &Shown| context! { label => shown.heading, svg => shown.figure.in_page(shown.parts) };
        self.at(place).iter().map(one).collect()
    }

    /// Each figure with the name of its files, which no other has.
    pub(super) fn named(&self) -> Vec<(String, &Figure)> {
        let mut taken = BTreeSet::new();
        let mut named = Vec::new();
        for (place, shown) in &self.0 {
            for (i, shown) in shown.iter().enumerate() {
                let heading = shown.heading.as_deref().filter(|_| shown.parts == Parts::Drawing);
                let of = heading.map_or_else(|| (i + 1).to_string(), file_name);
                let is_alone = heading.is_none() && self.at(place).len() == 1;
                let wanted = if is_alone { place.clone() } else { format!("{place}-{of}") };
                let more = (2..=named.len() + 1).map(|n| format!("{wanted}-{n}"));
                let mut free =
                    std::iter::once(wanted.clone()).chain(more).filter(|name| !taken.contains(name));
                // Of one name more than there are figures, one is free.
                let name = free.next().unwrap_or(wanted);
                taken.insert(name.clone());
                named.push((name, &shown.figure));
            }
        }
        named
    }

    /// Writes each figure as SVG and as PDF into a directory, which is made if it is not there; their number.
    ///
    /// # Errors
    /// If the directory cannot be made, or a file cannot be written.
    pub(super) fn write(&self, directory: &Path) -> Result<usize> {
        let about = || format!("the figures cannot be written to {}", directory.display());
        fs::create_dir_all(directory).with_context(about)?;
        let named = self.named();
        for (name, figure) in &named {
            let path = |ending: &str| directory.join(format!("{name}.{ending}"));
            write_whole(&path("svg"), figure.svg().as_bytes()).with_context(about)?;
            write_whole(&path("pdf"), &figure.pdf()).with_context(about)?;
        }
        Ok(named.len())
    }
}

/// Figures that have their titles in them.
fn titled(figures: Vec<Figure>) -> Vec<Shown> {
    let one = |figure| Shown { heading: None, figure, parts: Parts::Titled };
    figures.into_iter().map(one).collect()
}

/// Figures whose titles the page has above them.
fn headed(figures: Vec<Figure>) -> Vec<Shown> {
    let one = |figure: Figure| Shown { heading: Some(figure.title.clone()), figure, parts: Parts::Noted };
    figures.into_iter().map(one).collect()
}

/// A label in the name of a file.
fn file_name(label: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    let name: String = label.chars().map(keep).take(100).collect();
    // No name is hidden or leads elsewhere.
    name.trim_start_matches('.').to_owned()
}
