//! Images as sequences of patches, and back.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};

use super::DiTConfig;
use crate::{
    Kernels,
    nn::{Conv2d, Initializer},
};

/// A linear map of each patch to a token, kept as the convolution that the published code has.
#[derive(Module, Debug)]
pub(super) struct PatchEmbed<B: Backend> {
    proj: Conv2d<B>,
}

impl<B: Kernels> PatchEmbed<B> {
    pub(super) fn new(config: &DiTConfig, init: &mut Initializer<B>) -> Self {
        let (c, p, width) = (config.in_channels, config.patch_size, config.hidden_size);
        let mut proj = Conv2d::new((c, width), p, init).with_stride(p, 0);
        // As a linear map: Xavier's bound over the numbers of a patch.
        proj.weight = init.xavier([width, c, p, p], c * p * p, width);
        proj.bias = init.constant([width], 0.0);
        Self { proj }
    }

    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, patches, hidden_size]`, row by row
    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        self.proj.forward(x).flatten::<3>(2, 3).swap_dims(1, 2)
    }
}

/// The sine-cosine embedding of a grid of positions: half of the numbers for the column, half for the row (in this
/// order, as in the published code, which has squares only), of each the sines first.
///
/// # Shapes
/// - output: `[1, rows * columns, width]`
pub(super) fn positions<B: Backend>(
    width: usize,
    [rows, columns]: [usize; 2],
    device: &B::Device,
) -> Tensor<B, 3> {
    let quarter = width / 4;
    let one = |position: usize| {
        let angle = move |i: usize| position as f64 / 10_000_f64.powf(i as f64 / quarter as f64);
        let sines = (0..quarter).map(move |i| angle(i).sin() as f32);
        sines.chain((0..quarter).map(move |i| angle(i).cos() as f32))
    };
    let tokens = rows * columns;
    let values: Vec<f32> = (0..tokens).flat_map(|p| one(p % columns).chain(one(p / columns))).collect();
    Tensor::from_data(TensorData::new(values, [1, tokens, width]), ddpm_kernels::floats_on::<B>(device))
}

/// From tokens that hold a patch each to the image.
///
/// # Shapes
/// - `x`: `[n, rows * columns, patch * patch * c]`; output: `[n, c, rows * patch, columns * patch]`
pub(super) fn unpatchify<B: Backend>(
    x: Tensor<B, 3>,
    [rows, columns]: [usize; 2],
    patch: usize,
) -> Tensor<B, 4> {
    let [n, _, numbers] = x.dims();
    let c = numbers / (patch * patch);
    let (height, width) = (rows * patch, columns * patch);
    x.reshape([n, rows, columns, patch, patch, c]).permute([0, 5, 1, 3, 2, 4]).reshape([n, c, height, width])
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    fn embedded(grid: [usize; 2]) -> Vec<f32> {
        positions::<Flex>(8, grid, &Default::default()).into_data().to_vec().unwrap()
    }

    /// A token is of 8 numbers, and a row of the larger grid of 4 tokens.
    #[test]
    fn a_position_has_the_same_embedding_in_every_grid() {
        let square = embedded([4, 4]);
        assert_eq!(embedded([2, 4]), square[..2 * 4 * 8]);
        let narrow: Vec<f32> = square.chunks(4 * 8).flat_map(|row| row[..2 * 8].to_vec()).collect();
        assert_eq!(embedded([4, 2]), narrow);
        // Column 1 in row 0: sin 1, sin 0.01, cos 1, cos 0.01, then those of 0.
        let first: [f32; 8] = [0.841_470_96, 0.009_999_833, 0.540_302_3, 0.999_95, 0.0, 0.0, 1.0, 1.0];
        assert!(square[8..16].iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", &square[8..16]);
    }

    #[test]
    fn patches_return_to_their_place_in_a_rectangle() {
        // An image of 2 rows and 4 columns: two patches side by side, each row by row.
        let values = vec![1.0_f32, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0];
        let tokens = Tensor::<Flex, 3>::from_data(TensorData::new(values, [1, 2, 4]), &Default::default());
        let wide = unpatchify(tokens.clone(), [1, 2], 2);
        assert_eq!(wide.dims(), [1, 1, 2, 4]);
        let values: Vec<f32> = wide.into_data().to_vec().unwrap();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let high = unpatchify(tokens, [2, 1], 2);
        assert_eq!(high.dims(), [1, 1, 4, 2]);
        let values: Vec<f32> = high.into_data().to_vec().unwrap();
        assert_eq!(values, [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
    }
}
