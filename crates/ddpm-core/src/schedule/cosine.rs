//! The cosine schedule (Nichol & Dhariwal 2021, equation 17), diffusers' `squaredcos_cap_v2`.

use std::f64::consts::FRAC_PI_2;

/// The paper's offset s, which keeps the first betas from vanishing.
const OFFSET: f64 = 0.008;

/// beta_t = 1 - f((t+1)/T) / f(t/T), at most `max_beta`, with f(u) = cos^2((u + s) / (1 + s) pi/2).
pub(super) fn squaredcos_cap_v2(max_beta: f64, timesteps: usize) -> Vec<f64> {
    let f = |i: usize| {
        let u = i as f64 / timesteps as f64;
        ((u + OFFSET) / (1.0 + OFFSET) * FRAC_PI_2).cos().powi(2)
    };
    (0..timesteps).map(|t| (1.0 - f(t + 1) / f(t)).min(max_beta)).collect()
}
