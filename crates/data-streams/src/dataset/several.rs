//! Several data sets as one, whose classes stay distinct.
//!
//! Sizes and channels that differ are reconciled as the options say, never silently: grey becomes colour by repeating
//! its channel, colour becomes grey by the luminance of ITU-R BT.601.
//!
//! ```toml
//! [data.several]
//! parts = [{ mnist = {} }, { glyphs = { size = 28 } }]
//! size = 28
//! fit = "pad"
//! channels = 1
//! ```

use cldiff_choices::{Describe, ImageSize};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataConfig, DatasetOptions, DatasetPair, ImageDataset, ImageShape, Part, Places, Split, resample,
};
use crate::DataError;

/// More bytes of images than this are refused.
const MOST_BYTES: usize = 1 << 33;

/// How an image gets another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resizing {
    /// Zeros around it.
    Pad,
    /// Bilinear interpolation, over an area where it gets smaller.
    Resize,
}

/// The shape that the images of all parts get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconcile {
    /// Height and width.
    pub size: Option<ImageSize>,
    /// How images get that size.
    pub fit: Option<Resizing>,
    /// 1 or 3.
    pub channels: Option<usize>,
}

/// The options of the data set: those to join, and what shape their images get.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeveralConfig {
    /// The data sets, in the order of their classes; the `dir` of a part goes before a data directory that is given for
    /// the run.
    pub parts: Vec<DataConfig>,
    /// Size of all images, one number for a square or `[height, width]`, 4 to 1024 each; needed where the parts differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ImageSize>,
    /// How images get that size: "pad" (zeros around) or "resize" (bilinear).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Resizing>,
    /// 1 (colour becomes grey by the weights of ITU-R BT.601) or 3 (grey becomes colour); needed where the parts
    /// differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
}

impl Describe for SeveralConfig {
    const NAME: &'static str = "several";
    const SUMMARY: &'static str = "Several data sets as one, whose classes stay distinct";
}

impl DatasetOptions for SeveralConfig {
    fn check(&self) -> Result<(), DataError> {
        if self.parts.is_empty() {
            return Err(no_parts());
        }
        self.each_part(DataConfig::check).map(drop)
    }

    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        let pairs = self.each_part(|part| part.build_part(&places_of(part, places)))?;
        join(&pairs, self.reconcile())
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        let sets = self.each_part(|part| part.build_split(&places_of(part, places), split))?;
        join_split(&sets.iter().collect::<Vec<_>>(), self.reconcile())
    }
}

impl SeveralConfig {
    fn reconcile(&self) -> Reconcile {
        Reconcile { size: self.size, fit: self.fit, channels: self.channels }
    }

    /// Does something with each part; a mistake in one of them has its place in the key.
    fn each_part<T>(&self, act: impl Fn(&DataConfig) -> Result<T, DataError>) -> Result<Vec<T>, DataError> {
        let one = |(i, part)| act(part).map_err(|error| error.at(&format!("parts.{i}")));
        self.parts.iter().enumerate().map(one).collect()
    }
}

/// The places of a part: one directory cannot be that of several parts, so that their own goes first.
fn places_of(part: &DataConfig, places: &Places) -> Places {
    if part.own_dir().is_some() { places.without_data_dir() } else { places.clone() }
}

fn no_parts() -> DataError {
    DataError::needed("parts", "expected at least one data set")
}

/// Joins data sets; the classes of each follow those of the ones before it.
///
/// # Errors
/// [`DataError::Config`] for shapes that differ and are not said how to reconcile, and for options out of range.
pub fn join(parts: &[DatasetPair], reconcile: Reconcile) -> Result<DatasetPair, DataError> {
    let split = |split: fn(&DatasetPair) -> &ImageDataset| {
        join_split(&parts.iter().map(split).collect::<Vec<_>>(), reconcile)
    };
    DatasetPair::new(split(|pair| &pair.train)?, split(|pair| &pair.eval)?)
}

