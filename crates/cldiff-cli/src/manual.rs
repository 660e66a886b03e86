//! `cldiff completions`, and the man pages that `cargo xtask man` asks for: both from the definition of the command line.

use std::{fs, path::Path};

use clap_complete::{Shell, generate};

use crate::{
    args,
    failure::Failure,
    ui::width::{DEFAULT, say},
};

/// The program's name on a command line.
const NAME: &str = "cldiff";

/// Prints a script that completes commands and options in a shell.
///
/// # Errors
/// [`Failure::Other`] if the script is no text, which no shell's is.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut args::command(DEFAULT), NAME, &mut script);
    print!("{}", String::from_utf8(script).map_err(|error| Failure::Other(error.into()))?);
    Ok(())
}

/// Writes a man page for the program and for each subcommand: `cldiff.1`, `cldiff-run.1`, `cldiff-data-list.1`.
///
/// # Errors
/// [`Failure::Mistake`] if the directory cannot be made or written.
pub fn pages(dir: &Path) -> Result<(), Failure> {
    let unusable = |error: std::io::Error| {
        Failure::mistake(format!("{}: the pages cannot be written: {error}", dir.display()))
    };
    fs::create_dir_all(dir).map_err(unusable)?;
    clap_mangen::generate_to(args::command(DEFAULT), dir).map_err(unusable)?;
    say(&format!("man pages: {}", dir.display()));
    Ok(())
}
