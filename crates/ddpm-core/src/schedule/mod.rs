//! Noise schedules: the variances beta_t of the forward process, in f64; one file each, and their list.

mod cosine;
mod given;
mod linear;
mod scaled_linear;
mod sigmoid;
mod spacing;
mod zero_terminal_snr;

use cldiff_choices::{Options, Serializable};

pub(crate) use self::spacing::{check_offset, most_steps};
pub use self::{
    cosine::SquaredcosCapV2, given::Given, linear::Linear, scaled_linear::ScaledLinear, sigmoid::Sigmoid,
    spacing::Spacing, zero_terminal_snr::rescale_zero_terminal_snr,
};
use crate::{CoreError, diffusers::SchedulerConfig};

/// More timesteps than any process has: a file that says so is damaged.
const MOST_TIMESTEPS: usize = 1_000_000;

/// A family of noise schedules, named and parametrised as diffusers' `beta_schedule`.
pub trait Schedule: Options {
    /// beta_t for t in `0 .. timesteps`, which are at least 2. They are checked afterwards.
    ///
    /// # Errors
    /// [`CoreError::Config`] for options that do not fit the number of timesteps.
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError>;

    /// Whether betas outside (0, 1) are refused here; [`GaussianDiffusion`](crate::GaussianDiffusion) refuses them too.
    fn is_checked(&self) -> bool {
        true
    }

    /// Writes the schedule into diffusers' `scheduler_config.json`.
    fn to_scheduler(&self, timesteps: usize, scheduler: &mut SchedulerConfig);

    /// beta_t for t in `0 .. timesteps`.
    ///
    /// # Errors
    /// [`CoreError::Config`] for fewer than 2 timesteps or more than a million, or parameters that give a beta outside
    /// (0, 1).
    fn betas(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        if !(2..=MOST_TIMESTEPS).contains(&timesteps) {
            let expected = format!("expected 2 to {MOST_TIMESTEPS}");
            return Err(CoreError::config("timesteps", timesteps, expected));
        }
        let betas = self.every_beta(timesteps)?;
        match betas.iter().find(|b| !(**b > 0.0 && **b < 1.0)) {
            Some(beta) if self.is_checked() => {
                let shown = serde_json::to_string(&Serializable(self)).unwrap_or_default();
                let expected = format!("it gives a beta of {beta}, and every beta must lie between 0 and 1");
                Err(CoreError::config("schedule", format_args!("{shown}"), expected))
            }
            _ => Ok(betas),
        }
    }
}

/// A schedule that diffusers has.
trait FromScheduler: Sized {
    /// Whether it has a name there, and is not a list of betas.
    const IS_NAMED: bool = true;

    /// The schedule of a `scheduler_config.json`, if it is of this family.
    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self>;
}

/// Declares the choice, and the reading of diffusers' files, from one list. A file's own betas go before its schedule.
macro_rules! schedules {
    ($($Schedule:ident),* $(,)?) => {
        cldiff_choices::choice! {
            /// The choice of a schedule, with its parameters.
            pub struct BetaSchedule(dyn Schedule), kind "schedule";
            $($Schedule),*
        }

        impl BetaSchedule {
            /// The schedule of a `scheduler_config.json`; none for an unknown one.
            pub(crate) fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
                if let Some(given) = Given::from_scheduler(scheduler) {
                    return Some(Self::of(given));
                }
                $(if let Some(schedule) = $Schedule::from_scheduler(scheduler) {
                    return Some(Self::of(schedule));
                })*
                None
            }

            /// The names that a `scheduler_config.json` may have for its schedule.
            pub(crate) fn names_of_diffusers() -> Vec<&'static str> {
                let all = [$(($Schedule::IS_NAMED, <$Schedule as cldiff_choices::Describe>::NAME)),*];
                all.into_iter().filter_map(|(is_named, name)| is_named.then_some(name)).collect()
            }
        }
    };
}

schedules! {
    Linear,
    ScaledLinear,
    SquaredcosCapV2,
    Sigmoid,
    Given,
}

impl BetaSchedule {
    /// The schedule of Ho et al. 2020: 1e-4 to 0.02.
    pub fn linear() -> Self {
        Self::of(Linear { beta_start: 1e-4, beta_end: 0.02 })
    }

    /// The schedule of Nichol & Dhariwal 2021.
    pub fn cosine() -> Self {
        Self::of(SquaredcosCapV2::default())
    }
}

/// `n >= 2` evenly spaced numbers from `start` to `end`, both included (NumPy's `linspace`).
fn linspace(start: f64, end: f64, n: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (n - 1) as f64;
    (0..n).map(move |i| if i == n - 1 { end } else { start + step * i as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beta_of_one_or_more_is_refused() {
        let err = BetaSchedule::of(Linear { beta_start: 0.1, beta_end: 1.0 }).betas(10).unwrap_err();
        assert!(err.to_string().contains("between 0 and 1"), "{err}");
        for timesteps in [0, 1, 1_000_001, usize::MAX] {
            let message = BetaSchedule::linear().betas(timesteps).unwrap_err().to_string();
            assert!(message.contains("2 to 1000000"), "{message}");
        }
    }
}
