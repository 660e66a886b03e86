//! The project's own chores: `cargo xtask validate`, `bench`, `profile`, `sanitize`, `kill-test`, `fault-test`, `slurm-test`,
//! `fuzz`, `mutants`, `evidence`, `man`, `gpu-check`, `dist` and `wheel`.

mod bench;
mod build;
mod child;
mod dist;
mod evidence;
mod fault_test;
mod fuzz;
mod gpu_check;
mod kill_test;
mod man;
mod mutants;
mod order;
mod profile;
mod sanitize;
mod slurm_test;
mod validate;
mod wheel;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Formatting, lints, tests and documentation, as a change must pass them; with --repeat the tests many times, in random
    /// order; with --alone each crate outside the workspace
    Validate(validate::ValidateArgs),
    /// Speed and memory on the reference workloads, beside PyTorch if a Python with it is named
    Bench(bench::BenchArgs),
    /// The CPU kernels' tests under AddressSanitizer, valgrind or Miri
    Sanitize(sanitize::SanitizeArgs),
    /// All that only a machine with a GPU can tell, into benchmarks/gpu.md
    GpuCheck(gpu_check::GpuCheckArgs),
    /// A run killed at 100 moments of its life, in each of three ways, that comes to the same results each time
    KillTest(kill_test::KillTestArgs),
    /// A small benchmark under the schedules of faults of 1,000 seeds, that reports nothing wrong and comes to its end
    FaultTest(fault_test::FaultTestArgs),
    /// A run on a real Slurm of this machine: preempted, at its time limit, with a dying node; the results are an ordinary run's
    SlurmTest(slurm_test::SlurmTestArgs),
    /// The parsers against inputs that a fuzzer makes
    Fuzz(fuzz::FuzzArgs),
    /// Small changes to the code, drawn with a seed, that the tests should notice; by cargo-mutants
    Mutants(mutants::MutantsArgs),
    /// Tables, figures and numbers of the documents from the files under evidence/; with --check a comparison alone
    Evidence(evidence::EvidenceArgs),
    /// Man pages of the program, a page for each subcommand
    Man(man::ManArgs),
    /// Where the time of a training step goes, kernel by kernel
    Profile(profile::ProfileArgs),
    /// A release archive with its SHA-256: program, licences, README, and completions and man pages where there are any
    Dist(dist::DistArgs),
    /// A wheel with the program and the Python module; with --test, pytest on it in a fresh virtual environment
    Wheel(wheel::WheelArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Validate(args) => validate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Sanitize(args) => sanitize::run(&args),
        Command::GpuCheck(args) => gpu_check::run(&args),
        Command::KillTest(args) => kill_test::run(&args),
        Command::FaultTest(args) => fault_test::run(&args),
        Command::SlurmTest(args) => slurm_test::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Wheel(args) => wheel::run(&args),
    }
}
