//! Broken pictures: an error, or, so many of them as are allowed, left out and each named.

use crate::DataError;

/// How many broken pictures may be left out, and how many were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broken {
    allowed: usize,
    found: usize,
}

impl Broken {
    /// Allows `n` broken pictures.
    pub fn allowing(n: usize) -> Self {
        Self { allowed: n, found: 0 }
    }

    /// How many are left out so far.
    pub fn found(self) -> usize {
        self.found
    }

    /// The outcomes of reading some pictures, none in place of a broken one; a warning names each of these.
    ///
    /// # Errors
    /// [`DataError::Broken`] with the first broken picture, if there are more than allowed or no other; the first other
    /// error.
    pub fn sort_out<T>(&mut self, outcomes: Vec<Result<T, DataError>>) -> Result<Vec<Option<T>>, DataError> {
        let is_broken = |outcome: &&Result<T, DataError>| matches!(outcome, Err(DataError::Broken { .. }));
        let here = outcomes.iter().filter(is_broken).count();
        let (total, all) = (self.found + here, here == outcomes.len());
        if total > self.allowed || all {
            // The first in their order, whichever thread was quicker.
            let whole = outcomes.into_iter().map(|outcome| outcome.map(Some)).collect::<Result<_, _>>();
            return whole.map_err(|error| self.counted(error, total));
        }
        let sorted = outcomes.into_iter().map(|outcome| match outcome {
            Ok(whole) => Ok(Some(whole)),
            Err(error @ DataError::Broken { .. }) => {
                tracing::warn!("left out, since it is broken: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        });
        let sorted = sorted.collect::<Result<_, _>>()?;
        self.found = total;
        Ok(sorted)
    }

    fn counted(self, error: DataError, broken: usize) -> DataError {
        match error {
            DataError::Broken { path, problem, .. } => {
                DataError::Broken { path, problem, broken, allowed: self.allowed }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn outcomes(kinds: &str) -> Vec<Result<usize, DataError>> {
        let one = |(i, kind)| match kind {
            'b' => Err(DataError::broken(Path::new(&format!("{i}.png")), "truncated".into())),
            'f' => Err(DataError::Format { path: format!("{i}.png").into(), problem: "too long".into() }),
            _ => Ok(i),
        };
        kinds.chars().enumerate().map(one).collect()
    }

    #[test]
    fn so_many_as_are_allowed_are_left_out_over_all_calls() {
        let mut broken = Broken::allowing(3);
        assert_eq!(broken.sort_out(outcomes("wbwb")).unwrap(), [Some(0), None, Some(2), None]);
        assert_eq!(broken.sort_out(outcomes("bw")).unwrap(), [None, Some(1)]);
        assert_eq!(broken.found(), 3);
        let message = broken.sort_out(outcomes("wwb")).unwrap_err().to_string();
        assert_eq!(
            message,
            "2.png: cannot be decoded: truncated; 4 pictures are broken, and 3 may be left out"
        );
    }

    #[test]
    fn none_is_allowed_unless_it_is_said_and_never_all() {
        let message =
            |n: usize, kinds: &str| Broken::allowing(n).sort_out(outcomes(kinds)).unwrap_err().to_string();
        assert_eq!(message(0, "wbw"), "1.png: cannot be decoded: truncated");
        assert!(message(0, "wbb").ends_with("; 2 pictures are broken, and 0 may be left out"));
        assert!(message(9, "bb").starts_with("0.png: cannot be decoded"));
        // A picture that is whole and does not fit is not broken.
        assert_eq!(message(9, "bfw"), "1.png: too long");
    }
}
