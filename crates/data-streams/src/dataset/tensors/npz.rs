//! The arrays of a NumPy `.npz`: a zip archive of `.npy` files, compressed or not (NEP 1).
//!
//! What an array's header claims is checked before its bytes are read, and the bytes are read no further than that.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use npyz::{DType, Endianness, Order, TypeChar};
use zip::{ZipArchive, result::ZipError};

use super::{Arrays, MOST_BYTES, MOST_LABELS};
use crate::{DataError, error::listed, npy_header};

/// An array's type, dimensions and bytes.
struct Array {
    kind: TypeChar,
    big_endian: bool,
    item: usize,
    dimensions: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads `images.npy` and `labels.npy`.
pub(super) fn read(path: &Path) -> Result<Arrays, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let mut archive = ZipArchive::new(file).map_err(|e| format(format!("not an .npz, or truncated: {e}")))?;
    let images = array(&mut archive, "images", MOST_BYTES).map_err(format)?;
    let labels = array(&mut archive, "labels", 8 * MOST_LABELS).map_err(format)?;
    if (images.kind, images.item) != (TypeChar::Uint, 1) {
        return Err(format("`images` is not of type uint8: expected values 0 to 255".into()));
    }
    if labels.dimensions.len() != 1 {
        return Err(format(format!("`labels` is {:?}: expected one dimension", labels.dimensions)));
    }
    let labels = integers(&labels).map_err(format)?;
    Ok(Arrays { dimensions: images.dimensions, pixels: images.bytes, labels })
}

fn array(archive: &mut ZipArchive<BufReader<File>>, name: &str, most: usize) -> Result<Array, String> {
    let there = listed(archive.file_names().map(|name| name.trim_end_matches(".npy")));
    let mut entry = match archive.by_name(&format!("{name}.npy")) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Err(format!("there is no array `{name}`; there is {there}")),
        Err(error) => return Err(format!("`{name}`: {error}")),
    };
    let told = |problem: String| format!("`{name}`: {problem}");
    let header = npy_header(&mut entry).map_err(told)?;
    let DType::Plain(kind) = header.dtype() else {
        return Err(told("a structured array: expected plain numbers".into()));
    };
    if header.order() == Order::Fortran && header.shape().len() > 1 {
        return Err(told("in Fortran order: save np.ascontiguousarray of it".into()));
    }
    let item = kind.num_bytes().unwrap_or(0);
    let dimensions: Vec<usize> =
        header.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let total = dimensions.iter().try_fold(item, |product, &n| product.checked_mul(n));
    let Some(total) = total.filter(|total| *total <= most) else {
        return Err(told(format!("its header claims {dimensions:?}: expected at most {most} bytes")));
    };
    // Grows with what is really there: the header's claim alone allocates nothing.
    let mut bytes = Vec::new();
    entry
        .take(total as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| told(format!("truncated or damaged after {} of {total} bytes: {e}", bytes.len())))?;
    if bytes.len() != total {
        let problem = format!("{} bytes or more, but its header claims {total}", bytes.len());
        return Err(told(problem));
    }
    let big_endian = kind.endianness() == Endianness::Big;
    Ok(Array { kind: kind.type_char(), big_endian, item, dimensions, bytes })
}

fn integers(array: &Array) -> Result<Vec<i128>, String> {
    macro_rules! each {
        ($($kind:ident $size:literal: $number:ty),*) => {
            match (array.kind, array.item) {
                $((TypeChar::$kind, $size) => {
                    let number = |bytes: &[u8; $size]| if array.big_endian {
                        <$number>::from_be_bytes(*bytes)
                    } else {
                        <$number>::from_le_bytes(*bytes)
                    };
                    Ok(array.bytes.as_chunks::<$size>().0.iter().map(|b| i128::from(number(b))).collect())
                })*
                _ => Err("`labels` is not of an integer type".into()),
            }
        };
    }
    each!(Uint 1: u8, Int 1: i8, Uint 2: u16, Int 2: i16, Uint 4: u32, Int 4: i32, Uint 8: u64, Int 8: i64)
}
