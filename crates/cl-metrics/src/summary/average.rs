//! Averages over the tasks seen so far.

use super::{EvaluationMatrix, mean};

/// A_k: the mean over the tasks j <= k after task k; none if nothing of that was measured.
pub fn average_after(matrix: &EvaluationMatrix, k: usize) -> Option<f64> {
    mean((0..=k).filter_map(|j| matrix.get(k, j)))
}

/// A_K: the average after the last task.
pub fn final_average(matrix: &EvaluationMatrix) -> Option<f64> {
    matrix.tasks().checked_sub(1).and_then(|last| average_after(matrix, last))
}

/// The mean of A_k over the stream.
pub fn stream_average(matrix: &EvaluationMatrix) -> Option<f64> {
    mean((0..matrix.tasks()).filter_map(|k| average_after(matrix, k)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
