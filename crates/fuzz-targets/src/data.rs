//! Data sets and their archives.

use std::{collections::BTreeSet, fs, io::Write, path::Path};

use data_streams::{
    Archive, DataError, DatasetOptions, ImageDataset, ImageSize, Places, Split, Unpack,
    dataset::{
        cifar::load_cifar_split,
        cifar10::CIFAR10,
        cifar100::CIFAR100,
        digits::load_digits_split,
        idx::IdxSource,
        image_folder::{Fit, ImageFolderConfig},
        mnist::MNIST_CLASSES,
        parquet::ParquetConfig,
        webdataset::WebDatasetConfig,
    },
    fetch::unpack,
};
use flate2::{Compression, write::GzEncoder};

use crate::{choice, files, in_directory, write};

/// A message is a line or two, whatever was read.
const LONGEST_MESSAGE: usize = 2000;

/// Checks a set that was accepted, or the message that says why one was not.
pub(crate) fn check(set: &Result<ImageDataset, DataError>) {
    let set = match set {
        Ok(set) => set,
        Err(error) => return check_message(error),
    };
    assert!(!set.is_empty() && !set.shape().is_empty());
    assert_eq!(set.labels().len(), set.len());
    assert_eq!(set.counts_per_class().iter().sum::<usize>(), set.len());
    for i in [0, set.len() - 1] {
        assert_eq!(set.pixels_of(i).len(), set.shape().len());
        assert!(set.label(i) < set.class_names().len());
    }
}

pub(crate) fn check_message(error: &impl ToString) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() < LONGEST_MESSAGE, "{} bytes of message", message.len());
}

/// The bytes, gzipped.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// Images and labels of an idx pair: plain, gzipped here, or as gzip itself; transposed or not; padded to a square, to a rectangle or not.
pub fn idx(data: &[u8]) {
    let (choice, rest) = choice(data);
    let [images, labels] = files(rest);
    in_directory(|dir| {
        for (kind, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            let plain = dir.join(format!("train-{kind}-ubyte"));
            let compressed = dir.join(format!("train-{kind}-ubyte.gz"));
            let _ = fs::remove_file(&plain);
            let _ = fs::remove_file(&compressed);
            match choice % 3 {
                0 => write(&plain, bytes),
                1 => write(&compressed, &gzipped(bytes)),
                _ => write(&compressed, bytes),
            }
        }
        let mut source = IdxSource::like_mnist("fuzzed", &MNIST_CLASSES);
        source.transposed = choice & 0x10 != 0;
        let wide = ImageSize { height: 32, width: 40 };
        let pad_to =
            (choice & 0x20 != 0).then_some(if choice & 0x40 != 0 { wide } else { ImageSize::square(32) });
        let set = source.load(dir, Split::Train, pad_to);
        check(&set);
        if let (Ok(set), Some(size)) = (&set, pad_to) {
            assert_eq!(set.shape().size(), size);
        }
    });
}

/// Records of CIFAR-10 or CIFAR-100.
pub fn cifar(data: &[u8]) {
    let (choice, records) = choice(data);
    let cifar = if choice & 1 == 0 { CIFAR10 } else { CIFAR100 };
    let labels = cifar.label_bytes;
    in_directory(|dir| {
        write(&dir.join("train.bin"), records);
        let set = load_cifar_split(dir, cifar, Split::Train);
        check(&set);
        if let Ok(set) = set {
            assert_eq!(set.len() * (labels + 3072), records.len());
            assert_eq!(set.pixels_of(0), &records[labels..labels + 3072]);
        }
    });
}

/// A pickled batch of CIFAR-10 or CIFAR-100, or an archive of some.
pub fn pickled_cifar(data: &[u8]) {
    let (choice, pickle) = choice(data);
    let (cifar, name) = if choice & 1 == 0 { (CIFAR10, "data_batch_1") } else { (CIFAR100, "train") };
    in_directory(|dir| {
        let dir = dir.join(cifar.name);
        let _ = fs::remove_dir_all(&dir);
        if choice & 2 == 0 {
            write(&dir.join(name), pickle);
        } else {
            write(&dir.join(cifar.archive), pickle);
        }
        let set = load_cifar_split(&dir, cifar, Split::Train);
        check(&set);
        if let Ok(set) = set
            && !pickle.starts_with(&[0x1f, 0x8b])
        {
            // Every pixel is in the file.
            assert!(set.len() * 3072 <= pickle.len());
        }
    });
}

/// The digits' table.
pub fn digits(data: &[u8]) {
    in_directory(|dir| {
        write(&dir.join("optdigits.tra"), data);
        check(&load_digits_split(dir, Split::Train));
    });
}

