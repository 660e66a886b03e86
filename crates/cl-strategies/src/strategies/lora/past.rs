//! The changes that the adapters of past experiences made to the weights, for
//!
//! - C-LoRA's penalty on changing these weights again (Smith et al. 2023, arXiv 2304.06027): `lambda |S * D|^2` with S the
//!   sum of the past changes `up down`, D that of the adapters in training, and `*` elementwise;
//! - merging by magnitude (Staniszewski et al. 2024, arXiv 2410.04891; code: luk-st/continual-lora, `merge_max_abs`): of
//!   each weight the change whose magnitude is larger, of the past's and the new one; the new one where they are equal;
//! - adapters that start [across](super::orthogonal) the sum of the past `down`, as that code adds them up.

use burn::tensor::{Tensor, backend::Backend};

use crate::{State, StrategyError};

/// Sums over past experiences; empty while nothing needs them.
#[derive(Debug)]
pub(super) struct Past<I: Backend> {
    /// S, or the larger change, of each adapted weight, flat, in the order of the model's parameters.
    changes: Vec<Tensor<I, 1>>,
    /// The sum of the `down` of each adapter.
    downs: Vec<Tensor<I, 2>>,
}

impl<I: Backend> Past<I> {
    /// No adapters yet.
    pub fn empty() -> Self {
        Self { changes: Vec::new(), downs: Vec::new() }
    }

    /// Adds the changes that an experience made.
    pub fn add(&mut self, changes: impl Iterator<Item = Tensor<I, 1>>) {
        add(&mut self.changes, changes);
    }

    /// Adds the `down` of an experience's adapters.
    pub fn add_downs(&mut self, downs: impl Iterator<Item = Tensor<I, 2>>) {
        add(&mut self.downs, downs);
    }

    /// The sums of the past `down`; empty where there is no past.
    pub fn downs(&self) -> &[Tensor<I, 2>] {
        &self.downs
    }

    /// Keeps of each number the change of the larger magnitude; returns what that adds to the weights, which have the
    /// past changes already.
    pub fn keep_larger(&mut self, changes: impl Iterator<Item = Tensor<I, 1>>) -> Vec<Tensor<I, 1>> {
        if self.changes.is_empty() {
            self.changes = changes.collect();
            return self.changes.clone();
        }
        let keep = |(past, change): (&mut Tensor<I, 1>, Tensor<I, 1>)| {
            let larger = change.clone().abs().greater_equal(past.clone().abs());
            let kept = past.clone().mask_where(larger, change);
            let before = std::mem::replace(past, kept.clone());
            kept - before
        };
        self.changes.iter_mut().zip(changes).map(keep).collect()
    }

    /// The gradient of the penalty in D, `2 lambda S * S * D`, for each adapted weight; empty where there is no past.
    pub fn pulls(&self, changes: impl Iterator<Item = Tensor<I, 1>>, lambda: f64) -> Vec<Tensor<I, 1>> {
        let pull = |(past, change): (&Tensor<I, 1>, Tensor<I, 1>)| {
            past.clone() * past.clone() * change.mul_scalar(2.0 * lambda)
        };
        self.changes.iter().zip(changes).map(pull).collect()
    }

    /// The numbers held.
    pub fn len(&self) -> u64 {
        let changes = self.changes.iter().map(|change| change.dims()[0] as u64).sum::<u64>();
        let downs = self.downs.iter().map(|down| down.dims().iter().product::<usize>() as u64).sum::<u64>();
        changes + downs
    }

    /// Adds itself to a state.
    pub fn save(&self, state: &mut State) {
        put(state, "past", &self.changes);
        put(state, "past_down", &self.downs);
    }

    /// Takes itself out of a state.
    pub fn restore(state: &mut State, device: &I::Device) -> Result<Self, StrategyError> {
        Ok(Self { changes: take(state, "past", device)?, downs: take(state, "past_down", device)? })
    }
}

/// Adds tensor by tensor to sums, which are empty at first.
fn add<I: Backend, const D: usize>(
    sums: &mut Vec<Tensor<I, D>>,
    tensors: impl Iterator<Item = Tensor<I, D>>,
) {
    let past = std::mem::take(sums);
    *sums = if past.is_empty() {
        tensors.collect()
    } else {
        past.into_iter().zip(tensors).map(|(past, tensor)| past + tensor).collect()
    };
}

