//! Metrics for continually trained diffusion models.
//!
//! - [`sample`]: how good samples are, from [`features`] of images.
//! - [`summary`]: what an evaluation matrix says about forgetting, as pure functions.
//! - [`readings`]: what became of each class, curves within an experience.
//! - [`pytorch`]: published weights, read safely.
//! - `likelihood`, `hybrid` and `representation`, with the crate's feature `likelihood`: the variational bound along
//!   the timesteps; which part of a trajectory has to be remembered; gradients and activations.
//!
//! A number always names the features that it was measured with. Nothing here needs Burn but the networks: the feature
//! `features` has those that describe images, `likelihood` has what looks into a diffusion model, and `flex`,
//! `ndarray`, `wgpu` and `cuda` name the backends that these run on.
//!
//! # A distance between two sets
//!
//! ```
//! use cl_metrics::{features::FeatureMatrix, sample::fid::frechet_distance_of};
//!
//! // Two sets of 100 points in the plane, the second moved by 3 to the right: the distance is 3 squared.
//! let circle = |shift: f32| {
//!     let angle = |i: u8| f32::from(i) * std::f32::consts::TAU / 100.0;
//!     FeatureMatrix::new(2, (0..100).flat_map(|i| [angle(i).cos() + shift, angle(i).sin()]).collect())
//! };
//! let distance = frechet_distance_of(&circle(0.0)?, &circle(3.0)?)?;
//! assert!((distance - 9.0).abs() < 1e-4);
//! # Ok::<(), cl_metrics::MetricError>(())
//! ```
//!
//! # A metric of one's own
//!
//! A metric describes itself, says what it needs, and measures. Once it is added, a configuration can name it and
//! [`sample::measure()`] takes it as any other.
//!
//! ```
//! use cl_metrics::{
//!     MetricError,
//!     features::FeatureMatrix,
//!     sample::{Describe, ImageSet, Metric, Need, SampleMetric, Sets, Values, measure},
//!     summary::Direction,
//! };
//!
//! struct Brightness;
//!
//! impl Describe for Brightness {
//!     const NAME: &'static str = "brightness";
//!     const SUMMARY: &'static str = "How far the samples' mean pixel is from that of real images";
//! }
//!
//! impl Metric for Brightness {
//!     fn direction(&self) -> Option<Direction> {
//!         Some(Direction::LowerIsBetter)
//!     }
//!
//!     fn needs(&self) -> &'static [Need] {
//!         &[Need::Pixels]
//!     }
//!
//!     fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
//!         let mean = |images: &FeatureMatrix| {
//!             let sums = (0..images.rows()).map(|i| images.row(i).iter().copied().map(f64::from).sum::<f64>());
//!             sums.sum::<f64>() / (images.rows() * images.width()) as f64
//!         };
//!         let (real, samples) = sets.pixels()?;
//!         Ok(vec![(Self::NAME, (mean(real) - mean(samples)).abs().into())])
//!     }
//! }
//!
//! let brightness = SampleMetric::add(&Brightness)?;
//! assert_eq!(SampleMetric::named("brightness"), Some(brightness));
//!
//! let (dark, bright) = (FeatureMatrix::new(2, vec![-1.0; 20])?, FeatureMatrix::new(2, vec![0.5; 20])?);
//! let set = |pixels| ImageSet { pixels: Some(pixels), ..ImageSet::of_features(pixels) };
//! let found = measure(&[brightness], &set(&dark), &set(&bright), None)?;
//! assert_eq!(found[&brightness], Ok(1.5.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What was forgotten
//!
//! ```
//! use cl_metrics::summary::{Direction, EvaluationMatrix, backward_transfer, final_average, forgetting};
//!
//! // Row k: the FID on each task after task k. The first task is at 10 when it is learned and at 30 in the end.
//! let matrix = EvaluationMatrix::new(vec![
//!     vec![Some(10.0), None, None],
//!     vec![Some(20.0), Some(12.0), None],
//!     vec![Some(30.0), Some(16.0), Some(14.0)],
//! ]);
//! assert_eq!(final_average(&matrix), Ok(20.0));
//! assert_eq!(forgetting(&matrix, Direction::LowerIsBetter), Ok(12.0));
//! assert_eq!(backward_transfer(&matrix, Direction::LowerIsBetter), Ok(-12.0));
//! ```

mod error;
pub mod features;
#[cfg(feature = "likelihood")]
pub mod hybrid;
#[cfg(feature = "likelihood")]
pub mod likelihood;
mod linalg;
pub mod pytorch;
pub mod readings;
#[cfg(feature = "likelihood")]
pub mod representation;
pub mod sample;
pub mod summary;

pub use error::MetricError;
