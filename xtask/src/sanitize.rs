//! The kernels' tests under what finds mistakes of `unsafe` code: AddressSanitizer, valgrind or Miri.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::build::{cargo, command};

/// The options of `cargo xtask sanitize`.
#[derive(Debug, clap::Args)]
pub(crate) struct SanitizeArgs {
    /// Valgrind's memcheck instead, which also finds reads of numbers that nobody has written. It knows no AVX-512:
    /// the kernels for AVX2 and the portable ones run
    #[arg(long, conflicts_with = "miri")]
    valgrind: bool,
    /// The unit tests of the portable kernels under Miri instead, which also checks aliasing. Needs a nightly compiler with
    /// Miri: `cargo +nightly xtask sanitize --miri`
    #[arg(long)]
    miri: bool,
}

/// The kernels' tests, as arguments of `cargo test`.
const KERNELS: &[&str] = &["-p", "ddpm-kernels", "--features", "flex,ndarray", "--lib"];

/// The tests that run the kernels as operations of the backends.
const OPERATIONS: &[&str] = &["--test", "cpu_against_defaults", "--test", "two_tensors"];

/// The checks of arithmetic and of pointers that the compiler can add, and that the profile leaves out of the kernels.
const CHECKED: &[&str] = &[
    "--config",
    "profile.dev.package.ddpm-kernels.debug-assertions=true",
    "--config",
    "profile.dev.package.ddpm-kernels.overflow-checks=true",
];

/// Runs them.
pub(crate) fn run(args: &SanitizeArgs) -> Result<()> {
    if args.valgrind {
        return valgrind();
    }
    if args.miri {
        return miri();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = std::path::Path::new(&target).join("sanitize").to_string_lossy().into_owned();
    // Build scripts must not be sanitised; that takes a target of its own.
    let apart = ["--target", "x86_64-unknown-linux-gnu", "--target-dir", &target];
    // Sanitizers are an option of the nightly compiler that the stable one has as well. Every load and store through a
    // pointer is checked against what was allocated, whatever the instruction set.
    let environment = [("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", "-Zsanitizer=address")];
    cargo(&[CHECKED, &["test"], KERNELS, OPERATIONS, &apart].concat(), &environment)
}

fn valgrind() -> Result<()> {
    if !answers(Command::new("valgrind").arg("--version")) {
        bail!("valgrind is not installed (or not on the PATH): `cargo xtask sanitize --valgrind` needs it");
    }
    // Tests side by side gain nothing: valgrind runs one thread at a time.
    let runner = r#"target."cfg(all())".runner=["valgrind","--quiet","--error-exitcode=1"]"#;
    let environment = [("RUST_TEST_THREADS", "1"), ("PROPTEST_CASES", "4")];
    cargo(&[CHECKED, &["--config", runner, "test"], KERNELS, OPERATIONS].concat(), &environment)
}

fn miri() -> Result<()> {
    if !answers(command().args(["miri", "--version"])) {
        bail!("Miri is not installed for this compiler: `rustup component add miri` on a nightly one");
    }
    // rayon's threads live as long as the process, and crossbeam's lists, which they wait by, keep to the rules of tree
    // borrows alone.
    let flags = "-Zmiri-ignore-leaks -Zmiri-tree-borrows";
    cargo(&[CHECKED, &["miri", "test"], KERNELS].concat(), &[("MIRIFLAGS", flags)])
}

/// Whether a program is there and runs.
fn answers(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
