//! Forgetting along the timesteps (Zając et al. 2023, arXiv 2303.15342, ask where it happens):
//! F_{k,j}(t) = L_t(theta_k; D_j) - L_t(theta_j; D_j), on identical images and noise.
//!
//! Each image's loss is compared with its own, so that the standard errors are those of paired differences: what makes
//! one image harder than another cancels.

use super::{
    BinnedLosses, TimestepProfile,
    losses::{mean, standard_error},
};

/// How many standard errors a change must be from 0 for its parts to be given as shares.
const BEYOND_DOUBT: f64 = 1.96;

/// How one loss changed between two models, in bins of timesteps.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The loss after minus the loss before, averaged over images: in the unit of the loss.
    pub absolute: Vec<f64>,
    /// Their standard errors over images; none for one image.
    pub absolute_error: Vec<Option<f64>>,
    /// The same divided by the loss before; none where that is 0.
    pub relative: Vec<Option<f64>>,
    /// Their standard errors, to first order, as those of a ratio of means.
    pub relative_error: Vec<Option<f64>>,
    /// The change of the sum over all timesteps.
    pub total: f64,
    /// Its standard error.
    pub total_error: Option<f64>,
    /// The part of the total that comes from each bin; none if the total is within 1.96 standard errors of 0.
    pub share: Option<Vec<f64>>,
    /// The part that comes from timesteps with a signal-to-noise ratio of at least 1; none as for `share`.
    pub clear_share: Option<f64>,
    /// The change of the sum over the timesteps with a signal-to-noise ratio of at least 1.
    pub clear: f64,
    /// Its standard error.
    pub clear_error: Option<f64>,
}

impl Change {
    /// The bin in which the absolute change is greatest; the first of several.
    pub fn peak(&self) -> usize {
        let greater = |a: usize, b: usize| if self.absolute[b] > self.absolute[a] { b } else { a };
        (1..self.absolute.len()).fold(0, greater)
    }

    /// From the losses of the same images; `per` divides each bin's sum (its width for a mean, 1 for a sum).
    fn between(before: &BinnedLosses, after: &BinnedLosses, per: &[f64]) -> Self {
        let bins = 0..before.bins();
        let of_bin = |bin: usize| difference(before.bin(bin), after.bin(bin));
        let total = difference(&before.totals(), &after.totals());
        let (sum, error) = (mean(&total), standard_error(&total));
        let clear = difference(before.clear(), after.clear());
        let told = error.is_some_and(|e| sum.abs() > BEYOND_DOUBT * e);
        let ratio = |bin: usize| relative(before.bin(bin), after.bin(bin));
        Self {
            absolute: bins.clone().map(|bin| mean(&of_bin(bin)) / per[bin]).collect(),
            absolute_error: bins
                .clone()
                .map(|bin| standard_error(&of_bin(bin)).map(|error| error / per[bin]))
                .collect(),
            relative: bins.clone().map(|bin| ratio(bin).map(|r| r.0)).collect(),
            relative_error: bins.clone().map(|bin| ratio(bin).and_then(|r| r.1)).collect(),
            total: sum,
            total_error: error,
            share: told.then(|| bins.map(|bin| mean(&of_bin(bin)) / sum).collect()),
            clear_share: told.then(|| mean(&clear) / sum),
            clear: mean(&clear),
            clear_error: standard_error(&clear),
        }
    }
}

/// How a model's losses on a task changed since another time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimestepForgetting {
    /// Of the mean squared error of the noise, averaged over each bin's timesteps; its total is a mean over all.
    pub eps: Change,
    /// Of the variational bound, summed over each bin's timesteps; its total is the change of the bits per dimension.
    pub vlb: Change,
}

/// The change from one profile to another of the same images with the same noise.
///
/// # Panics
/// If the profiles have different bins or numbers of images.
pub fn timestep_forgetting(before: &TimestepProfile, after: &TimestepProfile) -> TimestepForgetting {
    assert_eq!(before.prior.len(), after.prior.len(), "profiles of different images");
    assert_eq!(before.eps.bins(), after.eps.bins(), "profiles with different bins");
    let widths: Vec<f64> = before.widths().collect();
    let timesteps: f64 = widths.iter().sum();
    let mut eps = Change::between(&before.eps, &after.eps, &widths);
    for sum in [&mut eps.total, &mut eps.clear] {
        *sum /= timesteps;
    }
    for error in [&mut eps.total_error, &mut eps.clear_error] {
        *error = error.map(|error| error / timesteps);
    }
    let vlb = Change::between(&before.vlb, &after.vlb, &vec![1.0; widths.len()]);
    TimestepForgetting { eps, vlb }
}

fn difference(before: &[f64], after: &[f64]) -> Vec<f64> {
    after.iter().zip(before).map(|(after, before)| after - before).collect()
}

