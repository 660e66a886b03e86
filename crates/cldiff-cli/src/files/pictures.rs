//! Samples as PNG files.

use std::{fs, path::Path};

use anyhow::Context;
use cldiff_engine::HostImages;
use data_streams::{ImageDataset, ImageShape, ImageSize};
use image::{GrayImage, Luma, Rgb, RgbImage};

use super::grid;
use crate::ui::failure::Failure;

/// All samples in one picture, about as wide as high.
pub(super) fn write_one(path: &Path, images: &HostImages) -> Result<(), Failure> {
    let set = dataset(images)?;
    let columns = columns(set.len(), set.shape().size());
    let positions: Vec<usize> = (0..set.len()).collect();
    let rows: Vec<ImageDataset> = positions.chunks(columns).map(|row| set.select(row)).collect();
    Ok(grid::save(&grid::draw(&rows, rows.len(), columns, set.shape())?, path)?)
}

/// Columns of a picture of `n` images that is about as wide as high.
fn columns(n: usize, size: ImageSize) -> usize {
    let wide_enough = |columns: &usize| columns * columns * size.width >= n * size.height;
    (1..n).find(wide_enough).unwrap_or(n).max(1)
}

/// One file a sample: `00000.png` and so on, grey where the samples are, so that they are read with the channels that they
/// have.
pub(super) fn write_all(dir: &Path, images: &HostImages) -> Result<(), Failure> {
    let set = dataset(images)?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let shape = set.shape();
    let (width, height) = (shape.width as u32, shape.height as u32);
    for i in 0..set.len() {
        let (pixels, path) = (set.pixels_of(i), dir.join(format!("{i:05}.png")));
        let at = |channel: usize, x: u32, y: u32| {
            pixels[(channel * shape.height + y as usize) * shape.width + x as usize]
        };
        if shape.channels == 1 {
            grid::save(&GrayImage::from_fn(width, height, |x, y| Luma([at(0, x, y)])), &path)?;
        } else {
            let colour = |x, y| Rgb([0, 1, 2].map(|channel| at(channel, x, y)));
            grid::save(&RgbImage::from_fn(width, height, colour), &path)?;
        }
    }
    Ok(())
}

fn dataset(images: &HostImages) -> Result<ImageDataset, Failure> {
    let [n, channels, height, width] = images.shape;
    let shape = ImageShape { channels, height, width };
    let pixels = to_pixels(images);
    ImageDataset::new("samples", shape, vec!["sample".into()], pixels, vec![0; n]).map_err(Failure::mistake)
}

/// Values in [-1, 1] as 8 bits; values beyond are clipped.
pub(crate) fn to_pixels(images: &HostImages) -> Vec<u8> {
    // `as u8` saturates.
    images.values.iter().map(|v| ((v + 1.0) * 127.5).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_samples_is_about_as_wide_as_high() {
        let square = |n| columns(n, ImageSize::square(8));
        assert_eq!([1, 2, 4, 5, 9, 10, 16, 17].map(square), [1, 2, 2, 3, 3, 4, 4, 5]);
        // 16 images of 8 x 16 in 3 columns are 48 wide and 48 high; of 16 x 8, 6 columns.
        assert_eq!(columns(16, ImageSize { height: 8, width: 16 }), 3);
        assert_eq!(columns(16, ImageSize { height: 16, width: 8 }), 6);
        // No column stays empty.
        assert_eq!(columns(3, ImageSize { height: 64, width: 4 }), 3);
    }

    /// (v + 1) 127.5, rounded half up and clipped: -1, -0.2, 0, 0.5, 1 and 2 are 0, 102, 128, 191, 255 and 255.
    #[test]
    fn a_sample_is_a_file_with_its_own_channels() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, channels: usize| {
            let values = vec![-1.0, -0.2, 0.0, 0.5, 1.0, 2.0];
            let shape = [6 / (2 * channels), channels, 1, 2];
            write_all(&dir.path().join(name), &HostImages { shape, values }).unwrap();
            image::open(dir.path().join(name).join("00000.png")).unwrap()
        };
        let grey = write("grey", 1);
        assert_eq!((grey.color(), (grey.width(), grey.height())), (image::ColorType::L8, (2, 1)));
        assert_eq!(grey.as_bytes(), [0, 102]);
        let last = image::open(dir.path().join("grey/00002.png")).unwrap();
        assert_eq!(last.as_bytes(), [255, 255]);
        // Channel after channel in a tensor, pixel after pixel in a file.
        let colour = write("colour", 3);
        assert_eq!(colour.color(), image::ColorType::Rgb8);
        assert_eq!(colour.as_bytes(), [0, 128, 255, 102, 191, 255]);
    }

    #[test]
    fn a_rectangle_keeps_its_sides() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.png");
        let images = HostImages { shape: [5, 1, 8, 16], values: vec![1.0; 5 * 8 * 16] };
        write_one(&file, &images).unwrap();
        let picture = image::open(&file).unwrap();
        // Two columns and three rows with a line of transparent pixels between them.
        assert_eq!((picture.width(), picture.height()), (2 * 16 + 1, 3 * 8 + 2));
    }
}
