//! The state of a reference on disk, which other processes take up: the features of real images, what the classifier
//! says of them, and the floors. Pixels and labels follow from the data.

use burn::tensor::TensorData;
use cl_metrics::features::{Described, FeatureExtractor, FeatureMatrix, Judge, pixels};
use cl_strategies::{State, StrategyError};
use data_streams::Stream;

use super::{Known, RealTask, Reference};
use crate::{EngineError, EvaluationConfig};

/// Changes whenever a state has other things in it.
const FORM: u32 = 1;

impl Reference {
    /// All that is costly to find, for [`Shared`](crate::Shared) of another process.
    pub fn state(&self) -> State {
        let (mut state, summary) = (State::default(), &self.summary);
        state.put("form", FORM);
        state.put("classifier", &self.classifier_name);
        state.put("features", &summary.features);
        state.put("floors", &summary.floors);
        state.put("judge", (summary.judge.accuracy, summary.judge.n));
        state.put("judge_confusion", &summary.judge_confusion);
        for (k, RealTask { known, .. }) in self.tasks.iter().enumerate() {
            put(&mut state, &format!("task.{k}.features"), &known.described.features);
            // The classifier's own features have the judge's probabilities.
            if self.features.is_some() {
                put(&mut state, &format!("task.{k}.judged"), &known.judged);
            }
            if let Some(probabilities) = &known.described.class_probabilities {
                put(&mut state, &format!("task.{k}.probabilities"), probabilities);
            }
        }
        state
    }

    /// From what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of another classifier, other features or other images.
    pub(super) fn taken_up(
        classifier: Box<dyn FeatureExtractor>,
        features: Option<Box<dyn FeatureExtractor>>,
        stream: &Stream,
        evaluation: &EvaluationConfig,
        mut state: State,
    ) -> Result<Self, EngineError> {
        let mut reference = Self::without_images(classifier, features, stream, evaluation);
        let form: u32 = state.take("form")?;
        same("form", &form.to_string(), &FORM.to_string())?;
        same("classifier", &state.take::<String>("classifier")?, &reference.classifier_name)?;
        same("features", &state.take::<String>("features")?, &reference.summary.features)?;
        for (k, experience) in stream.experiences().iter().enumerate() {
            let (eval, n) = (&experience.eval, experience.eval.len());
            let features = matrix(&mut state, &format!("task.{k}.features"), n)?;
            let name = format!("task.{k}.probabilities");
            let probabilities = if state.has(&name) { Some(matrix(&mut state, &name, n)?) } else { None };
            let judged = match (&reference.features, &probabilities) {
                (None, Some(probabilities)) => probabilities.clone(),
                _ => matrix(&mut state, &format!("task.{k}.judged"), n)?,
            };
            let described = Described { features, class_probabilities: probabilities };
            let known = Known { described, judged, pixels: pixels(eval)?, labels: eval.labels() };
            reference.tasks.push(RealTask::new(eval, known));
        }
        let (accuracy, n) = state.take("judge")?;
        let summary = &mut reference.summary;
        summary.judge = Judge { accuracy, n };
        summary.judge_confusion = state.take("judge_confusion")?;
        summary.floors = state.take("floors")?;
        state.finish()?;
        Ok(reference)
    }
}

fn put(state: &mut State, name: &str, matrix: &FeatureMatrix) {
    let rows: Vec<f32> = (0..matrix.rows()).flat_map(|i| matrix.row(i).iter().copied()).collect();
    state.tensors.insert(name.to_owned(), TensorData::new(rows, [matrix.rows(), matrix.width()]));
}

fn matrix(state: &mut State, name: &str, rows: usize) -> Result<FeatureMatrix, EngineError> {
    let wrong = |problem: String| StrategyError::State { name: name.to_owned(), problem };
    let data = state.tensors.remove(name).ok_or_else(|| wrong("it is missing".into()))?;
    let &[found, width] = &data.shape[..] else {
        return Err(wrong("it is no matrix".into()).into());
    };
    if found != rows || width == 0 {
        return Err(wrong(format!("it has {found} rows of {width}: expected {rows} rows")).into());
    }
    let numbers = data.to_vec::<f32>().map_err(|_| wrong("its numbers are not f32".into()))?;
    Ok(FeatureMatrix::new(width, numbers)?)
}

fn same(name: &str, there: &str, here: &str) -> Result<(), StrategyError> {
    if there == here {
        return Ok(());
    }
    Err(StrategyError::State { name: name.to_owned(), problem: format!("it is {there}, here it is {here}") })
}
