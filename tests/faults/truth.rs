//! The undisturbed run, and whether all that can be read of another one is as there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The undisturbed run: numbers, pictures and models.
#[derive(Default)]
pub struct Truth {
    results: Value,
    /// The results of cells, without cost, by their directories.
    cells: BTreeMap<String, Value>,
    /// Events of cells that have numbers: by directory, kind, task and step.
    events: BTreeMap<(String, String), Value>,
    /// Pictures and models by their paths.
    files: BTreeMap<String, Vec<u8>>,
}

impl Truth {
    pub fn of(run: &Path) -> Self {
        let mut truth =
            Self { results: without_cost(json(&run.join("results.json")).unwrap()), ..Self::default() };
        for cell in cells(run) {
            let result = without_cost(json(&run.join(&cell).join("result.json")).unwrap());
            truth.cells.insert(cell.clone(), result);
            truth
                .events
                .extend(events(run, &cell).into_iter().map(|(key, event)| ((cell.clone(), key), event)));
        }
        truth.files = files(run);
        assert!(truth.cells.len() == 2 && truth.files.len() > 4 && truth.events.len() >= 4);
        truth
    }

    /// Safety: checks that nothing that can be read of a run says something else than the undisturbed one.
    pub fn check_safe(&self, run: &Path) -> Result<(), String> {
        self.check_results(&run.join("results.json"))?;
        for cell in cells(run) {
            let directory = run.join(&cell);
            if let Some(status) = json_if_there(&directory.join("status.json"))? {
                let result = json_if_there(&directory.join("result.json"))?;
                match (status["state"].as_str(), result) {
                    (Some("finished"), Some(result)) => {
                        same(&cell, &without_cost(result), &self.cells[&cell])?;
                    }
                    // A result that is not there is not reported.
                    (Some("finished" | "failed"), _) => {}
                    (other, _) => return Err(format!("{cell}: its state is {other:?}")),
                }
            }
            for (key, event) in events(run, &cell) {
                let known = self.events.get(&(cell.clone(), key.clone()));
                let known = known.ok_or_else(|| format!("{cell}: no event {key} in the undisturbed run"))?;
                same(&format!("{cell}, {key}"), &event, known)?;
            }
        }
        for name in ["manifest.json", "reference.json"] {
            json_if_there(&run.join(name))?;
        }
        for (path, bytes) in files(run) {
            if self.files.get(&path) != Some(&bytes) {
                return Err(format!("{path} is another file than in the undisturbed run"));
            }
        }
        Ok(())
    }

    /// Checks that `results.json` says only true things. Cells may be missing or have failed.
    fn check_results(&self, path: &Path) -> Result<(), String> {
        let Some(results) = json_if_there(path)? else { return Ok(()) };
        let results = without_cost(results);
        let of = |all: &Value| {
            let mut rest = all.as_object().cloned().unwrap_or_default();
            let cells = rest.remove("cells");
            rest.remove("failed");
            (cells.and_then(|cells| cells.as_array().cloned()).unwrap_or_default(), Value::Object(rest))
        };
        let ((cells, rest), (known, known_rest)) = (of(&results), of(&self.results));
        same("results.json", &rest, &known_rest)?;
        for cell in cells {
            let known = known.iter().find(|known| known["label"] == cell["label"]);
            let known = known.ok_or_else(|| format!("results.json: no cell {}", cell["label"]))?;
            // Comparisons with a cell that has no result are missing, and summaries with them.
            check_part(&format!("results.json, {}", cell["label"]), &cell, known)?;
        }
        Ok(())
    }

    /// Liveness: checks that a run has come to the end of the undisturbed one.
    pub fn check_done(&self, run: &Path) -> Result<(), String> {
        self.check_safe(run)?;
        let results = without_cost(json(&run.join("results.json"))?);
        // As text, so that every digit counts.
        let [found, known] = [&results, &self.results].map(Value::to_string);
        if found != known {
            same("results.json", &results, &self.results)?;
            return Err("results.json has the same numbers in other words".into());
        }
        let files = files(run);
        let missing = self.files.keys().find(|path| !files.contains_key(*path));
        if let Some(path) = missing {
            return Err(format!("{path} is missing"));
        }
        let manifest = json(&run.join("manifest.json"))?;
        if !manifest["end"].is_string() {
            return Err("the manifest has no end".into());
        }
        check_nothing_left(run)
    }
}

