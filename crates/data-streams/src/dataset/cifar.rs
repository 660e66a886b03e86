//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the two forms in which they are published.
//!
//! The binary form: records of a label (of CIFAR-100 two, of which the second is the class) and 3 x 32 x 32 bytes, channel
//! after channel. The pickled form (`pickled_cifar`) is read where there is no binary one.

use std::path::{Path, PathBuf};

use super::{DatasetPair, ImageDataset, ImageShape, Split, file, pickled_cifar};
use crate::{Archive, DataError, RemoteFile, Unpack, files};

pub(super) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// More than a published file has.
pub(super) const MOST_BYTES: usize = 1 << 28;

/// How one of the two data sets lies in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cifar {
    /// The data set.
    pub name: &'static str,
    /// Bytes of a record before its pixels; the last is the class.
    pub label_bytes: usize,
    /// The name of the labels in a pickled file.
    pub labels: &'static str,
    /// The archive of the pickled files, without `.gz`.
    pub archive: &'static str,
    /// The names of the classes.
    pub classes: &'static [&'static str],
    /// A file of the training images, and one of those for evaluation, as they are published.
    pub examples: [&'static str; 2],
}

impl Cifar {
    fn record_bytes(self) -> usize {
        self.label_bytes + SHAPE.len()
    }
}

/// Reads both splits from `dir`, gzipped or not.
///
/// # Errors
/// As [`load_cifar_split`].
pub fn load_cifar_pair(dir: &Path, cifar: Cifar) -> Result<DatasetPair, DataError> {
    DatasetPair::new(load_cifar_split(dir, cifar, Split::Train)?, load_cifar_split(dir, cifar, Split::Eval)?)
}

/// Reads one split from `dir`, gzipped or not.
///
/// # Errors
/// [`DataError::Missing`] if the split has no file, [`DataError::Io`] and [`DataError::Format`] for one that is
/// damaged.
pub fn load_cifar_split(dir: &Path, cifar: Cifar, split: Split) -> Result<ImageDataset, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let (form, files) = found(dir, cifar, split)?;
    for path in files {
        match form {
            Form::Binary => records(&path, cifar, &mut pixels, &mut labels)?,
            Form::Pickled => pickled_cifar::read(&path, cifar, &mut pixels, &mut labels)?,
            Form::Archive => pickled_cifar::read_archive(&path, cifar, split, &mut pixels, &mut labels)?,
        }
    }
    let classes = cifar.classes.iter().map(|&class| class.to_owned()).collect();
    ImageDataset::new(cifar.name, SHAPE, classes, pixels, labels)
}

/// The files of a split, in the order of their names: the binary ones, or else the pickled ones, or else the archive of
/// these.
///
/// # Errors
/// [`DataError::Missing`] if there are none.
pub fn cifar_files(dir: &Path, cifar: Cifar, split: Split) -> Result<Vec<PathBuf>, DataError> {
    found(dir, cifar, split).map(|(_, files)| files)
}

/// The files of a split and their form.
fn found(dir: &Path, cifar: Cifar, split: Split) -> Result<(Form, Vec<PathBuf>), DataError> {
    for form in Form::ALL {
        let files = form.files(dir, cifar, split)?;
        if !files.is_empty() {
            return Ok((form, files));
        }
    }
    let [train, eval] = cifar.examples;
    let file = if split == Split::Train { train } else { eval };
    let file = format!("{file} or the pickled {}", file.trim_end_matches(".bin"));
    Err(DataError::Missing { name: cifar.name.into(), dir: dir.into(), file })
}

/// The directory of a split's files, `dir` or one below it: the first with binary files, or else the first with pickled
/// ones, or with an archive.
pub(super) fn home(dir: &Path, below: &[&str], cifar: Cifar, split: Split) -> PathBuf {
    let homes = || std::iter::once(dir.to_owned()).chain(below.iter().map(|below| dir.join(below)));
    let has =
        |home: &PathBuf, form: Form| form.files(home, cifar, split).is_ok_and(|files| !files.is_empty());
    let found = Form::ALL.into_iter().find_map(|form| homes().find(|home| has(home, form)));
    found.unwrap_or_else(|| dir.to_owned())
}

/// The forms in which a split may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Pickled,
    Archive,
}

impl Form {
    /// One that is there goes before those behind it.
    const ALL: [Self; 3] = [Self::Binary, Self::Pickled, Self::Archive];

