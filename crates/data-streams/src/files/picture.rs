//! One picture of the world: whole, upright, and decoded within limits.
//!
//! The orientation that a camera notes (EXIF tag 0x0112, in JPEG, PNG, WebP and TIFF) is applied. Of a GIF or WebP with
//! several frames the first counts. A picture that ends before its last pixel is refused, whatever its format.

use std::{
    fs::File,
    io::{BufRead, BufReader, Cursor, Read, Seek},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation,
};

use super::jpeg;
use crate::DataError;

/// A picture with a longer side is refused before it is decoded.
pub(super) const LONGEST_SIDE: u32 = 1 << 14;
/// Bytes that a decoder may allocate.
pub(super) const MOST_ALLOCATED: u64 = 1 << 29;
/// A larger file is refused.
const MOST_BYTES: u64 = 1 << 30;

/// Height and width of a picture as it stands upright, from its header.
///
/// # Errors
/// [`DataError::Io`] for a file that cannot be read, [`DataError::Broken`] for one that is no picture.
pub fn dimensions(path: &Path) -> Result<(usize, usize), DataError> {
    let file = File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    let refuse = |problem: String| DataError::broken(path, problem);
    let mut decoder = decoder(BufReader::new(file)).map_err(refuse)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || width.max(height) > LONGEST_SIDE {
        return Err(refuse(format!("its size is {height}x{width}: expected 1 to {LONGEST_SIDE} pixels")));
    }
    let (height, width) = (height as usize, width as usize);
    Ok(if lies_on_its_side(orientation(&mut decoder)) { (width, height) } else { (height, width) })
}

/// Decodes a picture, upright.
///
/// # Errors
/// [`DataError::Io`] for a file that cannot be read, [`DataError::Broken`] for one that is no picture, not a whole one, or
/// too large.
pub fn open(path: &Path) -> Result<DynamicImage, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    decode(&bytes).map_err(|problem| DataError::broken(path, problem))
}

/// Decodes a picture that is in memory, upright; messages call it `name`.
///
/// # Errors
/// As [`open`], but for files that cannot be read.
pub fn read(name: &Path, bytes: &[u8]) -> Result<DynamicImage, DataError> {
    decode(bytes).map_err(|problem| DataError::broken(name, problem))
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("more than {MOST_BYTES} bytes"));
    }
    if image::guess_format(bytes).is_ok_and(|format| format == ImageFormat::Jpeg) {
        jpeg::check_whole(bytes)?;
        if let Some(image) = jpeg::decode(bytes)? {
            return Ok(image);
        }
    }
    let mut decoder = decoder(Cursor::new(bytes))?;
    let orientation = orientation(&mut decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| one_line(&error))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The decoder of the format that the bytes are of, bounded.
fn decoder<'a>(reader: impl BufRead + Seek + 'a) -> Result<impl ImageDecoder + 'a, String> {
    let mut reader = ImageReader::new(reader).with_guessed_format().map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("it is neither PNG, JPEG, WebP, BMP, TIFF nor GIF".into());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_ALLOCATED);
    reader.limits(limits);
    reader.into_decoder().map_err(|error| one_line(&error))
}

/// The text of a decoder's error on one line, cut where it is long. A decoder may end its text with a new line, and that of
/// TIFF lists the bits of every channel that the file claims to have.
fn one_line(error: &ImageError) -> String {
    const LONGEST: usize = 200;
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// As the camera was held; a note that cannot be read says nothing.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

#[cfg(test)]
mod tests;