/// Whether numbers that are there are as in the undisturbed run; some may be `null` or missing.
fn check_part(place: &str, found: &Value, known: &Value) -> Result<(), String> {
    match (found, known) {
        (Value::Object(found), Value::Object(known)) => {
            let missing = |key: &str| key.ends_with("_missing") || key == "missing";
            for (key, value) in found.iter().filter(|(key, _)| !missing(key)) {
                let known =
                    known.get(key).ok_or_else(|| format!("{place}: no {key} in the undisturbed run"))?;
                check_part(&format!("{place}.{key}"), value, known)?;
            }
            Ok(())
        }
        (Value::Null, _) => Ok(()),
        _ => same(place, found, known),
    }
}

fn same(place: &str, found: &Value, known: &Value) -> Result<(), String> {
    if found == known {
        return Ok(());
    }
    match (found, known) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().try_for_each(|(key, value)| same(&format!("{place}.{key}"), value, &b[key]))
        }
        _ => Err(format!("{place} is {found}, and {known} in the undisturbed run")),
    }
}

/// Fails for files that belong to something that was not finished.
fn check_nothing_left(dir: &Path) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(|error| error.to_string())?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A part of a file, beside the whole one: nobody reads it, and a later owner of the run removes it.
        let whole = name.rsplit_once(".tmp-").map(|(whole, _)| path.with_file_name(whole));
        let is_part = whole.is_some_and(|whole| whole.is_file());
        if name.contains("unfinished") || name == "state" || name.contains(".tmp") && !is_part {
            return Err(format!("{} was left behind", path.display()));
        }
        if path.is_dir() {
            check_nothing_left(&path)?;
        } else if path.extension().is_some_and(|end| end == "json") {
            json(&path)?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value, String> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn json_if_there(path: &Path) -> Result<Option<Value>, String> {
    if path.exists() { json(path).map(Some) } else { Ok(None) }
}

/// Results of a run or a cell without what may differ between two runs.
fn without_cost(mut results: Value) -> Value {
    for cell in results["cells"].as_array_mut().into_iter().flatten() {
        cell.as_object_mut().unwrap().remove("cost");
    }
    if let Some(results) = results.as_object_mut() {
        results.remove("cost");
        // Indexing has made it.
        if results.get("cells").is_some_and(Value::is_null) {
            results.remove("cells");
        }
    }
    results
}

/// The directories of a run's cells.
pub fn cells(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("cells")).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        directories.map(|entry| format!("cells/{}", entry.file_name().to_string_lossy())).collect();
    names.sort();
    names
}

/// The lines of a cell's log that have numbers; a line of which a part is missing is none.
fn events(run: &Path, cell: &str) -> Vec<(String, Value)> {
    let log = fs::read(run.join(cell).join("metrics.jsonl")).unwrap_or_default();
    let lines =
        log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let has_numbers = |event: &Value| ["train", "evaluation"].iter().any(|kind| event["event"] == *kind);
    lines
        .filter(has_numbers)
        .map(|event| (format!("{} {} {}", event["event"], event["task"], event["step"]), event))
        .collect()
}

/// Pictures and models of a run by their paths, without those that have no name yet.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                let is_state = ["state", "prepared"].iter().any(|state| name == *state);
                if !is_state && !name.to_string_lossy().starts_with("unfinished") {
                    collect(&path, found);
                }
            } else if path.extension().is_some_and(|end| end == "png" || end == "safetensors") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(run, &mut found);
    let name = |path: &Path| path.strip_prefix(run).unwrap().to_string_lossy().into_owned();
    found.into_iter().map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_wrong_number_is_found_wherever_it_is() {
    let known = serde_json::json!({"a": {"b": [1.0, 2.0]}, "c": null});
    let found = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    same("", &known, &known).unwrap();
    let wrong = found(r#"{"a": {"b": [1.0, 2.5]}, "c": null}"#);
    assert!(same("x", &wrong, &known).unwrap_err().starts_with("x.a.b is [1.0,2.5]"));
    assert!(check_part("x", &wrong, &known).is_err());
    check_part("x", &found(r#"{"a": {"b": null}, "a_missing": {"b": "why"}}"#), &known).unwrap();
    assert!(check_part("x", &found(r#"{"a": {"d": 1}}"#), &known).is_err());
}
