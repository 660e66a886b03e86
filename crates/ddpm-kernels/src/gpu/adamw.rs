//! AdamW and the moving average, each number read and written once.

use cubecl::prelude::*;

/// One step, in place; gradients are multiplied by the number in `scale` first.
///
/// The formula is that of [`AdamW::factors`](crate::AdamW::factors).
#[cube(launch, address_type = "dynamic")]
pub fn adamw_step<N: Size>(
    grad: &Array<Vector<f32, N>>,
    scale: &Array<f32>,
    value: &mut Array<Vector<f32, N>>,
    moment_1: &mut Array<Vector<f32, N>>,
    moment_2: &mut Array<Vector<f32, N>>,
    average: &mut Array<Vector<f32, N>>,
    beta_1: f32,
    beta_2: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
    keep: f32,
    weight: f32,
) {
    let at = ABSOLUTE_POS;
    if at >= grad.len() {
        terminate!();
    }
    let g = grad[at] * Vector::new(scale[0]);
    let first = moment_1[at] * Vector::new(beta_1) + g * Vector::new(1.0 - beta_1);
    let second = moment_2[at] * Vector::new(beta_2) + g * g * Vector::new(1.0 - beta_2);
    let divisor = second.sqrt() * Vector::new(root) + Vector::new(epsilon);
    let new = value[at] * Vector::new(keep) - first * Vector::new(rate) / divisor;
    moment_1[at] = first;
    moment_2[at] = second;
    value[at] = new;
    let old = average[at];
    average[at] = old + (new - old) * Vector::new(weight);
}
