use std::{fs, path::PathBuf};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;

const FORMATS: [(&str, ImageFormat); 6] = [
    ("png", ImageFormat::Png),
    ("jpg", ImageFormat::Jpeg),
    ("webp", ImageFormat::WebP),
    ("bmp", ImageFormat::Bmp),
    ("tif", ImageFormat::Tiff),
    ("gif", ImageFormat::Gif),
];

/// Black, 16 high and 32 wide, with a white square of 8 top left.
fn corner() -> RgbImage {
    RgbImage::from_fn(32, 16, |x, y| Rgb(if x < 8 && y < 8 { [255; 3] } else { [0; 3] }))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    corner().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A TIFF header with one entry: the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II\x2a\x00\x08\x00\x00\x00\x01\x00"[..], &entry, &[0; 4]].concat()
}

/// Puts a segment behind a JPEG's start marker.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

fn turned_jpeg(orientation: u8) -> Vec<u8> {
    let segment = [&b"Exif\x00\x00"[..], &exif(orientation)].concat();
    with_segment(&encoded(ImageFormat::Jpeg), 0xe1, &segment)
}

/// Puts an eXIf chunk behind a PNG's header, which has 33 bytes with the signature.
fn turned_png(orientation: u8) -> Vec<u8> {
    let png = encoded(ImageFormat::Png);
    let chunk = [&b"eXIf"[..], &exif(orientation)].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&chunk);
    let length = (chunk.len() as u32 - 4).to_be_bytes();
    [&png[..33], &length, &chunk, &sum.sum().to_be_bytes(), &png[33..]].concat()
}

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("picture");
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Every orientation with the corner in which the white square stands then (EXIF 2.32, table 6: the sides of which the
/// first row and the first column are).
#[test]
fn pictures_stand_upright_however_the_camera_was_held() {
    let scratch = Scratch::new();
    let corners = ["", "top left", "top right", "bottom right", "bottom left"];
    for (orientation, expected) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 2), (7, 3), (8, 4)] {
        for bytes in [turned_jpeg(orientation), turned_png(orientation)] {
            let path = scratch.file(&bytes);
            let image = open(&path).unwrap().to_luma8();
            let (width, height) = if orientation < 5 { (32, 16) } else { (16, 32) };
            assert_eq!(image.dimensions(), (width, height), "{orientation}");
            assert_eq!(dimensions(&path).unwrap(), (height as usize, width as usize));
            let light = |x: u32, y: u32| image.get_pixel(x, y).0[0] > 128;
            let (right, bottom) = (width - 4, height - 4);
            let found = [(4, 4), (right, 4), (right, bottom), (4, bottom)].map(|(x, y)| light(x, y));
            let is_expected = |i: usize| i + 1 == expected;
            assert_eq!(found, [0, 1, 2, 3].map(is_expected), "{orientation}: {}", corners[expected]);
        }
    }
    // A note that says nothing leaves the picture as it lies.
    for orientation in [0, 9, 255] {
        assert_eq!(open(&scratch.file(&turned_jpeg(orientation))).unwrap().to_rgb8().dimensions(), (32, 16));
    }
}

#[test]
fn every_format_is_read_whatever_its_name_and_refused_wherever_it_is_cut() {
    let scratch = Scratch::new();
    for (name, format) in FORMATS {
        let bytes = encoded(format);
        let whole = open(&scratch.file(&bytes)).unwrap().to_rgb8();
        assert!(whole.get_pixel(2, 2).0[1] > 240 && whole.get_pixel(30, 14).0[1] < 16, "{name}");
        // Every seventh place, and every one of the last.
        for end in (0..bytes.len()).filter(|end| end % 7 == 0 || end + 20 > bytes.len()) {
            match open(&scratch.file(&bytes[..end])) {
                Err(error) => {
                    assert!(error.to_string().contains("cannot be decoded"), "{name}, {end}: {error}");
                }
                // Behind the last pixel there may be a word of farewell.
                Ok(image) => assert!(image.to_rgb8() == whole && end + 16 > bytes.len(), "{name}, {end}"),
            }
        }
    }
}

