//! Calls of Cargo.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The features of the workspace that leave the GPU backends out.
pub(crate) const CPU: &[&str] =
    &["--no-default-features", "--features", "cldiff-cli/flex,cldiff-cli/ndarray"];

/// Runs `cargo` with these arguments and environment, and passes on what it prints.
pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    eprintln!("==> {line}");
    let status = command().args(arguments).envs(environment.iter().copied()).status();
    match status.with_context(|| format!("cannot run {line}"))? {
        status if status.success() => Ok(()),
        status => bail!("{line}: {status}"),
    }
}

/// The program `cldiff` that is given, or the one that `cargo run -p cldiff-cli` builds, with every backend: another
/// selection of backends would build everything above Burn again.
pub(crate) fn given_or_built(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(program) = given {
        return program.canonicalize().with_context(|| format!("cannot find {}", program.display()));
    }
    executable(command().args(["build", "-p", "cldiff-cli", "--message-format", "json-render-diagnostics"]))
}

/// Runs a build that prints JSON messages, and finds the executable in them.
pub(crate) fn executable(command: &mut Command) -> Result<PathBuf> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed: {}", output.status);
    }
    String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo named no executable")
}

/// Cargo, without the variables by which `cargo run` describes this package to it: build scripts that look at them (ring's)
/// would run again, and everything above them would be built again.
pub(crate) fn command() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    let of_package = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(of_package) {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo sets these for a test as for a run; an executable that is started by hand may have none.
    #[test]
    fn a_call_of_cargo_does_not_inherit_this_package() {
        let command = command();
        let removed: Vec<&std::ffi::OsStr> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        let names = ["CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_MANIFEST_DIR"];
        for name in names.into_iter().filter(|name| std::env::var_os(name).is_some()) {
            assert!(removed.contains(&std::ffi::OsStr::new(name)), "{name}");
        }
        assert!(!removed.contains(&std::ffi::OsStr::new("PATH")));
    }
}
