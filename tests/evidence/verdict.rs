//! Verdicts between the labels of an experiment: all competing labels are compared in pairs, with Holm's correction.

use cl_metrics::summary::{BySeed, Comparison, Direction};

use super::{rows::Rows, spec::Spec};

/// The competing labels of an experiment, compared in a quantity.
pub struct Verdicts<'r> {
    labels: Vec<&'r str>,
    found: Comparison,
}

impl<'r> Verdicts<'r> {
    /// Compares the labels. The direction decides which is better, and not whether two are told apart.
    pub fn of(spec: &Spec, rows: &'r Rows, metric: &str) -> Self {
        let labels: Vec<&str> =
            rows.labels().iter().map(String::as_str).filter(|l| spec.competes(l)).collect();
        let values: Vec<BySeed> = labels.iter().map(|label| rows.of(label, metric)).collect();
        let found = Comparison::of(&values, Direction::LowerIsBetter);
        Self { labels, found }
    }

    /// The number of pairs that are compared.
    pub fn pairs(&self) -> usize {
        self.found.pairs().len()
    }

    /// The number of pairs that are told apart; with a label, of its own pairs.
    pub fn told(&self, from: Option<&str>) -> usize {
        let is_asked =
            |a: usize, b: usize| from.is_none_or(|label| self.labels[a] == label || self.labels[b] == label);
        let of =
            |pair: &&cl_metrics::summary::Pair| is_asked(pair.a, pair.b) && self.found.better(pair).is_some();
        self.found.pairs().iter().filter(of).count()
    }

    /// Whether two labels are told apart; none where one of them competes with nobody, or has too few seeds.
    pub fn tells(&self, label: &str, other: &str) -> Option<bool> {
        let place = |label: &str| self.labels.iter().position(|of| *of == label);
        let (a, b) = (place(label)?, place(other)?);
        let is_pair = |pair: &&cl_metrics::summary::Pair| [(a, b), (b, a)].contains(&(pair.a, pair.b));
        let pair = self.found.pairs().iter().find(is_pair)?;
        pair.adjusted_p?;
        Some(self.found.better(pair).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{experiment, rows};

    #[test]
    fn bounds_are_in_no_pair() {
        let seeds = [0.0, 0.1, -0.1, 0.2, -0.2];
        let of = |by: f64| seeds.map(|v| 10.0 + by + v * by / 100.0).to_vec();
        let rows = rows(&[("a", of(0.0)), ("b", of(5.0)), ("joint", of(9.0)), ("few", vec![1.0, 2.0])]);
        let spec = experiment("bounds = [\"joint\"]");
        let verdicts = Verdicts::of(&spec, &rows, "m");
        assert_eq!((verdicts.pairs(), verdicts.told(None), verdicts.told(Some("few"))), (3, 1, 0));
        assert_eq!(verdicts.tells("b", "a"), Some(true));
        assert_eq!((verdicts.tells("a", "joint"), verdicts.tells("a", "few")), (None, None));
    }
}
