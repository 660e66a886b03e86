//! The names under which others save images and labels.

use crate::{Split, listed};

/// Names of images and of their labels in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The images.
    pub images: &'static str,
    /// The labels.
    pub labels: &'static str,
}

const fn pair(images: &'static str, labels: &'static str) -> Pair {
    Pair { images, labels }
}

/// Files of both splits: Keras' (`x_train`), and those of MedMNIST (`train_images`).
const TRAIN: [Pair; 6] = [
    pair("x_train", "y_train"),
    pair("X_train", "y_train"),
    pair("X_train", "Y_train"),
    pair("train_images", "train_labels"),
    pair("train_x", "train_y"),
    pair("train_data", "train_labels"),
];

const EVAL: [Pair; 8] = [
    pair("x_test", "y_test"),
    pair("X_test", "y_test"),
    pair("X_test", "Y_test"),
    pair("test_images", "test_labels"),
    pair("test_x", "test_y"),
    pair("test_data", "test_labels"),
    pair("x_val", "y_val"),
    pair("val_images", "val_labels"),
];

/// Files of one split; `arr_0` is what NumPy calls an array that is given no name.
const EITHER: [Pair; 9] = [
    pair("x", "y"),
    pair("X", "y"),
    pair("X", "Y"),
    pair("image", "label"),
    pair("imgs", "labels"),
    pair("data", "labels"),
    pair("data", "targets"),
    pair("data", "label"),
    pair("arr_0", "arr_1"),
];

/// Names of images in files that hold nothing else.
pub const IMAGES: [&str; 8] = ["images", "samples", "x", "X", "image", "imgs", "data", "arr_0"];

/// The names of the images and labels of a split among those in a file: `images` and `labels` where they are there, else
/// the split's own, else those that say nothing of a split.
///
/// # Errors
/// In words: the names that are there, and those that would be read.
pub fn find(there: &[String], split: Split) -> Result<Pair, String> {
    let has = |name: &str| there.iter().any(|there| there == name);
    let own: &[Pair] = match split {
        Split::Train => &TRAIN,
        Split::Eval => &EVAL,
    };
    let first = [pair("images", "labels")];
    let pairs = || first.iter().chain(own).chain(&EITHER).copied();
    if let Some(pair) = pairs().find(|pair| has(pair.images) && has(pair.labels)) {
        return Ok(pair);
    }
    let mut names: Vec<&str> = there.iter().map(String::as_str).collect();
    names.sort_unstable();
    let there = listed(names);
    match pairs().find(|pair| has(pair.images)) {
        Some(Pair { labels, .. }) => Err(format!("there is no array `{labels}`; there is {there}")),
        None => Err(format!(
            "there is no array `images` with `labels`, nor `{}` with `{}`, nor another usual pair; there is {there}",
            own[0].images, own[0].labels
        )),
    }
}
