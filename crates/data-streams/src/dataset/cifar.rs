//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the binary form in which they are published: records of a label (of
//! CIFAR-100 two, of which the second is the class) and 3 x 32 x 32 bytes, channel after channel.

use std::path::{Path, PathBuf};

use super::{DatasetPair, ImageDataset, ImageShape, Split, file};
use crate::DataError;

/// The classes of CIFAR-10.
pub const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The hundred fine classes of CIFAR-100, in the order of their labels.
#[rustfmt::skip]
pub const CIFAR100_CLASSES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed",
    "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud",
    "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl",
    "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
    "leopard", "lion", "lizard", "lobster", "man", "maple_tree",
    "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit",
    "raccoon", "ray", "road", "rocket", "rose", "sea",
    "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
    "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper",
    "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
];

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// More than a published file has.
const MOST_BYTES: usize = 1 << 28;

/// Which of the two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// Ten classes; `data_batch_*.bin` and `test_batch.bin`, or any files `*train*.bin` and `*test*.bin`.
    Ten,
    /// A hundred classes; `train.bin` and `test.bin`.
    Hundred,
}

impl Cifar {
    fn name(self) -> &'static str {
        match self {
            Self::Ten => "cifar10",
            Self::Hundred => "cifar100",
        }
    }

    /// Bytes of a record before its pixels.
    fn labels(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn class_names(self) -> Vec<String> {
        match self {
            Self::Ten => CIFAR10_CLASSES.map(str::to_owned).to_vec(),
            Self::Hundred => CIFAR100_CLASSES.map(str::to_owned).to_vec(),
        }
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
    for path in cifar_files(dir, cifar, split)? {
        records(&path, cifar, &mut pixels, &mut labels)?;
    }
    ImageDataset::new(cifar.name(), SHAPE, cifar.class_names(), pixels, labels)
}

/// The files of a split, in the order of their names.
///
/// # Errors
/// [`DataError::Missing`] if there are none.
pub fn cifar_files(dir: &Path, cifar: Cifar, split: Split) -> Result<Vec<PathBuf>, DataError> {
    let is_binary = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "bin");
    let belongs = |name: &str| match split {
        Split::Train => name.starts_with("data_batch") || name.contains("train"),
        Split::Eval => name.contains("test"),
    };
    let files = file::matching(dir, |name| is_binary(name) && belongs(name))?;
    if files.is_empty() {
        let file = match (cifar, split) {
            (Cifar::Ten, Split::Train) => "data_batch_1.bin",
            (Cifar::Ten, Split::Eval) => "test_batch.bin",
            (Cifar::Hundred, Split::Train) => "train.bin",
            (Cifar::Hundred, Split::Eval) => "test.bin",
        };
        return Err(DataError::Missing { name: cifar.name().into(), dir: dir.into(), file: file.into() });
    }
    Ok(files)
}

fn records(
    path: &Path,
    cifar: Cifar,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> Result<(), DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let (bytes, size) = (file::read_all(path, MOST_BYTES)?, cifar.labels() + SHAPE.len());
    if bytes.is_empty() || bytes.len() % size != 0 {
        let problem = format!(
            "truncated: {} bytes are not a whole number of records of {size} bytes, as {} has them",
            bytes.len(),
            cifar.name()
        );
        return Err(format(problem));
    }
    let classes = cifar.class_names().len();
    for (i, record) in bytes.chunks_exact(size).enumerate() {
        let label = usize::from(record[cifar.labels() - 1]);
        if label >= classes {
            let problem = format!(
                "label {label} of record {i} is out of range: {} has {classes} classes",
                cifar.name()
            );
            return Err(format(problem));
        }
        labels.push(label);
        pixels.extend_from_slice(&record[cifar.labels()..]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

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
        let pair = load_cifar_pair(dir.path(), Cifar::Ten).unwrap();
        assert_eq!(pair.train.labels(), [3, 4, 9]);
        assert_eq!(pair.train.pixels_of(1), [7; 3072]);
        assert_eq!((pair.eval.len(), pair.eval.shape()), (1, SHAPE));
    }

    #[test]
    fn damaged_and_missing_files_are_named() {
        let dir = TempDir::new().unwrap();
        let load = || load_cifar_pair(dir.path(), Cifar::Ten).unwrap_err().to_string();
        assert!(load().contains("data_batch_1.bin"), "{}", load());
        fs::write(dir.path().join("data_batch_1.bin"), &record(3, 1)[1..]).unwrap();
        assert!(load().contains("data_batch_1.bin") && load().contains("truncated"), "{}", load());
        fs::write(dir.path().join("data_batch_1.bin"), record(10, 1)).unwrap();
        assert!(load().contains("label 10 of record 0"), "{}", load());
        assert!(load_cifar_pair(&dir.path().join("nowhere"), Cifar::Hundred).is_err());
    }

    #[test]
    fn the_second_label_of_cifar_100_is_the_class() {
        let dir = TempDir::new().unwrap();
        let bytes = [vec![19, 77], vec![4; SHAPE.len()]].concat();
        fs::write(dir.path().join("train.bin"), &bytes).unwrap();
        fs::write(dir.path().join("test.bin"), &bytes).unwrap();
        assert_eq!(load_cifar_pair(dir.path(), Cifar::Hundred).unwrap().train.labels(), [77]);
    }
}
