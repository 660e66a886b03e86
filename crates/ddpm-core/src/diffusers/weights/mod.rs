//! The weights of a network: safetensors files, read with every size checked.

mod files;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use burn::tensor::TensorData;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use self::files::WEIGHTS;
pub(super) use self::files::{are_in, find};
use crate::CoreError;

/// Writes tensors, as f32, in the order of their names.
pub(super) fn save(tensors: HashMap<String, TensorData>, dir: &Path) -> Result<(), CoreError> {
    let path = dir.join(WEIGHTS);
    let format =
        |e: safetensors::SafeTensorError| CoreError::Format { path: path.clone(), problem: e.to_string() };
    let parameters: BTreeMap<String, TensorData> = tensors.into_iter().collect();
    let views = parameters
        .iter()
        .map(|(name, data)| Ok((name, TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(format)?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(format)?;
    fs::write(&path, bytes).map_err(CoreError::io(&path))
}

/// Every tensor of a safetensors file, on the host, as f32; F32, F16, BF16 and F64 are read.
///
/// # Errors
/// [`CoreError::Io`]; [`CoreError::Format`] for a damaged file or another element type, naming the tensor.
pub fn load_tensors(path: &Path) -> Result<HashMap<String, TensorData>, CoreError> {
    let format = |problem: String| CoreError::Format { path: path.to_owned(), problem };
    // A device, for example, may have no end.
    if !fs::metadata(path).map_err(CoreError::io(path))?.is_file() {
        return Err(format("not a file".into()));
    }
    let bytes = fs::read(path).map_err(CoreError::io(path))?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|e| format(format!("not a safetensors file: {e}")))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let values = floats(&view).ok_or_else(|| {
                format(format!(
                    "tensor `{name}`: its type is {:?}, expected a floating-point one",
                    view.dtype()
                ))
            })?;
            Ok((name, TensorData::new(values, view.shape().to_vec())))
        })
        .collect()
}

fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

/// Renames the parameters of attention as diffusers did in its release 0.15.
pub(crate) fn modern_names(tensors: HashMap<String, TensorData>) -> HashMap<String, TensorData> {
    const RENAMED: [(&str, &str); 4] =
        [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];
    let rename = |name: String| {
        let mut parts: Vec<&str> = name.split('.').collect();
        let within_attention = parts.contains(&"attentions");
        if let [.., module, _] = &mut parts[..]
            && within_attention
            && let Some((_, modern)) = RENAMED.iter().find(|(old, _)| old == module)
        {
            *module = modern;
        }
        parts.join(".")
    };
    tensors.into_iter().map(|(name, data)| (rename(name), data)).collect()
}
