//! Traces of classes that a stream removes: the classifier on samples that are still asked for as them, right before
//! their removal and after it.
//!
//! A model that maps a class to the noise that stands for it has removed it, whatever the classifier takes noise for: what it
//! sees in the noise itself stands beside.

use std::time::Instant;

use cl_metrics::readings::{SeenAs, seen_as};
use cl_strategies::ConditionOn;
use data_streams::ImageDataset;
use ddpm_core::{
    GaussianDiffusion, TrainBackend,
    noise::{Key, Purpose},
};
use serde::{Deserialize, Serialize};

use super::{Analyst, ModelOf};
use crate::{
    CellObserver, Cost, EngineError,
    evaluate::{Evaluator, Wanted},
};

const SAMPLES: Purpose = Purpose::named("samples of a removed class");

/// A class that the stream removes, after one experience.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RemovedClass {
    /// The class.
    pub class: usize,
    /// Whether it is to be lost by now.
    pub removed: bool,
    /// N: samples that were asked for as it.
    pub samples: usize,
    /// The share of them in which it is seen.
    pub share: f64,
    /// Its standard error.
    pub share_error: f64,
    /// Its mean probability.
    pub probability: f64,
    /// The standard error of that.
    pub probability_error: Option<f64>,
    /// The mean entropy of the classes' probabilities.
    pub entropy: f64,
    /// The share of the images of noise in its place in which it is seen.
    pub noise_share: Option<f64>,
}

impl<B: TrainBackend> Analyst<'_, B> {
    /// The classes that experience `k` or one before has removed, and those that the next one will remove. Empty for models
    /// that are not asked for classes.
    pub(super) fn removed(
        &self,
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Vec<RemovedClass>, EngineError> {
        if self.spec.training.condition_on != ConditionOn::Class {
            return Ok(Vec::new());
        }
        let gone = self.stream.removed_by(k);
        let mut found = Vec::new();
        for class in self.stream.removed_by(k + 1) {
            let start = Instant::now();
            let requested = vec![class; self.spec.evaluation.samples_per_task];
            let key = Key::new(self.spec.seed, SAMPLES).step(class);
            let wanted = Wanted { task: k, requested, key };
            let samples = evaluator.draw(&model(k)?, process, wanted, k, observer, cost)?;
            cost.sample_seconds += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let seen = self.seen_as(class, &samples)?;
            let removed = gone.contains(&class);
            let noise = if removed { self.seen_as(class, &self.noise(class))? } else { None };
            cost.evaluate_seconds += start.elapsed().as_secs_f64();
            let Some(SeenAs { samples, share, share_error, probability, probability_error, entropy }) = seen
            else {
                continue;
            };
            let noise_share = noise.map(|noise| noise.share);
            found.push(RemovedClass {
                class,
                removed,
                samples,
                share,
                share_error,
                probability,
                probability_error,
                entropy,
                noise_share,
            });
        }
        Ok(found)
    }

    fn seen_as(&self, class: usize, images: &ImageDataset) -> Result<Option<SeenAs>, EngineError> {
        if images.is_empty() {
            return Ok(None);
        }
        Ok(seen_as(class, &self.reference.describe(images)?.judged))
    }

    /// The noise that stands for a class: as many images as samples, or all.
    fn noise(&self, class: usize) -> ImageDataset {
        let removal = self.stream.experiences().iter().find(|e| e.removes.contains(&class));
        let all = removal.map(|e| e.train.of_classes(&[class]));
        let all = all.unwrap_or_else(|| self.stream.experiences()[0].train.take(0));
        all.take(self.spec.evaluation.samples_per_task)
    }
}