/// Adds tensors to a state, if there are any.
fn put<I: Backend, const D: usize>(state: &mut State, name: &str, tensors: &[Tensor<I, D>]) {
    if tensors.is_empty() {
        return;
    }
    state.put(name, tensors.len());
    for (i, tensor) in tensors.iter().enumerate() {
        state.put_tensor(&format!("{name}.{i}"), tensor);
    }
}

/// Takes tensors out of a state, none if there are none.
fn take<I: Backend, const D: usize>(
    state: &mut State,
    name: &str,
    device: &I::Device,
) -> Result<Vec<Tensor<I, D>>, StrategyError> {
    let number: usize = if state.has(name) { state.take(name)? } else { 0 };
    (0..number).map(|i| state.take_tensor(&format!("{name}.{i}"), device)).collect()
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    fn vector(values: &[f32]) -> Tensor<Flex, 1> {
        Tensor::from_floats(values, &Default::default())
    }

    fn numbers(tensors: Vec<Tensor<Flex, 1>>) -> Vec<Vec<f32>> {
        tensors.into_iter().map(|tensor| tensor.into_data().to_vec().unwrap()).collect()
    }

    /// S = (1, -2) + (0.5, 0) = (1.5, -2) and (4); with D = (2, -1), (0.25) and lambda = 0.5 the gradient is S^2 D =
    /// (4.5, -4) and (4).
    #[test]
    fn changes_add_up_and_pull_where_they_meet() {
        let mut past = Past::empty();
        let change = || vec![vector(&[2.0, -1.0]), vector(&[0.25])].into_iter();
        assert!(past.pulls(change(), 0.5).is_empty());
        past.add(vec![vector(&[1.0, -2.0]), vector(&[1.0])].into_iter());
        past.add(vec![vector(&[0.5, 0.0]), vector(&[3.0])].into_iter());
        assert_eq!(numbers(past.pulls(change(), 0.5)), [vec![4.5, -4.0], vec![4.0]]);
        assert_eq!(past.len(), 3);
    }

    #[test]
    fn the_sums_are_those_of_the_state() {
        let mut past = Past::<Flex>::empty();
        past.add(vec![vector(&[1.0, -2.0]), vector(&[7.0])].into_iter());
        let down = Tensor::from_floats([[3.0], [4.0]], &Default::default());
        past.add_downs(vec![down].into_iter());
        assert_eq!(past.len(), 5);
        let mut state = State::default();
        past.save(&mut state);
        let restored = Past::<Flex>::restore(&mut state, &Default::default()).unwrap();
        state.finish().unwrap();
        assert_eq!(numbers(restored.changes), [vec![1.0, -2.0], vec![7.0]]);
        assert_eq!(restored.downs[0].dims(), [2, 1]);
        assert_eq!(restored.downs[0].to_data().to_vec::<f32>().unwrap(), [3.0, 4.0]);
    }

    /// Of (1, -3, 2, 0) and (-1, 2, 2.5, 0.125) stay (-1, -3, 2.5, 0.125), which adds (-2, 0, 0.5, 0.125); a third one of
    /// (-0.5, 4, 0, 0) then adds 7 to the second number.
    #[test]
    fn the_larger_change_stays() {
        let mut past = Past::empty();
        let mut keep = |change: [f32; 4]| {
            let added = numbers(past.keep_larger(std::iter::once(vector(&change)))).remove(0);
            (added, past.changes[0].to_data().to_vec::<f32>().unwrap())
        };
        let first = [1.0, -3.0, 2.0, 0.0];
        assert_eq!(keep(first), (first.to_vec(), first.to_vec()));
        let (added, kept) = keep([-1.0, 2.0, 2.5, 0.125]);
        assert_eq!(added, [-2.0, 0.0, 0.5, 0.125]);
        assert_eq!(kept, [-1.0, -3.0, 2.5, 0.125]);
        let (added, kept) = keep([-0.5, 4.0, 0.0, 0.0]);
        assert_eq!(added, [0.0, 7.0, 0.0, 0.0]);
        assert_eq!(kept, [-1.0, 4.0, 2.5, 0.125]);
    }

    /// (1, 2) + (3, -1)
    #[test]
    fn downs_add_up() {
        let mut past = Past::<Flex>::empty();
        for row in [[1.0, 2.0], [3.0, -1.0]] {
            past.add_downs(std::iter::once(Tensor::from_floats([row], &Default::default())));
        }
        assert_eq!(past.downs()[0].to_data().to_vec::<f32>().unwrap(), [4.0, 1.0]);
    }
}
