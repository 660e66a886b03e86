//! Metrics of sample quality: a set of generated images against a set of real ones, one file each, all in f64.

pub mod accuracy;
pub mod ard;
mod choice;
pub mod density_coverage;
pub mod fid;
pub mod fid_infinity;
pub mod floor;
mod frequencies;
pub mod inception_score;
pub mod kid;
pub mod kld;
pub mod memorisation;
pub mod moments;
mod neighbours;
mod pairs;
pub mod precision_recall;
pub mod sliced_wasserstein;
#[cfg(test)]
pub(crate) mod test_data;

pub use choice::{ImageSet, SampleMetric, Stored, measure};
