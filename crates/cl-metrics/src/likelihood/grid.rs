//! At which timesteps a model is looked at: bins to report, and in each bin strata, in each of which a timestep is drawn.
//!
//! Evaluating all T timesteps for every pair of tasks would cost more than the training. A timestep drawn uniformly in a
//! stratum, times the stratum's width, estimates the sum over the stratum without bias, whatever the loss does in it; its
//! centre does not (of the divergences of a constant error of x_0, the centres give 10 % too much). In the first bin the
//! strata double in width, since the terms of the variational bound fall by orders of magnitude over the first timesteps
//! (Nichol & Dhariwal 2021, figure 2), and t = 0, which is a likelihood instead of a divergence, always stands for itself
//! alone.

use ddpm_core::noise::Key;

use crate::MetricError;

/// Consecutive timesteps, one of which is drawn to stand for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// The first timestep.
    pub from: usize,
    /// The first timestep after it.
    pub to: usize,
    /// The bin that it belongs to.
    pub bin: usize,
}

impl Stratum {
    /// How many timesteps a drawn one stands for.
    pub fn width(self) -> usize {
        self.to - self.from
    }

    /// A timestep for each of `n` images, drawn uniformly; the i-th image's depends on `key` and i alone.
    pub fn draw(self, n: usize, key: Key) -> Vec<usize> {
        key.timesteps(n, self.width()).into_iter().map(|offset| self.from + offset).collect()
    }
}

/// Bins of timesteps and the strata in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestepGrid {
    edges: Vec<usize>,
    strata: Vec<Stratum>,
}

impl TimestepGrid {
    /// `bins` bins of equal width over `0 .. timesteps`, each with `points_per_bin` strata (or all its timesteps, where
    /// it has no more).
    ///
    /// # Errors
    /// [`MetricError::Config`] for no bins, no points, or more bins than timesteps.
    pub fn new(timesteps: usize, bins: usize, points_per_bin: usize) -> Result<Self, MetricError> {
        if bins == 0 || bins > timesteps {
            let expected = format!("expected 1 to {timesteps}, the number of timesteps");
            return Err(MetricError::config("bins", bins, expected));
        }
        if points_per_bin == 0 {
            return Err(MetricError::config("points_per_bin", 0, "expected at least 1"));
        }
        let edges: Vec<usize> = (0..=bins).map(|b| b * timesteps / bins).collect();
        let of_bin = |(bin, edge): (usize, &[usize])| {
            let cut = cut(edge[0], edge[1], points_per_bin);
            cut.into_iter().map(move |(from, to)| Stratum { from, to, bin })
        };
        let strata = edges.windows(2).enumerate().flat_map(of_bin).collect();
        Ok(Self { edges, strata })
    }

    /// The boundaries: bin b covers the timesteps `edges[b] .. edges[b + 1]`.
    pub fn edges(&self) -> &[usize] {
        &self.edges
    }

    /// The strata, by rising timestep: an image takes one evaluation in each.
    pub fn strata(&self) -> &[Stratum] {
        &self.strata
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.edges.len() - 1
    }

    /// The number of timesteps covered.
    pub fn timesteps(&self) -> usize {
        self.edges[self.bins()]
    }
}

/// Cuts `from .. to` into `count` ranges; a bin that begins at 0, into ranges that double in width.
fn cut(from: usize, to: usize, count: usize) -> Vec<(usize, usize)> {
    let width = to - from;
    if from == 0 && count < width {
        // {0}, {1}, {2, 3}, {4 .. 7}, ...
        let doubling = std::iter::successors(Some(1), |end| Some(end * 2)).take_while(|end| *end < to);
        let ends: Vec<usize> = std::iter::once(0).chain(doubling).chain([to]).collect();
        return ends.windows(2).map(|w| (w[0], w[1])).collect();
    }
    let count = count.min(width);
    (0..count).map(|i| (from + i * width / count, from + (i + 1) * width / count)).collect()
}

#[cfg(test)]
mod tests {
    use ddpm_core::noise::Purpose;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_timestep_is_in_one_stratum(timesteps in 1_usize..1200, bins in 1_usize..40, points in 1_usize..80) {
            prop_assume!(bins <= timesteps);
            let grid = TimestepGrid::new(timesteps, bins, points).unwrap();
            let strata = grid.strata();
            prop_assert_eq!((strata[0].from, strata[0].to), (0, 1));
            prop_assert_eq!(strata[strata.len() - 1].to, timesteps);
            prop_assert!(strata.windows(2).all(|w| w[0].to == w[1].from && w[0].bin <= w[1].bin));
            for stratum in strata {
                let (from, to) = (grid.edges()[stratum.bin], grid.edges()[stratum.bin + 1]);
                prop_assert!(from <= stratum.from && stratum.from < stratum.to && stratum.to <= to);
            }
        }
    }

    #[test]
    fn t_0_stands_for_itself_and_enough_points_are_all_of_them() {
        let grid = TimestepGrid::new(1000, 10, 2).unwrap();
        let first: Vec<_> = grid.strata()[..4].iter().map(|s| (s.from, s.to)).collect();
        assert_eq!(first, [(0, 1), (1, 2), (2, 4), (4, 8)]);
        let all = TimestepGrid::new(50, 5, 10).unwrap();
        assert!(all.strata().iter().enumerate().all(|(t, s)| (s.from, s.width()) == (t, 1)));
    }

    #[test]
    fn draws_are_uniform_in_their_stratum_and_each_image_has_its_own() {
        let (stratum, key) = (Stratum { from: 8, to: 16, bin: 0 }, Key::new(0, Purpose::named("strata")));
        let drawn = stratum.draw(8000, key);
        let count = |t: usize| drawn.iter().filter(|&&d| d == t).count();
        // A thousand of each, within five standard deviations of a binomial: sqrt(8000 / 8 * 7 / 8).
        assert!((8..16).all(|t| count(t).abs_diff(1000) < 148));
        assert_eq!((8..16).map(count).sum::<usize>(), 8000);
        assert_eq!(stratum.draw(3, key), drawn[..3]);
    }
}
