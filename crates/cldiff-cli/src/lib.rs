//! The program `cldiff`: configuration, runs, results and their report.
//!
//! Everything that depends on a backend is behind [`cldiff_engine`]; this crate is the only one that reads
//! configuration, prints, or writes results.

mod args;
mod config;
mod failure;
mod generate;
pub mod report;
pub mod results;
mod run;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

/// Parses the command line, does what it says, and reports a failure in one message.
pub fn main() -> ExitCode {
    // `RUST_LOG=cldiff=debug` shows more; by default only warnings reach the terminal.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Sample(args)) => generate::sample(&args),
        Some(Command::Export(args)) => generate::export(&args),
        Some(Command::Predict(args)) => generate::predict(&args),
        Some(Command::Bpd(args)) => generate::bits_per_dimension(&args),
        Some(Command::Report { directories, out }) => run::report(&directories, out.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
