//! The idx files in which MNIST and its relatives are published (LeCun et al. 1998), as they are: gzipped or not.

use std::path::{Path, PathBuf};

use cldiff_choices::ImageSize;

use super::{
    DatasetPair, ImageDataset, ImageShape, Split,
    file::{open, read_expected},
    keras, resample,
};
use crate::{DataError, RemoteFile, files::one_of};

const IMAGE_MAGIC: u32 = 0x0000_0803;
const LABEL_MAGIC: u32 = 0x0000_0801;
/// More than any published file has: a header that claims more is damaged.
const MOST_BYTES: usize = 1 << 30;
/// More images than any published file has. A kilobyte of compressed zeros can be a million images of one pixel, of
/// which each costs a label and a place in a view as well.
const MOST_IMAGES: usize = 1 << 24;
/// Larger than any model here takes.
const LARGEST_PADDED: usize = 1024;

/// How a data set lies in idx files.
#[derive(Debug, Clone)]
pub struct IdxSource {
    /// The data set.
    pub name: &'static str,
    /// How the names of the files begin: of the training images, and of those for evaluation.
    pub stems: [String; 2],
    /// The names of the classes.
    pub classes: &'static [&'static str],
    /// The label of the first class.
    pub first_label: usize,
    /// Whether rows and columns of the images are exchanged.
    pub transposed: bool,
}

