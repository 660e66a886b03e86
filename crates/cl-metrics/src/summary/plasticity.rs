//! Plasticity: how well each task is learned when its time comes, and how much worse that is than with all data at hand.
//!
//! The second is Chaudhry et al. 2018's intransigence (arXiv 1801.10112, equation 4) with the sign turned round, so that
//! more is better as in the transfers. The paper's reference is trained on the tasks up to j; here it is whatever matrix is
//! given: of models trained on each task alone, or on the tasks up to it. Joint training on all tasks is none before its end.

use super::{Direction, EvaluationMatrix, Gap, gap::mean};

/// The mean over tasks of `R[j][j]`, the metric right after the task was learned.
///
/// # Errors
/// [`Gap::Entry`] if a task has no value then; [`Gap::NoTasks`].
pub fn plasticity(matrix: &EvaluationMatrix) -> Result<f64, Gap> {
    mean((0..matrix.tasks()).map(|j| matrix.entry(j, j)))
}

/// The mean over tasks of how much better the metric is right after the task was learned than a reference's at the same
/// point of the stream. Negative: the method learns new tasks worse than the reference does.
///
/// # Errors
/// [`Gap::Entry`] or [`Gap::Reference`] if a task has no value then; [`Gap::Sizes`] for matrices of different sizes.
pub fn plasticity_against(
    matrix: &EvaluationMatrix,
    reference: &EvaluationMatrix,
    direction: Direction,
) -> Result<f64, Gap> {
    let (own, of_reference) = (matrix.tasks(), reference.tasks());
    if own != of_reference {
        return Err(Gap::Sizes { own, reference: of_reference });
    }
    mean((0..own).map(|j| {
        let before = reference.get(j, j).ok_or(Gap::Reference { after: j, on: j })?;
        Ok(direction.gain(before, matrix.entry(j, j)?))
    }))
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
        assert_eq!(plasticity(&own), Ok(3.0));
        // 5 - 4 and 4 - 2 when smaller is better; the other way round when larger is.
        assert_eq!(plasticity_against(&own, &joint, Direction::LowerIsBetter), Ok(1.5));
        assert_eq!(plasticity_against(&own, &joint, Direction::HigherIsBetter), Ok(-1.5));
    }

    #[test]
    fn what_is_missing_on_either_side_is_named() {
        let of = |own: &EvaluationMatrix, reference: &EvaluationMatrix| {
            plasticity_against(own, reference, Direction::LowerIsBetter)
        };
        let whole = matrix([[Some(4.0), None], [None, Some(2.0)]]);
        let half = matrix([[None, None], [None, Some(3.0)]]);
        assert_eq!(of(&whole, &half), Err(Gap::Reference { after: 0, on: 0 }));
        assert_eq!(of(&half, &whole), Err(Gap::Entry { after: 0, on: 0 }));
        assert_eq!((plasticity(&whole), plasticity(&half)), (Ok(3.0), Err(Gap::Entry { after: 0, on: 0 })));
        let other = EvaluationMatrix::new(vec![vec![Some(1.0)]]);
        assert_eq!(of(&whole, &other), Err(Gap::Sizes { own: 2, reference: 1 }));
    }

    proptest! {
        #[test]
        fn against_oneself_it_is_zero(values in proptest::collection::vec(-10.0..10.0_f64, 9)) {
            let own = EvaluationMatrix::new(values.chunks(3).map(|r| r.iter().map(|v| Some(*v)).collect()).collect());
            prop_assert_eq!(plasticity_against(&own, &own, Direction::LowerIsBetter), Ok(0.0));
        }
    }
}
