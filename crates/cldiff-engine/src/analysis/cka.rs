//! How alike the activations of the model are to those right after an earlier task, on that task's images, by block and
//! bin of timesteps.

use cl_metrics::representation::{CkaConfig, Gram, linear_cka};
use ddpm_core::{
    GaussianDiffusion, Network, TrainBackend,
    noise::{Key, NormalNoise, Purpose, indices},
};
use serde::{Deserialize, Serialize};

use super::{Analyst, Model, ModelOf, tell};
use crate::{CellObserver, Cost, EngineError};

const CKA: Purpose = Purpose::named("evaluation activations");
const CKA_IMAGES: Purpose = Purpose::named("images of the evaluation activations");

/// CKA with the model right after each earlier task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CkaTable {
    /// The blocks, by the names of their parameters, in the order of the forward pass.
    pub blocks: Vec<String>,
    /// `[j][block][bin]` for j < k: at the bin's middle timestep, on task j.
    pub values: Vec<Vec<Vec<Option<f64>>>>,
}

impl<B: TrainBackend> Analyst<'_, B> {
    /// Compares the model after experience `k` with those right after each earlier one.
    pub(super) fn cka(
        &self,
        config: &CkaConfig,
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<CkaTable, EngineError> {
        let mut table = CkaTable::default();
        for j in 0..k {
            let old = self.models[j].as_ref().expect("models are kept for this");
            let new = model(j)?;
            let mut by_block: Vec<Vec<Option<f64>>> = Vec::new();
            for bin in self.edges.windows(2) {
                let t = usize::midpoint(bin[0], bin[1] - 1);
                let before = self.grams(old, process, j, t, config.images);
                let after = self.grams(&new, process, j, t, config.images);
                by_block.resize_with(after.len(), Vec::new);
                for ((_, a), ((_, b), row)) in before.iter().zip(after.iter().zip(&mut by_block)) {
                    row.push(linear_cka(a, b, config.debiased));
                }
                table.blocks = after.into_iter().map(|(name, _)| name).collect();
                let passes = 2 * self.images_in(j, config.images);
                tell(passes, passes, k, observer, cost)?;
            }
            table.values.push(by_block);
        }
        Ok(table)
    }

    /// The products of each block's activations, on images of task `j` at timestep `t`.
    fn grams(
        &self,
        model: &Model<B>,
        process: &GaussianDiffusion,
        j: usize,
        t: usize,
        n: usize,
    ) -> Vec<(String, Gram)> {
        let (x_0, y) = self.images_of::<B::InnerBackend>(j, n, CKA_IMAGES);
        let ts = vec![t; x_0.dims()[0]];
        let eps = Key::new(0, CKA).experience(j).step(t).normal(0, x_0.dims(), self.device);
        let x_t = process.q_sample(x_0, &ts, eps);
        let mut grams = Vec::new();
        model.denoise_watched(x_t, indices(&ts, self.device), y, &mut |place, activation| {
            grams.push((place.to_owned(), Gram::of(activation)));
        });
        grams
    }
}
