//! Verdicts between methods: which of them the seeds tell apart in one quality.
//!
//! Every two methods are compared on the seeds that both have, by Student's paired two-sided t test; the p-values of all
//! pairs are corrected together by Holm's procedure. So the probability that any two equal methods are told apart is at
//! most [`ERROR_RATE`] for one quality, whatever the number of methods, if differences are normal; for symmetric
//! differences with heavier tails it is lower. Fewer than [`FEWEST_SEEDS`] common seeds give no verdict.
//!
//! Two more powerful rules do not keep that rate. An error pooled over methods (Tukey's range test on the two-way layout
//! of methods and seeds) supposes that all methods spread alike: with 25 equal methods it tells some apart in 14 % of
//! cases if values have a t distribution with 3 degrees of freedom, and with 2 of 6 (8 of 25) methods spreading five times
//! as wide in 12 % (37 %) of cases. Flipping signs over five seeds has no p-value below 1/16.

use super::{
    Direction, OverSeeds,
    holm::holm,
    seeds::{BySeed, paired_difference},
};

/// The fewest seeds that a verdict, a rank or a mark is given for.
pub const FEWEST_SEEDS: usize = 5;

/// The probability of any wrong verdict in one quality, at most.
pub const ERROR_RATE: f64 = 0.05;

/// Two methods, compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The first method.
    pub a: usize,
    /// The second; `a < b`.
    pub b: usize,
    /// a - b on the seeds that both have.
    pub difference: OverSeeds,
    /// The p-value with Holm's correction over all pairs; none for fewer than [`FEWEST_SEEDS`] common seeds.
    pub adjusted_p: Option<f64>,
}

/// All pairs of some methods, compared in one quality.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    direction: Direction,
    means: Vec<Option<f64>>,
    pairs: Vec<Pair>,
}

impl Comparison {
    /// Compares methods by their values. A method without values, because one of its seeds has none, has no pairs.
    pub fn of(methods: &[BySeed], direction: Direction) -> Self {
        let mut pairs = Vec::new();
        for a in 0..methods.len() {
            for b in a + 1..methods.len() {
                let difference = paired_difference(&methods[a], &methods[b]);
                pairs.extend(difference.map(|difference| Pair { a, b, difference, adjusted_p: None }));
            }
        }
        let mut tested: Vec<&mut Pair> =
            pairs.iter_mut().filter(|pair| pair.difference.n >= FEWEST_SEEDS).collect();
        let p_values: Vec<f64> = tested.iter().map(|pair| pair.difference.p_value().unwrap_or(1.0)).collect();
        for (pair, adjusted) in tested.iter_mut().zip(holm(&p_values)) {
            pair.adjusted_p = Some(adjusted);
        }
        let mean = |values: &BySeed| {
            (!values.is_empty()).then(|| values.values().sum::<f64>() / values.len() as f64)
        };
        Self { direction, means: methods.iter().map(mean).collect(), pairs }
    }

    /// The pairs, in the order of their methods.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The better method of a pair; none if the seeds do not tell its methods apart.
    pub fn better(&self, pair: &Pair) -> Option<usize> {
        let gain = self.direction.gain(0.0, pair.difference.mean);
        let told = pair.adjusted_p.is_some_and(|p| p <= ERROR_RATE) && gain != 0.0;
        told.then_some(if gain > 0.0 { pair.a } else { pair.b })
    }

    /// Whether one method is better than another beyond the seeds' doubt.
    pub fn is_better(&self, method: usize, other: usize) -> bool {
        let both = |pair: &&Pair| (pair.a, pair.b) == (method.min(other), method.max(other));
        self.pairs.iter().find(both).is_some_and(|pair| self.better(pair) == Some(method))
    }

    /// Whether a method was tested against any other.
    pub fn is_tested(&self, method: usize) -> bool {
        let of_method = |pair: &Pair| [pair.a, pair.b].contains(&method) && pair.adjusted_p.is_some();
        self.pairs.iter().any(of_method)
    }

    /// The direction that is better.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The mean over the seeds of each method; none for a method without values.
    pub fn means(&self) -> &[Option<f64>] {
        &self.means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_seed(values: &[f64]) -> BySeed {
        (0..).zip(values.iter().copied()).collect()
    }

    const BASE: [f64; 5] = [20.0, 50.0, 80.0, 35.0, 65.0];

    fn shifted(by: f64, noise: [f64; 5]) -> BySeed {
        by_seed(&std::array::from_fn::<f64, 5, _>(|i| BASE[i] + by + noise[i]))
    }

    /// The seeds differ by far more than the methods do; the pairs show the methods all the same.
    #[test]
    fn methods_are_told_apart_on_the_same_seeds() {
        let a = shifted(10.0, [0.1, -0.1, 0.2, 0.0, -0.2]);
        let b = shifted(0.0, [0.0; 5]);
        let found = Comparison::of(&[a, b], Direction::LowerIsBetter);
        assert!(found.is_better(1, 0) && !found.is_better(0, 1));
        // The differences have mean 10 and standard deviation 0.1581: t = 141.42 on 4 degrees of freedom.
        let p = found.pairs()[0].adjusted_p.unwrap();
        assert!((p / 1.499_2e-8 - 1.0).abs() < 1e-3, "{p:e}");
    }

    #[test]
    fn four_seeds_give_no_verdict_whatever_the_difference() {
        let methods = [by_seed(&[1.0, 1.1, 0.9, 1.0]), by_seed(&[101.0, 101.2, 100.7, 101.1])];
        let found = Comparison::of(&methods, Direction::LowerIsBetter);
        assert_eq!((found.pairs()[0].difference.n, found.pairs()[0].adjusted_p), (4, None));
        assert!(!found.is_better(0, 1) && !found.is_better(1, 0) && !found.is_tested(0));
    }

    #[test]
    fn pairs_with_too_few_seeds_take_nothing_from_the_others() {
        let (a, b) = (shifted(10.0, [0.1, -0.1, 0.2, 0.0, -0.2]), shifted(0.0, [0.0; 5]));
        let alone = Comparison::of(&[a.clone(), b.clone()], Direction::LowerIsBetter);
        let beside = Comparison::of(&[a, b, by_seed(&[1.0, 2.0]), BySeed::new()], Direction::LowerIsBetter);
        assert_eq!(beside.pairs().len(), 3);
        assert_eq!(beside.pairs()[0].adjusted_p, alone.pairs()[0].adjusted_p);
        assert!(!beside.is_tested(2) && !beside.is_tested(3));
    }
}
