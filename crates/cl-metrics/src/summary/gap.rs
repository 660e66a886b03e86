//! Why a summary of an evaluation matrix has no value.
//!
//! A summary over tasks of which one has no value is no summary of what is left: a lost task would make it better.

use thiserror::Error;

/// The values that a summary lacks. Tasks are counted from 0 in the fields and from 1 in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Gap {
    /// An entry of the matrix, on a task seen.
    #[error("the value on task {} after task {} is missing", .on + 1, .after + 1)]
    Entry {
        /// After which task.
        after: usize,
        /// On which task.
        on: usize,
    },
    /// An entry of the matrix that is compared with.
    #[error("the reference's value on task {} after task {} is missing", .on + 1, .after + 1)]
    Reference {
        /// After which task.
        after: usize,
        /// On which task.
        on: usize,
    },
    /// The value of the untrained model.
    #[error("the untrained model's value on task {} is missing", .on + 1)]
    Untrained {
        /// On which task.
        on: usize,
    },
    /// The value over all tasks seen.
    #[error("the value over all tasks after task {} is missing", .after + 1)]
    Pooled {
        /// After which task.
        after: usize,
    },
    /// A task that is followed by others.
    #[error("a stream of one task has nothing to forget")]
    NothingToForget,
    /// A task that comes after others.
    #[error("a stream of one task has no task to transfer to")]
    NothingToTransferTo,
    /// Tasks.
    #[error("there are no tasks")]
    NoTasks,
    /// A matrix to compare with that has as many tasks.
    #[error("the matrices are of {own} and {reference} tasks")]
    Sizes {
        /// The tasks of the matrix.
        own: usize,
        /// The tasks of the reference.
        reference: usize,
    },
}

/// The mean of values that are all there.
///
/// # Errors
/// The first gap; [`Gap::NoTasks`] for no values.
pub(super) fn mean(values: impl IntoIterator<Item = Result<f64, Gap>>) -> Result<f64, Gap> {
    let (mut sum, mut n) = (0.0, 0_u32);
    for value in values {
        sum += value?;
        n += 1;
    }
    if n == 0 { Err(Gap::NoTasks) } else { Ok(sum / f64::from(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_count_tasks_from_1() {
        let message = Gap::Entry { after: 1, on: 0 }.to_string();
        assert_eq!(message, "the value on task 1 after task 2 is missing");
    }

    #[test]
    fn a_mean_is_over_all_values_or_none() {
        let gap = Gap::Untrained { on: 3 };
        assert_eq!(mean([Ok(1.0), Ok(2.0)]), Ok(1.5));
        assert_eq!(mean([Ok(1.0), Err(gap), Err(Gap::NoTasks)]), Err(gap));
        assert_eq!(mean([]), Err(Gap::NoTasks));
    }
}
