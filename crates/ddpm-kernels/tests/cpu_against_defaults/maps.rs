//! Upsampling and concatenation of feature maps.

use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::TrainBackend;
use proptest::prelude::*;

use crate::common::{all_close, numbers, values};

/// Upsampling and concatenation, with gradients; by the kernels or by Burn.
fn moving_pass<B: TrainBackend>(shape: [usize; 5], ours: bool) -> Vec<Vec<f64>> {
    let [n, c_a, c_b, h, w] = shape;
    let a = values::<B, 4>([n, c_a, h, w], 1).require_grad();
    let b = values::<B, 4>([n, c_b, 2 * h, 2 * w], 2).require_grad();
    let y = if ours {
        B::concat_channels(B::upsample_nearest_2x(a.clone()), b.clone())
    } else {
        let rows = a.clone().reshape([n, c_a, h, 1, w, 1]).repeat_dim(3, 2).repeat_dim(5, 2);
        Tensor::cat(vec![rows.reshape([n, c_a, 2 * h, 2 * w]), b.clone()], 1)
    };
    let grads = (y.clone() * values(y.dims(), 3)).sum().backward();
    let mut found = vec![numbers(y.into_data())];
    found.extend([a, b].map(|t| numbers(t.grad(&grads).unwrap().into_data())));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn upsampling_and_concatenation_agree(
        n in 1_usize..4, c_a in 1_usize..5, c_b in 1_usize..5, h in 1_usize..6, w in 1_usize..6,
    ) {
        let shape = [n, c_a, c_b, h, w];
        let expected = moving_pass::<Autodiff<NdArray<f64>>>(shape, false);
        all_close(&moving_pass::<Autodiff<NdArray<f64>>>(shape, true), &expected, 1e-6)?;
        all_close(&moving_pass::<Autodiff<Flex>>(shape, true), &expected, 1e-6)?;
        all_close(&moving_pass::<Autodiff<NdArray<f32>>>(shape, true), &expected, 1e-6)?;
    }
}
