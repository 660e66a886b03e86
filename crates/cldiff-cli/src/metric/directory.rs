//! A directory of images as a set: its pictures and those of the directories below, in the order of their paths.
//! [`data_streams::files`] decides which files count and when one is broken, as for training.

use std::path::{Path, PathBuf};

use data_streams::{
    DataError, ImageDataset, ImageShape,
    files::{Broken, EXTENSIONS, Found, dimensions, open, pictures},
};
use image::DynamicImage;
use rayon::prelude::*;

use crate::failure::Failure;

/// More bytes of pixels than this are refused before any is decoded.
const MOST_BYTES: usize = 1 << 33;

/// Reads every image but so many broken ones as may be left out; grey only if all are grey.
pub(super) fn read(dir: &Path, skip_broken: usize) -> Result<ImageDataset, Failure> {
    let mut broken = Broken::allowing(skip_broken);
    let Found { files, left_out } = pictures(dir).map_err(Failure::mistake)?;
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", dir.display()));
    if files.is_empty() {
        let besides = if left_out.is_empty() { String::new() } else { format!("; {left_out}") };
        let expected = EXTENSIONS.join(", .");
        return Err(refuse(format!("no image in it: expected files .{expected}{besides}")));
    }
    left_out.warn(dir);
    // Sizes first: nothing is decoded that will not be used, and what will be is bounded.
    let (files, sizes) = whole(files, dimensions, &mut broken)?;
    let (height, width) = sizes[0];
    if let Some(at) = sizes.iter().position(|size| *size != (height, width)) {
        return Err(refuse(format!(
            "images of different size: {} is {height}x{width}, {} is {}x{} (height x width)",
            files[0].display(),
            files[at].display(),
            sizes[at].0,
            sizes[at].1
        )));
    }
    let bytes = [height, width, 3].iter().try_fold(files.len(), |product, n| product.checked_mul(*n));
    if bytes.is_none_or(|bytes| bytes > MOST_BYTES) {
        let count = files.len();
        return Err(refuse(format!("{count} images of {height}x{width} are more than {MOST_BYTES} bytes")));
    }
    let (files, images) = whole(files, open, &mut broken)?;
    let channels = if images.iter().all(|image| !image.color().has_color()) { 1 } else { 3 };
    let pixels: Vec<u8> = images.into_par_iter().flat_map_iter(|image| planes(&image, channels)).collect();
    let shape = ImageShape { channels, height, width };
    let labels = vec![0; files.len()];
    ImageDataset::new(&dir.display().to_string(), shape, vec!["image".into()], pixels, labels)
        .map_err(Failure::mistake)
}

/// Reads something of each file: the files that are whole, and what was read of them.
fn whole<T: Send>(
    files: Vec<PathBuf>,
    read: impl Fn(&Path) -> Result<T, DataError> + Sync,
    broken: &mut Broken,
) -> Result<(Vec<PathBuf>, Vec<T>), Failure> {
    let outcomes = files.par_iter().map(|file| read(file)).collect();
    let outcomes = broken.sort_out(outcomes).map_err(advised)?;
    Ok(files.into_iter().zip(outcomes).filter_map(|(file, outcome)| Some((file, outcome?))).unzip())
}

/// Says of broken pictures how they may be left out.
fn advised(error: DataError) -> Failure {
    match &error {
        DataError::Broken { broken, .. } => {
            Failure::mistake(format!("{error}; --skip-broken {broken} leaves that many out"))
        }
        _ => Failure::mistake(error),
    }
}

/// Channel after channel.
fn planes(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let interleaved = image.to_rgb8().into_raw();
    (0..3).flat_map(|c| interleaved.iter().skip(c).step_by(3).copied().collect::<Vec<_>>()).collect()
}
