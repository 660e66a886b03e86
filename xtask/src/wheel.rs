//! The Python wheel: the program and the module `cldiff` of `python/`, by maturin in a virtual environment of its own.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

/// The version of maturin that builds.
const MATURIN: &str = "maturin==1.16.0";

/// The options of `cargo xtask wheel`.
#[derive(Debug, Args)]
pub(crate) struct WheelArgs {
    /// The Python that makes the virtual environments
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// The backends to build
    #[arg(long, value_delimiter = ',', default_value = "cuda,wgpu,ndarray,flex")]
    backends: Vec<String>,
    /// The profile of Cargo to build with
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Where the wheel goes
    #[arg(long, value_name = "DIR", default_value = "target/wheels")]
    out: PathBuf,
    /// Install the wheel in a fresh virtual environment, and run the module's tests there
    #[arg(long)]
    test: bool,
    /// Test cldiff.load too, which takes PyTorch and diffusers: gigabytes to download
    #[arg(long, requires = "test")]
    diffusers: bool,
}

/// Builds the wheel, and tests it if asked to.
pub(crate) fn run(args: &WheelArgs) -> Result<()> {
    let root = std::path::absolute(".")?;
    let out = root.join(&args.out);
    let place = root.join("target/wheel");
    let maturin = Environment::fresh(&args.python, &place.join("build"))?;
    maturin.pip(&["install", MATURIN])?;
    let features = args.backends.join(",");
    let built = [
        "build",
        "--locked",
        "--profile",
        &args.profile,
        "--no-default-features",
        "--features",
        &features,
        "--out",
    ];
    // A wheel of the same name is replaced, and others may be there: the newest is the one that was built.
    maturin.run("maturin", built.iter().map(OsStr::new).chain([out.as_os_str()]), &root.join("python"))?;
    let wheel = newest(&out).with_context(|| format!("maturin left no wheel in {}", out.display()))?;
    println!("{}", wheel.display());
    if args.test {
        test(args, &wheel, &root, &place)?;
    }
    Ok(())
}

/// Runs the module's tests on an installed wheel, away from the sources.
fn test(args: &WheelArgs, wheel: &Path, root: &Path, place: &Path) -> Result<()> {
    let fresh = Environment::fresh(&args.python, &place.join("test"))?;
    let extra = if args.diffusers { "[diffusers,test]" } else { "[test]" };
    fresh.pip(&["install", &format!("{}{extra}", wheel.display())])?;
    let tests = root.join("python/tests");
    let words = ["-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib"].map(OsStr::new);
    fresh.run("python", words.into_iter().chain([tests.as_os_str()]), place)
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheels = entries.filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.max_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

/// A virtual environment of Python.
struct Environment(PathBuf);

impl Environment {
    /// Makes one, in place of what is there.
    fn fresh(python: &Path, place: &Path) -> Result<Self> {
        fs::create_dir_all(place)?;
        let words = ["-m", "venv", "--clear"].map(OsStr::new).into_iter().chain([place.as_os_str()]);
        run_in(python, words, Path::new("."))?;
        Ok(Self(place.to_owned()))
    }

    fn pip(&self, words: &[&str]) -> Result<()> {
        let all = ["-m", "pip", "--quiet", "--disable-pip-version-check"];
        self.run("python", all.iter().chain(words).map(OsStr::new), Path::new("."))
    }

    fn run<'a>(&self, program: &str, words: impl Iterator<Item = &'a OsStr>, dir: &Path) -> Result<()> {
        let scripts = if cfg!(windows) { "Scripts" } else { "bin" };
        run_in(&self.0.join(scripts).join(program), words, dir)
    }
}

/// Runs a program in a directory, and passes on what it prints.
fn run_in<'a>(program: &Path, words: impl Iterator<Item = &'a OsStr>, dir: &Path) -> Result<()> {
    let mut command = Command::new(program);
    // A Python environment that is active around the build must not reach the command.
    command.args(words).current_dir(dir).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
    eprintln!("==> {command:?}");
    match command.status().with_context(|| format!("cannot run {}", program.display()))? {
        status if status.success() => Ok(()),
        status => bail!("{}: {status}", program.display()),
    }
}
