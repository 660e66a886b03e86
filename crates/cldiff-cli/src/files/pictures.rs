//! Samples as PNG files.

use std::{fs, path::Path};

use anyhow::Context;
use cldiff_engine::HostImages;
use data_streams::{ImageDataset, ImageShape};

use super::grid;
use crate::ui::failure::Failure;

/// All samples in one picture, about as wide as high.
pub(super) fn write_one(path: &Path, images: &HostImages) -> Result<(), Failure> {
    let set = dataset(images)?;
    let root = set.len().isqrt();
    let columns = root + usize::from(root * root < set.len());
    let positions: Vec<usize> = (0..set.len()).collect();
    let rows: Vec<ImageDataset> = positions.chunks(columns).map(|row| set.select(row)).collect();
    Ok(grid::save(&grid::draw(&rows, rows.len(), columns, set.shape()), path)?)
}

/// One file a sample: `00000.png` and so on.
pub(super) fn write_all(dir: &Path, images: &HostImages) -> Result<(), Failure> {
    let set = dataset(images)?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for i in 0..set.len() {
        let picture = grid::draw(&[set.select(&[i])], 1, 1, set.shape());
        grid::save(&picture, &dir.join(format!("{i:05}.png")))?;
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
fn to_pixels(images: &HostImages) -> Vec<u8> {
    // `as u8` saturates.
    images.values.iter().map(|v| ((v + 1.0) * 127.5).round() as u8).collect()
}
