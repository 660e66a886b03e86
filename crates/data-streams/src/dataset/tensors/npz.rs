//! The arrays of a NumPy `.npz`.

use std::path::Path;

use super::{MOST_BYTES, MOST_LABELS};
use crate::{
    DataError, Split,
    arrays::{Array, Npz, Pair, find},
};

/// Reads the labels of a split, and its images where they are wanted.
pub(super) fn read(path: &Path, split: Split, images: bool) -> Result<(Option<Array>, Array), DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let mut archive = Npz::open(path)?;
    let Pair { images: name, labels } = find(&archive.names(), split).map_err(format)?;
    let images = images.then(|| archive.array(name, MOST_BYTES)).transpose().map_err(format)?;
    let labels = archive.array(labels, 8 * MOST_LABELS).map_err(format)?;
    Ok((images, labels))
}
