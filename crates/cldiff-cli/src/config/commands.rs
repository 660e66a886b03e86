//! `cldiff config`: check a file, show a configuration with everything filled in, or print the JSON Schema.

use std::path::{Path, PathBuf};

use data_streams::Inventory;
use schemars::schema_for;

use super::{Config, advised, load};
use crate::{
    args::SettingArgs,
    failure::Failure,
    ui::{
        class_counts::class_counts,
        width::{of_stdout, say},
    },
};

/// Lines of class counts.
const LINES: usize = 4;

/// Checks files as a run would before it begins, each of them, whatever is found in another.
///
/// # Errors
/// [`Failure::Mistake`] with a message for each file that is not right.
pub fn check(files: &[PathBuf], data_dir: Option<&Path>) -> Result<(), Failure> {
    let mut mistakes = Vec::new();
    for file in files {
        match check_file(file, data_dir) {
            Ok(()) => {}
            Err(Failure::Mistake(message)) => mistakes.push(message),
            Err(other) => return Err(other),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::mistake(mistakes.join("\nerror: "))) }
}

fn check_file(file: &Path, data_dir: Option<&Path>) -> Result<(), Failure> {
    let mut loaded = load(&SettingArgs::of_config(file))?;
    match loaded.stream(data_dir) {
        Ok(stream) => {
            loaded.resolve(&stream)?;
            say(&format!("{}: fine", file.display()));
            let counts = class_counts(&Inventory::of_stream(&stream), of_stdout(), LINES, "cldiff data show");
            counts.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        // Data are not part of a configuration: they may be on the machine that runs it.
        Err(missing) if missing.is_missing() => {
            loaded.check_without_data()?;
            let missing = advised(&missing);
            say(&format!("{}: fine, but for what depends on its data: {missing}", file.display()));
            Ok(())
        }
        Err(error) => Err(loaded.data_mistake(&error)),
    }
}

/// Prints a configuration as a run directory would hold it.
///
/// # Errors
/// [`Failure::Mistake`] for what is not right, and for data that are not there.
pub fn show(args: &SettingArgs) -> Result<(), Failure> {
    let mut loaded = load(args)?;
    let stream =
        loaded.stream(args.changes.data_dir.as_deref()).map_err(|error| loaded.data_mistake(&error))?;
    loaded.resolve(&stream)?;
    print!("{}", toml::to_string_pretty(&loaded.config).map_err(|e| Failure::Other(e.into()))?);
    Ok(())
}

/// Prints the JSON Schema of configurations, for editors.
///
/// # Errors
/// [`Failure::Other`] if it cannot be written.
pub fn schema() -> Result<(), Failure> {
    let schema = serde_json::to_string_pretty(&schema_for!(Config)).map_err(|e| Failure::Other(e.into()))?;
    println!("{schema}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::builtin;

    #[test]
    fn every_file_is_checked_whatever_is_found_in_another() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (_, smoke) = builtin::named("smoke").unwrap();
        let fine = write("fine.toml", &smoke);
        let seeds = write("seeds.toml", &smoke.replace("seeds = [0]", "seeds = []"));
        let none = write("none.toml", smoke.split("[[strategy]]").next().unwrap());
        check(std::slice::from_ref(&fine), None).unwrap();
        let Err(Failure::Mistake(told)) = check(&[seeds.clone(), fine, none.clone()], None) else {
            panic!("no mistake")
        };
        let of_seeds =
            format!("{}, line 3: `seeds` is empty: expected at least one\nerror: ", seeds.display());
        let behind = told.strip_prefix(&of_seeds).unwrap_or_else(|| panic!("{told}"));
        assert!(behind.starts_with(&format!("{}: no [[strategy]] is given", none.display())), "{told}");
    }
}
