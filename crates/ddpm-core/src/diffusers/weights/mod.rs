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

/// Refuses tensors with numbers that are not finite, which no network gives anything sensible with.
///
/// # Errors
/// [`CoreError::Tensor`] for the first of them by name, with a count.
pub(super) fn check_finite(tensors: &HashMap<String, TensorData>) -> Result<(), CoreError> {
    let lost = |data: &TensorData| data.iter::<f32>().filter(|value| !value.is_finite()).count();
    let mut found: Vec<(&String, usize, usize)> = tensors
        .iter()
        .map(|(name, data)| (name, lost(data), data.num_elements()))
        .filter(|(_, lost, _)| *lost > 0)
        .collect();
    found.sort_unstable();
    let Some((name, lost, all)) = found.first() else { return Ok(()) };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more of {} tensors have some", tensors.len()),
    };
    Err(CoreError::tensor(*name, format!("{lost} of {all} numbers are not finite{more}")))
}

/// Writes tensors, as f32, in the order of their names, and reads them back.
pub(super) fn save(tensors: HashMap<String, TensorData>, dir: &Path) -> Result<(), CoreError> {
    let path = dir.join(WEIGHTS);
    check_finite(&tensors).map_err(CoreError::in_file(&path))?;
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
    cldiff_durable::write(&path, &bytes).map_err(CoreError::io(&path))?;
    let read = load_tensors(&path)?;
    let same =
        |(name, data): (&String, &TensorData)| read.get(name).is_some_and(|read| same_bits(read, data));
    if read.len() == parameters.len() && parameters.iter().all(same) {
        return Ok(());
    }
    let problem = "it holds other numbers than were written: the disk may be full or damaged".into();
    Err(CoreError::Format { path, problem })
}

fn same_bits(a: &TensorData, b: &TensorData) -> bool {
    a.shape == b.shape && a.iter::<f32>().map(f32::to_bits).eq(b.iter::<f32>().map(f32::to_bits))
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
    let bytes = cldiff_durable::read(path).map_err(CoreError::io(path))?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|e| format(format!("not a safetensors file: {e}")))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let values = floats(&view).ok_or_else(|| {
                format(format!(
                    "tensor `{name}`: its type is {}, expected a floating-point one",
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensors(values: &[(&str, [f32; 3])]) -> HashMap<String, TensorData> {
        values
            .iter()
            .map(|(name, values)| ((*name).to_owned(), TensorData::new(values.to_vec(), [3])))
            .collect()
    }

    #[test]
    fn numbers_that_are_not_finite_are_counted_and_never_written() {
        let (fine, nan) = ([1.0, -0.0, f32::MIN_POSITIVE / 2.0], [0.0, f32::NAN, 1.0]);
        let infinite = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX];
        assert!(check_finite(&tensors(&[("a", fine)])).is_ok());
        for (values, told) in [
            (vec![("a", fine), ("b", nan)], "tensor `b`: 1 of 3 numbers are not finite"),
            (vec![("a", infinite), ("b", fine)], "tensor `a`: 2 of 3 numbers are not finite"),
            (
                vec![("c", nan), ("b", infinite), ("a", fine)],
                "tensor `b`: 2 of 3 numbers are not finite, and 1 more of 3 tensors",
            ),
        ] {
            let values = tensors(&values);
            let message = check_finite(&values).unwrap_err().to_string();
            assert!(message.starts_with(told), "{message}");
            let dir = tempfile::tempdir().unwrap();
            let message = save(values, dir.path()).unwrap_err().to_string();
            assert!(message.contains("not finite") && message.contains(WEIGHTS), "{message}");
            assert!(!dir.path().join(WEIGHTS).exists());
        }
    }
    proptest! {
        /// Bit for bit, -0 and the smallest numbers too; or refused with a count, and nothing is written.
        #[test]
        fn weights_are_read_back(
            bits in prop::collection::vec(any::<u32>(), 1..20),
            names in prop::collection::btree_set("[a-z_0-9.]{1,20}", 1..4),
        ) {
            let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let lost = values.iter().filter(|value| !value.is_finite()).count();
            let data = TensorData::new(values, [bits.len()]);
            let tensors: HashMap<String, TensorData> =
                names.into_iter().map(|name| (name, data.clone())).collect();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(WEIGHTS);
            match save(tensors.clone(), dir.path()) {
                Ok(()) => {
                    prop_assert_eq!(lost, 0);
                    let read = load_tensors(&path).unwrap();
                    prop_assert_eq!(read.len(), tensors.len());
                    prop_assert!(tensors.iter().all(|(name, data)| same_bits(&read[name], data)));
                }
                Err(error) => {
                    let told = error.to_string();
                    let count = format!("{lost} of {} numbers are not finite", bits.len());
                    prop_assert!(lost > 0 && told.contains(&count) && !path.exists(), "{}", told);
                }
            }
        }
    }
}
