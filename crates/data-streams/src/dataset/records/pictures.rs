//! Pictures in their file formats, decoded some hundred at a time, side by side.

use std::path::{Path, PathBuf};

use cldiff_choices::ImageSize;
use rayon::prelude::*;

use super::super::{
    ImageShape,
    image_folder::{
        Fit,
        decode::{Target, fitted},
    },
};
use crate::{
    DataError,
    files::{self, Broken},
};

/// Larger than any model here takes.
const LARGEST: usize = 1024;
/// More bytes of decoded images than this are refused.
const MOST_BYTES: usize = 1 << 33;
/// Pictures, and bytes of them, that are kept before they are decoded.
const WAITING: usize = 512;
const WAITING_BYTES: usize = 1 << 26;

/// The form to which every picture is brought.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataset) struct Look {
    /// Height and width; none with [`Fit::Exact`].
    pub size: Option<ImageSize>,
    /// How a picture gets its size.
    pub fit: Fit,
    /// 1 or 3.
    pub channels: usize,
    /// Broken pictures that are left out.
    pub skip_broken: usize,
}

impl Look {
    /// Checks the ranges of these options, and of the share of each class that is held out.
    ///
    /// # Errors
    /// [`DataError::Config`] that names the first key out of range.
    pub(in crate::dataset) fn check(&self, eval_share: f64) -> Result<(), DataError> {
        match self {
            Self { size: Some(size), .. } if !size.is_within(&(4..=LARGEST)) => {
                Err(DataError::config("size", size, "expected 4 to 1024"))
            }
            Self { size: None, fit: Fit::Crop | Fit::Stretch, .. } => Err(DataError::needed(
                "size",
                "expected 4 to 1024 pixels, or fit = \"exact\" for pictures of one size",
            )),
            Self { channels, .. } if ![1, 3].contains(channels) => {
                Err(DataError::config("channels", channels, "expected 1 or 3"))
            }
            _ if !(eval_share > 0.0 && eval_share < 1.0) => {
                Err(DataError::config("eval_share", eval_share, "expected a number between 0 and 1"))
            }
            _ => Ok(()),
        }
    }
}

/// The decoded pictures of a split.
#[derive(Debug)]
pub(super) struct Pictures {
    look: Look,
    /// The shape of all, and the picture whose size it is.
    shape: Option<(ImageShape, PathBuf)>,
    pixels: Vec<u8>,
    /// Of each picture, whether it is whole.
    whole: Vec<bool>,
    waiting: Vec<(PathBuf, Vec<u8>)>,
    waiting_bytes: usize,
}

impl Pictures {
    pub(super) fn new(look: Look) -> Self {
        let shape = look.size.map(|size| (ImageShape::of(look.channels, size), PathBuf::new()));
        let (pixels, whole, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Self { look, shape, pixels, whole, waiting, waiting_bytes: 0 }
    }

    /// Adds a picture.
    pub(super) fn push(
        &mut self,
        name: PathBuf,
        bytes: Vec<u8>,
        broken: &mut Broken,
    ) -> Result<(), DataError> {
        self.waiting_bytes += bytes.len();
        self.waiting.push((name, bytes));
        if self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES {
            self.decode(broken)?;
        }
        Ok(())
    }

    /// Decodes the pictures that wait.
    pub(super) fn decode(&mut self, broken: &mut Broken) -> Result<(), DataError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if self.shape.is_none() {
            self.shape = first_size(&waiting, self.look)?;
        }
        let Some((shape, first)) = &self.shape else {
            // All of these are broken.
            let outcomes = waiting.iter().map(|(name, bytes)| files::read(name, bytes).map(|_| ()));
            self.whole.extend(broken.sort_out(outcomes.collect())?.iter().map(Option::is_some));
            return Ok(());
        };
        if self.pixels.len() + waiting.len() * shape.len() > MOST_BYTES {
            let problem = format!("more than {MOST_BYTES} bytes of images; set a smaller `size`");
            let name = waiting.first().map(|(name, _)| name.clone()).unwrap_or_default();
            return Err(DataError::Format { path: name, problem });
        }
        let first = self.look.size.is_none().then_some(first.as_path());
        let target = Target { shape: *shape, fit: self.look.fit, first };
        let decode = |(name, bytes): &(PathBuf, Vec<u8>)| {
            let mut pixels = vec![0; target.shape.len()];
            fitted(files::read(name, bytes)?, name, target, &mut pixels)?;
            Ok(pixels)
        };
        let outcomes: Vec<Result<Vec<u8>, DataError>> = waiting.par_iter().map(decode).collect();
        for outcome in broken.sort_out(outcomes)? {
            self.whole.push(outcome.is_some());
            self.pixels.extend(outcome.unwrap_or_default());
        }
        Ok(())
    }

    /// The shape, the pixels of the whole pictures, and which are whole.
    pub(super) fn finish(self) -> (Option<ImageShape>, Vec<u8>, Vec<bool>) {
        (self.shape.map(|(shape, _)| shape), self.pixels, self.whole)
    }
}

/// The shape of the first picture that is whole, and that picture.
fn first_size(
    pictures: &[(PathBuf, Vec<u8>)],
    look: Look,
) -> Result<Option<(ImageShape, PathBuf)>, DataError> {
    for (name, bytes) in pictures {
        match files::read(name, bytes) {
            Ok(image) => {
                let (height, width) = (image.height() as usize, image.width() as usize);
                if height.max(width) > LARGEST {
                    let problem =
                        format!("{height}x{width}: expected at most {LARGEST} pixels a side, or set `size`");
                    return Err(DataError::Format { path: name.clone(), problem });
                }
                let shape = ImageShape { channels: look.channels, height, width };
                return Ok(Some((shape, Path::to_owned(name))));
            }
            Err(DataError::Broken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
