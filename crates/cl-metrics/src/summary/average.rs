//! Averages over the tasks seen so far.

use super::{EvaluationMatrix, mean};

/// A_k: the mean over the tasks j <= k after task k; none if nothing of that was measured.
pub fn average_after(matrix: &EvaluationMatrix, k: usize) -> Option<f64> {
    mean((0..=k).filter_map(|j| matrix.get(k, j)))
}

/// A_K: the average after the last task; CLoG's average final quality.
#[doc(alias = "AFQ")]
pub fn final_average(matrix: &EvaluationMatrix) -> Option<f64> {
    matrix.tasks().checked_sub(1).and_then(|last| average_after(matrix, last))
}

/// The mean of A_k over the stream; CLoG's average incremental quality.
#[doc(alias = "AIQ")]
pub fn stream_average(matrix: &EvaluationMatrix) -> Option<f64> {
    mean((0..matrix.tasks()).filter_map(|k| average_after(matrix, k)))
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
        assert_eq!(stream_average(&matrix), Some(29.0 / 3.0));
        assert_eq!(final_average(&matrix), Some(12.0));
    }

    #[test]
    fn only_seen_and_measured_tasks_count() {
        let matrix = EvaluationMatrix::new(vec![vec![Some(2.0), Some(100.0)], vec![None, Some(4.0)]]);
        assert_eq!(average_after(&matrix, 0), Some(2.0));
        assert_eq!(final_average(&matrix), Some(4.0));
        assert_eq!(stream_average(&matrix), Some(3.0));
        assert_eq!(final_average(&EvaluationMatrix::new(vec![])), None);
        assert_eq!(final_average(&EvaluationMatrix::new(vec![vec![Some(f64::NAN)]])), None);
    }
}
