//! Each crate without the workspace: a project elsewhere, the example of the crate's README, depends on its package.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use super::example::{Example, Package};
use crate::{
    build::{cargo, command},
    child::last_words,
};

/// The options of `cargo xtask validate --alone`.
#[derive(Debug, clap::Args)]
pub(super) struct AloneArgs {
    /// Only the crates, each by itself, rather than every check once: each is packaged, and the example of its README is
    /// checked as a project outside the workspace that depends on the package
    #[arg(long, conflicts_with_all = ["cpu", "repeat"])]
    alone: bool,
    /// Build and run the examples too
    #[arg(long, requires = "alone")]
    build: bool,
}

/// The members of the workspace that no other project depends on.
const NOT_FOR_OTHERS: [&str; 3] = ["cldiff-examples", "fuzz-targets", "xtask"];

impl AloneArgs {
    /// Whether this is asked for.
    pub(super) fn asked(&self) -> bool {
        self.alone
    }

    /// Packages the crates, tries each, and fails if one of them did.
    pub(super) fn run(&self) -> Result<()> {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let target = std::path::absolute(Path::new(&target).join("alone"))?;
        let packages = packages(&target)?;
        let mut failed = Vec::new();
        for package @ (name, _) in &packages {
            let start = Instant::now();
            let output = self.try_alone(package, &packages, &target)?;
            let took = start.elapsed().as_secs();
            if output.status.success() {
                println!("{name:15} {} ({took} s)", if self.build { "runs" } else { "compiles" });
            } else {
                println!("{name:15} FAILS ({took} s)\n{}", last_words(&output));
                failed.push(name.as_str());
            }
        }
        if failed.is_empty() { Ok(()) } else { bail!("fail alone: {}", failed.join(", ")) }
    }

    /// Checks, or builds and runs, the example of a package.
    fn try_alone(&self, (name, folder): &Package, packages: &[Package], target: &Path) -> Result<Output> {
        let project = tempfile::tempdir().context("a directory for a project")?;
        Example::of(folder)?.write(project.path(), name, packages)?;
        // The versions are the workspace's.
        fs::copy("Cargo.lock", project.path().join("Cargo.lock")).context("cannot copy Cargo.lock")?;
        let mut command = command();
        command.args([if self.build { "run" } else { "check" }, "--quiet", "--offline", "--target-dir"]);
        command.arg(target);
        if self.build && name == "cldiff-cli" {
            // The program would train for minutes.
            command.args(["--", "list", "metrics"]);
        }
        command.current_dir(project.path()).output().context("cannot run cargo")
    }
}

/// The names of the crates in a folder that others may depend on, in order.
pub(super) fn crates(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !NOT_FOR_OTHERS.contains(&name.as_str()));
    names.sort();
    Ok(names)
}

/// Packages all crates and unpacks them again.
fn packages(target: &Path) -> Result<Vec<Package>> {
    let place = target.to_str().context("the path of the target directory is not UTF-8")?;
    // Cargo would look for the other crates on crates.io to verify a package, and to make its Cargo.lock.
    let options = ["--offline", "--allow-dirty", "--no-verify", "--exclude-lockfile", "--quiet"];
    let excluded = NOT_FOR_OTHERS.iter().flat_map(|name| ["--exclude", name]).collect::<Vec<_>>();
    cargo(&[&["package", "--workspace", "--target-dir", place], &options[..], &excluded].concat(), &[])?;
    let unpacked = target.join("unpacked");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).with_context(|| format!("cannot remove {}", unpacked.display()))?;
    }
    fs::create_dir_all(&unpacked).with_context(|| format!("cannot make {}", unpacked.display()))?;
    let packages = crates(Path::new("crates"))?.into_iter();
    packages.map(|name| Ok((name.clone(), unpack(&name, target, &unpacked)?))).collect()
}

/// Unpacks the package of a crate, and gives its folder.
fn unpack(name: &str, target: &Path, into: &Path) -> Result<PathBuf> {
    let name = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
    let package = target.join("package").join(format!("{name}.crate"));
    // Without the times of its files, which are the same in all packages: Cargo tells by them that a file has changed.
    let status = Command::new("tar").arg("-xzmf").arg(&package).arg("-C").arg(into).status();
    match status.context("cannot run tar")? {
        status if status.success() => Ok(into.join(name)),
        status => bail!("tar: {}: {status}", package.display()),
    }
}
