//! A directory of pictures, one directory a class: PNG, JPEG, WebP, BMP, TIFF or GIF.
//!
//! `DIR/train/CLASS/*` and `DIR/test/CLASS/*` (`eval` or `val` will do), or `DIR/CLASS/*`, of which a share is held
//! out. Classes are in the order of their names. As in torchvision's `ImageFolder`, pictures in directories below a
//! class's are of the class; other than there, a picture's EXIF orientation is applied, and a file that is left out is
//! told. [`files`](crate::files) decides which files are read.
//!
//! ```toml
//! [data.image_folder]
//! dir = "DIRECTORY"
//! size = 32          # or [height, width]
//! fit = "crop"
//! ```

pub(super) mod decode;
mod find;

use std::path::{Path, PathBuf};

use cldiff_choices::{Describe, ImageSize};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    decode::{Target, decode},
    find::{Listing, find},
};
use super::{
    DatasetOptions, DatasetPair, ImageDataset, ImageShape, Places, Split,
    records::{Look, defaults},
};
use crate::{
    DataError,
    files::{Broken, LeftOut, dimensions},
};

/// Larger than any model here takes.
const LARGEST: usize = 1024;
/// More bytes of decoded images than this are refused before any is decoded.
const MOST_BYTES: usize = 1 << 33;

/// How a picture gets its size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// A picture is resized until it fills the size, and its middle kept.
    #[default]
    Crop,
    /// Both sides are resized, each by itself.
    Stretch,
    /// Pictures are taken as they are; mixed sizes are an error.
    Exact,
}

/// The options of the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageFolderConfig {
    /// The directory; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// One number for a square, or `[height, width]`, in pixels, 4 to 1024 each; needed unless `fit` is "exact".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ImageSize>,
    /// How a picture gets its size.
    pub fit: Fit,
    /// 1 (grey, by the weights of ITU-R BT.601) or 3 (red, green, blue); transparency is dropped.
    pub channels: usize,
    /// Broken pictures, cut short or damaged, that are left out, each with a warning; one more is an error.
    #[serde(skip_serializing_if = "defaults::is_zero")]
    pub skip_broken: usize,
    /// The share of each class that is held out, where the directory has no `train` and `test`: the files whose names
    /// have the smallest SHA-256.
    pub eval_share: f64,
}

impl Default for ImageFolderConfig {
    fn default() -> Self {
        Self { dir: None, size: None, fit: Fit::Crop, channels: 3, skip_broken: 0, eval_share: 0.2 }
    }
}

impl ImageFolderConfig {
    /// Decodes both splits of a directory; a warning says which files are left out.
    ///
    /// # Errors
    /// As [`ImageFolderConfig::load_split`], and [`DataError::Inconsistent`] for splits of different sizes.
    pub fn load(&self, dir: &Path) -> Result<DatasetPair, DataError> {
        let mut splits = self.read(dir, &[Split::Train, Split::Eval])?.into_iter();
        match (splits.next(), splits.next()) {
            (Some(train), Some(eval)) => DatasetPair::new(train, eval),
            _ => unreachable!("two splits were asked for"),
        }
    }

