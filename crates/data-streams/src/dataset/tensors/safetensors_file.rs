//! The arrays of a safetensors file.

use std::{fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Arrays, MOST_BYTES};
use crate::{DataError, error::listed};

/// Reads `images` and `labels`.
pub(super) fn read(path: &Path) -> Result<Arrays, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let size = fs::metadata(path).map_err(io)?.len();
    if size > MOST_BYTES as u64 {
        return Err(format(format!("{size} bytes: expected at most {MOST_BYTES}")));
    }
    let bytes = fs::read(path).map_err(io)?;
    // The library checks that every tensor lies within the file.
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| format(format!("not a safetensors file, or truncated: {e}")))?;
    let tensor = |name: &str| {
        file.tensor(name).map_err(|_| {
            let mut there: Vec<&str> = file.names().into_iter().collect();
            there.sort_unstable();
            format(format!("there is no tensor `{name}`; there is {}", listed(there)))
        })
    };
    let (images, labels) = (tensor("images")?, tensor("labels")?);
    if images.dtype() != Dtype::U8 {
        return Err(format(format!("`images` is {:?}: expected U8, values 0 to 255", images.dtype())));
    }
    if labels.shape().len() != 1 {
        return Err(format(format!("`labels` is {:?}: expected one dimension", labels.shape())));
    }
    Ok(Arrays {
        dimensions: images.shape().to_vec(),
        pixels: images.data().to_vec(),
        labels: integers(&labels).map_err(format)?,
    })
}

fn integers(view: &TensorView<'_>) -> Result<Vec<i128>, String> {
    macro_rules! each {
        ($($dtype:ident: $number:ty),*) => {
            match view.dtype() {
                $(Dtype::$dtype => {
                    let chunks = view.data().as_chunks::<{ size_of::<$number>() }>().0;
                    Ok(chunks.iter().map(|b| i128::from(<$number>::from_le_bytes(*b))).collect())
                })*
                other => Err(format!("`labels` is {other:?}: expected integers")),
            }
        };
    }
    each!(U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64)
}
