//! Sample grids: one row a task, as PNG.

use std::{
    io::{self, Cursor},
    path::Path,
};

use cl_strategies::durable::{named, write_whole};
use data_streams::{ImageDataset, ImageShape};
use image::{ImageBuffer, ImageFormat, Pixel, PixelWithColorType, Rgba, RgbaImage};

/// Transparent pixels between images.
const GAP: usize = 1;

/// Draws the first `columns` images of each set as one row each, as wide as the longest row; rows of sets that are not there
/// stay transparent.
///
/// # Errors
/// If the picture is too large for the memory, or for a side to be counted.
pub fn draw(rows: &[ImageDataset], tasks: usize, columns: usize, shape: ImageShape) -> io::Result<RgbaImage> {
    let longest = rows.iter().map(ImageDataset::len).max().unwrap_or(0);
    let (columns, tasks) = (columns.min(longest).max(1), tasks.max(rows.len()));
    let sides = side(columns, shape.width).zip(side(tasks, shape.height));
    let Some(mut canvas) = sides.and_then(|(width, height)| transparent(width, height)) else {
        let told = format!("a picture of {tasks} rows of {columns} images of {shape} is too large");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    };
    // All within the canvas, whose sides are counted in 32 bits.
    let place = |column: usize, row: usize| {
        ((column * (shape.width + GAP)) as u32, (row * (shape.height + GAP)) as u32)
    };
    for (row, set) in rows.iter().enumerate() {
        for column in 0..set.len().min(columns) {
            paste(&mut canvas, set.pixels_of(column), shape, place(column, row));
        }
    }
    Ok(canvas)
}

/// The pixels along some images beside each other.
fn side(images: usize, pixels: usize) -> Option<u32> {
    let with_gaps = pixels.checked_add(GAP)?.checked_mul(images)?;
    u32::try_from(with_gaps.saturating_sub(GAP)).ok()
}

fn transparent(width: u32, height: u32) -> Option<RgbaImage> {
    let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(4)?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(bytes).ok()?;
    pixels.resize(bytes, 0);
    RgbaImage::from_raw(width, height, pixels)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 3, width: 2 };

    fn white(n: usize) -> ImageDataset {
        let pixels = vec![255; n * SHAPE.len()];
        ImageDataset::new("white", SHAPE, vec!["white".into()], pixels, vec![0; n]).unwrap()
    }

    #[test]
    fn a_picture_is_as_wide_as_the_images_that_are_there() {
        for (columns, width) in [(1, 2), (2, 5), (3, 8), (4, 8), (usize::MAX, 8)] {
            let picture = draw(&[white(1), white(3)], 3, columns, SHAPE).unwrap();
            // Three rows of 3 pixels with a line between two of them.
            assert_eq!((picture.width(), picture.height()), (width, 11), "{columns}");
        }
        let picture = draw(&[white(1), white(3)], 3, 10, SHAPE).unwrap();
        let is_white = |x, y| picture.get_pixel(x, y).0 == [255; 4];
        assert!(is_white(0, 0) && is_white(1, 2) && is_white(6, 4) && is_white(7, 6));
        // A gap, the rest of a row, and a row that is not there.
        assert!([(2, 4), (0, 3), (3, 0), (0, 8)].iter().all(|&(x, y)| picture.get_pixel(x, y).0 == [0; 4]));
        let none = draw(&[], 2, 10, SHAPE).unwrap();
        assert_eq!((none.width(), none.height()), (2, 7));
    }

    #[test]
    fn a_picture_that_cannot_be_counted_is_an_error() {
        for tasks in [1 << 31, usize::MAX] {
            let message = draw(&[white(1)], tasks, 1, SHAPE).unwrap_err().to_string();
            let told = format!("a picture of {tasks} rows of 1 images of 1x3x2 is too large");
            assert_eq!(message, told);
        }
        assert_eq!((side(1, 32), side(10, 32), side(0, 32)), (Some(32), Some(329), Some(0)));
        // 4 x 2^30 - 1 is the last that 32 bits hold.
        assert_eq!((side(1 << 30, 3), side((1 << 30) + 1, 3)), (Some(u32::MAX), None));
        assert_eq!((side(2, usize::MAX), side(usize::MAX, 1)), (None, None));
    }
}
