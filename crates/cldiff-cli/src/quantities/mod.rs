//! The quantities of a result, each declared once: name, unit, direction, meaning, and where it stands in
//! `results.json`.
//!
//! - [`losses`] and [`summaries`] hold the quantities that the program computes from what the engine measured, with the
//!   computation; the engine's [`COSTS`](cldiff_engine::COSTS) hold the costs; sample metrics name themselves.
//! - [`references`] holds the summaries that compare cells with a reference.
//! - [`declared`] lists these and the rest as places in `results.json`; [`walk`] finds the quantity of every number.
//! - [`columns`] chooses what the tables for the eye show, and [`marks`] what they mark. [`named`] has the headline of five
//!   columns, and any column by its name in the long table; [`ranking`] the quantities that rank models.
//!
//! The long table (`results.csv`, `results.parquet`), the tables and the reference in docs/results.md follow from the
//! declarations. A test fails where a number has none.

pub mod cells;
pub mod columns;
pub mod declared;
pub mod judge;
pub mod losses;
pub mod marks;
pub mod named;
pub mod place;
pub mod ranking;
mod readings;
#[cfg(test)]
mod reference;
pub mod references;
pub mod summaries;
#[cfg(test)]
mod tests;
pub mod walk;

use cl_metrics::{sample::SampleMetric, summary::Direction};

use self::place::Place;

/// A declaration. In texts `METRIC` stands for the name of a metric with an evaluation matrix, `LOSS` for that of a
/// loss along the timesteps.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The name in the long table's column `metric`.
    pub name: String,
    /// The unit; empty for a number without one.
    pub unit: &'static str,
    /// The direction that is better.
    pub better: Better,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// Where the value stands.
    pub place: Place,
    /// Where its standard error stands.
    pub error: Option<Place>,
}

/// The direction in which a quantity is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The same for all metrics.
    Known(Direction),
    /// As for the metric that it is computed from.
    AsMetric,
    /// It describes, and does not rank.
    Neither,
}

impl Better {
    /// Smaller is better.
    pub const LOWER: Self = Self::Known(Direction::LowerIsBetter);
    /// Larger is better.
    pub const HIGHER: Self = Self::Known(Direction::HigherIsBetter);

    /// The direction for a metric; none where there is none.
    pub fn of(self, metric: &str) -> Option<Direction> {
        match self {
            Self::Known(direction) => Some(direction),
            Self::AsMetric => direction(metric),
            Self::Neither => None,
        }
    }
}

/// The direction in which a metric with an evaluation matrix is better; none for a metric that ranks nothing. Losses, and
/// metrics that this program does not know, are better when smaller.
pub fn direction(metric: &str) -> Option<Direction> {
    match SampleMetric::named(metric) {
        Some(metric) => metric.direction(),
        None => Some(Direction::LowerIsBetter),
    }
}
