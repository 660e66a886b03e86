//! Metrics of sample quality: a set of generated images against a set of real ones, one file each, all in f64.
//!
//! A metric is a type that describes and measures itself ([`Metric`]). The list below is the one place that names them
//! all; [`SampleMetric`] is the choice of one, and [`SampleMetric::add`] brings another.

pub mod accuracy;
pub mod ard;
mod choice;
mod comparison;
pub mod density_coverage;
pub mod drift;
mod estimate;
pub mod fid;
pub mod fid_infinity;
pub mod floor;
mod frequencies;
pub mod inception_score;
pub mod kid;
pub mod kld;
mod measure;
pub mod memorisation;
mod metric;
pub mod moments;
mod neighbours;
mod pairs;
pub mod precision_recall;
mod sets;
pub mod shares;
pub mod sliced_wasserstein;
mod spelling;
#[cfg(test)]
pub(crate) mod test_data;

pub use cldiff_choices::{Describe, ListError};

pub use self::{
    choice::SampleMetric,
    comparison::{Arguments, Compared, ComparedSet, Comparison, Numbers, Parameter, Takes, comparisons},
    estimate::{Estimate, Outcome, Unmeasured},
    measure::measure,
    metric::{Described, Metric, Need, Values},
    sets::{ImageSet, Sets, Stored},
};

/// The built-in metrics, in the order of tables.
static BUILT_IN: &[&dyn Metric] = &[
    &fid::Fid,
    &fid_infinity::FidInfinity,
    &kid::Kid,
    &inception_score::InceptionScore,
    &precision_recall::Precision,
    &precision_recall::Recall,
    &density_coverage::Density,
    &density_coverage::Coverage,
    &kld::Kld,
    &ard::Ard,
    &accuracy::Accuracy,
    &sliced_wasserstein::Swd,
    &memorisation::Memorisation,
];

/// The seed of a metric's random draws in a benchmark. Not a cell's: cells are compared along the same directions and
/// subsets.
pub const SEED: u64 = 0;
