//! Images that are arrays already: `images` (u8, N x C x H x W or N x H x W x C) and `labels` (integers, N) of a
//! safetensors file or a NumPy `.npz`, one file for each split.
//!
//! ```toml
//! [data.tensors]
//! train = "train.safetensors"
//! eval = "eval.safetensors"
//! layout = "nchw"
//! ```

mod npz;
mod safetensors_file;

use std::path::{Path, PathBuf};

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetOptions, DatasetPair, ImageDataset, ImageShape, Places, Split};
use crate::DataError;

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
    /// The names of the classes, if they are more than numbers; by default there are as many as the largest label of
    /// the training images says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
}

/// Two arrays as a file holds them.
#[derive(Debug)]
pub(super) struct Arrays {
    /// The dimensions of the images.
    pub dimensions: Vec<usize>,
    /// Their bytes.
    pub pixels: Vec<u8>,
    /// The labels.
    pub labels: Vec<i128>,
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
    /// Reads both files.
    ///
    /// # Errors
    /// As [`TensorsConfig::load_split`], and [`DataError::Inconsistent`] for images of different shapes.
    pub fn load(&self, base: Option<&Path>) -> Result<DatasetPair, DataError> {
        let train = self.load_split(base, Split::Train)?;
        let eval = self.read(base, Split::Eval, Some(train.class_names()))?;
        DatasetPair::new(train, eval)
    }

    /// Reads the file of one split.
    ///
    /// # Errors
    /// [`DataError::Absent`] for a file that is not there, [`DataError::Io`] and [`DataError::Format`] for one that is
    /// damaged, or whose arrays are not as they should be.
    pub fn load_split(&self, base: Option<&Path>, split: Split) -> Result<ImageDataset, DataError> {
        self.read(base, split, None)
    }

    fn read(
        &self,
        base: Option<&Path>,
        split: Split,
        classes: Option<&[String]>,
    ) -> Result<ImageDataset, DataError> {
        let file = match split {
            Split::Train => &self.train,
            Split::Eval => &self.eval,
        };
        let path = base.map_or_else(|| file.clone(), |base| base.join(file));
        let format = |problem: String| DataError::Format { path: path.clone(), problem };
        if !path.is_file() {
            let problem = "no such file; expected a .safetensors or .npz with `images` and `labels`".into();
            return Err(DataError::Absent { path, problem });
        }
        let arrays = match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => safetensors_file::read(&path)?,
            Some("npz") => npz::read(&path)?,
            _ => return Err(format("its name ends in neither .safetensors nor .npz".into())),
        };
        let (shape, channels_last) = shape(&arrays.dimensions, self.layout).map_err(format)?;
        let images = arrays.dimensions[0];
        if arrays.labels.len() != images {
            return Err(format(format!("{images} images, but {} labels", arrays.labels.len())));
        }
        let names = match classes {
            Some(classes) => classes.to_vec(),
            None if !self.class_names.is_empty() => self.class_names.clone(),
            None => numbers(&arrays.labels),
        };
        let labels = labels(&arrays.labels, names.len()).map_err(format)?;
        let pixels = if channels_last { planes(&arrays.pixels, shape) } else { arrays.pixels };
        let name = path.file_stem().map_or_else(|| "tensors".into(), |name| name.to_string_lossy());
        ImageDataset::new(&name, shape, names, pixels, labels)
    }
}

/// The shape of an image, and whether its channels are the last dimension.
fn shape(dimensions: &[usize], layout: Layout) -> Result<(ImageShape, bool), String> {
    let (n, second, third, last) = match *dimensions {
        // Grey images without a dimension for it.
        [n, height, width] => (n, 1, height, width),
        [n, second, third, last] => (n, second, third, last),
        _ => return Err(format!("`images` is {dimensions:?}: expected N x C x H x W or N x H x W x C")),
    };
    let is_channels = |n: usize| n == 1 || n == 3;
    let channels_last = match layout {
        _ if dimensions.len() == 3 => false,
        Layout::Nchw => false,
        Layout::Nhwc => true,
        Layout::Auto if is_channels(second) && is_channels(last) => {
            return Err(format!(
                "`images` is {dimensions:?}: the channels may be the second or the last dimension; set `layout` to \
                 \"nchw\" or \"nhwc\""
            ));
        }
        Layout::Auto => is_channels(last),
    };
    let (channels, height, width) = if channels_last { (last, second, third) } else { (second, third, last) };
    if !is_channels(channels) || n == 0 || height == 0 || width == 0 {
        return Err(format!("`images` is {dimensions:?}: expected 1 or 3 channels, and no dimension of 0"));
    }
    Ok((ImageShape { channels, height, width }, channels_last))
}

/// `0`, `1` and so on to the largest label; one that is no class is found later.
fn numbers(labels: &[i128]) -> Vec<String> {
    let classes = labels.iter().max().map_or(0, |most| most + 1).clamp(1, i128::from(u16::MAX));
    (0..classes).map(|class| class.to_string()).collect()
}

fn labels(labels: &[i128], classes: usize) -> Result<Vec<usize>, String> {
    let label = |(i, &label): (usize, &i128)| {
        usize::try_from(label).ok().filter(|label| *label < classes).ok_or_else(|| {
            format!("label {label} of image {i} is out of range: there are {classes} classes, from 0")
        })
    };
    labels.iter().enumerate().map(label).collect()
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
