//! The ways in which the program ends without success, and their exit statuses.

use std::process::ExitCode;

use cldiff_engine::{Asked, EngineError};

use super::{short_of_memory, width::tell_at_the_end};

/// Why a backend cannot be used as it was asked for, in the words of the command line.
pub fn backend_refusal(error: &EngineError) -> String {
    let EngineError::Backend { backend, asked, problem } = error else { return error.to_string() };
    let problem = match asked {
        Asked::Backend => problem.clone(),
        Asked::NotBuiltIn => format!("{problem}; build it with `--features {backend}`"),
        Asked::Device(index) => format!("--device {index} {problem}"),
        Asked::Precision(name) => format!("--precision {name}: {problem}"),
    };
    format!("--backend {backend}: {problem}")
}

/// Why the program stops.
#[derive(Debug)]
pub enum Failure {
    /// A mistake in arguments, configuration or data: one message that says what to do. Status 2.
    Mistake(String),
    /// An interrupt; the message says how to go on. Status 130.
    Interrupted(String),
    /// Anything else. Status 1.
    Other(anyhow::Error),
}

impl Failure {
    /// A mistake of the user's, told in one message.
    pub fn mistake(message: impl std::fmt::Display) -> Self {
        Self::Mistake(message.to_string())
    }

    /// A backend that cannot be used as it was asked for, in the words of the command line.
    pub fn of_backend(error: &EngineError) -> Self {
        Self::Mistake(backend_refusal(error))
    }

    /// A panic: memory was short, or it is a mistake of the program's.
    pub fn of_panic(said: &str) -> Self {
        Self::Other(match short_of_memory::cause() {
            Some(cause) => anyhow::anyhow!(
                "{cause}: memory is short, for the batches in use (`--batch`, `evaluation.sample_batch`, \
                 `training.batch_size`) or for what else is on the device"
            ),
            None => anyhow::anyhow!(
                "internal error: {said}; this is a mistake of cldiff's: please report it with the command that led to it"
            ),
        })
    }

    /// Prints the message on stderr, and gives the exit status.
    pub fn tell(&self) -> ExitCode {
        match self {
            Self::Mistake(message) => {
                tell_at_the_end(&format!("error: {message}"));
                ExitCode::from(2)
            }
            Self::Interrupted(message) => {
                tell_at_the_end(message);
                ExitCode::from(130)
            }
            Self::Other(error) => {
                tell_at_the_end(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
