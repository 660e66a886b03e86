//! Images that are arrays already: `images` (N x C x H x W or N x H x W x C) and `labels` (N, N x 1 or N x classes) of a
//! safetensors file or a NumPy `.npz`, one file for each split or one for both.
//!
//! Other usual names are known ([`arrays::find`]): `x_train` and `y_test` of Keras, `train_images` and `test_labels`,
//! `arr_0` and `arr_1`. Images are integers of 0 to 255, or floats with `values`; labels that do not count from 0 are
//! mapped in their order.
//!
//! ```toml
//! [data.tensors]
//! train = "train.safetensors"
//! eval = "eval.safetensors"
//! layout = "nchw"
//! ```

mod classes;
mod npz;
mod safetensors_file;

use std::path::{Path, PathBuf};

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::classes::{Classes, check_count};
use super::{DatasetOptions, DatasetPair, ImageDataset, ImageShape, Places, Split};
use crate::{
    DataError,
    arrays::{self, Array, Labels, Values},
};

/// More bytes of images than this are refused.
const MOST_BYTES: usize = 1 << 33;
/// More labels than this are refused.
const MOST_LABELS: usize = 1 << 28;

/// The order of the dimensions of `images`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// By the one dimension of 1 or 3, second or last; an error where both are.
    #[default]
    Auto,
    /// Images, channels, rows, columns.
    Nchw,
    /// Images, rows, columns, channels.
    Nhwc,
}

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorsConfig {
    /// The file to train on, `.safetensors` or `.npz`; within the data directory, if one is given for the run.
    pub train: PathBuf,
    /// The file that is held out.
    pub eval: PathBuf,
    /// The order of the dimensions of `images`.
    #[serde(default)]
    pub layout: Layout,
    /// The meaning of the numbers of `images`: "byte" (0 to 255), "unit" (0 to 1) or "signed" (-1 to 1); needed for
    /// floats, and "byte" for integers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// The names of the classes, if they are more than numbers: of 0, 1 and so on, or of the labels that occur, in their
    /// order, where there are as many. By default the labels that occur in either file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
}

impl Describe for TensorsConfig {
    const NAME: &'static str = "tensors";
    const SUMMARY: &'static str = "Arrays `images` and `labels` of a safetensors file or a NumPy .npz";
}

impl DatasetOptions for TensorsConfig {
    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        self.load(places.data_dir.as_deref())
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        self.load_split(places.data_dir.as_deref(), split)
    }
}

impl TensorsConfig {
    /// Reads both files; a warning says how labels are mapped that do not count from 0.
    ///
    /// # Errors
    /// As [`TensorsConfig::load_split`], and [`DataError::Inconsistent`] for images of different shapes.
    pub fn load(&self, base: Option<&Path>) -> Result<DatasetPair, DataError> {
        let (train, eval) = (self.path(base, Split::Train), self.path(base, Split::Eval));
        let (train_images, train_labels) = self.read(&train, Split::Train)?;
        let (eval_images, eval_labels) = self.read(&eval, Split::Eval)?;
        let classes = self.classes(&train, &[&train_labels, &eval_labels])?;
        let train = Self::set(&train, train_images, &train_labels, &classes)?;
        DatasetPair::new(train, Self::set(&eval, eval_images, &eval_labels, &classes)?)
    }

    /// Reads the file of one split, and of the other no more than its labels, if it is there: the classes are those of
    /// both.
    ///
    /// # Errors
    /// [`DataError::Absent`] for a file that is not there, [`DataError::Io`] and [`DataError::Format`] for one that is
    /// damaged, or whose arrays are not as they should be.
    pub fn load_split(&self, base: Option<&Path>, split: Split) -> Result<ImageDataset, DataError> {
        let (path, other) = (self.path(base, split), self.path(base, other(split)));
        let (images, labels) = self.read(&path, split)?;
        let mut all = vec![&labels];
        let others = other.is_file().then(|| labels_of(&other, self::other(split)));
        let others = others.transpose()?;
        all.extend(&others);
        let classes = self.classes(&path, &all)?;
        Self::set(&path, images, &labels, &classes)
    }

    fn path(&self, base: Option<&Path>, split: Split) -> PathBuf {
        let file = match split {
            Split::Train => &self.train,
            Split::Eval => &self.eval,
        };
        base.map_or_else(|| file.clone(), |base| base.join(file))
    }