/// mean(after) / mean(before) - 1 and its standard error (Cochran 1977, section 6.4).
fn relative(before: &[f64], after: &[f64]) -> Option<(f64, Option<f64>)> {
    let base = mean(before);
    if base == 0.0 || !base.is_finite() {
        return None;
    }
    let ratio = mean(after) / base;
    let residuals: Vec<f64> =
        after.iter().zip(before).map(|(after, before)| after - ratio * before).collect();
    Some((ratio - 1.0, standard_error(&residuals).map(|error| error / base.abs())))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Int, Tensor, TensorData};
    use burn_flex::Flex;
    use ddpm_core::{
        Denoiser, GaussianDiffusion,
        noise::{Key, NormalNoise, Purpose},
        schedule::BetaSchedule,
    };

    use super::*;
    use crate::likelihood::{ProfileRequest, TimestepGrid, timestep_profile};

    /// Knows the noise but for a constant, which is larger at the timesteps from one on: what it has forgotten.
    #[derive(Debug)]
    struct Forgot {
        process: GaussianDiffusion,
        x_0: Tensor<Flex, 4>,
        error: f64,
        more: f64,
        from: usize,
    }

    impl Denoiser<Flex> for Forgot {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            t: Tensor<Flex, 1, Int>,
            _: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let ts: Vec<usize> = t.into_data().convert::<i64>().iter::<i64>().map(|t| t as usize).collect();
            let error = |t: usize| (if t >= self.from { self.error + self.more } else { self.error }) as f32;
            let errors = TensorData::new(ts.iter().map(|&t| error(t)).collect(), [ts.len(), 1, 1, 1]);
            let errors = Tensor::<Flex, 4>::from_data(errors, &x_t.device());
            self.process.eps_between(x_t, &ts, self.x_0.clone()) + errors
        }
    }

    fn change(from: usize) -> (TimestepForgetting, GaussianDiffusion) {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let grid = TimestepGrid::new(1000, 10, 4).unwrap();
        let key = Key::new(3, Purpose::named("forgetting"));
        let grey = key.normal::<Flex>(0, [6, 1, 4, 4], &Default::default()).clamp(-1.0, 1.0);
        let x_0 = ((grey + 1.0) * 127.5).round() / 127.5 - 1.0;
        let profile = |more: f64| {
            let model = Forgot { process: process.clone(), x_0: x_0.clone(), error: 0.1, more, from };
            let request = ProfileRequest { grid: &grid, draws: 1, clip: false, key };
            timestep_profile(&model, &process, x_0.clone(), None, &request)
        };
        let change = timestep_forgetting(&profile(0.0), &profile(0.2));
        (change, process)
    }

    #[test]
    fn what_was_forgotten_is_found_where_it_was() {
        let (change, process) = change(500);
        // (0.1 + 0.2)^2 - 0.1^2 from t = 500 on, nothing before: in nine times what was there.
        for (bin, found) in change.eps.absolute.iter().enumerate() {
            let expected = if bin >= 5 { 0.08 } else { 0.0 };
            assert!((found - expected).abs() < 1e-4, "bin {bin}: {found}");
            let relative = change.eps.relative[bin].unwrap();
            assert!((relative - expected * 100.0).abs() < 2e-2, "bin {bin}: {relative}");
            assert!(change.eps.absolute_error[bin].unwrap() < 1e-4);
        }
        assert!((change.eps.total - 0.04).abs() < 1e-4);
        let share = change.eps.share.clone().unwrap();
        assert!((share.iter().sum::<f64>() - 1.0).abs() < 1e-9 && (share[7] - 0.2).abs() < 1e-2);
        // All of it at more noise than signal.
        assert!(process.snr(500) < 1.0 && change.eps.clear_share.unwrap().abs() < 1e-3);
        // The term of t is (snr(t-1) - snr(t)) / (2 snr(t)) times the change of the noise's error, in bits.
        let term =
            |t: usize| 0.5 * (process.snr(t - 1) / process.snr(t) - 1.0) * 0.08 / std::f64::consts::LN_2;
        let expected: f64 = (500..1000).map(term).sum();
        assert!((change.vlb.total / expected - 1.0).abs() < 2e-2, "{} and {expected}", change.vlb.total);
        // Each image has timesteps of its own: the error of the sum knows of the draw.
        assert!(change.vlb.total_error.unwrap() > 1e-4 * expected);
    }

    #[test]
    fn forgetting_at_little_noise_is_all_clear_and_the_bound_has_it_in_its_first_bin() {
        let (change, _) = change(0);
        assert!(change.vlb.clear_share.unwrap() > 0.5);
        assert_eq!(change.vlb.peak(), 0);
        let clear = change.eps.clear / change.eps.total;
        assert!((clear - change.eps.clear_share.unwrap()).abs() < 1e-12);
        assert!(change.eps.clear_share.unwrap() > 0.2 && change.eps.clear_share.unwrap() < 0.3);
    }

    #[test]
    fn no_change_has_no_shares_and_pairs_cancel_what_images_have_of_their_own() {
        let mut losses = BinnedLosses::zeros(2, 3);
        losses.add(0, 1.0, &[true; 3], &[1.0, 100.0, 10_000.0]);
        losses.add(1, 1.0, &[false; 3], &[2.0, 2.0, 2.0]);
        let same = Change::between(&losses, &losses, &[1.0, 1.0]);
        assert_eq!((same.total, same.total_error, same.share), (0.0, Some(0.0), None));
        let mut worse = losses.clone();
        worse.add(1, 1.0, &[false; 3], &[0.5, 0.5, 0.5]);
        let change = Change::between(&losses, &worse, &[1.0, 1.0]);
        assert_eq!((change.peak(), change.total, change.total_error), (1, 0.5, Some(0.0)));
        // The other bin was given as one of more noise than signal.
        assert_eq!((change.clear, change.clear_error), (0.0, Some(0.0)));
        assert_eq!(change.share, Some(vec![0.0, 1.0]));
        assert_eq!(change.relative, [Some(0.0), Some(0.25)]);
        assert_eq!(change.relative_error, [Some(0.0), Some(0.0)]);
    }
}
