//! JPEG files that are whole.
//!
//! Decoders that show pictures fill what is missing with grey and say nothing. Here a file that ends before its end
//! marker (ITU-T T.81, B.1.1.3) is refused, one whose coefficients cannot be decoded, and one whose scan was cut short and
//! then ended by a marker again, as some programs repair files (`blocks`). Of progressive files the last is not told.

mod blocks;

use image::{DynamicImage, GrayImage, RgbImage, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use super::picture::{LONGEST_SIDE, MOST_ALLOCATED};

const END: u8 = 0xd9;

/// Checks that nothing is missing at the end.
pub(super) fn check_whole(bytes: &[u8]) -> Result<(), String> {
    check_end(bytes)?;
    blocks::check(bytes)
}

/// Checks that the end marker is there: segments are passed by their lengths, so that the end of a thumbnail within one
/// is not taken for it.
fn check_end(bytes: &[u8]) -> Result<(), String> {
    let truncated = || Err(format!("truncated: its {} bytes end before the picture does", bytes.len()));
    let mut at = 0;
    while let Some(&[first, marker, ..]) = bytes.get(at..) {
        match (first, marker) {
            (0xff, END) => return Ok(()),
            // Fill bytes before a marker.
            (0xff, 0xff) => at += 1,
            // 0xff itself within a scan, markers that stand alone: start, restarts, and one of arithmetic coding.
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2),
                None => return truncated(),
            },
            _ => at += 1,
        }
    }
    truncated()
}

/// Decodes and turns upright; none where the headers are such that only a lenient decoder takes them.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<DynamicImage>, String> {
    let side = LONGEST_SIDE as usize;
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    if decoder.decode_headers().is_err() {
        return Ok(None);
    }
    let (Some((width, height)), Some(colours)) = (decoder.dimensions(), decoder.input_colorspace()) else {
        return Ok(None);
    };
    let space = if colours == ColorSpace::Luma { ColorSpace::Luma } else { ColorSpace::RGB };
    if (width * height * space.num_components()) as u64 > MOST_ALLOCATED {
        return Err(format!("{height}x{width} needs more than {MOST_ALLOCATED} bytes"));
    }
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let orientation = decoder.exif().and_then(|chunk| Orientation::from_exif_chunk(chunk));
    let pixels = decoder.decode().map_err(|error| damaged(&error))?;
    let (width, height) = (width as u32, height as u32);
    let image = match space {
        ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
    };
    let mut image = image.ok_or("fewer pixels than its header says")?;
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(Some(image))
}

fn damaged(error: &DecodeErrors) -> String {
    match error {
        DecodeErrors::IoErrors(_) => "damaged: its data end early".into(),
        // The library quotes some of its texts.
        other => format!("damaged: {}", other.to_string().trim_matches('"')),
    }
}
