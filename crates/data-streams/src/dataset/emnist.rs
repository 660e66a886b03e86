//! EMNIST (Cohen et al. 2017, arXiv 1702.05373): letters and digits by hand, in the idx files of its `gzip.zip`.
//!
//! The published images are transposed, and the labels of `letters` begin at 1; both are undone here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::idx::{IdxSource, MNIST_CLASSES};

/// Which of the six published divisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmnistSplit {
    /// 47 classes with as many images each.
    #[default]
    Balanced,
    /// 62 classes: digits, capital and small letters.
    Byclass,
    /// 47 classes: small letters that look like their capitals are one class with them.
    Bymerge,
    /// 26 classes, capital and small letters as one.
    Letters,
    /// The ten digits, as many images each.
    Digits,
    /// The ten digits in the numbers of MNIST.
    Mnist,
}

const BYCLASS: [&str; 62] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "c", "d", "e", "f",
    "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
];

/// Digits, capitals, and the small letters that are written otherwise than theirs.
const MERGED: [&str; 47] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "d", "e", "f", "g",
    "h", "n", "q", "r", "t",
];

const LETTERS: [&str; 26] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U",
    "V", "W", "X", "Y", "Z",
];

impl EmnistSplit {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Balanced, Self::Byclass, Self::Bymerge, Self::Letters, Self::Digits, Self::Mnist];

    /// As it is spelt in file names and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Byclass => "byclass",
            Self::Bymerge => "bymerge",
            Self::Letters => "letters",
            Self::Digits => "digits",
            Self::Mnist => "mnist",
        }
    }

    pub(super) fn source(self) -> IdxSource {
        let classes: &'static [&'static str] = match self {
            Self::Byclass => &BYCLASS,
            Self::Balanced | Self::Bymerge => &MERGED,
            Self::Letters => &LETTERS,
            Self::Digits | Self::Mnist => &MNIST_CLASSES,
        };
        IdxSource {
            name: "emnist",
            stems: [format!("emnist-{}-train", self.name()), format!("emnist-{}-test", self.name())],
            classes,
            first_label: usize::from(self == Self::Letters),
            transposed: true,
        }
    }
}
