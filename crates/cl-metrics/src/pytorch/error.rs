//! Why a file is no state dict.

use std::io;

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
    /// An instruction that no state dict needs.
    #[error(
        "instruction 0x{code:02x} at byte {at} of the pickle is no part of a state dict of tensors: refused"
    )]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where in the pickle.
        at: usize,
    },
    /// A function or class of Python that no state dict needs.
    #[error("it names Python's `{0}`, which is no part of a state dict of tensors: refused")]
    Name(String),
    /// Instructions that do not fit together.
    #[error("damaged pickle, at byte {at}: {problem}")]
    Pickle {
        /// Where in the pickle.
        at: usize,
        /// What is wrong.
        problem: String,
    },
    /// A tensor that does not fit its storage, or is none.
    #[error("`{name}`: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
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
