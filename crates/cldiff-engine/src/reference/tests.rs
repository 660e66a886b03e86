//! The judge and the features are two networks: whose probabilities go where.

use cl_metrics::{features::FeatureMatrix, sample::SampleMetric};
use data_streams::{Joint, StreamBuilder, dataset::glyphs::GlyphsConfig};

use super::*;

/// Sees the class that an image is labelled as, or one of two classes of its own.
#[derive(Debug)]
struct Fake {
    classes: Option<usize>,
    /// How many images of a set it takes for class 0, the first ones.
    wrong: usize,
}

impl FeatureExtractor for Fake {
    fn name(&self) -> String {
        "fake".into()
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        let width = self.classes.unwrap_or(2);
        let seen = (0..images.len()).map(|i| match self.classes {
            Some(_) if i < self.wrong => 0,
            Some(_) => images.label(i),
            // As good as random, so that no choice of images shows one class only.
            None => ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63) as usize,
        });
        let rows: Vec<f32> =
            seen.flat_map(|seen| (0..width).map(move |c| f32::from(u8::from(c == seen)))).collect();
        let probabilities = FeatureMatrix::new(width, rows)?;
        Ok(Described { features: probabilities.clone(), class_probabilities: Some(probabilities) })
    }
}

fn evaluation(metric: &str) -> EvaluationConfig {
    let metrics = vec![SampleMetric::named(metric).unwrap()];
    EvaluationConfig { metrics, samples_per_task: 20, ..EvaluationConfig::default() }
}

#[test]
fn the_inception_score_is_that_of_the_features_and_the_accuracy_that_of_the_judge() {
    let data =
        GlyphsConfig { size: 8.into(), train_per_class: 10, eval_per_class: 10, ..GlyphsConfig::default() };
    let stream = Joint {}.build(data.build().unwrap()).unwrap();
    let eval = &stream.experiences()[0].eval;
    // The first image of each of ten classes is among the images; ten wrong images are those of some class or other.
    let wrong = (0..10).filter(|&i| eval.label(i) != 0).count();
    let judge = || Box::new(Fake { classes: Some(10), wrong: 10 });
    let own = || Box::new(Fake { classes: None, wrong: 0 });
    let reference = Reference::new(judge(), Some(own()), &stream, &evaluation("inception_score")).unwrap();
    let told = reference.summary().judge;
    assert_eq!(told.n, eval.len());
    assert!((told.accuracy - (1.0 - wrong as f64 / eval.len() as f64)).abs() < 1e-12);
    let known = reference.describe(eval).unwrap();
    assert_eq!((known.judged.width(), known.described.class_probabilities.unwrap().width()), (10, 2));
    assert_eq!(known.judged.argmax()[10..], eval.labels()[10..]);
    // Two classes, seen surely and nearly evenly; the judge's ten would give up to 10.
    let floor = reference.summary().floors.values["inception_score"][0].unwrap();
    assert!(floor > 1.5 && floor < 2.0 + 1e-6, "{floor}");
}
