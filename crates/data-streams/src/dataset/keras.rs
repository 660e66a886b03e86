//! `mnist.npz`, in which Keras keeps MNIST: `x_train` (N x 28 x 28), `y_train` (N), `x_test` and `y_test`.

use std::path::{Path, PathBuf};

use super::Split;
use crate::{
    DataError,
    arrays::{self, Npz, Pair},
};

/// More than the published images have.
const MOST_BYTES: usize = 1 << 30;

/// The file of a data set in a directory, if it is there.
pub(super) fn file(dir: &Path, name: &str) -> Option<PathBuf> {
    Some(dir.join(format!("{name}.npz"))).filter(|path| path.is_file())
}

/// Number, height and width of the images of a split, their pixels, and their labels.
pub(super) fn read(path: &Path, split: Split) -> Result<([usize; 3], Vec<u8>, Vec<u8>), DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let mut archive = Npz::open(path)?;
    let Pair { images, labels } = arrays::find(&archive.names(), split).map_err(format)?;
    let (images, labels) = (archive.array(images, MOST_BYTES), archive.array(labels, MOST_BYTES));
    let (images, labels) = (images.map_err(format)?, labels.map_err(format)?);
    let sizes = <[usize; 3]>::try_from(&images.dimensions[..]).ok().filter(|sizes| !sizes.contains(&0));
    let sizes = sizes.ok_or_else(|| {
        format(format!("`{}` is {:?}: expected N x height x width", images.name, images.dimensions))
    })?;
    let labels = arrays::labels(&labels).map_err(format)?.values;
    let label = |(i, label): (usize, &i128)| {
        u8::try_from(*label).map_err(|_| format(format!("label {label} of image {i} is out of range")))
    };
    let labels = labels.iter().enumerate().map(label).collect::<Result<_, _>>()?;
    Ok((sizes, arrays::pixels(images, None).map_err(format)?, labels))
}
