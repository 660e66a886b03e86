//! Sample grids: one row a task, as PNG.

use std::{
    io::{self, Cursor},
    path::Path,
};

use cl_strategies::durable::{named, write_whole};
use data_streams::{ImageDataset, ImageShape};
use image::{ImageBuffer, ImageFormat, Pixel, PixelWithColorType, Rgba, RgbaImage};

/// Transparent pixels between images.
const GAP: u32 = 1;

/// Draws the first `columns` images of each set as one row each; rows of sets that are not there stay transparent.
pub fn draw(rows: &[ImageDataset], tasks: usize, columns: usize, shape: ImageShape) -> RgbaImage {
    let (h, w) = (shape.height as u32 + GAP, shape.width as u32 + GAP);
    let mut canvas = RgbaImage::new(columns as u32 * w - GAP, tasks as u32 * h - GAP);
    for (row, set) in rows.iter().enumerate() {
        for column in 0..set.len().min(columns) {
            paste(&mut canvas, set.pixels_of(column), shape, (column as u32 * w, row as u32 * h));
        }
    }
    canvas
}

fn paste(canvas: &mut RgbaImage, pixels: &[u8], shape: ImageShape, (left, top): (u32, u32)) {
    let plane = shape.height * shape.width;
    for y in 0..shape.height {
        for x in 0..shape.width {
            let value = |channel: usize| pixels[(channel % shape.channels) * plane + y * shape.width + x];
            let rgb = if shape.channels == 1 { [value(0); 3] } else { [value(0), value(1), value(2)] };
            canvas.put_pixel(left + x as u32, top + y as u32, Rgba([rgb[0], rgb[1], rgb[2], 255]));
        }
    }
}

/// A picture of 8 bits as PNG, with the channels that it has.
///
/// # Errors
/// If the encoder refuses it.
pub fn png<P>(image: &ImageBuffer<P, Vec<u8>>) -> io::Result<Vec<u8>>
where
    P: Pixel<Subpixel = u8> + PixelWithColorType,
{
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

/// Writes a picture.
///
/// # Errors
/// If the file cannot be written, with its name.
pub fn save<P>(image: &ImageBuffer<P, Vec<u8>>, path: &Path) -> io::Result<()>
where
    P: Pixel<Subpixel = u8> + PixelWithColorType,
{
    write_whole(path, &png(image).map_err(named(path))?)
}
