//! Weights files of published networks: safetensors, every name and size checked before a tensor is made.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Tensor, TensorData};
use ddpm_core::Kernels;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};

use crate::MetricError;

/// Several times what the largest published weights take.
const MOST_BYTES: u64 = 1 << 30;

/// Under which name a file says of which other it was made.
pub(super) const SOURCE: &str = "pytorch_sha256";

/// The description of a weights file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsInfo {
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// The SHA-256 of the PyTorch file that it was made of, where it says so.
    pub source_sha256: Option<String>,
}

/// Names and shapes (PyTorch's layout) of the tensors that a network reads.
pub(super) type Parameters = Vec<(String, Vec<usize>)>;

/// Whether a tensor is there in the type and shape that `network` has.
pub(super) fn check_form(
    network: &str,
    name: &str,
    form: Option<(Dtype, &[usize])>,
    shape: &[usize],
) -> Result<(), String> {
    match form {
        None => Err(format!("tensor `{name}` is missing: these are not the weights of {network}")),
        Some((_, found)) if found != shape => {
            Err(format!("tensor `{name}` is {found:?}, {network} has {shape:?} there"))
        }
        Some((Dtype::F32, _)) => Ok(()),
        Some((dtype, _)) => Err(format!("tensor `{name}` is {dtype}, expected F32")),
    }
}

/// A weights file in memory.
pub(super) struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The network that the weights should be of, in words.
    network: &'static str,
}

impl WeightsFile {
    pub(super) fn read(path: &Path, network: &'static str) -> Result<Self, MetricError> {
        let refuse = |problem: String| MetricError::Weights { path: path.to_owned(), problem };
        let metadata = fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
        // A device, or another path that is no file, may have no end.
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(refuse(format!("not a file of at most {MOST_BYTES} bytes")));
        }
        let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let file = Self { path: path.to_owned(), bytes, network };
        file.tensors()?;
        Ok(file)
    }

    /// The SHA-256 of the file, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether every tensor is there, with its size and type.
    pub(super) fn check(&self, parameters: &Parameters) -> Result<(), MetricError> {
        let file = self.tensors()?;
        parameters.iter().try_for_each(|(name, shape)| self.view(&file, name, shape).map(|_| ()))
    }

    /// Checks the file, and says what it is.
    pub(super) fn info(&self, parameters: &Parameters) -> Result<WeightsInfo, MetricError> {
        self.check(parameters)?;
        let note = SafeTensors::read_metadata(&self.bytes).ok();
        let source_sha256 = note
            .and_then(|(_, header)| header.metadata().as_ref().and_then(|note| note.get(SOURCE).cloned()));
        Ok(WeightsInfo { sha256: self.sha256(), source_sha256 })
    }

    pub(super) fn tensors(&self) -> Result<SafeTensors<'_>, MetricError> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| {
            self.refuse(format!(
                "not a safetensors file ({e}); `cldiff weights convert` makes one of a .pth file"
            ))
        })
    }

    /// The numbers of a tensor, all of them finite.
    pub(super) fn floats(
        &self,
        file: &SafeTensors<'_>,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, MetricError> {
        let view = self.view(file, name, shape)?;
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(self.refuse(format!("tensor `{name}` has values that are not finite")));
        }
        Ok(values)
    }

    /// A tensor on a device.
    pub(super) fn tensor<B: Kernels, const D: usize>(
        &self,
        file: &SafeTensors<'_>,
        name: &str,
        shape: [usize; D],
        device: &B::Device,
    ) -> Result<Tensor<B, D>, MetricError> {
        let data = TensorData::new(self.floats(file, name, &shape)?, shape);
        Ok(Tensor::from_data(data, ddpm_kernels::floats_on::<B>(device)))
    }

    fn refuse(&self, problem: String) -> MetricError {
        MetricError::Weights { path: self.path.clone(), problem }
    }

    fn view<'f>(
        &self,
        file: &SafeTensors<'f>,
        name: &str,
        shape: &[usize],
    ) -> Result<TensorView<'f>, MetricError> {
        let view = file.tensor(name).ok();
        let form = view.as_ref().map(|view| (view.dtype(), view.shape()));
        check_form(self.network, name, form, shape).map_err(|problem| self.refuse(problem))?;
        view.ok_or_else(|| self.refuse(format!("tensor `{name}` is missing")))
    }
}
