//! Small experiments for the tests of this folder.

use super::{rows::Rows, spec::Spec};

/// An experiment with these lines in its `tables.toml`.
pub fn experiment(lines: &str) -> Spec {
    toml::from_str(&format!("command = \"\"\nmachine = \"\"\n{lines}")).unwrap()
}

/// Values of the quantity "m", for the seeds 0, 1 and so on of each label.
pub fn rows(values: &[(&str, Vec<f64>)]) -> Rows {
    let mut rows = Rows::default();
    for (label, of_seeds) in values {
        for (seed, value) in (0..).zip(of_seeds) {
            rows.add_value((*label).to_owned(), None, "m".into(), seed, Some(*value));
        }
    }
    rows
}
