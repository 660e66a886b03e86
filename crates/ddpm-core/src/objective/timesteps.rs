//! At which timesteps a batch is trained.

use rand::{Rng, distr::Distribution, distr::weighted::WeightedIndex};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{CoreError, noise::Key};

/// Losses kept for each timestep (improved-diffusion's `history_per_term`).
const HISTORY: usize = 10;

/// How timesteps are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimestepSampling {
    /// Each image's alike and on its own (Ho et al. 2020).
    #[default]
    Uniform,
    /// One in each of n equal parts of the timesteps (Kingma et al. 2021, appendix I.1, antithetic in spirit): the same
    /// expectation with less variance.
    Stratified,
    /// In proportion to the root mean square of a timestep's last ten losses, with weights that keep the expectation
    /// (Nichol & Dhariwal 2021, equation 18); uniform until every timestep has ten. Reads the losses of every step.
    LossSecondMoment {
        /// The share of the timesteps that is drawn uniformly nonetheless (improved-diffusion's 0.001).
        #[serde(default = "default_uniform_share")]
        uniform_share: f64,
    },
}

fn default_uniform_share() -> f64 {
    0.001
}

impl TimestepSampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a share that is none.
    pub fn validate(self) -> Result<(), CoreError> {
        match self {
            Self::LossSecondMoment { uniform_share } if !(0.0..=1.0).contains(&uniform_share) => {
                Err(CoreError::config(
                    "loss_second_moment.uniform_share",
                    uniform_share,
                    "expected a share, 0 to 1",
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Draws timesteps, and remembers losses where that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimestepSampler {
    sampling: TimestepSampling,
    timesteps: usize,
    /// For each timestep its last losses, oldest first; empty where none are kept.
    #[serde(deserialize_with = "or_not_finite")]
    history: Vec<Vec<f64>>,
}

/// Losses, of which those that are not finite are `null` in JSON. No timestep is drawn by such a history until new losses
/// have taken its place, whichever of NaN and the infinities it had.
fn or_not_finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
    let found: Vec<Vec<Option<f64>>> = Vec::deserialize(deserializer)?;
    let known = |losses: Vec<Option<f64>>| losses.into_iter().map(|loss| loss.unwrap_or(f64::NAN)).collect();
    Ok(found.into_iter().map(known).collect())
}

impl TimestepSampler {
    /// A sampler of `0 .. timesteps` without history.
    pub fn new(sampling: TimestepSampling, timesteps: usize) -> Self {
        let remembers = matches!(sampling, TimestepSampling::LossSecondMoment { .. });
        Self { sampling, timesteps, history: vec![Vec::new(); if remembers { timesteps } else { 0 }] }
    }

    /// A sampler that draws uniformly.
    pub fn uniform(timesteps: usize) -> Self {
        Self::new(TimestepSampling::Uniform, timesteps)
    }

    /// Whether [`record`](Self::record) has to be told the losses.
    pub fn wants_losses(&self) -> bool {
        !self.history.is_empty()
    }

    /// `n` timesteps and, where they are not uniform, the weights that keep the expectation of a mean.
    pub fn draw(&self, n: usize, key: Key) -> (Vec<usize>, Option<Vec<f64>>) {
        match self.sampling {
            TimestepSampling::Uniform => (key.timesteps(n, self.timesteps), None),
            TimestepSampling::Stratified => (self.stratified(n, key), None),
            TimestepSampling::LossSecondMoment { uniform_share } => match self.probabilities(uniform_share) {
                None => (key.timesteps(n, self.timesteps), None),
                Some(probabilities) => self.by_probability(n, &probabilities, key),
            },
        }
    }

    /// A random number rotates the parts among the images, so that no place in the batch has its own timesteps.
    fn stratified(&self, n: usize, key: Key) -> Vec<usize> {
        let turn = key.rng(n as u64).random_range(0..n.max(1));
        (0..n)
            .map(|i| {
                let part = ((i + turn) % n) as f64;
                let share = (part + key.rng(i as u64).random::<f64>()) / n as f64;
                ((share * self.timesteps as f64) as usize).min(self.timesteps - 1)
            })
            .collect()
    }

    fn probabilities(&self, uniform_share: f64) -> Option<Vec<f64>> {
        if self.history.iter().any(|losses| losses.len() < HISTORY) {
            return None;
        }
        let roots: Vec<f64> = self
            .history
            .iter()
            .map(|losses| (losses.iter().map(|l| l * l).sum::<f64>() / HISTORY as f64).sqrt())
            .collect();
        let sum: f64 = roots.iter().sum();
        let uniform = uniform_share / self.timesteps as f64;
        (sum > 0.0 && sum.is_finite())
            .then(|| roots.iter().map(|root| root / sum * (1.0 - uniform_share) + uniform).collect())
    }

    fn by_probability(&self, n: usize, probabilities: &[f64], key: Key) -> (Vec<usize>, Option<Vec<f64>>) {
        let Ok(distribution) = WeightedIndex::new(probabilities) else {
            return (key.timesteps(n, self.timesteps), None);
        };
        let t: Vec<usize> = (0..n as u64).map(|i| distribution.sample(&mut key.rng(i))).collect();
        let weights = t.iter().map(|&t| 1.0 / (self.timesteps as f64 * probabilities[t])).collect();
        (t, Some(weights))
    }

    /// Remembers the losses of a batch, without importance weights.
    pub fn record(&mut self, t: &[usize], losses: &[f64]) {
        if !self.wants_losses() {
            return;
        }
        for (&t, &loss) in t.iter().zip(losses) {
            let kept = &mut self.history[t];
            if kept.len() == HISTORY {
                kept.remove(0);
            }
            kept.push(loss);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::noise::Purpose;

    const KEY: Key = Key::new(5, Purpose::named("timestep sampling"));

    #[test]
    fn a_share_that_is_none_is_refused() {
        for (uniform_share, fine) in
            [(0.0, true), (1.0, true), (-0.1, false), (1.5, false), (f64::NAN, false)]
        {
            let found = TimestepSampling::LossSecondMoment { uniform_share }.validate();
            assert_eq!(found.is_ok(), fine, "{found:?}");
        }
    }

    #[test]
    fn timesteps_whose_losses_are_0_are_drawn_by_the_uniform_share_alone() {
        let mut sampler = TimestepSampler::new(TimestepSampling::LossSecondMoment { uniform_share: 0.5 }, 4);
        for _ in 0..10 {
            sampler.record(&[0, 1, 2, 3], &[1.0, 0.0, 0.0, 0.0]);
        }
        let (t, weights) = sampler.draw(1000, KEY);
        let weights = weights.unwrap();
        assert!(weights.iter().all(|w| w.is_finite()));
        // One of four with probability 1/8: a weight of 2, drawn about 125 times.
        let of_last: Vec<f64> = t.iter().zip(&weights).filter(|(t, _)| **t == 3).map(|(_, w)| *w).collect();
        assert!((80..170).contains(&of_last.len()) && of_last.iter().all(|w| (w - 2.0).abs() < 1e-12));
    }

    proptest! {
        /// A training that diverged is saved too: its sampler draws on as before.
        #[test]
        fn a_sampler_is_read_back_whatever_its_losses(
            losses in prop::collection::vec(any::<f64>(), 30),
            strange in prop::option::of((0_usize..30, prop::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]))),
        ) {
            let mut losses = losses;
            if let Some((i, value)) = strange {
                losses[i] = value;
            }
            let mut sampler = TimestepSampler::new(TimestepSampling::LossSecondMoment { uniform_share: 0.1 }, 3);
            losses.iter().enumerate().for_each(|(i, &loss)| sampler.record(&[i % 3], &[loss]));
            let text = serde_json::to_string(&sampler).unwrap();
            let again: TimestepSampler = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
            prop_assert_eq!(again.draw(8, KEY), sampler.draw(8, KEY));
            if losses.iter().all(|loss| loss.is_finite()) {
                prop_assert_eq!(again, sampler);
            }
        }

        #[test]
        fn strata_hold_one_timestep_each(n in 1_usize..70, timesteps in 70_usize..1000, step in 0_usize..1000) {
            let sampler = TimestepSampler::new(TimestepSampling::Stratified, timesteps);
            let (mut t, weights) = sampler.draw(n, KEY.step(step));
            t.sort_unstable();
            prop_assert!(weights.is_none());
            for (i, &t) in t.iter().enumerate() {
                let (from, to) = (i as f64 / n as f64, (i + 1) as f64 / n as f64);
                let all = timesteps as f64;
                prop_assert!((from * all).floor() as usize <= t && t as f64 <= to * all);
            }
        }
    }

    /// Twelve losses of 1 at the first timestep and then ten of 3 are ten of 3: beside 1 at the other that is a share of 3/4.
    #[test]
    fn the_last_ten_losses_of_a_timestep_count() {
        let mut sampler = TimestepSampler::new(TimestepSampling::LossSecondMoment { uniform_share: 0.0 }, 2);
        let mut shares = Vec::new();
        for (times, losses) in [(12, [1.0, 1.0]), (5, [3.0, 1.0]), (5, [3.0, 1.0])] {
            (0..times).for_each(|_| sampler.record(&[0, 1], &losses));
            let (t, weights) = sampler.draw(64, KEY);
            let at = t.iter().position(|t| *t == 0).unwrap();
            // w = 1 / (T p)
            shares.push(0.5 / weights.unwrap()[at]);
        }
        // Five of 1 and five of 3 have a root mean square of sqrt(5).
        let expected = [0.5, 5.0_f64.sqrt() / (1.0 + 5.0_f64.sqrt()), 0.75];
        for (found, expected) in shares.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    #[test]
    fn history_draws_large_losses_more_often_and_keeps_the_expectation() {
        let timesteps = 8;
        let loss = |t: usize| (t + 1) as f64;
        let mut sampler =
            TimestepSampler::new(TimestepSampling::LossSecondMoment { uniform_share: 0.01 }, timesteps);
        assert!(sampler.draw(4, KEY).1.is_none(), "uniform before every timestep has its history");
        for _ in 0..12 {
            let t: Vec<usize> = (0..timesteps).collect();
            sampler.record(&t, &t.iter().map(|&t| loss(t)).collect::<Vec<_>>());
        }
        let n = 40_000;
        let (t, weights) = sampler.draw(n, KEY);
        let weights = weights.unwrap();
        let mean = t.iter().zip(&weights).map(|(&t, w)| w * loss(t)).sum::<f64>() / n as f64;
        // The mean of 1 .. 8; with probabilities in proportion to the losses each draw is nearly the mean itself.
        assert!((mean - 4.5).abs() < 0.02, "{mean}");
        let share = |of: usize| t.iter().filter(|&&t| t == of).count() as f64 / n as f64;
        assert!((share(7) / share(0) - 8.0).abs() < 1.0, "{} and {}", share(7), share(0));
    }
}