    fn classes(&self, path: &Path, labels: &[&Labels]) -> Result<Classes, DataError> {
        let classes = Classes::of(labels, &self.class_names);
        let name = path.display().to_string();
        check_count(&classes, &name)?;
        classes.warn(&name);
        Ok(classes)
    }

    /// The images of a file, as many as its labels.
    fn read(&self, path: &Path, split: Split) -> Result<(Images, Labels), DataError> {
        let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
        let (images, labels) = read_arrays(path, split, true)?;
        let labels = arrays::labels(&labels).map_err(format)?;
        let images = images.ok_or_else(|| format("there are no images".into()))?;
        let (shape, channels_last) = shape(&images.name, &images.dimensions, self.layout).map_err(format)?;
        let count = images.dimensions[0];
        if labels.values.len() != count {
            return Err(format(format!("{count} images, but {} labels", labels.values.len())));
        }
        let pixels = arrays::pixels(images, self.values).map_err(format)?;
        let pixels = if channels_last { planes(&pixels, shape) } else { pixels };
        Ok((Images { shape, pixels }, labels))
    }

    fn set(
        path: &Path,
        images: Images,
        labels: &Labels,
        classes: &Classes,
    ) -> Result<ImageDataset, DataError> {
        let labels = classes
            .classes(&labels.values)
            .map_err(|problem| DataError::Format { path: path.to_owned(), problem })?;
        let name = path.file_stem().map_or_else(|| "tensors".into(), |name| name.to_string_lossy());
        ImageDataset::new(&name, images.shape, classes.names.clone(), images.pixels, labels)
    }
}

/// The images of a file.
struct Images {
    shape: ImageShape,
    pixels: Vec<u8>,
}

fn other(split: Split) -> Split {
    match split {
        Split::Train => Split::Eval,
        Split::Eval => Split::Train,
    }
}

fn labels_of(path: &Path, split: Split) -> Result<Labels, DataError> {
    let (_, labels) = read_arrays(path, split, false)?;
    arrays::labels(&labels).map_err(|problem| DataError::Format { path: path.to_owned(), problem })
}

/// The labels of a split in a file, and its images where they are wanted.
fn read_arrays(path: &Path, split: Split, images: bool) -> Result<(Option<Array>, Array), DataError> {
    if !path.is_file() {
        let problem = "no such file; expected a .safetensors or .npz with `images` and `labels`".into();
        return Err(DataError::Absent { path: path.to_owned(), problem });
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => safetensors_file::read(path, split, images),
        Some("npz") => npz::read(path, split, images),
        _ => {
            let problem = "its name ends in neither .safetensors nor .npz".into();
            Err(DataError::Format { path: path.to_owned(), problem })
        }
    }
}

/// The shape of an image, and whether its channels are the last dimension.
fn shape(name: &str, dimensions: &[usize], layout: Layout) -> Result<(ImageShape, bool), String> {
    let (n, second, third, last) = match *dimensions {
        // Grey images without a dimension for it.
        [n, height, width] => (n, 1, height, width),
        [n, second, third, last] => (n, second, third, last),
        _ => return Err(format!("`{name}` is {dimensions:?}: expected N x C x H x W or N x H x W x C")),
    };
    let is_channels = |n: usize| n == 1 || n == 3;
    let channels_last = match layout {
        _ if dimensions.len() == 3 => false,
        Layout::Nchw => false,
        Layout::Nhwc => true,
        Layout::Auto if is_channels(second) && is_channels(last) => {
            return Err(format!(
                "`{name}` is {dimensions:?}: the channels may be the second or the last dimension; set `layout` to \
                 \"nchw\" or \"nhwc\""
            ));
        }
        Layout::Auto => is_channels(last),
    };
    let (channels, height, width) = if channels_last { (last, second, third) } else { (second, third, last) };
    if !is_channels(channels) || n == 0 || height == 0 || width == 0 {
        return Err(format!("`{name}` is {dimensions:?}: expected 1 or 3 channels, and no dimension of 0"));
    }
    Ok((ImageShape { channels, height, width }, channels_last))
}

/// Channel after channel from pixel after pixel.
fn planes(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let (channels, plane) = (shape.channels, shape.height * shape.width);
    let mut planar = vec![0; pixels.len()];
    for (to, from) in planar.chunks_exact_mut(shape.len()).zip(pixels.chunks_exact(shape.len())) {
        for (i, pixel) in from.chunks_exact(channels).enumerate() {
            pixel.iter().enumerate().for_each(|(c, &value)| to[c * plane + i] = value);
        }
    }
    planar
}

#[cfg(test)]
mod tests;