    /// Decodes one split, and no file of the other.
    ///
    /// # Errors
    /// [`DataError::Config`] for options out of range, [`DataError::Absent`] for a directory that is not there,
    /// [`DataError::Format`], with its name, for a picture or class that is not as it should be, [`DataError::Broken`]
    /// for more broken pictures than `skip_broken`.
    pub fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        Ok(self.read(dir, &[split])?.remove(0))
    }

    /// Decodes some splits.
    fn read(&self, dir: &Path, splits: &[Split]) -> Result<Vec<ImageDataset>, DataError> {
        self.check()?;
        let (mut left_out, mut broken) = (LeftOut::default(), Broken::allowing(self.skip_broken));
        let find = |split: &Split| find(dir, *split, self.eval_share, &mut left_out);
        let listings = splits.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        left_out.warn(dir);
        listings.into_iter().map(|listing| self.decode_all(dir, listing, &mut broken)).collect()
    }

    fn decode_all(
        &self,
        dir: &Path,
        listing: Listing,
        broken: &mut Broken,
    ) -> Result<ImageDataset, DataError> {
        let Listing { classes, files } = listing;
        let (first, size) = self.size(&files)?;
        let ImageSize { height, width } = size;
        if size.longer() > LARGEST {
            let problem =
                format!("{height}x{width}: expected at most {LARGEST} pixels a side, or set `size`");
            return Err(DataError::Format { path: first.to_owned(), problem });
        }
        let shape = ImageShape::of(self.channels, size);
        let total = files.len().checked_mul(shape.len()).filter(|total| *total <= MOST_BYTES);
        let total = total.ok_or_else(|| DataError::Inconsistent {
            name: dir.display().to_string(),
            problem: format!(
                "{} images of {shape} are more than {MOST_BYTES} bytes; set a smaller `size`",
                files.len()
            ),
        })?;
        let mut pixels = vec![0; total];
        let target = Target { shape, fit: self.fit, first: self.size.is_none().then_some(first) };
        let outcomes: Vec<Result<(), DataError>> = pixels
            .par_chunks_exact_mut(shape.len())
            .zip(&files)
            .map(|(pixels, (path, _))| decode(path, target, pixels))
            .collect();
        let whole: Vec<bool> = broken.sort_out(outcomes)?.iter().map(Option::is_some).collect();
        let labels = files.iter().zip(&whole).filter(|(_, whole)| **whole).map(|((_, label), _)| *label);
        let labels = labels.collect();
        let name = dir.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy());
        ImageDataset::new(&name, shape, classes, only(pixels, &whole), labels)
    }

    /// The size of all pictures, and the picture whose size it is unless `size` says it: the first that has one.
    fn size<'a>(&self, files: &'a [(PathBuf, usize)]) -> Result<(&'a Path, ImageSize), DataError> {
        let first = &files[0].0;
        if let Some(size) = self.size {
            return Ok((first, size));
        }
        let mut broken = None;
        // One more than may be broken: the last of them is whole, or else there are too many.
        for (path, _) in files.iter().take(self.skip_broken.saturating_add(1)) {
            match dimensions(path) {
                Ok((height, width)) => return Ok((path, ImageSize { height, width })),
                Err(error @ DataError::Broken { .. }) => broken = broken.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(broken.unwrap_or_else(|| DataError::broken(first, "no picture has a size".into())))
    }

    fn folder<'a>(&'a self, places: &'a Places) -> Result<&'a Path, DataError> {
        let dir = places.data_dir.as_deref().or(self.dir.as_deref());
        dir.ok_or_else(|| DataError::needed("dir", "expected a directory of pictures"))
    }
}

/// The pixels of the images that are whole.
fn only(mut pixels: Vec<u8>, whole: &[bool]) -> Vec<u8> {
    let size = pixels.len() / whole.len().max(1);
    let mut end = 0;
    for (i, _) in whole.iter().enumerate().filter(|(_, whole)| **whole) {
        pixels.copy_within(i * size..(i + 1) * size, end);
        end += size;
    }
    pixels.truncate(end);
    pixels
}

impl Describe for ImageFolderConfig {
    const NAME: &'static str = "image_folder";
    const SUMMARY: &'static str = "A directory of pictures, one directory a class";
}

impl DatasetOptions for ImageFolderConfig {
    fn check(&self) -> Result<(), DataError> {
        let Self { size, fit, channels, skip_broken, eval_share, .. } = *self;
        Look { size, fit, channels, skip_broken }.check(eval_share)
    }

    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        self.load(self.folder(places)?)
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        self.load_split(self.folder(places)?, split)
    }

    fn own_dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

#[cfg(test)]
mod tests;
