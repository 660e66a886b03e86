//! PackNet (Mallya & Lazebnik 2018, arXiv 1711.05769, section 3): several tasks in one network, each in weights of its
//! own. An experience trains the weights that are free, prunes those of each layer whose magnitude is smallest, and trains
//! what is left again; then these weights are its own and never change, and the pruned ones are free for the next. A task
//! is asked with its own weights and those of the tasks before it, all others being zero.
//!
//! The optimiser and the moving average start anew with each experience and after pruning, whatever
//! `training.ema.at_experience` says: the free weights are zero then, and an average of theirs with those before would not be.
//!
//! As in the paper, biases and norms belong to the first experience. Deviation: the table of class embeddings is trained in
//! every experience and kept for each, since the paper has an output layer for each task in its place.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, TensorData, backend::Backend},
};
use cldiff_choices::Describe;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    parameters::{
        ParameterVector, gradients_from, parameter_names, take_gradients, with_inner_parameters,
        with_parameters,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable, shared::parts::is_class_embedding,
};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, TrainerConfig, check};

/// The owner of weights that no experience has taken.
const FREE: u8 = u8::MAX;

/// The options of PackNet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PacknetConfig {
    /// The share of an experience's free weights that it gives up.
    pub prune_share: f64,
    /// The share of an experience's steps that come after pruning.
    pub retrain_share: f64,
}

impl Default for PacknetConfig {
    fn default() -> Self {
        Self { prune_share: 0.5, retrain_share: 0.25 }
    }
}

impl Describe for PacknetConfig {
    const NAME: &'static str = "packnet";
    const SUMMARY: &'static str = "Separate weights for each task, found by pruning";
    const CITATION: &'static str = "Mallya & Lazebnik 2018, arXiv 1711.05769";
}

impl StrategyOptions for PacknetConfig {
    fn family(&self) -> Family {
        Family::Parameters
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Mallya & Lazebnik prune 0.5, then 0.75 of the weights, and retrain for 10 of 30 epochs (`run_all_sequence.sh`). A
        // longer stream needs more left free.
        const { &[Tunable::linear("prune_share", 0.3, 0.95), Tunable::linear("retrain_share", 0.1, 0.5)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::share("prune_share", self.prune_share)?;
        if (0.0..1.0).contains(&self.retrain_share) {
            return Ok(());
        }
        let expected = "expected 0 or more and below 1";
        Err(StrategyError::config("retrain_share", self.retrain_share, expected))
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        check_training(setting.training)
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for PacknetConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Packnet::<B::InnerBackend>::new(*self)?))
    }
}

/// Whether a training leaves the weights of finished experiences alone.
fn check_training(training: &TrainerConfig) -> Result<(), StrategyError> {
    let decay = training.optimizer.weight_decay;
    if decay == 0.0 {
        return Ok(());
    }
    let expected = "expected 0 with packnet: decay would change the weights of finished experiences";
    Err(StrategyError::training("optimizer.weight_decay", decay, expected))
}

/// The part that a parameter plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its weights are shared out among experiences.
    Packed,
    /// The first experience's.
    First,
    /// Trained in every experience, and kept for each.
    Each,
}

/// PackNet.
#[derive(Debug)]
pub struct Packnet<I: Backend> {
    config: PacknetConfig,
    /// For each parameter the experience that each of its weights belongs to.
    owners: Vec<Vec<u8>>,
    /// The last experience that has pruned. It may own nothing: no weight was free any more, or all were given up.
    pruned: Option<usize>,
    /// 1 where the experience that is going on may train, else 0.
    trainable: Option<ParameterVector<I>>,
    /// The weights of finished experiences, zero where they are free.
    packed: Option<ParameterVector<I>>,
    /// Of each finished experience, the parameters that every one has for itself.
    each: Vec<Vec<Tensor<I, 1>>>,
}

