//! The floor of each metric: training images in place of samples, against the same held-out images.
//!
//! One draw of N images a task stands for the samples after each task k >= j, as a model that has learned task j and
//! forgets nothing would give them. The draws on the diagonal are the floor of a task. Making them costs as much as the
//! metrics of one cell do, without its sampling: K (K + 1) / 2 sets of N images are described and measured on their
//! tasks, and K times N images over all tasks seen.

use std::collections::BTreeMap;

use cl_metrics::sample::{
    Need, Outcome, SampleMetric,
    floor::{Draws, draws},
    measure,
    shares::pooled_shares,
};
use data_streams::{ImageDataset, Stream};
use ddpm_core::noise::{Key, Purpose};
use serde::{Deserialize, Serialize};

use crate::{EngineError, EvaluationConfig, Reference, reference::Known};

const FLOOR: Purpose = Purpose::named("training images of the floor");

/// `[k]` or `[j]`
type Row<T> = Vec<Option<T>>;

/// Metrics of training images in place of samples. A key is the name of a metric, for the value on each task, or the name
/// and `_pooled`, for the value over the tasks 0 to k.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Floors {
    /// The values.
    pub values: BTreeMap<String, Row<f64>>,
    /// N of each value: the training images that stand for samples.
    pub samples: BTreeMap<String, Row<usize>>,
    /// Standard errors of the values, of the metrics that estimate one.
    pub standard_errors: BTreeMap<String, Row<f64>>,
    /// `[k][j]`: the metrics of another draw for each task k >= j, on task j.
    pub matrices: BTreeMap<String, Vec<Row<f64>>>,
    /// Whether the draws of a task may have images in common, since it has too few for draws that have none.
    pub overlap: bool,
}

impl Floors {
    /// Measures all metrics that are asked for but those that need the images which a strategy stored.
    pub(crate) fn new(
        reference: &Reference,
        stream: &Stream,
        evaluation: &EvaluationConfig,
    ) -> Result<Self, EngineError> {
        let stores = |metric: &SampleMetric| metric.needs().contains(&Need::StoredImages);
        let wanted = evaluation.metrics.iter().copied().filter(|metric| !stores(metric)).collect();
        let (n, tasks) = (evaluation.samples_per_task, reference.tasks.len());
        let drawn_of = |j: usize| {
            let train = training_images(stream, j);
            let draws =
                draws(&train, &reference.tasks[j].eval, n, tasks - j, Key::new(0, FLOOR).experience(j));
            (train, draws)
        };
        let drawn: Vec<(ImageDataset, Draws)> = (0..tasks).map(drawn_of).collect();
        let overlap = drawn.iter().any(|(_, draws)| draws.overlap);
        let mut floors = Making { reference, wanted, floors: Self { overlap, ..Self::default() } };
        for k in 0..tasks {
            let sets = drawn[..=k].iter().enumerate();
            let sets = sets.map(|(j, (train, draws))| reference.describe(&train.select(&draws.sets[k - j])));
            floors.add(&sets.collect::<Result<Vec<_>, _>>()?, n)?;
        }
        Ok(floors.floors)
    }
}

/// The training images that may stand for samples of task `j`: its own, of whatever experience they come with where
/// experiences overlap. For a task that removes classes there are images of all others: every second one of each class,
/// which the tasks before do without then, so that no image stands for samples of two tasks.
fn training_images(stream: &Stream, j: usize) -> ImageDataset {
    let (all, removed) = (stream.all_train(), stream.removed());
    let removes = stream.experiences()[j].is_removal();
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut positions = Vec::new();
    for i in (0..all.len()).filter(|&i| !removed.contains(&all.label(i))) {
        // Counted within a class of a task: in the data set's order classes may take turns.
        let count = counts.entry((all.task(i), all.label(i))).or_default();
        *count += 1;
        let (is_second, is_own) = (*count % 2 == 0, all.task(i) == j);
        let stands = if removes { is_second } else { is_own && (removed.is_empty() || !is_second) };
        if stands {
            positions.push(i);
        }
    }
    all.select(&positions)
}

