//! The arrays of a safetensors file.

use std::{fs, path::Path};

use safetensors::{Dtype, SafeTensors};

use super::MOST_BYTES;
use crate::{
    DataError, Split,
    arrays::{Array, Number, Pair, find},
};

/// Reads the labels of a split, and its images where they are wanted.
pub(super) fn read(path: &Path, split: Split, images: bool) -> Result<(Option<Array>, Array), DataError> {
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
    let there: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    let Pair { images: name, labels } = find(&there, split).map_err(format)?;
    let images = images.then(|| array(&file, name)).transpose().map_err(format)?;
    Ok((images, array(&file, labels).map_err(format)?))
}

fn array(file: &SafeTensors<'_>, name: &str) -> Result<Array, String> {
    let view = file.tensor(name).map_err(|error| format!("`{name}`: {error}"))?;
    let number = match view.dtype() {
        Dtype::BOOL => Number::Bool,
        Dtype::U8 => Number::U8,
        Dtype::I8 => Number::I8,
        Dtype::U16 => Number::U16,
        Dtype::I16 => Number::I16,
        Dtype::U32 => Number::U32,
        Dtype::I32 => Number::I32,
        Dtype::U64 => Number::U64,
        Dtype::I64 => Number::I64,
        Dtype::F16 => Number::F16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        other => {
            return Err(format!(
                "`{name}` is of type {other}: expected integers, or floats of 16, 32 or 64 bits"
            ));
        }
    };
    Ok(Array { name: name.into(), number, dimensions: view.shape().to_vec(), bytes: view.data().to_vec() })
}
