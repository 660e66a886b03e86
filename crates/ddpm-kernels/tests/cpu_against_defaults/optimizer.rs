//! AdamW with the moving average, and sums of squares.

use burn::tensor::Tensor;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{AdamW, AdamWState, Kernels, floats_on};
use proptest::prelude::*;

use crate::common::{all_close, values};

/// Some steps of AdamW with a scale, and sums of squares.
fn adamw_steps<B: Kernels>(len: usize, adamw: AdamW) -> Vec<Vec<f64>> {
    let mut state = AdamWState::<B> {
        value: values([len], 1),
        moment_1: values::<B, 1>([len], 2) * 0.0,
        moment_2: values::<B, 1>([len], 2) * 0.0,
        average: values([len], 1),
    };
    let mut squares = Vec::new();
    for step in 1..4 {
        let scale = Tensor::full([1], 0.5, floats_on::<B>(&Default::default()));
        let grad = values::<B, 1>([len], 10 + step as u32);
        squares.push(B::sum_of_squares(grad.clone()).into_data().convert::<f64>().to_vec().unwrap()[0]);
        state = B::adamw(AdamW { step, ..adamw }, Some(scale), grad, state);
    }
    let AdamWState { value, moment_1, moment_2, average } = state;
    let arrays = [value, moment_1, moment_2, average];
    let mut found = arrays.map(|t| t.into_data().convert::<f64>().to_vec().unwrap()).to_vec();
    found.push(squares);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn steps_of_adamw_agree(len in 1_usize..70, weight_decay in 0.0_f32..0.3, average_weight in 0.0_f64..1.0) {
        let adamw = AdamW {
            learning_rate: 0.01, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay, step: 1, average_weight,
        };
        let expected = adamw_steps::<NdArray<f64>>(len, adamw);
        all_close(&adamw_steps::<Flex>(len, adamw), &expected, 1e-5)?;
        all_close(&adamw_steps::<NdArray<f32>>(len, adamw), &expected, 1e-5)?;
    }
}
