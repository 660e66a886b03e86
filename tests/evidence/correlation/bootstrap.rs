//! The interval of a rank correlation by a bootstrap that resamples labels: the cells of a label are alike, so that they are
//! drawn together. 10,000 draws; the 2.5th and the 97.5th percentile.
//!
//! Values are ranked within their experiment, since values of different data do not compare; the ranks of all experiments
//! are correlated together, each as a share of the experiment's cells. For one experiment this is Spearman's correlation.

use cl_metrics::summary::Interval;
use keyed_random::{Key, Purpose};
use rand::Rng;
use rayon::prelude::*;

use super::ranks::{average_ranks, pearson};

/// The values of the cells of one label.
pub type Cluster = Vec<(f64, f64)>;

const DRAWS: u64 = 10_000;

/// The rank correlation over the labels of experiments.
pub fn correlation_of(experiments: &[Vec<Cluster>]) -> f64 {
    let of = experiments.iter().map(|labels| labels.iter().collect::<Vec<_>>());
    correlation(&of.collect::<Vec<_>>())
}

fn correlation(experiments: &[Vec<&Cluster>]) -> f64 {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for labels in experiments {
        let cells = || labels.iter().flat_map(|cluster| cluster.iter());
        let shares = |values: Vec<f64>| -> Vec<f64> {
            let n = values.len() as f64;
            average_ranks(&values).into_iter().map(|rank| (rank - 0.5) / n).collect()
        };
        a.extend(shares(cells().map(|cell| cell.0).collect()));
        b.extend(shares(cells().map(|cell| cell.1).collect()));
    }
    pearson(&a, &b)
}

/// The 95 % interval. A draw of equal values alone has no correlation and is drawn no more.
pub fn interval(experiments: &[Vec<Cluster>]) -> Interval {
    let key = Key::new(0, Purpose::named("resamples of the labels of a correlation"));
    let draw = |draw: u64| {
        let mut rng = key.rng(draw);
        let mut drawn = |labels: &'_ Vec<Cluster>| -> Vec<usize> {
            labels.iter().map(|_| rng.random_range(0..labels.len())).collect()
        };
        let places: Vec<Vec<usize>> = experiments.iter().map(&mut drawn).collect();
        let of = experiments.iter().zip(places);
        let of = of.map(|(labels, places)| places.into_iter().map(|place| &labels[place]).collect());
        correlation(&of.collect::<Vec<Vec<&Cluster>>>())
    };
    let mut drawn: Vec<f64> =
        (0..DRAWS).into_par_iter().map(draw).filter(|drawn| drawn.is_finite()).collect();
    if drawn.is_empty() {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    drawn.sort_by(f64::total_cmp);
    Interval { low: percentile(&drawn, 2.5), high: percentile(&drawn, 97.5) }
}

/// A percentile of sorted values, between two of them where it falls there.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (below, share) = (place as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + share * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_two_values() {
        assert_eq!(percentile(&[0.0, 10.0, 20.0, 30.0, 40.0], 50.0), 20.0);
        assert_eq!(percentile(&[0.0, 10.0], 25.0), 2.5);
    }

    /// Four cells of one label are no more than one: the interval is that of 12 labels, and not of 48 cells.
    #[test]
    fn cells_of_a_label_are_drawn_together() {
        let noise = [3.0, -2.0, 5.0, -4.0, 1.0, 2.0, -5.0, 4.0, -1.0, -3.0, 6.0, -6.0];
        let label = |i: usize| (i as f64, i as f64 + noise[i]);
        let of =
            |cells: usize| -> Vec<Vec<Cluster>> { vec![(0..12).map(|i| vec![label(i); cells]).collect()] };
        let width = |of: Interval| of.high - of.low;
        let (alone, four) = (of(1), of(4));
        assert!((correlation_of(&alone) - correlation_of(&four)).abs() < 1e-12);
        assert!((width(interval(&alone)) - width(interval(&four))).abs() < 1e-12);
        let apart = vec![(0..48).map(|i| vec![label(i / 4)]).collect()];
        assert!(width(interval(&apart)) < 0.7 * width(interval(&four)));
        assert!(interval(&alone).contains(correlation_of(&alone)));
    }

    /// Values of one experiment are a thousand times those of the other: alone they are correlated fully, each.
    #[test]
    fn values_are_ranked_within_their_experiment() {
        let of = |scale: f64, shift: f64| -> Vec<Cluster> {
            (0..5).map(|i| vec![(f64::from(i) * scale, f64::from(i) + shift)]).collect()
        };
        assert!((correlation_of(&[of(1.0, 0.0), of(1000.0, -50.0)]) - 1.0).abs() < 1e-12);
    }
}
