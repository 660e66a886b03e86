//! The weights file: pytorch-fid's state dict as safetensors, every name and size checked before a tensor is made. Batch
//! norms are folded into their convolutions.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::Param,
    tensor::{Tensor, TensorData},
};
use ddpm_core::Kernels;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};

use super::{
    architecture::{self, CLASSES, Conv, FEATURES},
    network::{FoldedConv, Inception},
};
use crate::MetricError;

/// Added to a variance: TensorFlow's, not PyTorch's default.
const EPSILON: f64 = 1e-3;

/// Ten times what the published weights take.
const MOST_BYTES: u64 = 1 << 30;

/// Under which name a file says of which other it was made.
pub(super) const SOURCE: &str = "pytorch_sha256";

/// Whether a tensor is there in the type and shape that the network has.
pub(super) fn check_form(name: &str, form: Option<(Dtype, &[usize])>, shape: &[usize]) -> Result<(), String> {
    match form {
        None => Err(format!("tensor `{name}` is missing: these are not the weights of FID's Inception-v3")),
        Some((_, found)) if found != shape => {
            Err(format!("tensor `{name}` is {found:?}, FID's Inception-v3 has {shape:?} there"))
        }
        Some((Dtype::F32, _)) => Ok(()),
        Some((dtype, _)) => Err(format!("tensor `{name}` is {dtype:?}, expected F32")),
    }
}

/// A weights file in memory.
pub(super) struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl WeightsFile {
    pub(super) fn read(path: &Path) -> Result<Self, MetricError> {
        let refuse = |problem: String| MetricError::Weights { path: path.to_owned(), problem };
        let metadata = fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
        // What is no file, a device for example, may have no end.
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(refuse(format!("not a file of at most {MOST_BYTES} bytes")));
        }
        let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let file = Self { path: path.to_owned(), bytes };
        file.tensors()?;
        Ok(file)
    }

    /// The SHA-256 of the file, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn network<B: Kernels>(&self, device: &B::Device) -> Result<Inception<B>, MetricError> {
        let file = self.tensors()?;
        let convs = architecture::convs()
            .iter()
            .map(|conv| self.folded(&file, conv, device))
            .collect::<Result<_, _>>()?;
        let classes = self.floats(&file, "fc.weight", &[CLASSES, FEATURES])?;
        let classes = Tensor::from_data(
            TensorData::new(classes, [CLASSES, FEATURES]),
            ddpm_kernels::floats_on::<B>(device),
        );
        Ok(Inception::new(convs, Param::from_tensor(classes)))
    }

    /// Whether every tensor is there, with its size and type.
    pub(super) fn check(&self) -> Result<(), MetricError> {
        let file = self.tensors()?;
        architecture::parameters()
            .iter()
            .try_for_each(|(name, shape)| self.view(&file, name, shape).map(|_| ()))
    }

    /// The note of a file that [`convert_weights`](super::convert_weights) made: the hash of the file that it was made of.
    pub(super) fn source_sha256(&self) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).ok()?;
        header.metadata().as_ref()?.get(SOURCE).cloned()
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, MetricError> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| {
            self.refuse(format!(
                "not a safetensors file ({e}); `cldiff weights convert` makes one of a .pth file"
            ))
        })
    }

    fn refuse(&self, problem: String) -> MetricError {
        MetricError::Weights { path: self.path.clone(), problem }
    }

    /// A convolution with its batch norm: both are affine, and nothing stands between them.
    fn folded<B: Kernels>(
        &self,
        file: &SafeTensors<'_>,
        conv: &Conv,
        device: &B::Device,
    ) -> Result<FoldedConv<B>, MetricError> {
        let [height, width] = conv.kernel;
        let shape = [conv.c_out, conv.c_in, height, width];
        let mut weight = self.floats(file, &format!("{}.conv.weight", conv.name), &shape)?;
        let norm = |part: &str| self.floats(file, &format!("{}.bn.{part}", conv.name), &[conv.c_out]);
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
        let bias =
            Tensor::from_data(TensorData::new(bias, [conv.c_out]), ddpm_kernels::floats_on::<B>(device));
        Ok(FoldedConv::new(Param::from_tensor(weight), Param::from_tensor(bias)))
    }

    fn view<'f>(
        &self,
        file: &SafeTensors<'f>,
        name: &str,
        shape: &[usize],
    ) -> Result<TensorView<'f>, MetricError> {
        let view = file.tensor(name).ok();
        let form = view.as_ref().map(|view| (view.dtype(), view.shape()));
        check_form(name, form, shape).map_err(|problem| self.refuse(problem))?;
        view.ok_or_else(|| self.refuse(format!("tensor `{name}` is missing")))
    }

    fn floats(&self, file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, MetricError> {
        let view = self.view(file, name, shape)?;
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(self.refuse(format!("tensor `{name}` has values that are not finite")));
        }
        Ok(values)
    }
}
