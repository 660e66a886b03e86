//! The kernels' tests under AddressSanitizer: every load and store through a pointer is checked against what was
//! allocated, whatever the instruction set.

use anyhow::Result;

use crate::build::cargo;

/// Runs them.
pub(crate) fn run() -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = std::path::Path::new(&target).join("sanitize");
    cargo(
        &[
            "test",
            "-p",
            "ddpm-kernels",
            "--features",
            "flex,ndarray",
            "--lib",
            "--test",
            "cpu_against_defaults",
            // Build scripts must not be sanitised; that takes a target of its own.
            "--target",
            "x86_64-unknown-linux-gnu",
            "--target-dir",
            &target.to_string_lossy(),
        ],
        // Sanitizers are an option of the nightly compiler that the stable one has as well.
        &[("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", "-Zsanitizer=address")],
    )
}
