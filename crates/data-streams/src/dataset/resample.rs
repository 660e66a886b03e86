//! Images of one shape made from images of another: resizing, padding, and grey from colour and back.

use cldiff_choices::ImageSize;
use image::{GrayImage, imageops};

use super::ImageShape;

/// How every resize here interpolates: linearly, over an area as large as the step where the image gets smaller, so
/// that nothing aliases.
pub(super) const FILTER: imageops::FilterType = imageops::FilterType::Triangle;

/// Luminance by ITU-R BT.601, in thousandths of red, green and blue: what Pillow's conversion to grey uses.
const LUMINANCE: [u32; 3] = [299, 587, 114];

/// The grey of a colour.
pub(super) fn luminance(rgb: [u8; 3]) -> u8 {
    let sum: u32 = LUMINANCE.iter().zip(rgb).map(|(weight, value)| weight * u32::from(value)).sum();
    ((sum + 500) / 1000) as u8
}

/// An image with another number of channels.
pub(super) fn with_channels(pixels: &[u8], channels: usize) -> Vec<u8> {
    if channels == 3 {
        return pixels.repeat(3);
    }
    let plane = pixels.len() / 3;
    let grey = |i: usize| luminance([pixels[i], pixels[plane + i], pixels[2 * plane + i]]);
    (0..plane).map(grey).collect()
}

/// An image resized, channel after channel.
pub(super) fn resized(pixels: &[u8], shape: ImageShape, size: ImageSize) -> Vec<u8> {
    let (height, width) = (shape.height as u32, shape.width as u32);
    let plane = |plane: &[u8]| {
        let plane = GrayImage::from_raw(width, height, plane.to_vec()).expect("a plane has its size");
        imageops::resize(&plane, size.width as u32, size.height as u32, FILTER).into_raw()
    };
    pixels.chunks_exact(shape.height * shape.width).flat_map(plane).collect()
}

/// An image with zeros around it, the odd one right and below.
pub(super) fn padded(pixels: &[u8], shape: ImageShape, size: ImageSize) -> Vec<u8> {
    let (top, left) = ((size.height - shape.height) / 2, (size.width - shape.width) / 2);
    let mut padded = vec![0; shape.channels * size.height * size.width];
    let planes = pixels.chunks_exact(shape.height * shape.width);
    for (to, from) in padded.chunks_exact_mut(size.height * size.width).zip(planes) {
        for (row, values) in to.chunks_exact_mut(size.width).skip(top).zip(from.chunks_exact(shape.width)) {
            row[left..left + shape.width].copy_from_slice(values);
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_weighs_colours_as_pillow_does() {
        // Pillow 13: Image.new("RGB", (1, 1), colour).convert("L")
        for (colour, grey) in
            [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([255; 3], 255), ([10, 20, 30], 18)]
        {
            assert_eq!(luminance(colour), grey, "{colour:?}");
        }
        assert_eq!(with_channels(&[255, 10, 0, 20, 0, 30], 1), [76, 18]);
        assert_eq!(with_channels(&[7, 9], 3), [7, 9, 7, 9, 7, 9]);
    }

    #[test]
    fn a_constant_image_stays_constant_and_a_larger_one_is_framed() {
        let shape = ImageShape { channels: 3, height: 4, width: 6 };
        assert_eq!(resized(&[90; 72], shape, 5.into()), [90; 75]);
        assert_eq!(resized(&[90; 72], shape, ImageSize { height: 2, width: 9 }), [90; 54]);
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        assert_eq!(padded(&[1, 2], shape, 3.into()), [0, 0, 0, 1, 2, 0, 0, 0, 0]);
        let wide = ImageSize { height: 2, width: 5 };
        assert_eq!(padded(&[1, 2], shape, wide), [0, 1, 2, 0, 0, 0, 0, 0, 0, 0]);
    }
}