impl<I: Backend> Packnet<I> {
    /// PackNet before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: PacknetConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        let (owners, each) = (Vec::new(), Vec::new());
        Ok(Self { config, owners, pruned: None, trainable: None, packed: None, each })
    }

    /// 1 where `yes` of a parameter's part and a weight's owner, else 0.
    fn mask(
        &self,
        parts: &[Part],
        like: &ParameterVector<I>,
        yes: impl Fn(Part, u8) -> bool,
    ) -> ParameterVector<I> {
        let mask = |((part, owners), (id, value)): ((&Part, &Vec<u8>), (_, &Tensor<I, 1>))| {
            let ones: Vec<f32> = owners.iter().map(|&owner| f32::from(u8::from(yes(*part, owner)))).collect();
            (id, Tensor::from_data(&ones[..], ddpm_kernels::floats_on::<I>(&value.device())))
        };
        let all = parts.iter().zip(&self.owners).zip(like.entries());
        ParameterVector::from_entries(all.map(mask).collect())
    }

    /// The last experience that has weights of its own.
    fn last_owner(&self) -> Option<usize> {
        self.owners.iter().flatten().filter(|owner| **owner != FREE).max().map(|owner| usize::from(*owner))
    }

    /// Gives experience `k` the free weights of largest magnitude in each parameter, and leaves the others free.
    fn prune(&mut self, parts: &[Part], weights: &ParameterVector<I>, k: usize) {
        self.pruned = Some(k);
        for ((part, owners), (_, weights)) in parts.iter().zip(&mut self.owners).zip(weights.entries()) {
            let free: Vec<usize> = (0..owners.len()).filter(|&i| owners[i] == FREE).collect();
            let magnitudes: Vec<f32> = weights.to_data().iter::<f32>().map(f32::abs).collect();
            let mut ranked = free;
            ranked.sort_by(|&a, &b| magnitudes[b].total_cmp(&magnitudes[a]));
            let given_up = match part {
                Part::Packed => self.config.prune_share,
                Part::First => 0.0,
                Part::Each => 1.0,
            };
            // As in the reference code (`prune.py`): Python 3 rounds halves to even numbers.
            ranked.truncate(ranked.len() - (ranked.len() as f64 * given_up).round_ties_even() as usize);
            ranked.into_iter().for_each(|i| owners[i] = k as u8);
        }
    }

    /// The weights that some owners have, others zero; where every experience has its own, `each`.
    fn chosen(
        &self,
        parts: &[Part],
        weights: ParameterVector<I>,
        each: Option<&Vec<Tensor<I, 1>>>,
        yes: impl Fn(u8) -> bool,
    ) -> ParameterVector<I> {
        let mask = self.mask(parts, &weights, |part, owner| part == Part::Each || yes(owner));
        let masked = weights.zip(mask, |weight, mask| weight * mask);
        let mut each = each.into_iter().flatten();
        let entries = masked.into_entries().into_iter().zip(parts);
        let pick = |((id, value), part): ((_, Tensor<I, 1>), &Part)| match part {
            Part::Each => (id, each.next().cloned().unwrap_or(value)),
            Part::Packed | Part::First => (id, value),
        };
        ParameterVector::from_entries(entries.map(pick).collect())
    }
}

