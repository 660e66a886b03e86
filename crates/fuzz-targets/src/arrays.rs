//! Arrays of NumPy and of safetensors files, under the names that others give them.

use std::{
    io::{Cursor, Write},
    path::Path,
};

use data_streams::{
    DataError, DatasetOptions, ImageDataset, Places, Split,
    arrays::Values,
    dataset::{
        mnist::MnistConfig,
        tensors::{Layout, TensorsConfig},
    },
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    choice,
    data::{check, check_message},
    files, in_directory, write,
};

/// A whole npz file.
pub fn npz(data: &[u8]) {
    in_directory(|dir| {
        write(&dir.join("set.npz"), data);
        check(&tensors(dir, "set.npz", Layout::Auto));
    });
}

/// Two arrays of NumPy, in an npz that is made here.
pub fn npy(data: &[u8]) {
    let (choice, rest) = choice(data);
    let [images, labels] = files(rest);
    let archive = archived(&[("images", images), ("labels", labels)]);
    in_directory(|dir| {
        write(&dir.join("set.npz"), &archive);
        check(&tensors(dir, "set.npz", layout(choice)));
        let values = VALUES[usize::from(choice / 3 % 3)];
        let config = TensorsConfig {
            train: "set.npz".into(),
            layout: layout(choice),
            values: Some(values),
            ..TensorsConfig::default()
        };
        check(&config.load_split(Some(dir), Split::Train));
    });
}

/// A safetensors file of images and labels.
pub fn safetensors(data: &[u8]) {
    let (choice, file) = choice(data);
    in_directory(|dir| {
        write(&dir.join("set.safetensors"), file);
        check(&tensors(dir, "set.safetensors", layout(choice)));
    });
}

fn layout(choice: u8) -> Layout {
    [Layout::Auto, Layout::Nchw, Layout::Nhwc][usize::from(choice % 3)]
}

fn tensors(dir: &Path, name: &str, layout: Layout) -> Result<ImageDataset, DataError> {
    let config = TensorsConfig { train: name.into(), eval: name.into(), layout, ..TensorsConfig::default() };
    config.load_split(Some(dir), Split::Train)
}

const VALUES: [Values; 3] = [Values::Unit, Values::Signed, Values::Byte];

/// Names of images and labels of both splits, or of one that serves for both.
const NAMES: [[&str; 4]; 6] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["X_train", "Y_train", "X_test", "Y_test"],
    ["train_images", "train_labels", "val_images", "val_labels"],
    ["arr_0", "arr_1", "test_data", "test_labels"],
    ["data", "targets", "image", "label"],
    ["images", "labels", "extra", "more"],
];

/// Images and labels of both splits in one npz, under names that others use; or `mnist.npz` as Keras has it.
pub fn arrays(data: &[u8]) {
    let (choice, rest) = choice(data);
    let found: [&[u8]; 4] = files(rest);
    let names = NAMES[usize::from(choice) % NAMES.len()];
    let archive = archived(&std::array::from_fn::<_, 4, _>(|i| (names[i], found[i])));
    in_directory(|dir| {
        let values = (choice & 0x40 != 0).then(|| VALUES[usize::from(choice / 6 % 3)]);
        write(&dir.join("set.npz"), &archive);
        let config = TensorsConfig {
            train: "set.npz".into(),
            eval: "set.npz".into(),
            values,
            ..TensorsConfig::default()
        };
        let places = Places { data_dir: Some(dir.into()), cache: dir.join("cache") };
        match config.build(&places) {
            Ok(pair) => {
                assert_eq!(pair.train.class_names(), pair.eval.class_names());
                check(&Ok(pair.train));
                check(&Ok(pair.eval));
            }
            Err(error) => check_message(&error),
        }
        let keras = dir.join("keras");
        write(&keras.join("mnist.npz"), &archive);
        let config = MnistConfig { dir: Some(keras), pad_to: None };
        check(&config.build_split(&places.without_data_dir(), Split::Train));
    });
}

/// An npz of whole files of NumPy.
fn archived(arrays: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), options).expect("memory can be written");
        archive.write_all(bytes).expect("memory can be written");
    }
    archive.finish().expect("memory can be written").into_inner()
}
