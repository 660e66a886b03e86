//! A directory of images as a set: PNG and JPEG files, those of its subdirectories too, in the order of their paths.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_streams::{ImageDataset, ImageShape};
use image::DynamicImage;
use rayon::prelude::*;

use crate::failure::Failure;

const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Reads every image; grey only if all are grey.
pub(super) fn read(dir: &Path) -> Result<ImageDataset, Failure> {
    let mut files = Vec::new();
    find(dir, &mut files)?;
    files.sort();
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", dir.display()));
    let Some(first) = files.first() else {
        return Err(refuse(format!("no image in it: expected files .{}", EXTENSIONS.join(", ."))));
    };
    let images: Vec<DynamicImage> = files.par_iter().map(|file| open(file)).collect::<Result<_, _>>()?;
    let (width, height) = (images[0].width(), images[0].height());
    if let Some(at) = images.iter().position(|i| (i.width(), i.height()) != (width, height)) {
        return Err(refuse(format!(
            "images of different size: {} is {width}x{height}, {} is {}x{}",
            first.display(),
            files[at].display(),
            images[at].width(),
            images[at].height()
        )));
    }
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

fn open(file: &Path) -> Result<DynamicImage, Failure> {
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", file.display()));
    let reader = image::ImageReader::open(file).map_err(|e| refuse(e.to_string()))?;
    let reader = reader.with_guessed_format().map_err(|e| refuse(e.to_string()))?;
    reader.decode().map_err(|e| refuse(format!("not an image that can be read: {e}")))
}

/// Channel after channel.
fn planes(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let interleaved = image.to_rgb8().into_raw();
    (0..3).flat_map(|c| interleaved.iter().skip(c).step_by(3).copied().collect::<Vec<_>>()).collect()
}
