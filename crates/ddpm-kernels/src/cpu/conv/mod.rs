//! 2-D convolution, directly: no matrix of patches is made.
//!
//! Images are padded with zeros into scratch space, plane by plane; weights are packed so that the numbers of 16 or 32
//! output channels lie side by side. A tile of some pixels times these channels is summed up in registers, over all
//! input channels and taps (`directly.rs`, `tile.rs`). The gradient with respect to the input is a convolution of the output's gradient
//! with the weights in the other direction, one for each phase of the stride (`plan.rs`); that with respect to the
//! weights sums over pixels, in registers as well (`gradient/`). Kernels of 3 x 3 between enough channels go through
//! Winograd's transforms (`winograd/`), in the same registers; what has a few output channels is summed up with pixels side by
//! side (`few.rs`).

mod directly;
mod few;
mod gradient;
mod pack;
mod plan;
mod tile;
mod unpack;
mod winograd;

pub use gradient::grad_weight;

use std::ops::Range;

use self::{
    directly::directly,
    plan::{Direction, Plan},
};
use super::{
    Channels, awake,
    simd::{InstructionSet, Lanes, with_lanes},
};

/// Products of a convolution that takes longer than to wake a thread, about 0.1 ms: beside smaller ones threads would do
/// little but look for jobs, at the expense of other processes.
const WORTH_WAITING: usize = 1 << 23;

/// The sizes of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Images.
    pub images: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Distance of two patches.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
}

impl Conv {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Images, channels and pixels of the input.
    fn input(&self) -> [usize; 3] {
        [self.images, self.c_in, self.height * self.width]
    }

    /// Pixels of an output channel.
    fn pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Numbers of an output image.
    fn output(&self) -> usize {
        self.c_out * self.pixels()
    }

    /// Numbers of all weights.
    fn weights(&self) -> usize {
        self.c_out * self.c_in * self.taps()
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Has threads wait awake for what comes after a convolution that is worth it.
    fn keep_awake(&self) {
        if self.images * self.output() * self.c_in * self.taps() >= WORTH_WAITING {
            awake::keep_awake();
        }
    }

    /// Whether pixels do not mix, so that an image may be taken for one long row.
    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

/// A change of the input before it is convolved: `scale x + shift`, a normalisation, and perhaps SiLU. Zeros around it stay zeros.
#[derive(Debug, Clone, Copy)]
pub struct Activation<'a> {
    /// For each channel of each image, `[images, c_in]`.
    pub scale: &'a [f32],
    /// For each channel of each image, `[images, c_in]`.
    pub shift: &'a [f32],
    /// Whether SiLU follows.
    pub silu: bool,
}

/// [`Activation`] from one channel of one image on.
#[derive(Clone, Copy)]
struct ActivationAt {
    scale: *const f32,
    shift: *const f32,
    silu: bool,
}

impl Activation<'_> {
    fn at(&self, channel: usize) -> ActivationAt {
        ActivationAt {
            scale: self.scale[channel..].as_ptr(),
            shift: self.shift[channel..].as_ptr(),
            silu: self.silu,
        }
    }

    fn check(&self, conv: &Conv) {
        let channels = conv.images * conv.c_in;
        assert!(
            self.scale.len() == channels && self.shift.len() == channels && conv.padding > 0,
            "convolution: an activation needs a number for each channel of each image, and padding to be applied in"
        );
    }
}

/// Additions to the sums of products.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addends<'a> {
    /// For each output channel, `[c_out]`.
    pub bias: Option<&'a [f32]>,
    /// For each channel of each image, `[images, c_out]`: the time embedding of a residual block.
    pub shift: Option<&'a [f32]>,
    /// For each number of the output, of its shape: the other branch of a residual block.
    pub residual: Option<&'a [f32]>,
}

/// The input of [`forward`].
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[images, c_in, height, width]`
    pub x: Channels<'a>,
    /// The activation that is applied to `x` first.
    pub activation: Option<Activation<'a>>,
    /// `[c_out, c_in, kernel, kernel]`
    pub weight: &'a [f32],
    /// The addends of the output.
    pub add: Addends<'a>,
}

/// The input of [`grad_x`].
#[derive(Debug, Clone)]
pub struct InputGradient<'a> {
    /// `[c_out, c_in, kernel, kernel]`
    pub weight: &'a [f32],
    /// The gradient of the output.
    pub grad: &'a [f32],
    /// The channels of the input that are asked for.
    pub channels: Range<usize>,
}

/// The input of [`grad_weight`].
#[derive(Debug, Clone, Copy)]
pub struct WeightGradient<'a> {
    /// `[images, c_in, height, width]`
    pub x: Channels<'a>,
    /// The activation that was applied to `x` first.
    pub activation: Option<Activation<'a>>,
    /// The gradient of the output.
    pub grad: &'a [f32],
}

/// The output, `[images, c_out, ..]`.
///
/// # Panics
/// If the slices do not have the sizes that [`Inputs`] says.
pub fn forward(set: InstructionSet, conv: &Conv, inputs: Inputs<'_>) -> Vec<f32> {
    let Inputs { x, activation, weight, add } = inputs;
    activation.inspect(|activation| activation.check(conv));
    x.check("convolution", conv.input());
    assert_eq!(weight.len(), conv.weights(), "convolution: the weights' size");
    conv.keep_awake();
    let plan = Plan::new(conv, Direction::Forward);
    with_lanes!(set, convolve(&plan, x, activation, weight, add))
}

/// The gradient with respect to some channels of `x`, the same numbers whichever are asked for together.
///
/// # Shapes
/// - result: `[images, channels.len(), height, width]`
///
/// # Panics
/// If the slices do not have the sizes that [`InputGradient`] says, or `x` has no such channels.
pub fn grad_x(set: InstructionSet, conv: &Conv, gradient: InputGradient<'_>) -> Vec<f32> {
    let InputGradient { weight, grad, channels } = gradient;
    assert_eq!(grad.len(), conv.images * conv.output(), "convolution: the gradient's size");
    assert_eq!(weight.len(), conv.weights(), "convolution: the weights' size");
    assert!(channels.end <= conv.c_in, "convolution: channels of the input");
    conv.keep_awake();
    let plan = Plan::new(conv, Direction::Backward).narrowed(channels.len());
    let weight = &weight[channels.start * plan.weight_strides.0..];
    let grad = Channels::one(grad, conv.c_out, conv.pixels());
    with_lanes!(set, convolve(&plan, grad, None, weight, Addends::default()))
}

/// Runs a plan, through Winograd's transforms where that is faster.
fn convolve<V: Lanes>(
    plan: &Plan,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    weight: &[f32],
    add: Addends<'_>,
) -> Vec<f32> {
    if plan.transforms
        && let [phase] = &plan.phases[..]
        && let Some(order) = winograd::neighbours(phase, plan.padded.1)
    {
        return winograd::convolve::<V>(plan, order, (x, activation), weight, add);
    }
    if few::takes(plan) {
        return few::convolve::<V>(plan, x, activation, weight, add);
    }
    directly::<V>(plan, x, activation, weight, add)
}

#[cfg(test)]
mod tests;
