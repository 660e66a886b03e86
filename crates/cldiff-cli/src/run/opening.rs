//! The first lines of a run: what it computes, on what, where to, and how long that takes.

use std::time::Duration;

use cldiff_engine::{CellSpec, Engine, Workload};
use data_streams::{Inventory, Stream};

use crate::{
    config::Config,
    files::run_directory::RunDirectory,
    ui::{class_counts::class_counts, pace::span, panics, progress::Progress, width::of_stderr},
};

/// Lines of class counts.
const LINES_OF_CLASSES: usize = 4;

/// The run's name and its cells: `smoke: 8 cells (4 strategies x 2 seeds)`.
pub fn cells(config: &Config) -> String {
    let several = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let (strategies, seeds) = (config.strategy.len(), config.seeds.len());
    format!(
        "{}: {} ({} x {})",
        config.name,
        several(strategies * seeds, "cell", "cells"),
        several(strategies, "strategy", "strategies"),
        several(seeds, "seed", "seeds")
    )
}

/// Says what the run does and, where that can be measured, how long it will take.
pub fn say(
    progress: &Progress,
    config: &Config,
    stream: &Stream,
    engines: &[Box<dyn Engine>],
    directory: &RunDirectory,
) {
    if progress.is_quiet() {
        return;
    }
    let devices: Vec<String> = engines.iter().map(|engine| engine.device()).collect();
    let threads = rayon::current_num_threads();
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    let (backend, devices) = (engines[0].backend(), devices.join(", "));
    progress.say(&format!("{} on {backend}: {devices}, {threads}", cells(config)));
    progress.say(&format!("results: {}", directory.root().display()));
    let tasks = stream.experiences().iter().map(|e| e.name.as_str());
    progress.say(&data(stream.source().train.name(), stream.len(), &some(tasks)));
    let all = directory.root().join("manifest.json").display().to_string();
    let counts = class_counts(&Inventory::of_stream(stream), of_stderr(), LINES_OF_CLASSES, &all);
    counts.iter().for_each(|line| progress.say(line));
    if let Some(time) = time(config, stream, &*engines[0], directory) {
        progress.say(&time);
    }
}

/// How long the cells take that are not finished; none if there are none, or nothing can be measured. A network that
/// cannot be made is told of by its cell.
fn time(config: &Config, stream: &Stream, engine: &dyn Engine, directory: &RunDirectory) -> Option<String> {
    let cells = config.cells();
    let is_open = |cell: &&CellSpec| !directory.cell(&cell.strategy.label(), cell.seed).has_result();
    let open: Vec<&CellSpec> = cells.iter().filter(is_open).collect();
    let first = open.first()?;
    let passes = open.iter().map(|cell| Workload::of(cell, stream).0).sum();
    match panics::catch(|| engine.time_of_a_pass(first, stream)) {
        Ok(Ok(Some(pass))) => Some(format!("this takes about {}", span(time_of(passes, pass)?))),
        Ok(Ok(None)) => Some("the time is told when the kernels are compiled".into()),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// The time of so many passes; none if nobody lives to see the end.
fn time_of(passes: u64, pass: Duration) -> Option<Duration> {
    Duration::try_from_secs_f64(passes as f64 * pass.as_secs_f64()).ok()
}

fn data(name: &str, tasks: usize, names: &str) -> String {
    if tasks == 1 { format!("{name} as one task") } else { format!("{name} in {tasks} tasks: {names}") }
}

/// The first of some names.
fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.collect();
    let more = if names.len() > SHOWN { "; ..." } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_in_words() {
        let config = |seeds: &str, strategies: &str| -> Config {
            let text = format!("name = \"n\"\nseeds = {seeds}\n[data.glyphs]\n{strategies}");
            toml::from_str(&text).unwrap()
        };
        let one = "[[strategy]]\nfinetune = {}\n";
        assert_eq!(cells(&config("[0]", one)), "n: 1 cell (1 strategy x 1 seed)");
        let two = format!("{one}[[strategy]]\njoint = {{}}\n");
        assert_eq!(cells(&config("[0, 1, 2]", &two)), "n: 6 cells (2 strategies x 3 seeds)");
    }

    #[test]
    fn the_time_is_that_of_all_passes() {
        assert_eq!(time_of(3000, Duration::from_millis(20)), Some(Duration::from_mins(1)));
        assert_eq!(time_of(u64::MAX, Duration::from_secs(10)), None);
    }

    #[test]
    fn few_names_are_shown_and_many_are_not() {
        assert_eq!(some(["a", "b"].into_iter()), "a; b");
        assert_eq!(some(["a", "b", "c", "d", "e", "f"].into_iter()), "a; b; c; d; e; ...");
        assert_eq!(data("glyphs", 1, "x"), "glyphs as one task");
    }
}