impl IdxSource {
    /// A data set whose files are called as MNIST's are.
    pub fn like_mnist(name: &'static str, classes: &'static [&'static str]) -> Self {
        Self { name, stems: ["train".into(), "t10k".into()], classes, first_label: 0, transposed: false }
    }

    /// The files of images and of labels of one split.
    ///
    /// # Errors
    /// [`DataError::Missing`] for a file that is not there.
    pub fn files(&self, dir: &Path, split: Split) -> Result<[PathBuf; 2], DataError> {
        let stem = match split {
            Split::Train => &self.stems[0],
            Split::Eval => &self.stems[1],
        };
        let images = match find(dir, self.name, &format!("{stem}-images"), "idx3-ubyte") {
            Ok(images) => images,
            // Both arrays of both splits are in Keras' file.
            Err(missing) => {
                return keras::file(dir, self.name).map(|file| [file.clone(), file]).ok_or(missing);
            }
        };
        Ok([images, find(dir, self.name, &format!("{stem}-labels"), "idx1-ubyte")?])
    }

    /// Reads one split from `dir`, and nothing of the other; zeros are added around the images up to `pad_to`.
    ///
    /// # Errors
    /// [`DataError::Missing`] for a file that is not there, [`DataError::Io`] and [`DataError::Format`] for one that
    /// is damaged, [`DataError::Config`] for a size to pad to that is smaller than the images.
    pub fn load(
        &self,
        dir: &Path,
        split: Split,
        pad_to: Option<ImageSize>,
    ) -> Result<ImageDataset, DataError> {
        let [image_path, label_path] = self.files(dir, split)?;
        let is_keras = image_path == label_path;
        let ([count, height, width], mut pixels, labels) =
            if is_keras { keras::read(&image_path, split)? } else { idx_pair(&image_path, &label_path)? };
        if count != labels.len() {
            let labels = labels.len();
            let problem = format!("{labels} labels, but {} has {count} images", image_path.display());
            return Err(DataError::Format { path: label_path, problem });
        }
        let labels = self.classes_of(&labels, &label_path)?;
        let (mut height, mut width) = (height, width);
        if self.transposed {
            transpose(&mut pixels, height, width);
            (height, width) = (width, height);
        }
        let mut shape = ImageShape { channels: 1, height, width };
        if let Some(size) = pad_to {
            check_padding(count, shape.size(), size)?;
            let mut padded = Vec::with_capacity(count * size.height * size.width);
            pixels
                .chunks_exact(shape.len())
                .for_each(|image| padded.extend(resample::padded(image, shape, size)));
            pixels = padded;
            shape = ImageShape::of(1, size);
        }
        let classes = self.classes.iter().map(|&class| class.to_owned()).collect();
        ImageDataset::new(self.name, shape, classes, pixels, labels)
    }

    fn classes_of(&self, labels: &[u8], path: &Path) -> Result<Vec<usize>, DataError> {
        let class = |(i, &label): (usize, &u8)| {
            let class = usize::from(label).checked_sub(self.first_label);
            class.filter(|class| *class < self.classes.len()).ok_or_else(|| {
                let (first, classes) = (self.first_label, self.classes.len());
                let problem = format!(
                    "label {label} of image {i} is out of range: {} has {classes} classes, from {first}",
                    self.name
                );
                DataError::Format { path: path.to_owned(), problem }
            })
        };
        labels.iter().enumerate().map(class).collect()
    }
}

/// Whether images can be padded, and have room then.
fn check_padding(count: usize, from: ImageSize, to: ImageSize) -> Result<(), DataError> {
    let refuse = |expected: String| Err(DataError::config("pad_to", to, expected));
    let ImageSize { height, width } = from;
    if to.height < height || to.width < width || to.longer() > LARGEST_PADDED {
        return refuse(format!("the images are {height}x{width}; expected that much to {LARGEST_PADDED}"));
    }
    if count.checked_mul(to.height * to.width).is_none_or(|total| total > MOST_BYTES) {
        return refuse(format!(
            "{count} images of that size are more than {MOST_BYTES} bytes; expected less"
        ));
    }
    Ok(())
}

/// A size and a SHA-256 for each of the four files that are called as MNIST's are: training images and labels, test
/// images and labels.
pub type FourFiles = [(u64, &'static str); 4];

/// Four files that are called as MNIST's are, as each of some mirrors offers them.
pub fn four_files(mirrors: &[&str], files: FourFiles) -> Vec<RemoteFile> {
    let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    let file = |(stem, (bytes, sha256)): (&str, (u64, &str))| {
        let name = format!("{stem}-ubyte.gz");
        RemoteFile {
            bytes: Some(bytes),
            sha256: sha256.into(),
            urls: mirrors.iter().map(|mirror| format!("{mirror}/{name}")).collect(),
            unpack: None,
            name,
        }
    };
    names.into_iter().zip(files).map(file).collect()
}

/// Reads both splits of a data set whose files are called as MNIST's are.
///
/// # Errors
/// As [`IdxSource::load`], and [`DataError::Inconsistent`] for splits of different sizes.
pub fn load_idx_pair(
    dir: &Path,
    name: &'static str,
    classes: &'static [&'static str],
    pad_to: Option<ImageSize>,
) -> Result<DatasetPair, DataError> {
    let source = IdxSource::like_mnist(name, classes);
    DatasetPair::new(source.load(dir, Split::Train, pad_to)?, source.load(dir, Split::Eval, pad_to)?)
}

/// The file of a split: `train-images-idx3-ubyte`, with `.gz` or not, and with a dot for the second hyphen, as some
/// mirrors spell it.
fn find(dir: &Path, name: &str, stem: &str, kind: &str) -> Result<PathBuf, DataError> {
    let published = format!("{stem}-{kind}");
    let file = format!("{published}.gz");
    let missing = || DataError::Missing { name: name.into(), dir: dir.into(), file };
    one_of(dir, &[published, format!("{stem}.{kind}")]).ok_or_else(missing)
}

/// Number, height and width of the images in one file, their pixels, and the labels in the other.
fn idx_pair(images: &Path, labels: &Path) -> Result<([usize; 3], Vec<u8>, Vec<u8>), DataError> {
    let (sizes, pixels) = read::<3>(images, IMAGE_MAGIC, "images")?;
    let (_, labels) = read::<1>(labels, LABEL_MAGIC, "labels")?;
    Ok((sizes, pixels, labels))
}

/// The sizes in the header and the bytes behind it.
fn read<const D: usize>(path: &Path, magic: u32, what: &str) -> Result<([usize; D], Vec<u8>), DataError> {
    let mut reader = open(path)?;
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let mut header = vec![0; 4 + 4 * D];
    reader
        .read_exact(&mut header)
        .map_err(|e| format(format!("truncated or damaged within its header: {e}")))?;
    let word = |i: usize| {
        u32::from_be_bytes([header[4 * i], header[4 * i + 1], header[4 * i + 2], header[4 * i + 3]])
    };
    if word(0) != magic {
        let problem = format!(
            "not an idx file of {what}: its magic number is {:#010x}, expected {magic:#010x}",
            word(0)
        );
        return Err(format(problem));
    }
    let sizes: [usize; D] = std::array::from_fn(|i| word(i + 1) as usize);
    let total = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let expected = match total {
        Some(total) if total <= MOST_BYTES && sizes[0] <= MOST_IMAGES && sizes.iter().all(|&s| s > 0) => {
            total
        }
        _ => return Err(format(format!("its header claims sizes of {sizes:?}, which cannot be"))),
    };
    // Grows with what is really there: the header's claim alone allocates nothing.
    let mut bytes = Vec::new();
    read_expected(path, &mut reader, expected, &mut bytes).map_err(|e| {
        format(format!("truncated or damaged after {} of {expected} bytes of {what}: {e}", bytes.len()))
    })?;
    match bytes.len() {
        n if n < expected => {
            Err(format(format!("truncated: {n} bytes of {what}, its header claims {expected}")))
        }
        n if n > expected => {
            Err(format(format!("more bytes of {what} than the {expected} that its header claims")))
        }
        _ => Ok((sizes, bytes)),
    }
}

/// Exchanges rows and columns of each image.
fn transpose(pixels: &mut [u8], height: usize, width: usize) {
    let mut before = vec![0; height * width];
    for image in pixels.chunks_exact_mut(height * width) {
        before.copy_from_slice(image);
        for (i, pixel) in image.iter_mut().enumerate() {
            *pixel = before[(i % height) * width + i / height];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::{
        super::{fashion_mnist::FASHION_MNIST_CLASSES, mnist::MNIST_CLASSES},
        *,
    };

    fn idx(magic: u32, sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let words = [&[magic], sizes].concat();
        words.iter().flat_map(|w| w.to_be_bytes()).chain(bytes.iter().copied()).collect()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Three 2x2 images and their labels, gzipped.
    fn directory() -> TempDir {
        let dir = TempDir::new().unwrap();
        let pixels: Vec<u8> = (1..=12).collect();
        for split in ["train", "t10k"] {
            let write = |file: String, bytes: &[u8]| fs::write(dir.path().join(file), gz(bytes)).unwrap();
            write(format!("{split}-images-idx3-ubyte.gz"), &idx(IMAGE_MAGIC, &[3, 2, 2], &pixels));
            write(format!("{split}-labels-idx1-ubyte.gz"), &idx(LABEL_MAGIC, &[3], &[0, 1, 1]));
        }
        dir
    }

    fn error_after(change: impl FnOnce(&Path)) -> String {
        let dir = directory();
        change(dir.path());
        load_idx_pair(dir.path(), "tiny", &["a", "b"], None).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let pair = load_idx_pair(directory().path(), "tiny", &["a", "b"], Some(5.into())).unwrap();
        assert_eq!(pair.train.labels(), [0, 1, 1]);
        let expected = [0, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0, 7, 8, 0, 0];
        assert_eq!(pair.train.pixels_of(1)[..15], expected);
        assert_eq!(pair.eval.shape(), ImageShape { channels: 1, height: 5, width: 5 });
    }

    #[test]
    fn one_split_is_read_without_the_other() {
        let dir = directory();
        let source = IdxSource::like_mnist("tiny", &["a", "b"]);
        for file in fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            if path.to_str().unwrap().contains("train") {
                fs::remove_file(path).unwrap();
            }
        }
        assert_eq!(source.load(dir.path(), Split::Eval, None).unwrap().len(), 3);
        assert!(source.load(dir.path(), Split::Train, None).is_err());
    }

    #[test]
    fn emnist_stands_upright_and_counts_from_0() {
        use super::super::emnist::EmnistSplit;
        let dir = TempDir::new().unwrap();
        let write = |file: &str, bytes: &[u8]| fs::write(dir.path().join(file), gz(bytes)).unwrap();
        write("emnist-letters-test-images-idx3-ubyte.gz", &idx(IMAGE_MAGIC, &[1, 2, 3], &[1, 2, 3, 4, 5, 6]));
        write("emnist-letters-test-labels-idx1-ubyte.gz", &idx(LABEL_MAGIC, &[1], &[26]));
        let letters = EmnistSplit::Letters.source();
        let data = letters.load(dir.path(), Split::Eval, None).unwrap();
        assert_eq!(data.shape(), ImageShape { channels: 1, height: 3, width: 2 });
        assert_eq!(data.pixels_of(0), [1, 4, 2, 5, 3, 6]);
        assert_eq!((data.label(0), data.class_names()[25].as_str()), (25, "Z"));
        write("emnist-letters-test-labels-idx1-ubyte.gz", &idx(LABEL_MAGIC, &[1], &[0]));
        let message = letters.load(dir.path(), Split::Eval, None).unwrap_err().to_string();
        assert!(message.contains("label 0 of image 0") && message.contains("from 1"), "{message}");
        for split in EmnistSplit::ALL {
            let file = split.source().files(dir.path(), Split::Train).unwrap_err().to_string();
            assert!(file.contains(&format!("emnist-{}-train-images", split.name())), "{file}");
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_its_header_claims() {
        // A hundred megabytes of zeros in a hundred kilobytes, behind a header that claims 12 bytes.
        let file = "train-images-idx3-ubyte.gz";
        let bomb = gz(&idx(IMAGE_MAGIC, &[3, 2, 2], &vec![0; 100 << 20]));
        let message = error_after(|dir| fs::write(dir.join(file), &bomb).unwrap());
        assert!(message.contains("more bytes of images than the 12"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named_with_its_directory() {
        let message = error_after(|dir| fs::remove_file(dir.join("t10k-labels-idx1-ubyte.gz")).unwrap());
        assert!(message.contains("no tiny in") && message.contains("t10k-labels-idx1-ubyte.gz"), "{message}");
    }

    #[test]
    fn a_wrong_magic_number_is_told_with_the_right_one() {
        let file = "train-images-idx3-ubyte.gz";
        let message =
            error_after(|dir| fs::write(dir.join(file), gz(&idx(0x0d03, &[3, 2, 2], &[0; 12]))).unwrap());
        assert!(message.contains("0x00000d03, expected 0x00000803"), "{message}");
    }

    #[test]
    fn images_are_padded_to_a_rectangle() {
        let padded = |height, width| {
            load_idx_pair(directory().path(), "tiny", &["a", "b"], Some(ImageSize { height, width }))
        };
        let pair = padded(3, 5).unwrap();
        assert_eq!(pair.train.shape(), ImageShape { channels: 1, height: 3, width: 5 });
        // The odd row below, and one column more right than left.
        assert_eq!(pair.train.pixels_of(1), [0, 5, 6, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0]);
        let narrow = padded(8, 1).unwrap_err().to_string();
        assert!(narrow.contains("`pad_to` is [8, 1]: the images are 2x2"), "{narrow}");
        assert!(padded(2, 1025).unwrap_err().to_string().contains("to 1024"));
    }

    #[test]
    fn counts_that_differ_are_both_told() {
        let file = "train-labels-idx1-ubyte.gz";
        let message =
            error_after(|dir| fs::write(dir.join(file), gz(&idx(LABEL_MAGIC, &[2], &[0, 1]))).unwrap());
        assert!(message.contains("2 labels") && message.contains("3 images"), "{message}");
        let message =
            error_after(|dir| fs::write(dir.join(file), gz(&idx(LABEL_MAGIC, &[3], &[0, 9, 1]))).unwrap());
        assert!(message.contains("label 9 of image 1"), "{message}");
    }

    #[test]
    fn a_header_cannot_make_us_allocate() {
        let file = "train-images-idx3-ubyte.gz";
        for sizes in [[u32::MAX, 28, 28], [u32::MAX; 3], [0, 28, 28], [1_000_000, 28, 28], [1 << 25, 1, 1]] {
            let message =
                error_after(|dir| fs::write(dir.join(file), gz(&idx(IMAGE_MAGIC, &sizes, &[]))).unwrap());
            assert!(message.contains("claims"), "{message}");
        }
    }

    #[test]
    fn padding_cannot_make_us_allocate_either() {
        // Two hundred kilobytes on the disk; padded, a terabyte.
        let dir = TempDir::new().unwrap();
        let count = 1 << 20;
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), gz(bytes)).unwrap();
        write("train-images-idx3-ubyte.gz", &idx(IMAGE_MAGIC, &[count, 1, 1], &vec![0; count as usize]));
        write("train-labels-idx1-ubyte.gz", &idx(LABEL_MAGIC, &[count], &vec![0; count as usize]));
        let source = IdxSource::like_mnist("tiny", &MNIST_CLASSES);
        let message = source.load(dir.path(), Split::Train, Some(1024.into())).unwrap_err().to_string();
        assert!(message.contains("`pad_to` is 1024") && message.contains("1048576 images"), "{message}");
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let file = "train-images-idx3-ubyte.gz";
        let whole = fs::read(directory().path().join(file)).unwrap();
        for end in 0..whole.len() {
            error_after(|dir| fs::write(dir.join(file), &whole[..end]).unwrap());
        }
        error_after(|dir| fs::write(dir.join(file), gz(&idx(IMAGE_MAGIC, &[3, 2, 2], &[0; 13]))).unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Whatever bytes are changed before compression or after, the file is read or refused.
        #[test]
        fn damage_never_panics(at in 0_usize..28, value: u8, compressed: bool) {
            let dir = directory();
            let path = dir.path().join("train-images-idx3-ubyte.gz");
            let mut bytes = idx(IMAGE_MAGIC, &[3, 2, 2], &[5; 12]);
            if compressed {
                bytes = gz(&bytes);
            }
            let at = at % bytes.len();
            bytes[at] = value;
            fs::write(path, if compressed { bytes } else { gz(&bytes) }).unwrap();
            if let Err(error) = load_idx_pair(dir.path(), "tiny", &["a", "b"], None) {
                prop_assert!(error.to_string().contains("train-") || error.to_string().contains("tiny"), "{}", error);
            }
        }
    }

    #[test]
    fn the_published_files_are_read_whole() {
        for (name, classes) in [("mnist", &MNIST_CLASSES), ("fashion-mnist", &FASHION_MNIST_CLASSES)] {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets").join(name);
            if !dir.exists() {
                println!("skipped: no {name} in {}", dir.display());
                continue;
            }
            let pair = load_idx_pair(&dir, name, classes, None).unwrap();
            assert_eq!((pair.train.len(), pair.eval.len()), (60_000, 10_000));
            assert_eq!(pair.train.shape(), ImageShape { channels: 1, height: 28, width: 28 });
            if name == "fashion-mnist" {
                assert_eq!(pair.train.counts_per_class(), [6000; 10]);
            }
        }
    }
}
