//! Release archives: `cldiff-VERSION-TARGET.tar.gz` with one folder, and beside it its SHA-256 for `sha256sum --check`.
//!
//! The archive of one program and one commit has the same bytes each time: the files are sorted, belong to nobody, and have
//! the time of `SOURCE_DATE_EPOCH` or of the commit.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::build::{command, executable};

/// The shells whose completions are looked for.
const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

/// The options of `cargo xtask dist`.
#[derive(Debug, Args)]
pub(crate) struct DistArgs {
    /// A program `cldiff` that is built already [default: build it with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The backends to build
    #[arg(long, value_delimiter = ',', default_value = "cuda,wgpu,ndarray,flex")]
    backends: Vec<String>,
    /// A folder of man pages, as `cargo xtask man` makes it; left out where it is not there
    #[arg(long, value_name = "DIR", default_value = "target/man")]
    man: PathBuf,
    /// Where archive and checksum go
    #[arg(long, value_name = "DIR", default_value = "target/dist-archives")]
    out: PathBuf,
}

/// A file of an archive: its path in the folder, whether it can be run, and its content.
type Member = (String, bool, Vec<u8>);

/// Makes the archive.
pub(crate) fn run(args: &DistArgs) -> Result<()> {
    let program = match &args.program {
        Some(program) => {
            program.canonicalize().with_context(|| format!("cannot find {}", program.display()))?
        }
        None => build(&args.backends)?,
    };
    let folder = format!("cldiff-{}-{}", env!("CARGO_PKG_VERSION"), host()?);
    let bytes = archive(&folder, &members(&program, &args.man)?, time()?)?;
    let name = format!("{folder}.tar.gz");
    fs::create_dir_all(&args.out)?;
    let path = args.out.join(&name);
    fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    fs::write(args.out.join(format!("{name}.sha256")), checksum(&name, &bytes))?;
    println!("{} ({} bytes)", path.display(), bytes.len());
    print!("{}", checksum(&name, &bytes));
    Ok(())
}

fn build(backends: &[String]) -> Result<PathBuf> {
    let features = backends.join(",");
    let mut command = command();
    command.args(["build", "--locked", "--profile", "dist", "-p", "cldiff-cli", "--no-default-features"]);
    executable(command.args(["--features", &features, "--message-format", "json-render-diagnostics"]))
}

/// The triple of this machine.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc -vV")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// Seconds since 1970 that every file of the archive has.
fn time() -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let output =
        Command::new("git").args(["log", "-1", "--format=%ct"]).output().context("cannot run git")?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().context("git knows no commit; set SOURCE_DATE_EPOCH")
}

fn members(program: &Path, man: &Path) -> Result<Vec<Member>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let name = format!("cldiff{}", std::env::consts::EXE_SUFFIX);
    let mut members = vec![(name, true, read(program)?)];
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        members.push((file.to_owned(), false, read(Path::new(file))?));
    }
    for shell in SHELLS {
        // A program without that subcommand has no completions to give.
        let output = Command::new(program).args(["completions", shell]).output();
        let output = output.with_context(|| format!("cannot run {}", program.display()))?;
        if output.status.success() {
            members.push((format!("completions/cldiff.{shell}"), false, output.stdout));
        }
    }
    if man.is_dir() {
        for entry in fs::read_dir(man)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                bail!("{}: its name is not UTF-8", path.display())
            };
            members.push((format!("man/{name}"), false, read(&path)?));
        }
    }
    members.sort();
    Ok(members)
}

/// A gzipped tar of one folder.
fn archive(folder: &str, members: &[Member], time: u64) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (path, executable, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(if *executable { 0o755 } else { 0o644 });
        header.set_mtime(time);
        archive.append_data(&mut header, format!("{folder}/{path}"), &bytes[..])?;
    }
    archive.into_inner()?.finish()
}

/// A line as `sha256sum` writes it and reads it.
fn checksum(name: &str, bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}  {name}\n")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_has_its_files_in_one_folder_and_the_same_bytes_each_time() {
        let members: Vec<Member> =
            vec![("LICENSE-MIT".into(), false, b"free".to_vec()), ("cldiff".into(), true, vec![7; 5000])];
        let bytes = archive("cldiff-1", &members, 1_700_000_000).unwrap();
        assert_eq!(archive("cldiff-1", &members, 1_700_000_000).unwrap(), bytes);
        let mut found = Vec::new();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), content.len()));
        }
        let expected = [("cldiff-1/LICENSE-MIT", 0o644, 4), ("cldiff-1/cldiff", 0o755, 5000)];
        assert_eq!(found, expected.map(|(path, mode, length)| (path.to_owned(), mode, length)));
    }

    /// The example of FIPS 180-2, section B.1.
    #[test]
    fn a_checksum_is_a_line_of_sha256sum() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum("a.tar.gz", b"abc"), format!("{hash}  a.tar.gz\n"));
    }

    /// The image builds with the compiler that the workspace asks for.
    #[test]
    fn the_dockerfile_has_the_compiler_of_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let dockerfile = fs::read_to_string(root.join("Dockerfile")).unwrap();
        let compiler = format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
        assert!(dockerfile.contains(&compiler), "no {compiler} in Dockerfile");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[profile.dist]") && dockerfile.contains("--profile dist"));
    }
}
