//! Gradient episodic memory (Lopez-Paz & Ranzato 2017, arXiv 1706.08840, equations 8 to 11).
//!
//! The gradient is moved as little as possible so that it points against that of no past experience. With the
//! gradients on the stored images of each as the rows of G, that is g + G^T v, where v >= 0 minimises
//! 1/2 v^T G G^T v + g^T G^T v; the margin raises the bound of v. The problem has one unknown for each past experience
//! and is solved on the host.
//!
//! As in the reference code (facebookresearch/GradientEpisodicMemory), each gradient is that on the whole memory of its
//! experience, and v >= margin; `batch_size` draws some images of it in each step instead. Deviation: nothing is added to the
//! diagonal of G G^T, where the code adds 1e-3.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::Purpose,
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions, Tunable};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, buffer, check};

const MEMORY: Purpose = Purpose::named("episodic memory");
const REFERENCE: Purpose = Purpose::named("gradients of the memory");

/// Sweeps over the unknowns, at most; they converge geometrically.
const SWEEPS: usize = 10_000;

/// The options of GEM.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GemConfig {
    /// Images kept of each experience.
    pub per_experience: usize,
    /// Stored images of each experience in each step; all of them if absent.
    pub batch_size: Option<usize>,
    /// The least v: above 0, a step favours past experiences even where it does not harm them.
    pub margin: f64,
}

impl Default for GemConfig {
    fn default() -> Self {
        Self { per_experience: 40, batch_size: None, margin: 0.5 }
    }
}

impl Describe for GemConfig {
    const NAME: &'static str = "gem";
    const SUMMARY: &'static str = "Gradients projected so that they oppose no past experience's gradient";
    const CITATION: &'static str = "Lopez-Paz & Ranzato 2017, arXiv 1706.08840";
}

impl StrategyOptions for GemConfig {
    fn family(&self) -> Family {
        Family::Gradient
    }

    fn tunables(&self) -> &'static [Tunable] {
        // The authors' `run_experiments.sh` has 0.5, Mammoth (`utils/best_args.py`) 0.5 and 1.
        const { &[Tunable::linear("margin", 0.0, 2.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_1("per_experience", self.per_experience)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::at_least_0("margin", self.margin)
    }

    fn needs(&self) -> Needs {
        Needs::looking_back()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for GemConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Gem::new(*self)?))
    }
}

/// GEM.
#[derive(Debug)]
pub struct Gem {
    config: GemConfig,
    memories: Vec<ImageDataset>,
}

impl Gem {
    /// GEM with nothing in memory.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: GemConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, memories: Vec::new() })
    }
}

/// The v >= margin that minimises 1/2 v^T P v + q^T v, by exact minimisation in one unknown after another (Hildreth
/// 1957); P is symmetric and positive semidefinite, row after row.
pub fn minimise(p: &[f64], q: &[f64], margin: f64) -> Vec<f64> {
    let n = q.len();
    let mut v = vec![margin; n];
    for _ in 0..SWEEPS {
        let mut change = 0.0_f64;
        for i in 0..n {
            let slope = q[i] + (0..n).map(|j| p[i * n + j] * v[j]).sum::<f64>();
            let curvature = p[i * n + i];
            if curvature <= 0.0 {
                continue;
            }
            let moved = (v[i] - slope / curvature).max(margin);
            change = change.max((moved - v[i]).abs());
            v[i] = moved;
        }
        if change <= 1e-12 * (1.0 + v.iter().fold(0.0_f64, |a, b| a.max(b.abs()))) {
            break;
        }
    }
    v
}

/// The gradient, moved where it points against one of the others.
fn project<I: Backend>(
    g: ParameterVector<I>,
    past: &[ParameterVector<I>],
    margin: f64,
) -> ParameterVector<I> {
    let number = |a: &ParameterVector<I>, b: &ParameterVector<I>| {
        a.dot(b).into_data().convert::<f64>().iter::<f64>().next().unwrap_or(f64::NAN)
    };
    let q: Vec<f64> = past.iter().map(|past| number(past, &g)).collect();
    if q.iter().all(|along| *along >= 0.0) {
        return g;
    }
    let p: Vec<f64> =
        past.iter().flat_map(|a| past.iter().map(move |b| (a, b))).map(|(a, b)| number(a, b)).collect();
    let v = minimise(&p, &q, margin);
    past.iter().zip(v).fold(g, |g, (past, v)| g.plus(past.clone(), v))
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Gem {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        if self.memories.is_empty() {
            return Ok(grads);
        }
        let past: Vec<_> = self
            .memories
            .iter()
            .enumerate()
            .map(|(k, memory)| {
                let positions = match self.config.batch_size {
                    None => (0..memory.len()).collect(),
                    Some(n) => buffer::draw(memory.len(), n, step.key.within(MEMORY).experience(k)),
                };
                let purpose = REFERENCE.numbered(k);
                let loss = step.loss_on(&step.noisy(memory, &positions, purpose));
                let mut grads = GradientsParams::from_grads(loss.backward(), step.model);
                take_gradients::<B, D>(step.model, &mut grads)
            })
            .collect();
        let g = take_gradients::<B, D>(step.model, &mut grads);
        Ok(gradients_from::<B, D>(step.model, project(g, &past, self.config.margin)))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.memories = self.memories.iter().map(|memory| buffer::without(memory, classes)).collect();
        self.memories.retain(|memory| !memory.is_empty());
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        if boundary.experience.is_removal() {
            return Ok(());
        }
        let data = &boundary.experience.train;
        let n = self.config.per_experience.min(data.len());
        self.memories.push(data.select(&boundary.draw(n, MEMORY)));
        Ok(())
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        if self.memories.is_empty() {
            return Ok(None);
        }
        Ok(Some(ImageDataset::concat(&self.memories.iter().collect::<Vec<_>>())?))
    }

    fn memory(&self) -> HeldMemory {
        let bytes = self.memories.iter().map(|memory| (memory.len() * memory.shape().len()) as u64).sum();
        HeldMemory { buffer_bytes: bytes, extra_parameters: 0 }
    }

    fn save(&self, state: &mut State) {
        state.put("experiences", self.memories.len());
        for (k, memory) in self.memories.iter().enumerate() {
            state.put_images(&format!("memory.{k}"), Some(memory));
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        for k in 0..state.take("experiences")? {
            self.memories.extend(state.take_images(&format!("memory.{k}"), context.data)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The conditions that the solution of a convex problem fulfils, and nothing else does (Karush, Kuhn & Tucker).
        #[test]
        fn the_solution_is_a_solution(rows in prop::collection::vec(prop::collection::vec(-1.0_f64..1.0, 6), 1..5),
                                      g in prop::collection::vec(-1.0_f64..1.0, 6), margin in 0.0_f64..0.6) {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let q: Vec<f64> = rows.iter().map(|row| dot(row, &g)).collect();
            let p: Vec<f64> = rows.iter().flat_map(|a| rows.iter().map(move |b| dot(a, b))).collect();
            let v = minimise(&p, &q, margin);
            for i in 0..v.len() {
                let slope = q[i] + (0..v.len()).map(|j| p[i * v.len() + j] * v[j]).sum::<f64>();
                prop_assert!(v[i] >= margin);
                prop_assert!(slope >= -1e-6, "v[{i}] should grow: its slope is {slope}");
                prop_assert!((v[i] - margin) * slope < 1e-6, "v[{i}] should shrink: its slope is {slope}");
            }
        }
    }
}
