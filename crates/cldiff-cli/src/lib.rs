//! The program `cldiff`: configuration, runs, results and their report; and [`Program`], which is it with choices of an
//! outside crate.
//!
//! Everything that depends on a backend is behind [`cldiff_engine`]; this crate is the only one that reads
//! configuration, prints, or writes results.

mod args;
mod bench;
mod cells;
mod config;
mod data;
mod doctor;
mod files;
mod generate;
pub mod input;
mod list;
mod manual;
mod metric;
mod program;
pub mod quantities;
pub mod report;
pub mod results;
#[cfg(test)]
mod rooms;
mod run;
mod status;
mod submit;
mod threads;
mod tune;
mod ui;
mod weights;

use std::{io::IsTerminal, process::ExitCode, time::Instant};

use tracing_subscriber::EnvFilter;

use crate::{
    args::{Cli, Command, ConfigCommand, SubmitCommand},
    ui::{download, failure, failure::Failure, panics, progress::AboveBar},
};

pub use program::{FromConfig, Program};

/// The program with its built-in choices.
pub fn main() -> ExitCode {
    Program::new().main()
}

/// Parses the command line, does what it says, and reports a failure in one message.
fn program() -> ExitCode {
    let started = Instant::now();
    // `RUST_LOG=cldiff=debug` shows more; by default only warnings reach the terminal.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| AboveBar)
        .with_ansi(has_colours())
        .without_time()
        .init();
    panics::listen();
    let cli = args::parse();
    if let Err(failure) = threads::make(cli.threads) {
        return failure.tell();
    }
    // On one of the kernels' threads: called from outside, each of them would have to be handed over and waited for.
    let outcome = panics::catch(|| rayon::join(|| run_command(cli, started), || ()).0);
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.tell(),
        Err(panic) if panics::is_unheard(&panic) => ExitCode::from(EXIT_SIGPIPE),
        Err(panic) => match panics::unwritten(&panic) {
            Some(problem) => Failure::Other(anyhow::anyhow!(problem)).tell(),
            None => Failure::of_panic(&panic).tell(),
        },
    }
}

/// Whether stderr is a terminal whose user has not switched colours off (no-color.org).
fn has_colours() -> bool {
    let off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !off
}

fn run_command(cli: Cli, started: Instant) -> Result<(), Failure> {
    match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Sample(args)) => generate::sample(&args),
        Some(Command::Export(args)) => generate::export(&args),
        Some(Command::Predict(args)) => generate::predict(&args),
        Some(Command::Bpd(args)) => generate::bits_per_dimension(&args),
        Some(Command::Metric(command)) => metric::metric(&command),
        Some(Command::Bench(args)) => bench::bench(&args, started),
        Some(Command::Doctor(args)) => doctor::doctor(&args),
        Some(Command::List { what, json }) => list::list(what, json),
        Some(Command::Data(command)) => data::data(&command),
        Some(Command::Weights(command)) => weights::weights(&command),
        Some(Command::Config(ConfigCommand::Check { files, data_dir })) => {
            config::commands::check(&files, data_dir.as_deref())
        }
        Some(Command::Config(ConfigCommand::Show(args))) => config::commands::show(&args),
        Some(Command::Config(ConfigCommand::Schema)) => config::commands::schema(),
        Some(Command::Report(args)) => report::command::report(&args),
        Some(Command::Cells(args)) => cells::cells(args),
        Some(Command::Prepare(args)) => run::prepare(args),
        Some(Command::Merge(args)) => run::merge(&args),
        Some(Command::Tune(args)) => {
            tune::tune(&args, &tune::Runs { listen: run::interrupt::listen, run: run::run })
        }
        Some(Command::Status(args)) => status::status(&args),
        Some(Command::Submit(SubmitCommand::Slurm(args))) => submit::slurm(args),
        Some(Command::Completions { shell }) => manual::completions(shell),
        Some(Command::Man { dir }) => manual::pages(&dir),
    }
}

/// Exit status of a program that SIGPIPE ended, as a shell reports it.
const EXIT_SIGPIPE: u8 = 141;
