//! One picture brought to its size.

use std::path::Path;

use image::{ColorType, DynamicImage};

use super::{
    super::{
        ImageShape,
        resample::{FILTER, luminance},
    },
    Fit,
};
use crate::{DataError, files};

/// A picture that would have more pixels than this on the way to its size is refused. Its short side is resized and the
/// middle of the long one kept, so that one of 1 x 16384 would be sixteen million rows on the way to 1024 x 1024.
const MOST_PIXELS: u64 = 1 << 25;

/// The shape to which every picture is brought.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataset) struct Target<'a> {
    /// The shape.
    pub shape: ImageShape,
    /// How the picture gets its size.
    pub fit: Fit,
    /// The picture whose size the others must have; none where `size` gives it.
    pub first: Option<&'a Path>,
}

/// Decodes a picture into `pixels`, channel after channel.
pub(super) fn decode(path: &Path, target: Target, pixels: &mut [u8]) -> Result<(), DataError> {
    fitted(files::open(path)?, path, target, pixels)
}

/// Brings a picture that is decoded, and is called `path` in messages, to its size.
pub(in crate::dataset) fn fitted(
    image: DynamicImage,
    path: &Path,
    target: Target,
    pixels: &mut [u8],
) -> Result<(), DataError> {
    let (height, width) = (target.shape.height as u32, target.shape.width as u32);
    let right = (image.height(), image.width()) == (height, width);
    let image = match target.fit {
        _ if right => image,
        Fit::Crop if pixels_on_the_way(&image, height, width) > MOST_PIXELS => {
            let problem = format!(
                "{}x{} is too long and narrow to be cropped to {height}x{width}: expected sides that are less unlike, or \
                 set `fit` to \"stretch\"",
                image.height(),
                image.width()
            );
            return Err(DataError::Format { path: path.to_owned(), problem });
        }
        Fit::Crop => image.resize_to_fill(width, height, FILTER),
        Fit::Stretch => image.resize_exact(width, height, FILTER),
        Fit::Exact => {
            let problem = other_size((image.height(), image.width()), target);
            return Err(DataError::Format { path: path.to_owned(), problem });
        }
    };
    write(image, target.shape.channels, pixels);
    Ok(())
}

/// The problem of a picture that is taken as it is and has another size than the target.
fn other_size((height, width): (u32, u32), target: Target) -> String {
    let ImageShape { height: expected_height, width: expected_width, .. } = target.shape;
    let expected = format!("{expected_height}x{expected_width}");
    match target.first {
        Some(first) => format!(
            "{height}x{width}, but {expected} is expected, as {} has it: set `size`, and `fit` to \"crop\" or \"stretch\"",
            first.display()
        ),
        None => format!(
            "{height}x{width}, but `size` is {expected}: with `fit = \"exact\"` they must be equal; change `size`, or set \
             `fit` to \"crop\" or \"stretch\""
        ),
    }
}

/// How many pixels a picture has once its short side is resized.
fn pixels_on_the_way(image: &DynamicImage, height: u32, width: u32) -> u64 {
    let (h, w) = (f64::from(image.height().max(1)), f64::from(image.width().max(1)));
    let ratio = (f64::from(height) / h).max(f64::from(width) / w);
    (h * ratio * w * ratio).ceil() as u64
}

fn write(image: DynamicImage, channels: usize, pixels: &mut [u8]) {
    let grey = matches!(image.color(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
    if grey {
        let plane = image.into_luma8().into_raw();
        pixels.chunks_exact_mut(plane.len()).for_each(|to| to.copy_from_slice(&plane));
        return;
    }
    let plane = pixels.len() / channels;
    for (i, rgb) in image.into_rgb8().pixels().enumerate() {
        match channels {
            1 => pixels[i] = luminance(rgb.0),
            _ => (0..3).for_each(|c| pixels[c * plane + i] = rgb.0[c]),
        }
    }
}
