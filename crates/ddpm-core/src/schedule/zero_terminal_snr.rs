//! Rescaling to zero terminal signal-to-noise ratio (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps
//! are Flawed", algorithm 1): what is sampled from, pure noise, is then what the last timestep was trained on.

/// Betas whose last alphas_cumprod is 0 and whose first is that of `betas`.
///
/// A model of such a process cannot predict epsilon at its last timestep, where x_t says nothing of x_0: use
/// [`VPrediction`](crate::diffusion::Prediction::VPrediction) or [`Sample`](crate::diffusion::Prediction::Sample).
pub fn rescale_zero_terminal_snr(betas: &[f64]) -> Vec<f64> {
    let roots: Vec<f64> = betas
        .iter()
        .scan(1.0, |product, beta| {
            *product *= 1.0 - beta;
            Some(f64::sqrt(*product))
        })
        .collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else { return Vec::new() };
    let alphas_cumprod = roots.iter().map(|root| ((root - last) * first / (first - last)).powi(2));
    alphas_cumprod
        .scan(1.0, |previous, abar| {
            let alpha = abar / *previous;
            *previous = abar;
            Some(1.0 - alpha)
        })
        .collect()
}
