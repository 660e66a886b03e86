//! The candidates of a strategy: its own setting, then values drawn from the ranges, stratified option by option
//! (Latin hypercube; McKay, Beckman & Conover 1979).
//!
//! Of n draws each has a stratum of 1/n of every option's range to itself, in an order of its own, so that no part of a
//! range is left out. The key of a draw is (search seed, label of the strategy, key of the option): other strategies of the
//! configuration change nothing.

use ddpm_core::noise::{Key, Purpose};
use rand::{Rng, seq::SliceRandom};
use serde_json::Value;

use super::space::Knob;

const CANDIDATES: Purpose = Purpose::named("candidates of a search");

/// At most so many candidates, the first of them `own`; without those that occur twice, where an option has few values.
pub fn candidates(knobs: &[Knob], own: Vec<Value>, most: usize, label: &str, seed: u64) -> Vec<Vec<Value>> {
    let drawn = most.saturating_sub(1);
    let columns: Vec<Vec<Value>> = knobs.iter().map(|knob| column(knob, drawn, label, seed)).collect();
    let mut all = vec![own];
    for i in 0..drawn {
        let values: Vec<Value> = columns.iter().map(|column| column[i].clone()).collect();
        if !all.contains(&values) {
            all.push(values);
        }
    }
    all
}

/// The draws of one option.
fn column(knob: &Knob, n: usize, label: &str, seed: u64) -> Vec<Value> {
    let key = Key::new(seed, CANDIDATES).within(Purpose::named(label)).within(Purpose::named(&knob.key));
    let mut rng = key.rng(0);
    let mut strata: Vec<usize> = (0..n).collect();
    strata.shuffle(&mut rng);
    let share = |stratum: usize, within: f64| (stratum as f64 + within) / n as f64;
    strata.into_iter().map(|stratum| knob.tunable.at(share(stratum, rng.random()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cl_strategies::{Scale, Tunable};
    use serde_json::json;

    use super::*;

    fn knob(tunable: Tunable) -> Knob {
        Knob { key: format!("mine.{}", tunable.key), tunable }
    }

    fn numbers(candidates: &[Vec<Value>], option: usize) -> Vec<f64> {
        candidates[1..].iter().map(|values| values[option].as_f64().unwrap()).collect()
    }

    /// On a log scale over four decades, eight draws have half a decade each; on a linear one over 0 to 8, a unit each.
    #[test]
    fn every_stratum_of_every_option_has_one_draw() {
        let knobs = [knob(Tunable::log("a", 0.01, 100.0)), knob(Tunable::linear("b", 0.0, 8.0))];
        let found = candidates(&knobs, vec![json!(1.0), json!(2.0)], 9, "mine", 0);
        assert_eq!((found.len(), &found[0]), (9, &vec![json!(1.0), json!(2.0)]));
        let halves = |value: &f64| ((value.log10() + 2.0) * 2.0).floor() as i64;
        // Rounding to three digits moves nothing over the edge of a stratum here.
        let strata: BTreeSet<i64> = numbers(&found, 0).iter().map(halves).collect();
        assert_eq!(strata.into_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        let strata: BTreeSet<i64> = numbers(&found, 1).iter().map(|value| value.floor() as i64).collect();
        assert_eq!(strata.into_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        // The options are not drawn in one order.
        let ranks = |option: usize| {
            let mut order: Vec<usize> = (0..8).collect();
            let values = numbers(&found, option);
            order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
            order
        };
        assert_ne!(ranks(0), ranks(1));
    }

    #[test]
    fn a_draw_depends_on_seed_label_and_option_and_on_nothing_else() {
        let [a, b] = [Tunable::log("a", 0.01, 100.0), Tunable::log("b", 0.01, 100.0)].map(knob);
        let one = |knob: &Knob, label: &str, seed| {
            numbers(&candidates(std::slice::from_ref(knob), vec![json!(1.0)], 6, label, seed), 0)
        };
        let first = one(&a, "mine", 0);
        assert_eq!(first, one(&a, "mine", 0));
        for other in [one(&a, "mine", 1), one(&a, "other", 0), one(&b, "mine", 0)] {
            assert_ne!(first, other);
        }
        let both = candidates(&[b, a], vec![json!(1.0), json!(1.0)], 6, "mine", 0);
        assert_eq!(numbers(&both, 1), first);
    }

    #[test]
    fn what_occurs_twice_is_left_out() {
        let words = knob(Tunable::one_of("w", &["a", "b", "c"]));
        let found = candidates(std::slice::from_ref(&words), vec![json!("b")], 20, "mine", 0);
        let mut all: Vec<&str> = found.iter().map(|values| values[0].as_str().unwrap()).collect();
        assert_eq!((all[0], all.len()), ("b", 3));
        all.sort_unstable();
        assert_eq!(all, ["a", "b", "c"]);
        let whole = knob(Tunable::whole("r", 1, 4, Scale::Log));
        assert!(candidates(&[whole], vec![json!(8)], 50, "mine", 0).len() == 5);
        // The setting alone.
        assert_eq!(candidates(&[words], vec![json!("b")], 1, "mine", 0).len(), 1);
    }
}