#[test]
fn a_jpeg_that_lacks_its_end_is_refused_and_one_with_something_behind_it_read() {
    let scratch = Scratch::new();
    let jpeg = encoded(ImageFormat::Jpeg);
    let message = |bytes: &[u8]| open(&scratch.file(bytes)).unwrap_err().to_string();
    // An interrupted download into a file of the full size.
    let mut zeros = jpeg.clone();
    let half = jpeg.len() * 3 / 4;
    zeros[half..].fill(0);
    assert!(message(&zeros).contains("truncated"), "{}", message(&zeros));
    // The end marker of a thumbnail is not that of the picture.
    let thumbnail = with_segment(&jpeg, 0xe2, b"\xff\xd8 small \xff\xd9");
    assert_eq!(open(&scratch.file(&thumbnail)).unwrap().to_rgb8().dimensions(), (32, 16));
    assert!(message(&thumbnail[..thumbnail.len() - 3]).contains("truncated"));
    // No more than two bytes of it, and the length of a segment that leads out of the file.
    assert!(message(&jpeg[..3]).contains("truncated"), "{}", message(&jpeg[..3]));
    let long = [&jpeg[..2], &[0xff, 0xe1, 0xff, 0xff, 0, 0]].concat();
    assert!(message(&long).contains("truncated"), "{}", message(&long));
    // Cameras put a second picture, or a preview, behind the first.
    let followed = [&jpeg[..], &jpeg[..60]].concat();
    assert_eq!(
        open(&scratch.file(&followed)).unwrap().to_rgb8(),
        open(&scratch.file(&jpeg)).unwrap().to_rgb8()
    );
}

/// Where the data of a JPEG's last scan begin.
fn scan_of(jpeg: &[u8]) -> usize {
    let marker = jpeg.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    marker + 2 + usize::from(u16::from_be_bytes([jpeg[marker + 2], jpeg[marker + 3]]))
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg").join(name)).unwrap()
}

/// As programs do that repair a file which was cut off: they add the end marker.
#[test]
fn a_scan_that_was_cut_short_and_closed_again_is_refused() {
    let scratch = Scratch::new();
    let mut noise = Vec::new();
    let picture = RgbImage::from_fn(40, 24, |x, y| Rgb([(37 * x + 91 * y) as u8, (x * y * 13) as u8, 77]));
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut noise, 90).encode_image(&picture).unwrap();
    for whole in [noise, fixture("restarts.jpg"), fixture("grey.jpg")] {
        assert!(open(&scratch.file(&whole)).is_ok());
        let scan = scan_of(&whole);
        // Not to the last block: a byte of it may be missing.
        for end in (scan..whole.len() - 60).step_by(11) {
            let closed = [&whole[..end], &[0xff, 0xd9]].concat();
            let message = open(&scratch.file(&closed)).unwrap_err().to_string();
            assert!(message.contains("truncated and closed again: its data end after"), "{end}: {message}");
        }
    }
    // 3 x 2 units of six blocks: the first two have a restart behind them.
    let restarts = fixture("restarts.jpg");
    let restart = restarts.windows(2).position(|pair| pair == [0xff, 0xd0]).unwrap();
    let message =
        open(&scratch.file(&[&restarts[..restart], &[0xff, 0xd9]].concat())).unwrap_err().to_string();
    assert!(message.ends_with("its data end after 2 of 6 blocks"), "{message}");
    // A file that is not understood is left to the decoder.
    assert!(open(&scratch.file(&fixture("progressive.jpg"))).is_ok());
}

#[test]
fn grey_stays_grey_and_what_is_no_picture_is_told() {
    let scratch = Scratch::new();
    let mut bytes = Cursor::new(Vec::new());
    let grey = image::GrayImage::from_pixel(8, 8, image::Luma([90]));
    grey.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let image = open(&scratch.file(bytes.get_ref())).unwrap();
    assert!(!image.color().has_color() && image.to_luma8().get_pixel(3, 3).0[0].abs_diff(90) < 3);
    for bytes in [&b""[..], b"words and more words", b"\x00\x00\x00\x20ftypheic"] {
        let message = open(&scratch.file(bytes)).unwrap_err().to_string();
        assert!(message.contains("neither PNG, JPEG"), "{message}");
        assert!(dimensions(&scratch.file(bytes)).is_err());
    }
}

/// A TIFF file of 324 bytes whose error lists 65,535 channels. It was found by the fuzz target `image`.
#[test]
fn a_decoders_long_message_is_cut() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/image/tiff-many-bits");
    // The first byte of a seed chooses the options of the target.
    let picture = &std::fs::read(seed).unwrap()[1..];
    let message = read(Path::new("a.tiff"), picture).unwrap_err().to_string();
    assert!(message.ends_with("...") && message.len() < 300, "{} bytes: {message:.300}", message.len());
}
