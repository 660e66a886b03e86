//! The timesteps, of T, that a sampler with fewer steps visits (Lin et al. 2024, table 2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CoreError;

/// diffusers' `timestep_spacing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// 0, s, 2s, .. with s = floor(T / steps).
    #[default]
    Leading,
    /// T-1, T-1-s, .. with s = T / steps: the noisiest timestep is always visited.
    Trailing,
    /// Evenly spaced from 0 to T-1, both visited.
    Linspace,
}

impl Spacing {
    /// `steps` of the timesteps `0 .. all`, noisiest first; `offset` is added to the leading ones (diffusers'
    /// `steps_offset`).
    ///
    /// # Errors
    /// [`CoreError::Config`] for no steps, more than there are timesteps, or an offset that leads beyond them.
    pub fn timesteps(self, all: usize, steps: usize, offset: usize) -> Result<Vec<usize>, CoreError> {
        if steps == 0 || steps > all {
            let expected = format!("expected 1 to {all}, the number of timesteps of the process");
            return Err(CoreError::config("steps", steps, expected));
        }
        check_offset(offset, all)?;
        let visited: Vec<usize> = match self {
            Self::Leading => (0..steps).rev().map(|i| (i * (all / steps)).saturating_add(offset)).collect(),
            Self::Trailing => {
                let ratio = all as f64 / steps as f64;
                (0..steps).map(|i| round(all as f64 - i as f64 * ratio).max(1) - 1).collect()
            }
            Self::Linspace if steps == 1 => vec![0],
            Self::Linspace => {
                let gap = (all - 1) as f64 / (steps - 1) as f64;
                (0..steps).rev().map(|i| round(i as f64 * gap)).collect()
            }
        };
        if let Some(beyond) = visited.iter().find(|&&t| t >= all) {
            let expected = format!("timestep {beyond} would be visited, and the last is {}", all - 1);
            return Err(CoreError::config("steps_offset", offset, expected));
        }
        Ok(visited)
    }

    /// The timesteps as diffusers' multistep solvers space them: `steps + 1` points without the last, which is x_0.
    ///
    /// # Errors
    /// As [`timesteps`](Self::timesteps); a timestep that would be visited twice counts as too many steps.
    pub fn solver_timesteps(self, all: usize, steps: usize, offset: usize) -> Result<Vec<usize>, CoreError> {
        if self == Self::Trailing {
            return self.timesteps(all, steps, offset);
        }
        if steps == 0 || steps >= all {
            let expected = format!(
                "expected 1 to {}, one less than the timesteps of the process",
                all.saturating_sub(1)
            );
            return Err(CoreError::config("steps", steps, expected));
        }
        let mut visited = self.timesteps(all, steps + 1, offset)?;
        visited.pop();
        Ok(visited)
    }
}

/// Checks an offset of timesteps, which a sampler keeps for its scheduler's file where it does not use it.
///
/// # Errors
/// [`CoreError::Config`] for one that leads beyond all timesteps.
pub(crate) fn check_offset(offset: usize, all: usize) -> Result<(), CoreError> {
    if offset < all {
        return Ok(());
    }
    let expected = format!("expected less than {all}, the number of timesteps of the process");
    Err(CoreError::config("steps_offset", offset, expected))
}

/// The most steps, up to `wanted`, with which `timesteps` does not fail; `wanted` if there are none.
pub(crate) fn most_steps(
    wanted: usize,
    all: usize,
    timesteps: impl Fn(usize) -> Result<Vec<usize>, CoreError>,
) -> usize {
    (1..=wanted.min(all)).rev().find(|&steps| timesteps(steps).is_ok()).unwrap_or(wanted)
}

/// NumPy's round, which diffusers uses, goes to the even neighbour.
fn round(x: f64) -> usize {
    x.round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of ten timesteps three are visited, 3 apart: an offset of 3 leads to the last, and a larger one beyond it. No offset
    /// comes round to a timestep again.
    #[test]
    fn an_offset_leads_to_the_last_timestep_and_no_further() {
        let leading = |offset| Spacing::Leading.timesteps(10, 3, offset);
        assert_eq!(leading(3).unwrap(), [9, 6, 3]);
        let message = leading(4).unwrap_err().to_string();
        assert_eq!(message, "`steps_offset` is 4: timestep 10 would be visited, and the last is 9");
        for offset in [10, usize::MAX - 5, usize::MAX] {
            for spacing in [Spacing::Leading, Spacing::Trailing, Spacing::Linspace] {
                let message = spacing.timesteps(10, 3, offset).unwrap_err().to_string();
                assert!(message.starts_with(&format!("`steps_offset` is {offset}: ")), "{message}");
                assert!(message.contains("expected less than 10"), "{message}");
                assert!(spacing.solver_timesteps(10, 2, offset).is_err());
            }
        }
        // Four points, 2 apart, without the last of them.
        assert_eq!(Spacing::Leading.solver_timesteps(10, 3, 3).unwrap(), [9, 7, 5]);
        assert!(Spacing::Leading.solver_timesteps(10, 3, 4).is_err());
    }

    #[test]
    fn a_process_of_no_timesteps_has_none_to_visit() {
        for spacing in [Spacing::Leading, Spacing::Trailing, Spacing::Linspace] {
            assert!(spacing.timesteps(0, 1, 0).is_err() && spacing.solver_timesteps(0, 1, 0).is_err());
        }
    }
}