fn parts<B: Backend, M: burn::module::Module<B>>(model: &M) -> Vec<Part> {
    let part = |(name, shape): (String, Vec<usize>)| match shape.len() {
        _ if is_class_embedding(&name) => Part::Each,
        0 | 1 => Part::First,
        _ => Part::Packed,
    };
    parameter_names(model).into_iter().map(part).collect()
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Packnet<B::InnerBackend> {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        check_training(boundary.training)?;
        if boundary.k >= usize::from(FREE) {
            return Err(StrategyError::config("", boundary.k + 1, "expected at most 255 experiences"));
        }
        let theta = ParameterVector::of(&boundary.model.valid());
        if self.owners.is_empty() {
            self.owners = theta.entries().map(|(_, value)| vec![FREE; value.dims()[0]]).collect();
        }
        self.trainable = Some(self.mask(&parts(boundary.model), &theta, |_, owner| owner == FREE));
        Ok(())
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        let model = || boundary.model.clone();
        Ok(self.packed.clone().map(|packed| with_inner_parameters::<B, D>(model(), packed)))
    }

    fn replace(&mut self, boundary: &Boundary<'_, B, D>, _step: usize) -> Result<Option<D>, StrategyError> {
        // The steps before pruning have their share, but for the rounding of shares.
        let trained = boundary.progress >= 1.0 - self.config.retrain_share - 1e-9;
        if self.config.retrain_share == 0.0 || !trained || self.pruned == Some(boundary.k) {
            return Ok(None);
        }
        let (parts, theta) = (parts(boundary.model), ParameterVector::of(&boundary.model.valid()));
        let k = boundary.k as u8;
        self.prune(&parts, &theta, boundary.k);
        self.trainable = Some(self.mask(&parts, &theta, |part, owner| part == Part::Each || owner == k));
        let kept = self.chosen(&parts, theta, None, |owner| owner != FREE);
        Ok(Some(with_inner_parameters::<B, D>(boundary.model.clone(), kept)))
    }

    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let Some(trainable) = &self.trainable else { return Ok(grads) };
        let of_loss = take_gradients::<B, D>(step.model, &mut grads);
        let masked = of_loss.zip(trainable.clone(), |grad, mask| grad * mask);
        Ok(gradients_from::<B, D>(step.model, masked))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let (parts, average) = (parts(boundary.model), ParameterVector::of(&boundary.averaged()));
        if self.pruned != Some(boundary.k) {
            self.prune(&parts, &average, boundary.k);
        }
        let each = parts.iter().zip(average.entries()).filter(|(part, _)| **part == Part::Each);
        self.each.push(each.map(|(_, (_, value))| value.clone()).collect());
        self.packed = Some(self.chosen(&parts, average, None, |owner| owner != FREE));
        self.trainable = None;
        Ok(())
    }

    fn model_for(
        &self,
        task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        let Some((packed, each)) = self.packed.clone().zip(self.each.get(task)) else { return Ok(None) };
        let parts = parts(average);
        let weights = self.chosen(&parts, packed, Some(each), |owner| usize::from(owner) <= task);
        Ok(Some(with_parameters(average.clone(), weights)))
    }

    /// The owners, a byte each, count as a quarter of a number; and the embeddings of finished experiences.
    fn memory(&self) -> HeldMemory {
        let owners = self.owners.iter().map(Vec::len).sum::<usize>().div_ceil(4);
        let each: usize = self.each.iter().skip(1).flatten().map(|value| value.dims()[0]).sum();
        HeldMemory { buffer_bytes: 0, extra_parameters: (owners + each) as u64 }
    }

    fn save(&self, state: &mut State) {
        let owners: Vec<u8> = self.owners.iter().flatten().copied().collect();
        let count = owners.len();
        state.tensors.insert("owners".into(), TensorData::new(owners, [count]));
        state.put("pruned", self.pruned);
        state.put_vector("trainable", self.trainable.as_ref());
        state.put_vector("packed", self.packed.as_ref());
        state.put("each", self.each.iter().map(Vec::len).collect::<Vec<_>>());
        for (k, values) in self.each.iter().enumerate() {
            for (i, value) in values.iter().enumerate() {
                state.put_tensor(&format!("each.{k}.{i}"), value);
            }
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        let owners = state.tensors.remove("owners").map(|data| data.iter::<u8>().collect::<Vec<_>>());
        let mut owners = owners.unwrap_or_default().into_iter();
        let like = context.parameters();
        if owners.len() == like.len() {
            self.owners =
                like.entries().map(|(_, value)| owners.by_ref().take(value.dims()[0]).collect()).collect();
        } else if owners.len() > 0 {
            return Err(StrategyError::state("owners", "there is not one for each parameter of the model"));
        }
        // States of before this was kept do not say: there the last owner has pruned.
        self.pruned = if state.has("pruned") { state.take("pruned")? } else { self.last_owner() };
        self.trainable = state.take_vector("trainable", &like)?;
        self.packed = state.take_vector("packed", &like)?;
        for (k, count) in state.take::<Vec<usize>>("each")?.into_iter().enumerate() {
            let value = |i| state.take_tensor(&format!("each.{k}.{i}"), context.device);
            self.each.push((0..count).map(value).collect::<Result<_, _>>()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;
    use crate::test_support::{B, Fixture, Line, line};

    fn vector(values: &[&[f32]]) -> ParameterVector<Flex> {
        let device = Default::default();
        let entry = |values: &&[f32]| (burn::module::ParamId::new(), Tensor::from_floats(*values, &device));
        ParameterVector::from_entries(values.iter().map(entry).collect())
    }

    /// Of eight free weights half stay with the first experience, those of largest magnitude; of the four that are left half
    /// are the second one's, whatever became of the first one's. Of three weights two are given up, 1.5 rounded, and one of
    /// these two by the second experience.
    #[test]
    fn the_weights_of_largest_magnitude_are_kept() {
        let mut packnet = Packnet::<Flex>::new(PacknetConfig::default()).unwrap();
        packnet.owners = vec![vec![FREE; 8], vec![FREE; 2], vec![FREE; 2], vec![FREE; 3]];
        let parts = [Part::Packed, Part::First, Part::Each, Part::Packed];
        let first = vector(&[
            &[0.1, -0.9, 0.5, -0.2, 0.0, 0.7, -0.4, 0.3],
            &[0.0, 0.1],
            &[5.0, 6.0],
            &[-0.3, 0.1, 0.2],
        ]);
        packnet.prune(&parts, &first, 0);
        let free = FREE;
        assert_eq!(packnet.owners[0], [free, 0, 0, free, free, 0, 0, free]);
        assert_eq!(packnet.owners[1..], [vec![0, 0], vec![free, free], vec![0, free, free]]);
        assert_eq!(packnet.pruned, Some(0));
        let second = vector(&[
            &[0.1, 9.0, 9.0, -0.8, 0.2, 9.0, 9.0, -0.3],
            &[9.0, 9.0],
            &[5.0, 6.0],
            &[9.0, 0.1, 9.0],
        ]);
        packnet.prune(&parts, &second, 1);
        assert_eq!(packnet.pruned, Some(1));
        assert_eq!(packnet.owners[0], [free, 0, 0, 1, free, 0, 0, 1]);
        assert_eq!(packnet.owners[3], [0, free, 1]);
        // The second task is asked with its own weights and the first one's; the first with its own alone.
        let of_task =
            |task: u8| packnet.chosen(&parts, second.clone(), None, |owner| owner <= task).to_floats();
        assert_eq!(of_task(0)[..8], [0.0, 9.0, 9.0, 0.0, 0.0, 9.0, 9.0, 0.0]);
        assert_eq!(of_task(1)[..8], [0.0, 9.0, 9.0, -0.8, 0.0, 9.0, 9.0, -0.3]);
        // Where every experience has its own, nobody owns them and all see them.
        assert_eq!(of_task(0)[10..12], [5.0, 6.0]);
    }

    /// A quarter of eight weights stays where three quarters are given up: the share is the one that is given up.
    #[test]
    fn the_share_is_what_is_given_up() {
        let mut packnet =
            Packnet::<Flex>::new(PacknetConfig { prune_share: 0.75, ..PacknetConfig::default() }).unwrap();
        packnet.owners = vec![vec![FREE; 8]];
        packnet.prune(&[Part::Packed], &vector(&[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]), 0);
        assert_eq!(packnet.owners[0], [FREE, FREE, FREE, FREE, FREE, FREE, 0, 0]);
    }

    /// Seven of ten weights are given up at 0.7, although 1 - 0.7 is a little more than 0.3 in floating point. Halves are
    /// rounded to even numbers: 2.5 to 2, 1.5 to 2 and 0.5 to 0.
    #[test]
    fn the_number_that_is_given_up_is_rounded() {
        for (prune_share, count, kept) in
            [(0.7, 10, 3), (0.3, 10, 7), (0.74, 10, 3), (0.5, 5, 3), (0.5, 3, 1), (0.5, 1, 1), (1.0, 4, 0)]
        {
            let config = PacknetConfig { prune_share, ..PacknetConfig::default() };
            let mut packnet = Packnet::<Flex>::new(config).unwrap();
            packnet.owners = vec![vec![FREE; count]];
            let weights: Vec<f32> = (0..count).map(|i| i as f32).collect();
            packnet.prune(&[Part::Packed], &vector(&[&weights]), 0);
            let expected = [vec![FREE; count - kept], vec![0; kept]].concat();
            assert_eq!(packnet.owners[0], expected, "{prune_share} of {count}");
        }
    }

    /// Nothing is given up, or everything: the first leaves no weight to the second experience, the other gives none to
    /// either. Each has pruned all the same.
    #[test]
    fn an_experience_has_pruned_whatever_it_owns() {
        for (prune_share, owners) in [(0.0, [0; 4]), (1.0, [FREE; 4])] {
            let config = PacknetConfig { prune_share, ..PacknetConfig::default() };
            let mut packnet = Packnet::<Flex>::new(config).unwrap();
            packnet.owners = vec![vec![FREE; 4]];
            for k in 0..2 {
                assert_ne!(packnet.pruned, Some(k));
                packnet.prune(&[Part::Packed], &vector(&[&[1.0, 2.0, 3.0, 4.0]]), k);
                assert_eq!((packnet.pruned, &packnet.owners[0][..]), (Some(k), &owners[..]));
            }
        }
    }

    /// A copy by way of its state, which `change` changes.
    fn restored(packnet: &Packnet<Flex>, change: impl FnOnce(&mut State)) -> Packnet<Flex> {
        let (mut state, fixture) = (State::default(), Fixture::new());
        Strategy::<B, Line<B>>::save(packnet, &mut state);
        change(&mut state);
        let mut copy = Packnet::new(packnet.config).unwrap();
        let context = Restore {
            model: &line(0.5),
            training: &fixture.training,
            data: &fixture.experience.train,
            device: &Default::default(),
        };
        Strategy::<B, Line<B>>::restore(&mut copy, &mut state, &context).unwrap();
        state.finish().unwrap();
        copy
    }

    /// Whether each of five steps begins with another model, the last three after the share of steps before pruning; the strategy is
    /// restored from its state after each.
    fn replaced(packnet: &mut Packnet<Flex>, k: usize) -> [bool; 5] {
        let (fixture, model) = (Fixture::new(), line(0.5));
        let at = |progress| Boundary { k, progress, ..fixture.boundary(&model) };
        Strategy::<B, Line<B>>::before_experience(packnet, &at(0.0)).unwrap();
        let replaced = [0.0, 0.7, 0.75, 0.8, 0.95].map(|progress| {
            let other = Strategy::<B, Line<B>>::replace(packnet, &at(progress), 0).unwrap();
            *packnet = restored(packnet, |_| ());
            other.is_some()
        });
        Strategy::<B, Line<B>>::after_experience(packnet, &at(1.0)).unwrap();
        replaced
    }

    /// The parameter of a line is the first experience's, so that the second owns nothing: it prunes once all the same. A
    /// state of before the number was kept says who owns weights.
    #[test]
    fn an_experience_prunes_once_also_after_its_state_was_restored() {
        let mut packnet = Packnet::<Flex>::new(PacknetConfig::default()).unwrap();
        for k in 0..2 {
            assert_eq!(replaced(&mut packnet, k), [false, false, true, false, false], "{k}");
            assert_eq!(packnet.pruned, Some(k));
        }
        let old = restored(&packnet, |state| {
            state.values.remove("pruned");
        });
        assert_eq!((old.pruned, old.owners), (Some(0), vec![vec![0]]));
    }
}
