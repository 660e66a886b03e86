//! The pickled form of CIFAR-10 and CIFAR-100, `cifar-10-batches-py` and `cifar-100-python`, which torchvision keeps: a
//! dict of `data` (N x 3072 bytes, channel after channel) and a list of labels (`labels`, of CIFAR-100 `fine_labels`).
//!
//! The published files are of Python 2 at protocol 2; those that were written again, by Python 3 up to protocol 5, are read
//! as well. Nothing in a file is called: [`pickle`](crate::pickle).

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use super::{
    Split,
    cifar::{Cifar, MOST_BYTES, SHAPE},
    file,
};
use crate::{
    DataError,
    arrays::{
        self, Number,
        pickled::{Arrays, Object, Value},
    },
    error::{listed, shortened},
    pickle::Machine,
};

/// Bytes of an archive, unpacked; the published ones have 186 million.
const MOST_UNPACKED: u64 = 1 << 29;

/// Reads the images and labels of a file, and appends them.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Format`] for a file that is cut off, names anything but arrays, or has other arrays than
/// those of the data set.
pub(super) fn read(
    path: &Path,
    cifar: Cifar,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> Result<(), DataError> {
    let bytes = file::read_all(path, MOST_BYTES)?;
    let batch = parse(&bytes, cifar);
    let batch = batch.map_err(|problem| DataError::Format { path: path.to_owned(), problem })?;
    append(batch, pixels, labels);
    Ok(())
}

/// Reads the batches of a split in an archive, `cifar-10-python.tar.gz` or `cifar-100-python.tar.gz`, in the order of their
/// names, and appends them. Nothing is written.
///
/// # Errors
/// As [`read`]; [`DataError::Format`] for an archive without a batch of the split.
pub(super) fn read_archive(
    path: &Path,
    cifar: Cifar,
    split: Split,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> Result<(), DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let damaged = |error: io::Error| format(format!("damaged: {error}"));
    let mut batches = BTreeMap::new();
    let mut archive = tar::Archive::new(file::open(path)?.take(MOST_UNPACKED));
    // Headers as they stand, as in downloads: extensions would be read into memory, however long they claim to be.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?;
        let name = name.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !entry.header().entry_type().is_file() || !is_of(&name, cifar, split) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MOST_BYTES as u64).read_to_end(&mut bytes).map_err(damaged)?;
        let batch = parse(&bytes, cifar);
        let batch = batch.map_err(|problem| format(format!("{}: {problem}", shortened(&name))))?;
        batches.insert(name, batch);
    }
    if batches.is_empty() {
        return Err(format(format!("there is no batch of {} in it, or none of this split", cifar.name)));
    }
    batches.into_values().for_each(|batch| append(batch, pixels, labels));
    Ok(())
}

/// Whether a name is that of a batch of a split: of CIFAR-10 `data_batch_1` and other numbers, and `test_batch`.
pub(super) fn is_of(name: &str, cifar: Cifar, split: Split) -> bool {
    let [train, eval] = cifar.examples.map(|example| example.trim_end_matches(".bin"));
    let unnumbered = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    match split {
        Split::Train if unnumbered(train) < train.len() => {
            unnumbered(name) < name.len() && name[..unnumbered(name)] == train[..unnumbered(train)]
        }
        Split::Train => name == train,
        Split::Eval => name == eval,
    }
}

/// Pixels and labels.
type Batch = (Vec<u8>, Vec<usize>);

fn append((found, classes): Batch, pixels: &mut Vec<u8>, labels: &mut Vec<usize>) {
    if pixels.is_empty() {
        *pixels = found;
    } else {
        pixels.extend(found);
    }
    labels.extend(classes);
}

/// The pixels and labels of a batch.
fn parse(bytes: &[u8], cifar: Cifar) -> Result<Batch, String> {
    let mut machine = Machine::new(bytes, 0, Arrays::of(bytes.len()));
    let batch = machine.run().map_err(|error| error.to_string())?;
    if machine.at() != bytes.len() {
        return Err(format!("{} bytes after the end of its pickle", bytes.len() - machine.at()));
    }
    let Value::Dict(batch) = batch else {
        return Err(format!("a pickle of {}, expected a dict of arrays", batch.kind::<Arrays>()));
    };
    let find = |name: &str| {
        let found = batch.items.iter().rev().find(|(key, _)| key.text() == Some(name));
        found.map(|(_, value)| value).ok_or_else(|| {
            let there = batch.items.iter().filter_map(|(key, _)| key.text());
            format!("there is no `{name}`, as {} has it; there is {}", cifar.name, listed(there))
        })
    };
    let pixels = pixels(find(DATA)?)?;
    let labels = self::labels(find(cifar.labels)?, cifar)?;
    let images = pixels.len() / SHAPE.len();
    if images != labels.len() {
        return Err(format!("{images} images and {} labels", labels.len()));
    }
    Ok((pixels, labels))
}

const DATA: &str = "data";

fn pixels(data: &Value<'_>) -> Result<Vec<u8>, String> {
    let Value::Object(Object::Array(array)) = data else {
        return Err(format!("`{DATA}` is {}, expected an array", data.kind::<Arrays>()));
    };
    let array = array.named(DATA)?;
    match (array.number, &array.dimensions[..]) {
        (Number::U8, &[images, size]) if images > 0 && size == SHAPE.len() => Ok(array.bytes),
        (number, dimensions) => Err(format!(
            "`{DATA}` is {} of {}: expected N x {} of uint8",
            arrays::dimensions(dimensions),
            number.name(),
            SHAPE.len()
        )),
    }
}

/// The labels of a list, or of an array of integers.
fn labels(found: &Value<'_>, cifar: Cifar) -> Result<Vec<usize>, String> {
    let (name, classes) = (cifar.labels, cifar.classes.len());
    let label = |(i, label): (usize, i128)| {
        usize::try_from(label).ok().filter(|&label| label < classes).ok_or_else(|| {
            format!("label {label} of image {i} is out of range: {} has {classes} classes", cifar.name)
        })
    };
    match found {
        Value::List(list) => {
            let integer = |(i, value): (usize, &Value<'_>)| match value {
                Value::Int(value) => label((i, i128::from(*value))),
                other => Err(format!("`{name}` has {} at {i}, expected a number", other.kind::<Arrays>())),
            };
            list.items.iter().enumerate().map(integer).collect()
        }
        Value::Object(Object::Array(array)) => {
            let array = array.named(name)?;
            let found = arrays::labels(&array)?;
            found.values.into_iter().enumerate().map(label).collect()
        }
        other => Err(format!("`{name}` is {}, expected a list", other.kind::<Arrays>())),
    }
}

#[cfg(test)]
mod tests;
