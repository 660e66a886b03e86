//! Where the time of a training step goes: the share of each kernel, and of everything else.

mod cpu;
pub(crate) mod gpu;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::build;

/// The options of `cargo xtask profile`.
#[derive(Debug, clap::Args)]
pub(crate) struct ProfileArgs {
    /// The reference workload
    #[arg(long, default_value = "mnist-small")]
    workload: String,
    /// The backend: flex or ndarray by Linux' `perf`, cuda or wgpu by the clock of the device
    #[arg(long, default_value = "flex")]
    backend: String,
    /// On a GPU, a program `cldiff` that is built already, for a machine without Rust [default: build it]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Training steps on a CPU; a GPU gets 30
    #[arg(long, default_value_t = 20)]
    steps: usize,
}

/// Records, and prints the shares.
pub(crate) fn run(args: &ProfileArgs) -> Result<()> {
    if !matches!(args.backend.as_str(), "cuda" | "wgpu") {
        // Only a program with symbols of the newer form tells a CPU's kernels apart.
        ensure!(args.program.is_none(), "--program: with --backend {} the program is built", args.backend);
        return cpu::run(&args.workload, &args.backend, args.steps);
    }
    let program = build::given_or_built(args.program.as_deref())?;
    println!("{}", gpu::table(&program, &args.workload, &args.backend, "auto", None)?);
    Ok(())
}