/// Floors that are being measured, task after task.
struct Making<'a> {
    reference: &'a Reference,
    wanted: Vec<SampleMetric>,
    floors: Floors,
}

impl Making<'_> {
    /// Measures one set for each task seen, on its task, and all of them together.
    fn add(&mut self, sets: &[Known], n: usize) -> Result<(), EngineError> {
        let (reference, k) = (self.reference, sets.len() - 1);
        let (tasks, real) = (reference.tasks.len(), &reference.tasks[..sets.len()]);
        for (j, (drawn, task)) in sets.iter().zip(real).enumerate() {
            let held_out = task.known.set(task.gaussian.as_ref(), true);
            for (metric, outcome) in measure(&self.wanted, &held_out, &drawn.set(None, true), None)? {
                let matrix = self.floors.matrices.entry(metric.name().to_owned());
                matrix.or_insert_with(|| vec![vec![None; tasks]; tasks])[k][j] = value_of(&outcome);
                if j == k {
                    self.note(metric.name().to_owned(), k, &outcome, drawn.labels.len());
                }
            }
        }
        let shares = pooled_shares(&real.iter().map(|task| &task.eval).collect::<Vec<_>>(), n);
        let parts: Vec<Known> = sets.iter().zip(shares).map(|(drawn, share)| drawn.first(share)).collect();
        let pooled = Known::pooled(&parts.iter().collect::<Vec<_>>())?;
        let all = Known::pooled(&real.iter().map(|task| &task.known).collect::<Vec<_>>())?;
        for (metric, outcome) in measure(&self.wanted, &all.set(None, true), &pooled.set(None, true), None)? {
            self.note(format!("{}_pooled", metric.name()), k, &outcome, pooled.labels.len());
        }
        Ok(())
    }

    fn note(&mut self, name: String, at: usize, outcome: &Outcome, n: usize) {
        let Ok(estimate) = outcome else { return };
        let tasks = self.reference.tasks.len();
        put(&mut self.floors.values, &name, at, tasks, estimate.value);
        put(&mut self.floors.samples, &name, at, tasks, n);
        if let Some(error) = estimate.standard_error {
            put(&mut self.floors.standard_errors, &name, at, tasks, error);
        }
    }
}

fn value_of(outcome: &Outcome) -> Option<f64> {
    outcome.as_ref().ok().map(|estimate| estimate.value)
}

fn put<T: Copy>(rows: &mut BTreeMap<String, Row<T>>, name: &str, at: usize, tasks: usize, value: T) {
    rows.entry(name.to_owned()).or_insert_with(|| vec![None; tasks])[at] = Some(value);
}

#[cfg(test)]
mod tests {
    use data_streams::{StreamConfig, Unlearning, dataset::glyphs::GlyphsConfig};

    use super::*;

    /// Images of glyphs take turns by their class.
    #[test]
    fn every_kept_class_has_images_for_the_removal_and_for_the_tasks_before() {
        let glyphs =
            GlyphsConfig { size: 8.into(), train_per_class: 6, eval_per_class: 4, ..Default::default() };
        let stream = StreamConfig::of(Unlearning { remove: vec![3], ..Unlearning::default() });
        let stream = stream.build(glyphs.build().unwrap()).unwrap();
        assert_eq!(stream.len(), 2);
        let parts = [training_images(&stream, 0), training_images(&stream, 1)];
        for part in &parts {
            assert_eq!(part.counts_per_class(), [3, 3, 3, 0, 3, 3, 3, 3, 3, 3]);
        }
        let pixels =
            |part: &ImageDataset| (0..part.len()).map(|i| part.pixels_of(i).to_vec()).collect::<Vec<_>>();
        let [before, removal] = parts.each_ref().map(pixels);
        assert!(before.iter().all(|image| !removal.contains(image)));
    }
}
