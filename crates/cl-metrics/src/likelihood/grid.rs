//! At which timesteps a model is looked at: bins to report, and in each bin points with weights.
//!
//! Evaluating all T timesteps for every pair of tasks would cost more than the training. The points cut each bin
//! into strata and stand for the timesteps around them. In the first bin the strata double in width, since the
//! terms of the variational bound fall by orders of magnitude over the first timesteps (Nichol & Dhariwal 2021,
//! figure 2), and t = 0, which is a likelihood instead of a divergence, always stands for itself alone.

use crate::MetricError;

/// A timestep that is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridPoint {
    /// The timestep.
    pub t: usize,
    /// How many timesteps it stands for.
    pub weight: usize,
    /// The bin that it belongs to.
    pub bin: usize,
}

/// Bins of timesteps and the points evaluated in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestepGrid {
    edges: Vec<usize>,
    points: Vec<GridPoint>,
}

impl TimestepGrid {
    /// `bins` bins of equal width over `0 .. timesteps`, each with `points_per_bin` points (or all its timesteps,
    /// where it has no more).
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
        let points = edges
            .windows(2)
            .enumerate()
            .flat_map(|(bin, edge)| {
                strata(edge[0], edge[1], points_per_bin).into_iter().map(move |(from, to)| GridPoint {
                    t: centre(from, to, bin == 0),
                    weight: to - from,
                    bin,
                })
            })
            .collect();
        Ok(Self { edges, points })
    }

    /// The boundaries: bin b covers the timesteps `edges[b] .. edges[b + 1]`.
    pub fn edges(&self) -> &[usize] {
        &self.edges
    }

    /// The points, by rising timestep.
    pub fn points(&self) -> &[GridPoint] {
        &self.points
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

/// Cuts `from .. to` into strata.
fn strata(from: usize, to: usize, count: usize) -> Vec<(usize, usize)> {
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

/// The timestep that stands for `from .. to`: the geometric centre where widths double, else the middle.
fn centre(from: usize, to: usize, doubling: bool) -> usize {
    let last = to - 1;
    if doubling { ((from * last) as f64).sqrt().round() as usize } else { usize::midpoint(from, last) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_timestep_is_stood_for_once(timesteps in 1_usize..1200, bins in 1_usize..40, points in 1_usize..80) {
            prop_assume!(bins <= timesteps);
            let grid = TimestepGrid::new(timesteps, bins, points).unwrap();
            prop_assert_eq!(grid.points().iter().map(|p| p.weight).sum::<usize>(), timesteps);
            prop_assert_eq!(grid.points()[0], GridPoint { t: 0, weight: grid.points()[0].weight, bin: 0 });
            for bin in 0..bins {
                let (from, to) = (grid.edges()[bin], grid.edges()[bin + 1]);
                let inside: Vec<_> = grid.points().iter().filter(|p| p.bin == bin).collect();
                prop_assert!(inside.iter().all(|p| (from..to).contains(&p.t)));
                prop_assert_eq!(inside.iter().map(|p| p.weight).sum::<usize>(), to - from);
            }
            prop_assert!(grid.points().windows(2).all(|w| w[0].t < w[1].t));
        }
    }

    #[test]
    fn t_0_stands_for_itself_and_enough_points_are_all_of_them() {
        let grid = TimestepGrid::new(1000, 10, 2).unwrap();
        assert_eq!(
            grid.points()[..3].iter().map(|p| (p.t, p.weight)).collect::<Vec<_>>(),
            [(0, 1), (1, 1), (2, 2)]
        );
        let all = TimestepGrid::new(50, 5, 10).unwrap();
        assert!(all.points().iter().enumerate().all(|(t, p)| p.t == t && p.weight == 1));
    }
}
