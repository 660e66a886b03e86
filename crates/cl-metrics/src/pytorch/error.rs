//! Why a file is no state dict.

use std::io;

use data_streams::pickle::PickleError;
use thiserror::Error;

/// An error of reading a PyTorch file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateDictError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is larger than any state dict that is read here.
    #[error("it has {bytes} bytes, expected at most {most}")]
    Large {
        /// Its size.
        bytes: u64,
        /// The largest that is read.
        most: u64,
    },
    /// It begins like no file of `torch.save`.
    #[error("not a file of torch.save: it begins neither like a zip archive nor like PyTorch's older form")]
    Unknown,
    /// The archive is damaged, or not one of PyTorch's.
    #[error("not an archive of torch.save: {0}")]
    Archive(String),
    /// It ends too early.
    #[error("it ends at byte {at}, within {within}: the file is cut off")]
    Cut {
        /// Where more was expected.
        at: usize,
        /// Within what.
        within: &'static str,
    },
    /// A pickle that is damaged, or that no state dict needs.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A tensor that does not fit its storage, or is none.
    #[error("`{name}`: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// The problem.
        problem: String,
    },
    /// Something else than a dict of tensors.
    #[error("{0}")]
    Content(String),
}

impl StateDictError {
    pub(super) fn tensor(name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { name: name.into(), problem: problem.into() }
    }
}