    fn files(self, dir: &Path, cifar: Cifar, split: Split) -> Result<Vec<PathBuf>, DataError> {
        files::matching(dir, |name| self.has(name, cifar, split))
    }

    /// Whether a name, without `.gz`, is that of a file of a split.
    fn has(self, name: &str, cifar: Cifar, split: Split) -> bool {
        let is_binary = Path::new(name).extension().is_some_and(|extension| extension == "bin");
        match (self, split) {
            (Self::Binary, Split::Train) => {
                is_binary && (name.starts_with("data_batch") || name.contains("train"))
            }
            (Self::Binary, Split::Eval) => is_binary && name.contains("test"),
            (Self::Pickled, _) => pickled_cifar::is_of(name, cifar, split),
            (Self::Archive, _) => name == cifar.archive,
        }
    }
}

/// The archive of a data set, as its publishers offer it.
pub(super) fn archive(name: &str, bytes: u64, sha256: &str, members: Vec<String>) -> RemoteFile {
    let mirrors = ["https://www.cs.toronto.edu/~kriz", "https://cave.cs.toronto.edu/kriz"];
    RemoteFile {
        name: name.into(),
        bytes: Some(bytes),
        sha256: sha256.into(),
        urls: mirrors.iter().map(|mirror| format!("{mirror}/{name}")).collect(),
        unpack: Some(Unpack { archive: Archive::TarGz, members }),
    }
}

fn records(
    path: &Path,
    cifar: Cifar,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> Result<(), DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let (bytes, size) = (file::read_all(path, MOST_BYTES)?, cifar.record_bytes());
    if bytes.is_empty() || bytes.len() % size != 0 {
        let problem = format!(
            "truncated: {} bytes are not a whole number of records of {size} bytes, as {} has them",
            bytes.len(),
            cifar.name
        );
        return Err(format(problem));
    }
    let classes = cifar.classes.len();
    for (i, record) in bytes.chunks_exact(size).enumerate() {
        let label = usize::from(record[cifar.label_bytes - 1]);
        if label >= classes {
            let problem =
                format!("label {label} of record {i} is out of range: {} has {classes} classes", cifar.name);
            return Err(format(problem));
        }
        labels.push(label);
        pixels.extend_from_slice(&record[cifar.label_bytes..]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::{
        super::{cifar10::CIFAR10, cifar100::CIFAR100},
        *,
    };

    fn record(label: u8, value: u8) -> Vec<u8> {
        [vec![label], vec![value; SHAPE.len()]].concat()
    }

    #[test]
    fn all_batches_are_read_in_their_order() {
        let dir = TempDir::new().unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
        write("data_batch_2.bin", record(9, 2));
        write("data_batch_1.bin", [record(3, 1), record(4, 7)].concat());
        write("test_batch.bin", record(0, 5));
        let pair = load_cifar_pair(dir.path(), CIFAR10).unwrap();
        assert_eq!(pair.train.labels(), [3, 4, 9]);
        assert_eq!(pair.train.pixels_of(1), [7; 3072]);
        assert_eq!((pair.eval.len(), pair.eval.shape()), (1, SHAPE));
    }

    #[test]
    fn damaged_and_missing_files_are_named() {
        let dir = TempDir::new().unwrap();
        let load = || load_cifar_pair(dir.path(), CIFAR10).unwrap_err().to_string();
        assert!(load().contains("data_batch_1.bin"), "{}", load());
        fs::write(dir.path().join("data_batch_1.bin"), &record(3, 1)[1..]).unwrap();
        assert!(load().contains("data_batch_1.bin") && load().contains("truncated"), "{}", load());
        fs::write(dir.path().join("data_batch_1.bin"), record(10, 1)).unwrap();
        assert!(load().contains("label 10 of record 0"), "{}", load());
        assert!(load_cifar_pair(&dir.path().join("nowhere"), CIFAR100).is_err());
    }

    #[test]
    fn the_second_label_of_cifar_100_is_the_class() {
        let dir = TempDir::new().unwrap();
        let bytes = [vec![19, 77], vec![4; SHAPE.len()]].concat();
        fs::write(dir.path().join("train.bin"), &bytes).unwrap();
        fs::write(dir.path().join("test.bin"), &bytes).unwrap();
        assert_eq!(load_cifar_pair(dir.path(), CIFAR100).unwrap().train.labels(), [77]);
    }
}
