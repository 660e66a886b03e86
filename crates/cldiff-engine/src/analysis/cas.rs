//! The classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): a classifier trained on samples of the classes
//! seen, with the classes that were asked for as labels, is tested on the eval images of the tasks seen. A class that the
//! model has lost is one that the classifier never learns.
//!
//! Beside it stands the same classifier trained on as many real images: the score depends on their number. Deviation: the
//! paper trains a ResNet-50 on as many samples as ImageNet has images; here it is the run's classifier, on what was asked for.

use std::time::Instant;

use cl_metrics::{
    MetricError,
    features::classifier::train_and_test,
    readings::{CasConfig, ClassAccuracies, accuracies, class_confusion, requests},
};
use data_streams::ImageDataset;
use ddpm_core::{
    GaussianDiffusion, TrainBackend,
    noise::{Key, Purpose},
};
use ddpm_kernels::Precision;
use serde::{Deserialize, Serialize};

use super::{Analyst, ModelOf};
use crate::{
    CellObserver, Cost, EngineError,
    evaluate::{Evaluator, Wanted},
};

const SAMPLES: Purpose = Purpose::named("classification accuracy score: samples");
const REAL: Purpose = Purpose::named("classification accuracy score: real images");

/// The score after one experience.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CasReading {
    /// Of the classifier trained on samples.
    pub samples: ClassAccuracies,
    /// Of the classifier trained on real images.
    pub real: ClassAccuracies,
}

impl<B: TrainBackend> Analyst<'_, B> {
    /// Draws, trains and tests.
    pub(super) fn cas(
        &self,
        config: CasConfig,
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        k: usize,
        (observer, cost): (&mut dyn CellObserver, &mut Cost),
    ) -> Result<CasReading, EngineError> {
        let start = Instant::now();
        let mut drawn = Vec::new();
        for (task, requested) in self.requests(config.samples_per_class, k).into_iter().enumerate() {
            let key = Key::new(self.spec.seed, SAMPLES).experience(task);
            let wanted = Wanted { task, requested, key };
            drawn.push(evaluator.draw(&model(task)?, process, wanted, k, observer, cost)?);
        }
        cost.sample_seconds += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let samples = self.tested(&pooled(&drawn)?, k)?;
        let real = self.tested(&self.real_images(config.samples_per_class, k)?, k)?;
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        Ok(CasReading { samples, real })
    }

    /// The classes that samples of each task seen are asked for by: `n` of each class in all, shared among the tasks that
    /// have the class.
    fn requests(&self, n: usize, k: usize) -> Vec<Vec<usize>> {
        let tasks: Vec<Vec<usize>> =
            self.reference.tasks[..=k].iter().map(|task| task.eval.counts_per_class()).collect();
        requests(&tasks, n)
    }

    /// `n` training images of each class seen, or all; no samples are asked for of a class that the stream removes.
    fn real_images(&self, n: usize, k: usize) -> Result<ImageDataset, EngineError> {
        let (all, removed) = (self.stream.kept_train(k), self.stream.removed());
        let of_class = |class: usize| {
            let images = all.of_classes(&[class]);
            // Not the cell's seed: cells are compared with the same images.
            images.select(&images.stratified(n, Key::new(0, REAL).step(class)))
        };
        let classes = (0..all.class_names().len()).filter(|class| !removed.contains(class));
        pooled(&classes.map(of_class).collect::<Vec<_>>())
    }

    /// A classifier trained on some images, tested on the eval images of the tasks seen.
    fn tested(&self, train: &ImageDataset, k: usize) -> Result<ClassAccuracies, EngineError> {
        let eval: Vec<ImageDataset> =
            self.reference.tasks[..=k].iter().map(|task| task.eval.clone()).collect();
        let (test, config) = (pooled(&eval)?, &self.spec.evaluation.classifier);
        // A measurement is as exact as it can be, whatever the training's precision.
        let seen = Precision::F32.within(|| train_and_test::<B>(config, train, &test, self.device))?;
        Ok(accuracies(&class_confusion(&test.labels(), &seen, test.class_names().len())))
    }
}

fn pooled(parts: &[ImageDataset]) -> Result<ImageDataset, EngineError> {
    Ok(ImageDataset::concat(&parts.iter().collect::<Vec<_>>()).map_err(MetricError::from)?)
}
