//! `cldiff report`: table and report again, from the files of runs.

use std::path::{Path, PathBuf};

use super::of_directories;
use crate::ui::{failure::Failure, table};

/// Makes table and report again from the files of runs.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no finished run, or runs that do not compare.
pub fn report(directories: &[PathBuf], out: Option<&Path>) -> Result<(), Failure> {
    let out = out.map_or_else(|| directories[0].join("report.html"), Path::to_owned);
    for results in of_directories(directories, &out)? {
        println!("{}\n", table::render(&results));
    }
    println!("report: {}", out.display());
    Ok(())
}
