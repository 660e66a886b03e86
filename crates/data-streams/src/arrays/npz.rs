//! A NumPy `.npz`: a zip archive of `.npy` files, compressed or not (NEP 1).
//!
//! The claims of an array's header are checked before its bytes are read, and the bytes are read no further than claimed.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use npyz::{DType, Endianness, Order, TypeChar, TypeStr};
use zip::{ZipArchive, result::ZipError};

use super::{Array, Number};
use crate::{DataError, error::listed, npy_header};

/// An open archive.
#[derive(Debug)]
pub struct Npz {
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`DataError::Io`] for a file that cannot be read, [`DataError::Format`] for one that is no archive.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| DataError::Format {
            path: path.to_owned(),
            problem: format!("not an .npz, or truncated: {error}"),
        })?;
        Ok(Self { archive })
    }

    /// The names of the arrays.
    pub fn names(&self) -> Vec<String> {
        self.archive.file_names().map(|name| name.trim_end_matches(".npy").to_owned()).collect()
    }

    /// Reads an array of at most `most` bytes.
    ///
    /// # Errors
    /// In words, with the array's name.
    pub fn array(&mut self, name: &str, most: usize) -> Result<Array, String> {
        self.read(name, most, false)
    }

    /// Reads an array that is the same in either order of its dimensions, as a symmetric matrix is.
    ///
    /// # Errors
    /// As [`Npz::array`].
    pub fn symmetric(&mut self, name: &str, most: usize) -> Result<Array, String> {
        self.read(name, most, true)
    }

    fn read(&mut self, name: &str, most: usize, is_symmetric: bool) -> Result<Array, String> {
        let told = |problem: String| format!("`{name}`: {problem}");
        let there = self.names();
        let mut entry = match self.archive.by_name(&format!("{name}.npy")) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => {
                let there = listed(there.iter().map(String::as_str));
                return Err(format!("there is no array `{name}`; there is {there}"));
            }
            Err(error) => return Err(told(error.to_string())),
        };
        let header = npy_header(&mut entry).map_err(told)?;
        let DType::Plain(kind) = header.dtype() else {
            return Err(told("a structured array: expected plain numbers".into()));
        };
        let number = number(&kind).map_err(told)?;
        if header.order() == Order::Fortran && header.shape().len() > 1 && !is_symmetric {
            return Err(told("in Fortran order: save np.ascontiguousarray of it".into()));
        }
        let dimensions: Vec<usize> =
            header.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
        let total = dimensions.iter().try_fold(number.size(), |product, &n| product.checked_mul(n));
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
        if kind.endianness() == Endianness::Big {
            bytes.chunks_exact_mut(number.size()).for_each(<[u8]>::reverse);
        }
        Ok(Array { name: name.into(), number, dimensions, bytes })
    }
}

/// The type of the numbers, if numbers they are.
fn number(kind: &TypeStr) -> Result<Number, String> {
    Ok(match (kind.type_char(), kind.num_bytes()) {
        (TypeChar::Bool, _) => Number::Bool,
        (TypeChar::Uint, Some(1)) => Number::U8,
        (TypeChar::Int, Some(1)) => Number::I8,
        (TypeChar::Uint, Some(2)) => Number::U16,
        (TypeChar::Int, Some(2)) => Number::I16,
        (TypeChar::Uint, Some(4)) => Number::U32,
        (TypeChar::Int, Some(4)) => Number::I32,
        (TypeChar::Uint, Some(8)) => Number::U64,
        (TypeChar::Int, Some(8)) => Number::I64,
        (TypeChar::Float, Some(2)) => Number::F16,
        (TypeChar::Float, Some(4)) => Number::F32,
        (TypeChar::Float, Some(8)) => Number::F64,
        (TypeChar::ByteStr | TypeChar::UnicodeStr, _) => return Err("texts: expected numbers".into()),
        (TypeChar::Complex, _) => return Err("complex numbers: expected real ones".into()),
        (TypeChar::TimeDelta | TypeChar::DateTime, _) => return Err("times: expected numbers".into()),
        _ => return Err(format!("of type {kind}: expected integers or floats of at most 64 bits")),
    })
}
