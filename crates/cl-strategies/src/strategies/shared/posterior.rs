//! How far one model's next step is from another's: KL(p_1(x_{t-1} | x_t) || p_2(x_{t-1} | x_t)) of two Gaussians with the
//! means and log-variances of their own models, x_0 unclipped (as `normal_kl` of guided-diffusion and its descendants).

use burn::tensor::Tensor;
use ddpm_core::{GaussianDiffusion, Kernels, diffusion::Denoised};

/// The divergence from the first model's step to the second's, the mean over dimensions, in bits.
///
/// # Shapes
/// - `x_t`: `[n, c, h, w]`, `t`: n timesteps, then what two models answer there; result: `[n]`
pub(crate) fn divergence<B: Kernels>(
    process: &GaussianDiffusion,
    x_t: &Tensor<B, 4>,
    t: &[usize],
    [first, second]: [Denoised<B>; 2],
) -> Tensor<B, 1> {
    let of = |Denoised { x_0, log_variance }: Denoised<B>| {
        (process.posterior_mean(x_0, x_t.clone(), t), log_variance.tensor(&x_t.device()))
    };
    let ((mean_1, log_variance_1), (mean_2, log_variance_2)) = (of(first), of(second));
    let (ratio, apart) = (log_variance_1 - log_variance_2.clone(), mean_1 - mean_2);
    let squares = apart.clone() * apart * log_variance_2.neg().exp();
    let nats = (squares + ratio.clone().exp() - ratio - 1.0).mul_scalar(0.5);
    nats.flatten::<2>(1, 3).mean_dim(1).squeeze_dim::<1>(1).div_scalar(std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::Flex;
    use ddpm_core::{ProcessConfig, diffusion::Variance};
    use serde::Deserialize;

    use super::*;

    /// Made by `tools/golden/partial_sampling.py` with the code of KamilDeja/analysing_ddgm.
    #[derive(Deserialize)]
    struct Fixture {
        shape: [usize; 4],
        t: Vec<usize>,
        x_t: Vec<f32>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        variance: Variance,
        teacher: Vec<f32>,
        student: Vec<f32>,
        bits: Vec<f64>,
    }

    #[test]
    fn the_divergence_is_that_of_the_reference_for_every_variance() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../tests/fixtures/partial_sampling.json")).unwrap();
        assert_eq!(fixture.cases.len(), 3);
        for Case { variance, teacher, student, bits } in fixture.cases {
            let process = ProcessConfig { variance, ..ProcessConfig::default() }.build().unwrap();
            let [n, c, h, w] = fixture.shape;
            let tensor = |values: &[f32]| {
                let shape = [n, values.len() / (n * h * w), h, w];
                Tensor::<Flex, 4>::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
            };
            let x_t = tensor(&fixture.x_t);
            assert_eq!(x_t.dims(), [n, c, h, w]);
            let answers = [tensor(&teacher), tensor(&student)]
                .map(|output| process.interpret(x_t.clone(), &fixture.t, output));
            let found = divergence(&process, &x_t, &fixture.t, answers);
            for ((found, expected), t) in found.into_data().iter::<f64>().zip(&bits).zip(&fixture.t) {
                let error = (found - expected).abs();
                assert!(error < 1e-3 * expected, "{variance:?}, t = {t}: {found} for {expected}");
            }
        }
    }
}
