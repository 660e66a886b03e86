//! A directory of images as a set: PNG and JPEG files, those of its subdirectories too, in the order of their paths.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use data_streams::{ImageDataset, ImageShape};
use image::{DynamicImage, ImageError, ImageReader};
use rayon::prelude::*;

use crate::failure::Failure;

const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
/// More bytes of pixels than this are refused before any is decoded.
const MOST_BYTES: u64 = 1 << 33;

/// Reads every image; grey only if all are grey.
pub(super) fn read(dir: &Path) -> Result<ImageDataset, Failure> {
    let mut files = Vec::new();
    find(dir, &mut files)?;
    files.sort();
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", dir.display()));
    let Some(first) = files.first() else {
        return Err(refuse(format!("no image in it: expected files .{}", EXTENSIONS.join(", ."))));
    };
    // Sizes first: nothing is decoded that will not be used, and what will be is bounded.
    let sizes: Vec<(u32, u32)> = files.par_iter().map(|file| dimensions(file)).collect::<Result<_, _>>()?;
    let (width, height) = sizes[0];
    if let Some(at) = sizes.iter().position(|size| *size != (width, height)) {
        return Err(refuse(format!(
            "images of different size: {} is {width}x{height}, {} is {}x{}",
            first.display(),
            files[at].display(),
            sizes[at].0,
            sizes[at].1
        )));
    }
    let bytes = u64::from(width) * u64::from(height) * 3 * files.len() as u64;
    if bytes > MOST_BYTES {
        let count = files.len();
        return Err(refuse(format!("{count} images of {width}x{height} are more than {MOST_BYTES} bytes")));
    }
    let images: Vec<DynamicImage> = files.par_iter().map(|file| open(file)).collect::<Result<_, _>>()?;
    let channels = if images.iter().all(|image| !image.color().has_color()) { 1 } else { 3 };
    let pixels: Vec<u8> = images.into_par_iter().flat_map_iter(|image| planes(&image, channels)).collect();
    let shape = ImageShape { channels, height: height as usize, width: width as usize };
    let labels = vec![0; files.len()];
    ImageDataset::new(&dir.display().to_string(), shape, vec!["image".into()], pixels, labels)
        .map_err(Failure::mistake)
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let refuse = |e: std::io::Error| Failure::mistake(format!("{}: {e}", dir.display()));
    for entry in fs::read_dir(dir).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // What a link to a directory leads to may contain the link.
        if entry.file_type().map_err(refuse)?.is_dir() {
            find(&path, files)?;
        } else if is_image(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

fn reader(file: &Path) -> Result<ImageReader<BufReader<File>>, Failure> {
    let refuse = |e: std::io::Error| Failure::mistake(format!("{}: {e}", file.display()));
    ImageReader::open(file).map_err(refuse)?.with_guessed_format().map_err(refuse)
}

fn unreadable(file: &Path, error: &ImageError) -> Failure {
    Failure::mistake(format!("{}: not an image that can be read: {error}", file.display()))
}

/// Width and height.
fn dimensions(file: &Path) -> Result<(u32, u32), Failure> {
    reader(file)?.into_dimensions().map_err(|error| unreadable(file, &error))
}

/// The decoder's own limit, 512 MiB, holds.
fn open(file: &Path) -> Result<DynamicImage, Failure> {
    reader(file)?.decode().map_err(|error| unreadable(file, &error))
}

/// Channel after channel.
fn planes(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let interleaved = image.to_rgb8().into_raw();
    (0..3).flat_map(|c| interleaved.iter().skip(c).step_by(3).copied().collect::<Vec<_>>()).collect()
}