/// Joins one split of data sets.
///
/// # Errors
/// As [`join`].
pub fn join_split(sets: &[&ImageDataset], reconcile: Reconcile) -> Result<ImageDataset, DataError> {
    if sets.is_empty() {
        return Err(no_parts());
    }
    let shape = common_shape(sets, reconcile)?;
    let (parts, class_names) = names(sets);
    let images: usize = sets.iter().map(|set| set.len()).sum();
    let total = images.checked_mul(shape.len()).filter(|total| *total <= MOST_BYTES);
    let Some(total) = total else {
        let expected =
            format!("{images} images of {shape} are too many: expected at most {MOST_BYTES} bytes");
        return Err(DataError::config("size", shape.size(), expected));
    };
    let (mut pixels, mut labels) = (vec![0; total], Vec::with_capacity(images));
    let mut rest = pixels.as_mut_slice();
    for (set, part) in sets.iter().zip(&parts) {
        let (mine, others) = rest.split_at_mut(set.len() * shape.len());
        mine.par_chunks_exact_mut(shape.len()).enumerate().for_each(|(i, to)| {
            to.copy_from_slice(&converted(set.pixels_of(i), set.shape(), shape, reconcile.fit));
        });
        labels.extend(set.labels().into_iter().map(|label| part.classes.start + label));
        rest = others;
    }
    let name = parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("+");
    Ok(ImageDataset::new(&name, shape, class_names, pixels, labels)?.with_parts(parts))
}

/// The shape that all images get, if the options lead there.
fn common_shape(sets: &[&ImageDataset], reconcile: Reconcile) -> Result<ImageShape, DataError> {
    let has = || {
        let shapes: Vec<String> = sets.iter().map(|set| format!("{} {}", set.name(), set.shape())).collect();
        shapes.join(", ")
    };
    let first = sets[0].shape();
    let channels = match reconcile.channels {
        Some(channels @ (1 | 3)) => channels,
        Some(other) => return Err(DataError::config("channels", other, "expected 1 or 3")),
        None if sets.iter().all(|set| set.shape().channels == first.channels) => first.channels,
        None => {
            let expected = format!("the data sets have different channels ({}): expected 1 or 3", has());
            return Err(DataError::needed("channels", expected));
        }
    };
    let same = |set: &&ImageDataset| set.shape().size() == first.size();
    let Some(size) = reconcile.size else {
        if sets.iter().all(same) {
            return Ok(ImageShape { channels, ..first });
        }
        let expected = format!(
            "the data sets have different sizes ({}): expected 4 to 1024, and `fit` = \"pad\" or \"resize\"",
            has()
        );
        return Err(DataError::needed("size", expected));
    };
    if !size.is_within(&(4..=1024)) {
        return Err(DataError::config("size", size, "expected 4 to 1024"));
    }
    let others = sets.iter().filter(|set| set.shape().size() != size);
    for set in others {
        match reconcile.fit {
            Some(Resizing::Resize) => {}
            Some(Resizing::Pad) if set.shape().height <= size.height && set.shape().width <= size.width => {}
            Some(Resizing::Pad) => {
                let expected =
                    format!("\"pad\" makes no image smaller, and {} is {}", set.name(), set.shape());
                return Err(DataError::config("size", size, expected));
            }
            None => {
                let expected = format!(
                    "{} is {}: expected \"pad\" (zeros around) or \"resize\" (bilinear)",
                    set.name(),
                    set.shape()
                );
                return Err(DataError::needed("fit", expected));
            }
        }
    }
    Ok(ImageShape::of(channels, size))
}

fn converted(pixels: &[u8], from: ImageShape, to: ImageShape, fit: Option<Resizing>) -> Vec<u8> {
    let mut pixels = match fit {
        _ if from.size() == to.size() => pixels.to_vec(),
        Some(Resizing::Pad) => resample::padded(pixels, from, to.size()),
        _ => resample::resized(pixels, from, to.size()),
    };
    if from.channels != to.channels {
        pixels = resample::with_channels(&pixels, to.channels);
    }
    pixels
}

