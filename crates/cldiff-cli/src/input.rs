//! The program's readers of files, for whoever checks them: each reads one file as the program would.

use std::path::Path;

use data_streams::Stream;

use crate::{
    args::{CellsArg, SettingArgs},
    config,
    failure::Failure,
    files::{
        cell_directory::{CellDirectory, EventLog},
        lease,
        manifest::Manifest,
    },
    metric::set::{Content, Set},
};

/// A configuration file with everything filled in, for this stream in place of its own.
///
/// # Errors
/// The message that the program would print.
pub fn configuration(path: &Path, stream: &Stream) -> Result<String, String> {
    let mut loaded = config::load(&SettingArgs::of_config(path)).map_err(|failure| message(&failure))?;
    loaded.check_without_data().map_err(|failure| message(&failure))?;
    loaded.resolve(stream).map_err(|failure| message(&failure))?;
    toml::to_string_pretty(&loaded.config).map_err(|error| error.to_string())
}

/// A set that `cldiff metric` compares, from an npz or safetensors file: the means of its features, or, where it holds
/// images, their number.
///
/// # Errors
/// The message that the program would print.
pub fn metric_set(path: &Path) -> Result<Vec<f64>, String> {
    let set = Set::read(&path.to_string_lossy(), None, 0).map_err(|failure| message(&failure))?;
    match &set.content {
        Content::Images { images, .. } => Ok(vec![images.len() as f64]),
        _ => set.gaussian().map(|gaussian| gaussian.mean().to_vec()).map_err(|error| error.to_string()),
    }
}

/// The `manifest.json` in the directory of a run, as it would be written again.
///
/// # Errors
/// The message that the program would print.
pub fn manifest(run: &Path) -> Result<String, String> {
    let manifest = Manifest::load(run).map_err(|error| format!("{error:#}"))?;
    manifest.to_json().map_err(|error| error.to_string())
}

/// The end of the cell `finetune` with seed 0 in the directory of a run: its result as JSON, or the reason why it failed; none
/// if it has neither.
pub fn cell_end(run: &Path) -> Option<Result<String, String>> {
    let cell = CellDirectory::of(run, "finetune", 0);
    let result = cell.finished().and_then(|result| serde_json::to_string(&result).ok());
    result.map(Ok).or_else(|| cell.failed().map(Err))
}

/// Adds a line to a cell's `metrics.jsonl` as a run that goes on does, and gives it.
///
/// # Errors
/// The message that the program would print.
pub fn add_event(log: &Path) -> Result<String, String> {
    let event = serde_json::json!({"event": "resumed"});
    let mut log = EventLog::open(log).map_err(|error| error.to_string())?;
    log.add(&event).map_err(|error| error.to_string())?;
    Ok(event.to_string())
}

/// The text of a `lease.json`, as it would be written again; none if it is no lease.
pub fn lease(text: &str) -> Option<String> {
    lease::parse(text).and_then(|lease| serde_json::to_string_pretty(&lease).ok())
}

/// The cells that `--cell` asks for, of so many.
///
/// # Errors
/// The message that the program would print.
pub fn cells(text: &str, of: usize, per_task: usize, task: Option<&str>) -> Result<Vec<usize>, String> {
    let asked: CellsArg = text.parse()?;
    asked.chosen(of, per_task, |_| task.map(str::to_owned)).map(|chosen| chosen.0)
}

fn message(failure: &Failure) -> String {
    match failure {
        Failure::Mistake(message) | Failure::Interrupted(message) | Failure::Cells(message) => {
            message.clone()
        }
        Failure::Other(error) => format!("{error:#}"),
    }
}
