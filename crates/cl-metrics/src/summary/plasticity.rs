//! Plasticity: how well each task is learned when its time comes, and how much worse that is than with all data at hand.
//!
//! The second is Chaudhry et al. 2018's intransigence (arXiv 1801.10112, equation 4) with the sign turned round, so that
//! more is better as in the transfers. The paper's reference is trained on the tasks up to j; here it is whatever matrix is
//! given: of models trained on each task alone, or on the tasks up to it. Joint training on all tasks is none before its end.

use super::{Direction, EvaluationMatrix, mean};

/// The mean over tasks of `R[j][j]`, the metric right after the task was learned.
pub fn plasticity(matrix: &EvaluationMatrix) -> Option<f64> {
    mean((0..matrix.tasks()).filter_map(|j| matrix.get(j, j)))
}

/// The mean over tasks of how much better the metric is right after the task was learned than a reference's at the same
/// point of the stream. Negative: the method learns new tasks worse than the reference does. None for matrices of
/// different sizes.
pub fn plasticity_against(
    matrix: &EvaluationMatrix,
    reference: &EvaluationMatrix,
    direction: Direction,
) -> Option<f64> {
    if matrix.tasks() != reference.tasks() {
        return None;
    }
    mean((0..matrix.tasks()).filter_map(|j| Some(direction.gain(reference.get(j, j)?, matrix.get(j, j)?))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(rows: [[Option<f64>; 2]; 2]) -> EvaluationMatrix {
        EvaluationMatrix::new(rows.into_iter().map(Vec::from).collect())
    }

    #[test]
    fn a_hand_worked_case() {
        let own = matrix([[Some(4.0), None], [Some(9.0), Some(2.0)]]);
        let joint = matrix([[Some(5.0), Some(5.0)], [Some(3.0), Some(4.0)]]);
        assert_eq!(plasticity(&own), Some(3.0));
        // 5 - 4 and 4 - 2 when smaller is better; the other way round when larger is.
        assert_eq!(plasticity_against(&own, &joint, Direction::LowerIsBetter), Some(1.5));
        assert_eq!(plasticity_against(&own, &joint, Direction::HigherIsBetter), Some(-1.5));
    }

    #[test]
    fn what_is_missing_on_either_side_does_not_count() {
        let own = matrix([[Some(4.0), None], [None, Some(2.0)]]);
        let joint = matrix([[None, None], [None, Some(3.0)]]);
        assert_eq!(plasticity_against(&own, &joint, Direction::LowerIsBetter), Some(1.0));
        let nothing = matrix([[None; 2]; 2]);
        assert_eq!(
            (plasticity(&nothing), plasticity_against(&own, &nothing, Direction::LowerIsBetter)),
            (None, None)
        );
        let other = EvaluationMatrix::new(vec![vec![Some(1.0)]]);
        assert_eq!(plasticity_against(&own, &other, Direction::LowerIsBetter), None);
    }

    proptest! {
        #[test]
        fn against_oneself_it_is_zero(values in proptest::collection::vec(-10.0..10.0_f64, 9)) {
            let own = EvaluationMatrix::new(values.chunks(3).map(|r| r.iter().map(|v| Some(*v)).collect()).collect());
            prop_assert_eq!(plasticity_against(&own, &own, Direction::LowerIsBetter), Some(0.0));
        }
    }
}
