//! The ways in which the program ends without success, and their exit statuses.

use std::{io, process::ExitCode};

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
    /// Cells that failed or have no result, after the results of the others are written. Status 1.
    Cells(String),
    /// Anything else. Status 1.
    Other(anyhow::Error),
}

impl Failure {
    /// A mistake of the user's, told in one message.
    pub fn mistake(message: impl std::fmt::Display) -> Self {
        Self::Mistake(message.to_string())
    }

    /// An error in reading or writing files that the user has named. A path or a content that cannot work is a mistake; a full
    /// disk, or one that has gone bad, is none: trying again makes sense.
    pub fn of_files(error: anyhow::Error) -> Self {
        let of_system = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        if of_system.into_iter().all(|error| is_of_path_or_content(error.kind())) {
            return Self::mistake(format!("{error:#}"));
        }
        Self::Other(error)
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
            Self::Cells(message) => {
                tell_at_the_end(&format!("error: {message}"));
                ExitCode::FAILURE
            }
            Self::Other(error) => {
                tell_at_the_end(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether the path that was given, or the content of the file, is to blame.
fn is_of_path_or_content(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AlreadyExists, DirectoryNotEmpty, InvalidData, InvalidFilename, InvalidInput, IsADirectory,
        NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    matches!(
        kind,
        AlreadyExists
            | DirectoryNotEmpty
            | InvalidData
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
    )
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

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    /// As the file layer has it: the name of the file before what the system says.
    fn of(kind: io::ErrorKind) -> Failure {
        let error = io::Error::new(kind, format!("run/report.html: {}", io::Error::from(kind)));
        Failure::of_files(Err::<(), _>(error).context("the report cannot be written").unwrap_err())
    }

    #[test]
    fn a_disk_that_is_full_or_bad_is_no_mistake_of_the_users() {
        use io::ErrorKind::{Other, QuotaExceeded, StorageFull};
        for kind in [StorageFull, QuotaExceeded, Other] {
            let Failure::Other(error) = of(kind) else { panic!("{kind:?} is a mistake") };
            let message = format!("{error:#}");
            assert!(message.starts_with("the report cannot be written: run/report.html: "), "{message}");
        }
        // As the system tells of a device that has gone bad.
        let of_device = Failure::of_files(io::Error::from_raw_os_error(5).into());
        assert!(!cfg!(target_os = "linux") || matches!(of_device, Failure::Other(_)), "{of_device:?}");
    }

    #[test]
    fn a_path_or_a_content_that_cannot_work_is_a_mistake() {
        use io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
        for kind in [NotFound, PermissionDenied, InvalidData] {
            let Failure::Mistake(message) = of(kind) else { panic!("{kind:?} is no mistake") };
            assert!(message.starts_with("the report cannot be written: run/report.html: "), "{message}");
        }
        let compared = Failure::of_files(anyhow::anyhow!("the runs a and b do not compare"));
        assert!(matches!(compared, Failure::Mistake(told) if told == "the runs a and b do not compare"));
    }
}
