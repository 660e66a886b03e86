//! Why a pickle is not read.

use thiserror::Error;

/// An error of reading a pickle.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PickleError {
    /// It ends too early.
    #[error("it ends at byte {at}, within a pickle: the file is cut off")]
    Cut {
        /// Where more was expected.
        at: usize,
    },
    /// An instruction that no such file needs.
    #[error("instruction 0x{code:02x} at byte {at} of the pickle is no part of {content}: refused")]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where in the pickle.
        at: usize,
        /// The content that was expected in the file.
        content: &'static str,
    },
    /// A function or class of Python that no such file needs.
    #[error("it names Python's `{name}`, which is no part of {content}: refused")]
    Name {
        /// Module and name.
        name: String,
        /// The content that was expected in the file.
        content: &'static str,
    },
    /// Instructions that do not fit together.
    #[error("damaged pickle, at byte {at}: {problem}")]
    Damaged {
        /// Where in the pickle.
        at: usize,
        /// The problem.
        problem: String,
    },
}
