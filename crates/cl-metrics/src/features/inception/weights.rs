//! The network from pytorch-fid's state dict: batch norms are folded into their convolutions.

use burn::{
    module::Param,
    tensor::{Tensor, TensorData},
};
use ddpm_core::Kernels;
use safetensors::SafeTensors;

use super::{
    architecture::{self, CLASSES, Conv, FEATURES},
    network::{FoldedConv, Inception},
};
use crate::{MetricError, features::weights::WeightsFile};

/// Added to a variance: TensorFlow's, not PyTorch's default.
const EPSILON: f64 = 1e-3;

/// The network with the weights of a file.
pub(super) fn network<B: Kernels>(
    weights: &WeightsFile,
    device: &B::Device,
) -> Result<Inception<B>, MetricError> {
    let file = weights.tensors()?;
    let convs = architecture::convs()
        .iter()
        .map(|conv| folded(weights, &file, conv, device))
        .collect::<Result<_, _>>()?;
    let classes = weights.tensor::<B, 2>(&file, "fc.weight", [CLASSES, FEATURES], device)?;
    Ok(Inception::new(convs, Param::from_tensor(classes)))
}

/// A convolution with its batch norm: both are affine, and nothing stands between them.
fn folded<B: Kernels>(
    weights: &WeightsFile,
    file: &SafeTensors<'_>,
    conv: &Conv,
    device: &B::Device,
) -> Result<FoldedConv<B>, MetricError> {
    let [height, width] = conv.kernel;
    let shape = [conv.c_out, conv.c_in, height, width];
    let mut weight = weights.floats(file, &format!("{}.conv.weight", conv.name), &shape)?;
    let norm = |part: &str| weights.floats(file, &format!("{}.bn.{part}", conv.name), &[conv.c_out]);
    let (scale, shift) = (norm("weight")?, norm("bias")?);
    let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
    let taps = weight.len() / conv.c_out;
    let mut bias = Vec::with_capacity(conv.c_out);
    for (c, weights) in weight.chunks_mut(taps).enumerate() {
        let factor = f64::from(scale[c]) / (f64::from(variance[c]) + EPSILON).sqrt();
        weights.iter_mut().for_each(|w| *w = (f64::from(*w) * factor) as f32);
        bias.push((f64::from(shift[c]) - f64::from(mean[c]) * factor) as f32);
    }
    let weight = Tensor::from_data(TensorData::new(weight, shape), ddpm_kernels::floats_on::<B>(device));
    let bias = Tensor::from_data(TensorData::new(bias, [conv.c_out]), ddpm_kernels::floats_on::<B>(device));
    Ok(FoldedConv::new(Param::from_tensor(weight), Param::from_tensor(bias)))
}
