//! The changes that the adapters of past experiences made to the weights, and C-LoRA's penalty on changing these weights
//! again (Smith et al. 2023, arXiv 2304.06027): `lambda |S * D|^2` with S the sum of the past changes `up down`, D that of
//! the adapters in training, and `*` elementwise.

use burn::tensor::{Tensor, backend::Backend};

use crate::{State, StrategyError};

/// Sums over past experiences; empty while nothing needs them.
#[derive(Debug)]
pub(super) struct Past<I: Backend> {
    /// S of each adapted weight, flat, in the order of the model's parameters.
    changes: Vec<Tensor<I, 1>>,
}

impl<I: Backend> Past<I> {
    /// No adapters yet.
    pub fn empty() -> Self {
        Self { changes: Vec::new() }
    }

    /// Adds the changes that an experience made.
    pub fn add(&mut self, changes: impl Iterator<Item = Tensor<I, 1>>) {
        let past = std::mem::take(&mut self.changes);
        self.changes = if past.is_empty() {
            changes.collect()
        } else {
            past.into_iter().zip(changes).map(|(past, change)| past + change).collect()
        };
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
        self.changes.iter().map(|change| change.dims()[0] as u64).sum()
    }

    /// Adds itself to a state, if there is something.
    pub fn save(&self, state: &mut State) {
        if self.changes.is_empty() {
            return;
        }
        state.put("past", self.changes.len());
        for (i, change) in self.changes.iter().enumerate() {
            state.put_tensor(&format!("past.{i}"), change);
        }
    }

    /// Takes itself out of a state.
    pub fn restore(state: &mut State, device: &I::Device) -> Result<Self, StrategyError> {
        let number: usize = if state.has("past") { state.take("past")? } else { 0 };
        let changes = (0..number).map(|i| state.take_tensor(&format!("past.{i}"), device));
        Ok(Self { changes: changes.collect::<Result<_, _>>()? })
    }
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
        let mut state = State::default();
        past.save(&mut state);
        let restored = Past::<Flex>::restore(&mut state, &Default::default()).unwrap();
        state.finish().unwrap();
        assert_eq!(numbers(restored.changes), [vec![1.0, -2.0], vec![7.0]]);
    }
}
