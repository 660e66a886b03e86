//! What an evaluation matrix says about continual learning: pure functions of the matrix and of the direction in
//! which its metric is better.

mod average;
mod backward_transfer;
mod forgetting;
mod forward_transfer;
mod matrix;

use std::collections::BTreeMap;

pub use average::{average_after, final_average, stream_average};
pub use backward_transfer::backward_transfer;
pub use forgetting::forgetting;
pub use forward_transfer::forward_transfer;
pub use matrix::{Direction, EvaluationMatrix};

/// Every summary of a matrix that needs nothing else, by name.
pub fn summarise(matrix: &EvaluationMatrix, direction: Direction) -> BTreeMap<&'static str, Option<f64>> {
    BTreeMap::from([
        ("final_average", final_average(matrix)),
        ("stream_average", stream_average(matrix)),
        ("forgetting", forgetting(matrix, direction)),
        ("backward_transfer", backward_transfer(matrix, direction)),
    ])
}

/// The mean; none of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.into_iter().fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}
