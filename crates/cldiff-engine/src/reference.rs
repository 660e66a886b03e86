//! What every cell is measured against, made once a run: the feature extractor, the features of real images, and
//! the floor of each metric.

use cl_metrics::{
    features::{Described, FeatureExtractor},
    sample::{fid, floor},
};
use data_streams::{ImageDataset, Stream};

use crate::{EngineError, EvaluationConfig};

/// The features of the eval split of each task, and what extracts more of them.
#[derive(Debug)]
pub struct Reference {
    pub(crate) extractor: Box<dyn FeatureExtractor>,
    pub(crate) tasks: Vec<RealTask>,
    summary: ReferenceSummary,
}

/// One task's real images.
#[derive(Debug)]
pub(crate) struct RealTask {
    pub(crate) eval: ImageDataset,
    pub(crate) described: Described,
}

/// What a report says about the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceSummary {
    /// The name of the features.
    pub features: String,
    /// FID between two disjoint halves of each task's real images, at the samples' number where the split allows.
    pub fid_floor: Vec<Option<f64>>,
    /// The same over the tasks 0 to k.
    pub fid_pooled_floor: Vec<Option<f64>>,
}

impl Reference {
    /// Describes the eval split of every task.
    pub(crate) fn new(
        extractor: Box<dyn FeatureExtractor>,
        stream: &Stream,
        evaluation: &EvaluationConfig,
    ) -> Result<Self, EngineError> {
        let mut tasks = Vec::new();
        for experience in stream.experiences() {
            let described = extractor.describe(&experience.eval)?;
            tasks.push(RealTask { eval: experience.eval.clone(), described });
        }
        let n = evaluation.samples_per_task;
        let fid_floors = tasks.iter().map(|task| fid_floor(&[task], n)).collect();
        let fid_pooled_floor = (0..tasks.len())
            .map(|k| {
                let seen: Vec<&RealTask> = tasks[..=k].iter().collect();
                fid_floor(&seen, n * (k + 1))
            })
            .collect();
        let summary =
            ReferenceSummary { features: extractor.name(), fid_floor: fid_floors, fid_pooled_floor };
        Ok(Self { extractor, tasks, summary })
    }

    /// What a report says about it.
    pub fn summary(&self) -> &ReferenceSummary {
        &self.summary
    }
}

/// The floor over some tasks at `n` samples; none where there are too few images.
fn fid_floor(tasks: &[&RealTask], n: usize) -> Option<f64> {
    let parts: Vec<_> = tasks.iter().map(|task| &task.described.features).collect();
    let features = cl_metrics::features::FeatureMatrix::concat(&parts).ok()?;
    floor::real_against_real(&features, n, fid::frechet_distance_of).ok()
}
