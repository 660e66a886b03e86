//! The residual block of a diffusion UNet (Ho et al. 2020, appendix B; diffusers' `ResnetBlock2D`).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use ddpm_kernels::{Addend, Joined};

use super::{TimeScaleShift, UNet2DConfig};
use crate::{
    Kernels,
    nn::{Activation, Conv2d, GroupNorm, Initializer, Linear},
};

/// norm, activation, convolution, time embedding, norm, activation, convolution, plus the input.
#[derive(Module, Debug)]
pub struct ResnetBlock<B: Backend> {
    norm1: GroupNorm<B>,
    conv1: Conv2d<B>,
    time_emb_proj: Linear<B>,
    norm2: GroupNorm<B>,
    conv2: Conv2d<B>,
    conv_shortcut: Option<Conv2d<B>>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    time_scale_shift: TimeScaleShift,
    output_scale_factor: f64,
}

impl<B: Backend> ResnetBlock<B> {
    /// A block from `c_in` to `c_out` channels whose output is divided by `output_scale_factor`.
    pub fn new(
        config: &UNet2DConfig,
        (c_in, c_out): (usize, usize),
        output_scale_factor: f64,
        init: &mut Initializer<B>,
    ) -> Self {
        let (groups, eps) = (config.norm_num_groups, config.norm_eps);
        let time_width = match config.resnet_time_scale_shift {
            TimeScaleShift::Default => c_out,
            TimeScaleShift::ScaleShift => 2 * c_out,
        };
        Self {
            norm1: GroupNorm::new(groups, c_in, eps, init),
            conv1: Conv2d::new((c_in, c_out), 3, init),
            time_emb_proj: Linear::new(config.time_embed_dim(), time_width, init),
            norm2: GroupNorm::new(groups, c_out, eps, init),
            conv2: Conv2d::new((c_out, c_out), 3, init),
            conv_shortcut: (c_in != c_out).then(|| Conv2d::new((c_in, c_out), 1, init)),
            activation: config.act_fn,
            time_scale_shift: config.resnet_time_scale_shift,
            output_scale_factor,
        }
    }
}

impl<B: Kernels> ResnetBlock<B> {
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, in one tensor or in two that share the channels; `activated_emb`: `[n, time_embed_dim]`, the time embedding after the activation
    /// - output: `[n, c_out, h, w]`
    pub fn forward(&self, x: impl Into<Joined<B>>, activated_emb: Tensor<B, 2>) -> Tensor<B, 4> {
        let x = x.into();
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(x.clone()),
            None => x.clone().into_tensor(),
        };
        let emb = self.time_emb_proj.forward(activated_emb);
        let (activation, shortcut) = (self.activation, Addend::Residual(shortcut));
        let y = match self.time_scale_shift {
            TimeScaleShift::Default => {
                let h = self.conv1.forward_activated(x, &self.norm1, activation, Addend::Shift(emb));
                self.conv2.forward_activated(h, &self.norm2, activation, shortcut)
            }
            TimeScaleShift::ScaleShift => {
                let h = self.conv1.forward_activated(x, &self.norm1, activation, Addend::Nothing);
                let [n, width] = emb.dims();
                let emb = emb.reshape([n, width, 1, 1]);
                let [scale, shift] = emb.chunk(2, 1).try_into().expect("two halves");
                let h = activation.forward(self.norm2.forward(h) * (scale + 1.0) + shift);
                self.conv2.forward_plus(h, shortcut)
            }
        };
        rescale(y, self.output_scale_factor)
    }
}

/// Divides by `factor`, where that changes anything.
pub(super) fn rescale<B: Backend>(x: Tensor<B, 4>, factor: f64) -> Tensor<B, 4> {
    if factor == 1.0 { x } else { x.div_scalar(factor) }
}
