//! Averages over the tasks seen so far.

use super::{EvaluationMatrix, Gap, gap::mean};

/// A_k: the mean over the tasks j <= k after task k.
///
/// # Errors
/// [`Gap::Entry`] if a task seen has no value.
pub fn average_after(matrix: &EvaluationMatrix, k: usize) -> Result<f64, Gap> {
    mean((0..=k).map(|j| matrix.entry(k, j)))
}

/// A_K: the average after the last task; CLoG's average final quality.
///
/// # Errors
/// As [`average_after`]; [`Gap::NoTasks`].
#[doc(alias = "AFQ")]
pub fn final_average(matrix: &EvaluationMatrix) -> Result<f64, Gap> {
    average_after(matrix, matrix.last()?)
}

/// The mean of A_k over the stream; CLoG's average incremental quality.
///
/// # Errors
/// As [`average_after`]; [`Gap::NoTasks`].
#[doc(alias = "AIQ")]
pub fn stream_average(matrix: &EvaluationMatrix) -> Result<f64, Gap> {
    mean((0..matrix.tasks()).map(|k| average_after(matrix, k)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tasks: A_0 = 8, A_1 = (12 + 6) / 2 = 9, A_2 = (20 + 10 + 6) / 3 = 12; CLoG's AIQ is (8 + 9 + 12) / 3.
    #[test]
    fn averages_as_clog_names_them() {
        let some = |row: [f64; 3]| row.map(Some).to_vec();
        let matrix = EvaluationMatrix::new(vec![
            some([8.0, 70.0, 80.0]),
            some([12.0, 6.0, 90.0]),
            some([20.0, 10.0, 6.0]),
        ]);
        assert_eq!(stream_average(&matrix), Ok(29.0 / 3.0));
        assert_eq!(final_average(&matrix), Ok(12.0));
    }

    /// An unconditional model after two tasks, of which the first has no samples any more: 4 alone would be better than
    /// the mean of 2 and 4 was expected to become.
    #[test]
    fn a_lost_task_is_not_left_out() {
        let matrix = EvaluationMatrix::new(vec![vec![Some(2.0), None], vec![None, Some(4.0)]]);
        let lost = Err(Gap::Entry { after: 1, on: 0 });
        assert_eq!(average_after(&matrix, 0), Ok(2.0));
        assert_eq!(average_after(&matrix, 1), lost);
        assert_eq!(final_average(&matrix), lost);
        assert_eq!(stream_average(&matrix), lost);
    }

    /// A value that is missing on the way leaves the final average as it is.
    #[test]
    fn only_what_is_averaged_has_to_be_there() {
        let matrix = EvaluationMatrix::new(vec![vec![None, None], vec![Some(3.0), Some(4.0)]]);
        assert_eq!(final_average(&matrix), Ok(3.5));
        assert_eq!(stream_average(&matrix), Err(Gap::Entry { after: 0, on: 0 }));
        assert_eq!(final_average(&EvaluationMatrix::new(vec![])), Err(Gap::NoTasks));
        let diverged = EvaluationMatrix::new(vec![vec![Some(f64::NAN)]]);
        assert_eq!(final_average(&diverged), Err(Gap::Entry { after: 0, on: 0 }));
    }
}
