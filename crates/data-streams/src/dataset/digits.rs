//! The UCI digits (Alpaydin & Kaynak 1998; scikit-learn's `load_digits`): 8 x 8 images with values 0 to 16, a line each
//! of 64 values and the digit, separated by commas.
//!
//! The published archive's size is not known here, nor a second host; two public projects state its hash.
//!
//! ```toml
//! [data.digits]
//! dir = "DIRECTORY"
//! ```

use std::path::{Path, PathBuf};

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetPair, ImageDataset, ImageShape, PublishedSet, Split, file, mnist::MNIST_CLASSES};
use crate::{Archive, DataError, RemoteFile, Unpack, error::shortened, files};

const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };
const LARGEST: usize = 16;
const MOST_BYTES: usize = 1 << 24;

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsConfig {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl Describe for DigitsConfig {
    const NAME: &'static str = "digits";
    const SUMMARY: &'static str = "The UCI digits, from their published text files";
    const CITATION: &'static str = "Alpaydin & Kaynak 1998";
}

impl PublishedSet for DigitsConfig {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "UCI digits by hand, 8x8 grey, 10 classes, 3823 + 1797"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([3_823, 1_797])
    }

    fn licence(&self) -> &'static str {
        "CC BY 4.0"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        let host = "https://archive.ics.uci.edu/static/public/80";
        vec![RemoteFile {
            name: "optical_recognition_of_handwritten_digits.zip".into(),
            bytes: None,
            sha256: "0d7b054fea010270e9b3f06411c654c5e59547732ad626381980baffe0a23fb0".into(),
            urls: vec![format!("{host}/optical+recognition+of+handwritten+digits.zip")],
            unpack: Some(Unpack {
                archive: Archive::Zip,
                members: vec!["optdigits.tra".into(), "optdigits.tes".into()],
            }),
        }]
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        Ok(vec![digits_file(dir, split)?])
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        load_digits_split(dir, split)
    }
}

/// Reads the training set (`optdigits.tra` or `digits_uci_train.csv`) and the test set (`optdigits.tes` or
/// `digits.csv`) from `dir`, gzipped or not.
///
/// # Errors
/// As [`load_digits_split`].
pub fn load_digits_pair(dir: &Path) -> Result<DatasetPair, DataError> {
    DatasetPair::new(load_digits_split(dir, Split::Train)?, load_digits_split(dir, Split::Eval)?)
}

/// The file of a split.
///
/// # Errors
/// [`DataError::Missing`] if it is not there.
pub fn digits_file(dir: &Path, split: Split) -> Result<PathBuf, DataError> {
    let names = match split {
        Split::Train => ["optdigits.tra", "digits_uci_train.csv"],
        Split::Eval => ["optdigits.tes", "digits.csv"],
    };
    let files = files::matching(dir, |name| names.contains(&name))?;
    let missing = || DataError::Missing { name: "digits".into(), dir: dir.into(), file: names[0].into() };
    files.into_iter().next_back().ok_or_else(missing)
}

/// Reads one split from `dir`.
///
/// # Errors
/// [`DataError::Missing`] for a file that is not there, [`DataError::Io`] and [`DataError::Format`], with the line, for
/// one that is damaged.
pub fn load_digits_split(dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
    let path = &digits_file(dir, split)?;
    let bytes = file::read_all(path, MOST_BYTES)?;
    let format = |problem: String| DataError::Format { path: path.clone(), problem };
    let text = String::from_utf8(bytes).map_err(|e| format(format!("not text: {e}")))?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (image, label) = parse(line).map_err(|problem| format(format!("line {}: {problem}", i + 1)))?;
        pixels.extend(image);
        labels.push(label);
    }
    if labels.is_empty() {
        return Err(format("no digit in it: expected lines of 64 values and a label".into()));
    }
    ImageDataset::new("digits", SHAPE, MNIST_CLASSES.map(str::to_owned).to_vec(), pixels, labels)
}

fn parse(line: &str) -> Result<(Vec<u8>, usize), String> {
    let number = |field: &str| {
        field.trim().parse::<usize>().map_err(|_| format!("{} is not a number", shortened(field.trim())))
    };
    let fields = line.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    let (label, values) = match fields.split_last() {
        Some((label, values)) if values.len() == SHAPE.len() => (*label, values),
        _ => return Err(format!("{} fields, expected 64 pixels and a digit", fields.len())),
    };
    if let Some(value) = values.iter().find(|value| **value > LARGEST) {
        return Err(format!("a pixel is {value}, expected 0 to {LARGEST}"));
    }
    if label >= MNIST_CLASSES.len() {
        return Err(format!("the digit is {label}, expected 0 to 9"));
    }
    // 0 to 16 become 0 to 255, rounded.
    Ok((values.iter().map(|value| ((value * 255 + LARGEST / 2) / LARGEST) as u8).collect(), label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &str, label: &str) -> String {
        format!("{}{label}", format!("{value},").repeat(64))
    }

    #[test]
    fn values_span_eight_bits() {
        assert_eq!(parse(&line("16", "3")).unwrap(), (vec![255; 64], 3));
        assert_eq!(parse(&line("8", "0")).unwrap().0[0], 128);
    }

    #[test]
    fn a_bad_line_is_told_by_its_number() {
        let dir = tempfile::TempDir::new().unwrap();
        for (bad, why) in [
            (line("17", "1"), "a pixel is 17"),
            (line("1", "10"), "the digit is 10"),
            ("1,2".to_owned(), "2 fields"),
            (line("x", "1"), "\"x\" is not a number"),
        ] {
            std::fs::write(dir.path().join("optdigits.tra"), format!("{}\n{bad}\n", line("0", "1"))).unwrap();
            let message = load_digits_pair(dir.path()).unwrap_err().to_string();
            assert!(message.contains("line 2") && message.contains(why), "{message}");
        }
    }

    #[test]
    fn a_file_without_a_digit_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        for empty in ["", "\n \n"] {
            std::fs::write(dir.path().join("optdigits.tra"), empty).unwrap();
            let message = load_digits_split(dir.path(), Split::Train).unwrap_err().to_string();
            assert!(message.contains("optdigits.tra") && message.contains("no digit"), "{message}");
        }
    }
}
