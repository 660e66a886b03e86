//! Summaries of an evaluation matrix: pure functions of the matrix and of the direction in
//! which its metric is better; and what several seeds say together, with the [verdicts](Comparison) that they carry.
//!
//! CLoG (Zhang et al. 2024, arXiv 2406.04584) has three of them under other names: its average incremental quality, AIQ, is
//! [`stream_average`], its average final quality, AFQ, is [`final_average`], and its forgetting rate, FR, is
//! [`backward_transfer`] with the sign of a distance, so that more is worse. So a later program made of its authors' (the
//! repository Programmergg/CLoG, `trainer/eval.py`) computes them; the paper's own formulas were not at hand.

mod average;
mod backward_transfer;
mod forgetting;
mod forward_transfer;
mod gap;
mod holm;
mod matrix;
mod plasticity;
mod rank;
mod seeds;
mod student_t;
mod verdicts;

use std::collections::BTreeMap;

pub use average::{average_after, final_average, stream_average};
pub use backward_transfer::backward_transfer;
pub use forgetting::forgetting;
pub use forward_transfer::forward_transfer;
pub use gap::Gap;
pub use holm::holm;
pub use matrix::{Direction, EvaluationMatrix};
pub use plasticity::{plasticity, plasticity_against};
pub use seeds::{BySeed, FEWEST_FOR_INTERVAL, Interval, LEVEL, OverSeeds, over_seeds, paired_difference};
pub use student_t::{two_sided_p, two_sided_quantile};
pub use verdicts::{Comparison, ERROR_RATE, FEWEST_SEEDS, Pair};

/// Every summary of a matrix that needs nothing else, by name, or the reason why it has no value.
pub fn summarise(
    matrix: &EvaluationMatrix,
    direction: Direction,
) -> BTreeMap<&'static str, Result<f64, Gap>> {
    BTreeMap::from([
        ("final_average", final_average(matrix)),
        ("stream_average", stream_average(matrix)),
        ("forgetting", forgetting(matrix, direction)),
        ("backward_transfer", backward_transfer(matrix, direction)),
        ("plasticity", plasticity(matrix)),
    ])
}