/// A picture (PNG, JPEG, WebP, BMP, TIFF or GIF, as its bytes say) in a folder of classes.
pub fn image(data: &[u8]) {
    let (choice, picture) = choice(data);
    let fit = [Fit::Crop, Fit::Stretch, Fit::Exact][usize::from(choice % 3)];
    let channels = if choice & 0x10 == 0 { 3 } else { 1 };
    let size = if choice & 0x20 == 0 { ImageSize::square(8) } else { ImageSize { height: 6, width: 11 } };
    let size = (fit != Fit::Exact).then_some(size);
    in_directory(|dir| {
        let root = dir.join("pictures");
        for split in ["train", "test"] {
            // A class of its own has the same picture, so that sizes agree where they should.
            for class in ["a", "b"] {
                write(&root.join(split).join(class).join("picture.png"), picture);
            }
        }
        let config = ImageFolderConfig { size, fit, channels, ..ImageFolderConfig::default() };
        let set = config.load_split(&root, Split::Train);
        check(&set);
        if let Ok(set) = set {
            assert_eq!((set.len(), set.shape().channels), (2, channels));
            assert_eq!(set.pixels_of(0), set.pixels_of(1));
        }
    });
}

/// A Parquet file of pictures and labels.
pub fn parquet(data: &[u8]) {
    let (choice, file) = choice(data);
    in_directory(|dir| {
        write(&dir.join("set.parquet"), file);
        let config = ParquetConfig {
            train: "set.parquet".into(),
            eval: Some("set.parquet".into()),
            image: None,
            label: None,
            size: (choice & 1 == 0).then_some(8.into()),
            fit: if choice & 1 == 0 { Fit::Crop } else { Fit::Exact },
            channels: if choice & 0x10 == 0 { 3 } else { 1 },
            skip_broken: usize::from(choice >> 5),
            eval_share: 0.5,
        };
        records(&config, dir);
    });
}

/// A tar of pictures and labels in WebDataset's form, plain or gzipped.
pub fn webdataset(data: &[u8]) {
    let (choice, file) = choice(data);
    let name = if choice & 0x10 == 0 { "set.tar" } else { "set.tar.gz" };
    in_directory(|dir| {
        write(&dir.join(name), file);
        let config = WebDatasetConfig {
            train: name.into(),
            eval: Some(name.into()),
            image: None,
            label: ["cls", "txt", "json"][usize::from(choice % 3)].into(),
            label_key: "label".into(),
            size: (choice & 0x20 == 0).then_some(8.into()),
            fit: if choice & 0x20 == 0 { Fit::Stretch } else { Fit::Exact },
            channels: 3,
            skip_broken: 1,
            eval_share: 0.5,
        };
        records(&config, dir);
    });
}

/// A set of records is the same as either split of itself.
fn records(config: &impl DatasetOptions, dir: &Path) {
    let places = Places { data_dir: Some(dir.to_owned()), cache: dir.to_owned() };
    let set = config.build_split(&places, Split::Train);
    check(&set);
    if let Ok(set) = set {
        let again = config.build_split(&places, Split::Eval).expect("it was read before");
        assert_eq!(set.content_hash(), again.content_hash());
    }
}

/// An archive: a tar that is gzipped here, a tar.gz, or a zip. Nothing is written but the members, in their directory.
pub fn archive(data: &[u8]) {
    let (choice, bytes) = choice(data);
    let archive = if choice % 3 == 2 { Archive::Zip } else { Archive::TarGz };
    let wanted = ["train.bin", "test.bin"];
    in_directory(|dir| {
        let outer = dir.join("outer");
        let _ = fs::remove_dir_all(&outer);
        let inner = outer.join("inner");
        fs::create_dir_all(&inner).expect("a temporary directory can be made");
        let path = outer.join("archive");
        if choice % 3 == 0 {
            write(&path, &gzipped(bytes));
        } else {
            write(&path, bytes);
        }
        let unpacked = unpack(&path, &Unpack { archive, members: wanted.map(str::to_owned).into() }, &inner);
        let expected: BTreeSet<String> = match unpacked {
            Ok(_) => BTreeSet::from(["inner".to_owned()]),
            Err(error) => {
                check_message(&error);
                BTreeSet::from(["archive".to_owned(), "inner".to_owned()])
            }
        };
        assert_eq!(names(&outer), expected);
        for name in names(&inner) {
            assert!(wanted.contains(&name.as_str()), "{name} was written");
            let kind = fs::symlink_metadata(inner.join(name)).expect("it is there").file_type();
            assert!(kind.is_file());
        }
    });
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