/// The parts under distinct names, and the classes, those that several parts call alike with the part's name before.
fn names(sets: &[&ImageDataset]) -> (Vec<Part>, Vec<String>) {
    let mut parts: Vec<Part> = Vec::new();
    let mut first = 0;
    for (k, set) in sets.iter().enumerate() {
        let before = sets[..k].iter().filter(|other| other.name() == set.name()).count();
        let name = match before {
            0 => set.name().to_owned(),
            n => format!("{}-{}", set.name(), n + 1),
        };
        parts.push(Part { name, classes: first..first + set.class_names().len() });
        first += set.class_names().len();
    }
    let shared = |class: &String| sets.iter().filter(|set| set.class_names().contains(class)).count() > 1;
    let named = |(set, part): (&&ImageDataset, &Part)| {
        let name =
            |class: &String| if shared(class) { format!("{}: {class}", part.name) } else { class.clone() };
        set.class_names().iter().map(name).collect::<Vec<_>>()
    };
    let classes = sets.iter().zip(&parts).flat_map(named).collect();
    (parts, classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, shape: (usize, usize), classes: &[&str], value: u8) -> ImageDataset {
        let shape = ImageShape { channels: shape.0, height: shape.1, width: shape.1 };
        let names = classes.iter().map(|&c| c.to_owned()).collect();
        let labels = (0..classes.len()).collect();
        ImageDataset::new(name, shape, names, vec![value; classes.len() * shape.len()], labels).unwrap()
    }

    fn message(sets: &[&ImageDataset], reconcile: Reconcile) -> String {
        join_split(sets, reconcile).unwrap_err().to_string()
    }

    #[test]
    fn classes_stay_distinct_and_parts_are_known() {
        let (a, b) = (set("a", (1, 4), &["x", "y"], 1), set("b", (1, 4), &["y", "z"], 2));
        let joined = join_split(&[&a, &b, &a], Reconcile::default()).unwrap();
        assert_eq!(joined.class_names(), ["a: x", "a: y", "b: y", "z", "a-2: x", "a-2: y"]);
        assert_eq!(joined.labels(), [0, 1, 2, 3, 4, 5]);
        let parts: Vec<_> = joined.parts().iter().map(|p| (p.name.as_str(), p.classes.clone())).collect();
        assert_eq!(parts, [("a", 0..2), ("b", 2..4), ("a-2", 4..6)]);
        assert_eq!((joined.pixels_of(3)[0], joined.name()), (2, "a+b+a-2"));
        assert_eq!(a.parts()[0].classes, 0..2);
    }

    #[test]
    fn shapes_are_reconciled_as_said() {
        let (grey, colour) = (set("grey", (1, 4), &["x"], 9), set("colour", (3, 8), &["y"], 40));
        let joined = |fit, channels, size| {
            let reconcile =
                Reconcile { size: Some(ImageSize::square(size)), fit: Some(fit), channels: Some(channels) };
            join_split(&[&grey, &colour], reconcile).unwrap()
        };
        let padded = joined(Resizing::Pad, 3, 8);
        assert_eq!(padded.shape(), ImageShape { channels: 3, height: 8, width: 8 });
        assert_eq!(padded.pixels_of(0).iter().map(|&p| usize::from(p)).sum::<usize>(), 9 * 3 * 16);
        assert_eq!(padded.pixels_of(1), [40; 192]);
        assert_eq!(joined(Resizing::Resize, 1, 4).pixels_of(1), [40; 16]);
        assert_eq!(joined(Resizing::Resize, 3, 6).pixels_of(0), [9; 108]);
    }

    #[test]
    fn a_rectangle_is_reconciled_side_by_side() {
        let (low, high) = (set("low", (1, 4), &["x"], 9), set("high", (1, 8), &["y"], 40));
        let joined = |fit, height, width| {
            let size = Some(ImageSize { height, width });
            join_split(&[&low, &high], Reconcile { size, fit: Some(fit), channels: None })
        };
        let padded = joined(Resizing::Pad, 8, 12).unwrap();
        assert_eq!(padded.shape(), ImageShape { channels: 1, height: 8, width: 12 });
        // Two rows of zeros, then four columns of them.
        assert_eq!(padded.pixels_of(0)[24..36], [0, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0]);
        assert_eq!(padded.pixels_of(1)[..12], [0, 0, 40, 40, 40, 40, 40, 40, 40, 40, 0, 0]);
        assert_eq!(joined(Resizing::Resize, 4, 16).unwrap().pixels_of(1), [40; 64]);
        // Wide enough, but not high enough.
        let message = joined(Resizing::Pad, 6, 16).unwrap_err().to_string();
        assert!(message.contains("`size` is [6, 16]") && message.contains("high is 1x8x8"), "{message}");
        assert!(joined(Resizing::Resize, 4, 1025).unwrap_err().to_string().contains("4 to 1024"));
    }

    #[test]
    fn shapes_that_differ_are_never_guessed() {
        let (grey, colour) = (set("grey", (1, 4), &["x"], 9), set("colour", (3, 8), &["y"], 40));
        let sets = [&grey, &colour];
        let none = Reconcile::default();
        assert!(message(&sets, none).contains("`channels` is not set"));
        let channels = Reconcile { channels: Some(3), ..none };
        let told = message(&sets, channels);
        assert!(told.contains("`size` is not set") && told.contains("colour 3x8x8"), "{told}");
        let size = Reconcile { size: Some(8.into()), ..channels };
        assert!(message(&sets, size).contains("`fit` is not set"));
        let small = Reconcile { size: Some(6.into()), fit: Some(Resizing::Pad), ..channels };
        assert!(message(&sets, small).contains("no image smaller"));
        assert!(message(&sets, Reconcile { channels: Some(2), ..none }).contains("1 or 3"));
        assert!(message(&sets, Reconcile { size: Some(0.into()), ..channels }).contains("4 to 1024"));
        assert!(message(&[], none).contains("at least one"));
    }
}
