//! The evaluation matrix R: R[k][j] is a metric on task j after task k (Lopez-Paz & Ranzato 2017, GEM).

use super::Gap;

/// The direction in which a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// FID, losses, bits per dimension.
    LowerIsBetter,
    /// Accuracy, precision, recall.
    HigherIsBetter,
}

impl Direction {
    /// The better of two values.
    pub fn best(self, a: f64, b: f64) -> f64 {
        match self {
            Self::LowerIsBetter => a.min(b),
            Self::HigherIsBetter => a.max(b),
        }
    }

    /// How much better `after` is than `before`; negative if it is worse.
    pub fn gain(self, before: f64, after: f64) -> f64 {
        match self {
            Self::LowerIsBetter => before - after,
            Self::HigherIsBetter => after - before,
        }
    }
}

/// A square matrix of measurements, each of which may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationMatrix {
    rows: Vec<Vec<Option<f64>>>,
}

impl EvaluationMatrix {
    /// The matrix with row k "after task k" and column j "on task j". A value that is not finite counts as missing.
    ///
    /// # Panics
    /// If it is not square.
    pub fn new(rows: Vec<Vec<Option<f64>>>) -> Self {
        assert!(rows.iter().all(|row| row.len() == rows.len()), "an evaluation matrix is square");
        let finite = |row: Vec<Option<f64>>| row.into_iter().map(|v| v.filter(|v| v.is_finite())).collect();
        Self { rows: rows.into_iter().map(finite).collect() }
    }

    /// The number of tasks.
    pub fn tasks(&self) -> usize {
        self.rows.len()
    }

    /// `R[k][j]`
    pub fn get(&self, after: usize, on: usize) -> Option<f64> {
        self.rows[after][on]
    }

    /// `R[k][j]`, which has to be there.
    ///
    /// # Errors
    /// [`Gap::Entry`] if it is missing.
    pub fn entry(&self, after: usize, on: usize) -> Result<f64, Gap> {
        self.get(after, on).ok_or(Gap::Entry { after, on })
    }

    /// The last task.
    ///
    /// # Errors
    /// [`Gap::NoTasks`] if there is none.
    pub(super) fn last(&self) -> Result<usize, Gap> {
        self.tasks().checked_sub(1).ok_or(Gap::NoTasks)
    }

    /// The last task, of several.
    ///
    /// # Errors
    /// [`Gap::NoTasks`], or [`Gap::NothingToForget`] for one task.
    pub(super) fn last_of_several(&self) -> Result<usize, Gap> {
        let last = self.last()?;
        if last == 0 { Err(Gap::NothingToForget) } else { Ok(last) }
    }

    /// The measurements, row after row.
    pub fn rows(&self) -> &[Vec<Option<f64>>] {
        &self.rows
    }
}
