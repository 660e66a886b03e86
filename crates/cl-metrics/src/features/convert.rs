//! From a PyTorch file of a published network to the safetensors file that is read here.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::tensor::TensorView;

use super::weights::{Parameters, SOURCE, WeightsFile, check_form};
use crate::{MetricError, pytorch::StateDict};

/// The result of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The SHA-256 of the PyTorch file, in hexadecimal digits.
    pub source_sha256: String,
    /// That of the safetensors file.
    pub sha256: String,
    /// How many tensors the network has.
    pub tensors: usize,
    /// Tensors of the PyTorch file that the network does not read.
    pub left_out: Vec<String>,
}

/// Writes the tensors that the network reads, as they are, to `out`: at once or not at all. The same tensors of the same
/// file give the same bytes. Nothing in the PyTorch file is run.
///
/// # Errors
/// [`MetricError::Weights`] for a file that is no state dict, or of another network, and for an `out` that cannot be
/// written.
pub(super) fn convert(
    pytorch: &Path,
    out: &Path,
    network: &'static str,
    parameters: &Parameters,
) -> Result<Converted, MetricError> {
    let refuse = |path: &Path, problem: String| MetricError::Weights { path: path.to_owned(), problem };
    let state = StateDict::read(pytorch).map_err(|error| refuse(pytorch, error.to_string()))?;
    let mut tensors = Vec::with_capacity(parameters.len());
    for (name, shape) in parameters {
        check_form(network, name, state.form(name), shape).map_err(|problem| refuse(pytorch, problem))?;
        tensors.extend(state.data(name).map(|data| (name, shape, data)));
    }
    let source_sha256 = state.sha256();
    let views = tensors
        .iter()
        .map(|(name, shape, data)| {
            Ok((name, TensorView::new(safetensors::Dtype::F32, (*shape).clone(), data)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| refuse(pytorch, error.to_string()))?;
    // One note only: several would be written in an order of chance.
    let note = HashMap::from([(SOURCE.to_owned(), source_sha256.clone())]);
    let part = part_of(out);
    let written = safetensors::serialize_to_file(views, Some(note), &part)
        .map_err(|error| error.to_string())
        .and_then(|()| fs::rename(&part, out).map_err(|error| error.to_string()));
    if let Err(problem) = written {
        // The rest of the file is of no use; a failure to remove it changes nothing.
        let _ = fs::remove_file(&part);
        return Err(refuse(out, problem));
    }
    let left_out =
        state.names().filter(|name| !parameters.iter().any(|(n, _)| n == name)).map(str::to_owned).collect();
    Ok(Converted {
        source_sha256,
        sha256: WeightsFile::read(out, network)?.sha256(),
        tensors: parameters.len(),
        left_out,
    })
}

/// Beside the file, so that renaming does not copy.
fn part_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    out.with_file_name(name)
}
