//! Verdicts between the labels of an experiment, with Holm's correction: over all pairs of competing labels, or over the
//! comparisons with references, where a table or a sentence makes no others. The second have more power, and nothing else is
//! read from them.

use std::collections::BTreeSet;

use cl_metrics::summary::{BySeed, Comparison, Direction, ERROR_RATE, FEWEST_SEEDS, holm, paired_difference};

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

    /// The number of pairs that are told apart.
    pub fn told(&self) -> usize {
        self.found.pairs().iter().filter(|pair| self.found.better(pair).is_some()).count()
    }

    /// The number of pairs with a label that are told apart.
    pub fn told_with(&self, label: &str) -> usize {
        let others = self.labels.iter().filter(|other| **other != label);
        others.filter(|other| self.tells(label, other) == Some(true)).count()
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

/// Labels that are told from a reference, of a family of such comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgainstReferences {
    tested: usize,
    told: BTreeSet<(String, String)>,
}

impl AgainstReferences {
    /// Compares labels with references, as (label, reference). A pair with too few seeds in common, or without values, is
    /// not tested.
    pub fn of<'r>(rows: &Rows, metric: &str, family: impl IntoIterator<Item = (&'r str, &'r str)>) -> Self {
        let family: BTreeSet<(&str, &str)> = family.into_iter().filter(|(a, b)| a != b).collect();
        let tested = family.into_iter().filter_map(|(label, reference)| {
            let difference = paired_difference(&rows.of(label, metric), &rows.of(reference, metric))?;
            let p = difference.p_value().filter(|_| difference.n >= FEWEST_SEEDS)?;
            Some(((label.to_owned(), reference.to_owned()), p))
        });
        let (pairs, p): (Vec<(String, String)>, Vec<f64>) = tested.unzip();
        let told = pairs.iter().zip(holm(&p)).filter(|(_, p)| *p <= ERROR_RATE);
        Self { tested: pairs.len(), told: told.map(|(pair, _)| pair.clone()).collect() }
    }

    /// Compares all competing labels with one.
    pub fn all(spec: &Spec, rows: &Rows, metric: &str, reference: &str) -> Self {
        let labels = rows.labels().iter().filter(|label| spec.competes(label));
        Self::of(rows, metric, labels.map(|label| (label.as_str(), reference)))
    }

    /// The number of comparisons.
    pub fn tested(&self) -> usize {
        self.tested
    }

    /// The number of labels that are told apart.
    pub fn told(&self) -> usize {
        self.told.len()
    }

    /// Whether a label is told from a reference.
    pub fn tells(&self, label: &str, reference: &str) -> bool {
        self.told.contains(&(label.to_owned(), reference.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{experiment, rows};

    /// Differences of -1, 0, 1, 2 and 3 times a unit around their mean have t = mean / (unit / sqrt 2): 8.5 of the first,
    /// p = 0.0011, and 4.2 of the second, p = 0.013. Of two comparisons both are told apart, and of seven, where the second
    /// has 6 p = 0.079, the first alone.
    #[test]
    fn a_family_of_comparisons_with_a_reference_is_corrected_by_itself() {
        let around = [-2.0, -1.0, 0.0, 1.0, 2.0];
        let of = |mean: f64| around.map(|v| 10.0 + mean + v).to_vec();
        let mut all = vec![("reference", vec![10.0; 5]), ("first", of(6.0)), ("second", of(3.0))];
        let names = ["a", "b", "c", "d", "e", "f"];
        all.extend(names.map(|name| (name, of(0.1))));
        all.push(("few", vec![1.0, 2.0]));
        let (rows, spec) = (rows(&all), experiment("bounds = [\"f\"]"));
        let two = [("first", "reference"), ("second", "reference"), ("few", "reference")];
        let found = AgainstReferences::of(&rows, "m", two);
        assert_eq!((found.tested(), found.told()), (2, 2));
        let found = AgainstReferences::all(&spec, &rows, "m", "reference");
        assert_eq!((found.tested(), found.told()), (7, 1));
        assert!(found.tells("first", "reference") && !found.tells("second", "reference"));
        assert_eq!(AgainstReferences::of(&rows, "m", [("first", "first")]).tested(), 0);
    }

    #[test]
    fn bounds_are_in_no_pair() {
        let seeds = [0.0, 0.1, -0.1, 0.2, -0.2];
        let of = |by: f64| seeds.map(|v| 10.0 + by + v * by / 100.0).to_vec();
        let rows = rows(&[("a", of(0.0)), ("b", of(5.0)), ("joint", of(9.0)), ("few", vec![1.0, 2.0])]);
        let spec = experiment("bounds = [\"joint\"]");
        let verdicts = Verdicts::of(&spec, &rows, "m");
        assert_eq!((verdicts.pairs(), verdicts.told(), verdicts.told_with("few")), (3, 1, 0));
        assert_eq!(verdicts.tells("b", "a"), Some(true));
        assert_eq!((verdicts.tells("a", "joint"), verdicts.tells("a", "few")), (None, None));
    }
}
