//! A table of vectors looked up by index, PyTorch's `nn.Embedding`.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, backend::Backend},
};

use super::Initializer;

/// A table of `rows` vectors; `weight` is `[rows, d]`.
#[derive(Module, Debug)]
pub struct Embedding<B: Backend> {
    /// `[rows, d]`
    pub weight: Param<Tensor<B, 2>>,
}

impl<B: Backend> Embedding<B> {
    /// A table of `rows` vectors of `d` numbers.
    pub fn new(rows: usize, d: usize, init: &mut Initializer<B>) -> Self {
        Self { weight: init.normal([rows, d]) }
    }

    /// # Shapes
    /// - `index`: `[n]`, each below the number of rows; output: `[n, d]`
    pub fn forward(&self, index: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        self.weight.val().select(0, index)
    }
}
