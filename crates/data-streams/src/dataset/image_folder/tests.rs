use std::{collections::BTreeSet, fs};

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::files::Why;

/// A picture whose left half is of one colour and whose right half is of another.
fn halves(width: u32, height: u32, left: [u8; 3], right: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| Rgb(if 2 * x < width { left } else { right }))
}

fn save(dir: &TempDir, path: &str, image: &RgbImage) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

fn divided() -> TempDir {
    let dir = TempDir::new().unwrap();
    for (file, colour) in [
        ("train/dog/b.png", [10, 20, 30]),
        ("train/dog/a.png", [40, 50, 60]),
        ("train/cat/x.webp", [255, 0, 0]),
        ("test/cat/y.png", [0, 255, 0]),
        ("test/dog/z.jpeg", [200, 200, 200]),
    ] {
        save(&dir, file, &halves(8, 4, colour, colour));
    }
    fs::write(dir.path().join("train/dog/.hidden.png"), b"not a picture").unwrap();
    fs::write(dir.path().join("train/dog/notes.txt"), b"not a picture").unwrap();
    dir
}

fn config() -> ImageFolderConfig {
    ImageFolderConfig { size: Some(4.into()), ..Default::default() }
}

fn message(config: &ImageFolderConfig, dir: &Path) -> String {
    config.load(dir).unwrap_err().to_string()
}

#[test]
fn classes_and_files_are_in_the_order_of_their_names() {
    let dir = divided();
    let pair = config().load(dir.path()).unwrap();
    assert_eq!(pair.train.class_names(), ["cat", "dog"]);
    assert_eq!(pair.train.labels(), [0, 1, 1]);
    assert_eq!(pair.train.pixels_of(0), [[255; 16], [0; 16], [0; 16]].concat());
    assert_eq!(pair.train.pixels_of(1)[..16], [40; 16]);
    assert_eq!(pair.eval.labels(), [0, 1]);
    let grey = ImageFolderConfig { channels: 1, ..config() };
    assert_eq!(grey.load(dir.path()).unwrap().train.pixels_of(0), [76; 16]);
}

#[test]
fn a_crop_keeps_the_middle_and_a_stretch_everything() {
    let dir = TempDir::new().unwrap();
    // 12 wide, 4 high; the middle third is green.
    let image =
        RgbImage::from_fn(12, 4, |x, _| Rgb(if (4..8).contains(&x) { [0, 255, 0] } else { [255, 0, 0] }));
    save(&dir, "train/a/1.png", &image);
    save(&dir, "val/a/1.png", &image);
    let green = |fit| {
        let data = ImageFolderConfig { fit, ..config() }.load(dir.path()).unwrap().eval;
        data.pixels_of(0)[16..32].iter().map(|&p| u32::from(p)).sum::<u32>() / 16
    };
    assert_eq!(green(Fit::Crop), 255);
    assert!((70..100).contains(&green(Fit::Stretch)), "{}", green(Fit::Stretch));
}

/// A picture of three bands, 12 wide and 6 high: 4 columns each of red, green and blue.
#[test]
fn a_rectangle_is_cropped_stretched_or_taken_as_it_is() {
    let dir = TempDir::new().unwrap();
    let band = |x: u32| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][(x / 4) as usize]);
    let image = RgbImage::from_fn(12, 6, |x, _| band(x));
    save(&dir, "train/a/1.png", &image);
    save(&dir, "test/a/1.png", &image);
    let load = |fit, size: Option<[usize; 2]>| {
        let size = size.map(|[height, width]| ImageSize { height, width });
        ImageFolderConfig { size, fit, ..Default::default() }.load(dir.path()).unwrap().train
    };
    let exact = load(Fit::Exact, None);
    assert_eq!(exact.shape(), ImageShape { channels: 3, height: 6, width: 12 });
    assert_eq!(exact.pixels_of(0)[..12], [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The size that the pictures have changes nothing, whatever the fit.
    for fit in [Fit::Crop, Fit::Stretch, Fit::Exact] {
        assert_eq!(load(fit, Some([6, 12])).pixels_of(0), exact.pixels_of(0));
    }
    // Upright: the height is right already, and the middle 4 columns are green.
    let upright = load(Fit::Crop, Some([6, 4]));
    assert_eq!(upright.pixels_of(0), [[0; 24], [255; 24], [0; 24]].concat());
    // Wider than the pictures: the width is right already, and the middle 4 rows are kept.
    let wide = load(Fit::Crop, Some([4, 12]));
    assert_eq!(wide.pixels_of(0), [0, 1, 2].map(|c| exact.pixels_of(0)[72 * c..][..48].to_vec()).concat());
    // Stretched, every row is like every other, and all bands are there.
    let stretched = load(Fit::Stretch, Some([4, 24]));
    assert_eq!(stretched.shape(), ImageShape { channels: 3, height: 4, width: 24 });
    let rows: Vec<&[u8]> = stretched.pixels_of(0)[..96].chunks(24).collect();
    assert!(rows.iter().all(|row| row == &rows[0]) && rows[0][0] == 255 && rows[0][23] == 0);
}

#[test]
fn a_flat_directory_is_divided_by_name_alone() {
    let dir = TempDir::new().unwrap();
    for class in ["a", "b"] {
        for i in 0..10 {
            save(&dir, &format!("{class}/{i}.png"), &halves(4, 4, [i; 3], [i; 3]));
        }
    }
    let colours = |data: &ImageDataset| -> BTreeSet<u8> {
        data.of_classes(&[0]).labels().iter().enumerate().map(|(i, _)| data.pixels_of(i)[0]).collect()
    };
    let flat = ImageFolderConfig { eval_share: 0.3, ..config() };
    let pair = flat.load(dir.path()).unwrap();
    assert_eq!((pair.train.counts_per_class(), pair.eval.counts_per_class()), (vec![7, 7], vec![3, 3]));
    let (train, eval) = (colours(&pair.train), colours(&pair.eval));
    assert!(train.is_disjoint(&eval) && train.len() + eval.len() == 10);
    assert_eq!(colours(&flat.load(dir.path()).unwrap().eval), eval);
    assert_eq!(flat.load_split(dir.path(), Split::Eval).unwrap().content_hash(), pair.eval.content_hash());
}

#[test]
fn one_split_is_decoded_without_the_other() {
    let dir = divided();
    fs::write(dir.path().join("train/dog/a.png"), b"damaged").unwrap();
    assert_eq!(config().load_split(dir.path(), Split::Eval).unwrap().len(), 2);
    fs::remove_dir_all(dir.path().join("train")).unwrap();
    assert_eq!(config().load_split(dir.path(), Split::Eval).unwrap().len(), 2);
    assert!(message(&config(), dir.path()).contains("train"));
}

#[test]
fn what_is_wrong_is_told_with_its_name() {
    let refused = |change: &dyn Fn(&Path), config: &ImageFolderConfig, expected: &[&str]| {
        let dir = divided();
        change(dir.path());
        let message = message(config, dir.path());
        for part in expected {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    let truncate = |dir: &Path| {
        let path = dir.join("train/dog/b.png");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    refused(&truncate, &config(), &["train/dog/b.png", "cannot be decoded"]);
    let text = |dir: &Path| fs::write(dir.join("train/dog/b.png"), "words").unwrap();
    refused(&text, &config(), &["train/dog/b.png", "cannot be decoded"]);
    let empty = |dir: &Path| fs::create_dir(dir.join("train/bird")).unwrap();
    refused(&empty, &config(), &["train/bird", "no images", "webp"]);
    let untested = |dir: &Path| fs::remove_dir_all(dir.join("test/cat")).unwrap();
    refused(&untested, &config(), &["test/cat", "no images"]);
    let mixed = |dir: &Path| halves(5, 4, [0; 3], [0; 3]).save(dir.join("train/dog/c.png")).unwrap();
    let exact = ImageFolderConfig { fit: Fit::Exact, ..Default::default() };
    refused(&mixed, &exact, &["train/dog/c.png: 4x5", "4x8 is expected", "train/cat/x.webp", "`fit`"]);
    let given = ImageFolderConfig { size: Some(4.into()), ..exact };
    refused(
        &|_| (),
        &given,
        &["train/cat/x.webp: 4x8, but `size` is 4x4: with `fit = \"exact\"` they must be equal"],
    );
    refused(&|dir| fs::remove_dir_all(dir).unwrap(), &config(), &["no such directory", "DIR/train/CLASS"]);
    let nothing = |dir: &Path| {
        ["train", "test"].iter().for_each(|name| fs::remove_dir_all(dir.join(name)).unwrap());
    };
    refused(&nothing, &config(), &["holds no classes"]);
    let single = |dir: &Path| {
        nothing(dir);
        fs::create_dir(dir.join("one")).unwrap();
        halves(5, 4, [0; 3], [0; 3]).save(dir.join("one/c.png")).unwrap();
    };
    refused(&single, &config(), &["/one: the class has one image"]);
}

/// The header of a PNG of 60000 x 60000 pixels, with nothing behind it.
#[test]
fn a_picture_that_claims_too_much_allocates_nothing() {
    let dir = divided();
    let path = dir.path().join("train/dog/b.png");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(message(&config(), dir.path()).contains("train/dog/b.png"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// With any bytes changed, the picture is read or refused.
    #[test]
    fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let dir = TempDir::new().unwrap();
        for name in ["a.png", "b.jpg", "c.webp"] {
            save(&dir, &format!("test/x/{name}"), &halves(9, 7, [10, 200, 30], [90, 80, 250]));
            let path = dir.path().join("test/x").join(name);
            let mut bytes = fs::read(&path).unwrap();
            for (index, value) in &changes {
                let i = index.index(bytes.len());
                bytes[i] = *value;
            }
            fs::write(&path, bytes).unwrap();
        }
        if let Err(error) = config().load_split(dir.path(), Split::Eval) {
            prop_assert!(error.to_string().contains("test/x"), "{}", error);
        }
    }
}

#[test]
fn options_out_of_range_are_named() {
    let dir = divided();
    for (config, expected) in [
        (ImageFolderConfig { size: None, ..config() }, "`size` is not set"),
        (ImageFolderConfig { size: Some(2.into()), ..config() }, "`size` is 2"),
        (
            ImageFolderConfig { size: Some(ImageSize { height: 4, width: 3 }), ..config() },
            "`size` is [4, 3]: expected 4",
        ),
        (ImageFolderConfig { channels: 2, ..config() }, "expected 1 or 3"),
        (ImageFolderConfig { eval_share: 1.0, ..config() }, "between 0 and 1"),
    ] {
        let message = message(&config, dir.path());
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn every_format_at_every_depth_is_of_its_class() {
    let dir = TempDir::new().unwrap();
    let colours: [u8; 6] = [10, 50, 90, 130, 170, 210];
    let files = ["a.PNG", "b.bmp", "c.tiff", "deep/d.gif", "deep/er/e.webp", "f.jfif"];
    for (file, colour) in files.iter().zip(colours) {
        for split in ["train", "val"] {
            let path = dir.path().join(split).join("x").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let image = halves(8, 8, [colour; 3], [colour; 3]);
            image.save_with_format(&path, image::ImageFormat::from_path(&path).unwrap()).unwrap();
        }
    }
    for (name, bytes) in [("._a.PNG", "Mac"), (".DS_Store", "x"), ("deep/list.csv", "a,b"), ("raw.heic", "y")]
    {
        fs::write(dir.path().join("train/x").join(name), bytes).unwrap();
    }
    let data = config().load_split(dir.path(), Split::Train).unwrap();
    let first = |i: usize| data.pixels_of(i)[0];
    let order = [10, 50, 90, 130, 170, 210];
    assert_eq!(data.len(), 6);
    for (i, colour) in order.into_iter().enumerate() {
        assert!(first(i).abs_diff(colour) < 4, "{i}: {} and not {colour}", first(i));
    }
    let mut left_out = LeftOut::default();
    find(dir.path(), Split::Train, 0.2, &mut left_out).unwrap();
    assert_eq!((left_out.count(&Why::Hidden), left_out.total()), (2, 4));
}

#[test]
fn files_beside_classes_and_splits_are_told() {
    let dir = divided();
    for name in ["readme.md", "train/loose.png"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    fs::create_dir(dir.path().join("val")).unwrap();
    let mut left_out = LeftOut::default();
    find(dir.path(), Split::Train, 0.2, &mut left_out).unwrap();
    find(dir.path(), Split::Eval, 0.2, &mut left_out).unwrap();
    let counts =
        [Why::NoClass, Why::NoSplit, Why::Hidden, Why::Other("txt".into())].map(|why| left_out.count(&why));
    assert_eq!(counts, [2, 1, 1, 1]);
    let line = left_out.to_string();
    assert!(line.starts_with("left out 5 files: 1 hidden (") && line.contains("notes.txt"), "{line}");
    assert!(line.contains("val)") && line.contains("in no directory of a class"), "{line}");
}

#[test]
fn the_same_name_in_two_directories_of_a_class_is_two_pictures() {
    let dir = TempDir::new().unwrap();
    for (i, file) in ["1.png", "s/1.png", "t/1.png", "t/2.png"].iter().enumerate() {
        save(&dir, &format!("x/{file}"), &halves(4, 4, [i as u8; 3], [i as u8; 3]));
    }
    let pair = ImageFolderConfig { eval_share: 0.5, ..config() }.load(dir.path()).unwrap();
    let colours = |data: &ImageDataset| (0..data.len()).map(|i| data.pixels_of(i)[0]).collect::<Vec<_>>();
    // SHA-256: 1.png 9461, s/1.png 12d6, t/1.png d861, t/2.png b9a2, of which the two smallest are held out.
    assert_eq!((colours(&pair.train), colours(&pair.eval)), (vec![2, 3], vec![0, 1]));
}

/// A photograph taken upright is stored on its side.
#[test]
fn exact_sizes_are_those_of_pictures_that_stand_upright() {
    let dir = TempDir::new().unwrap();
    for split in ["train", "test"] {
        save(&dir, &format!("{split}/x/1.jpg"), &halves(16, 8, [0; 3], [0; 3]));
        let path = dir.path().join(split).join("x/1.jpg");
        let jpeg = fs::read(&path).unwrap();
        let exif = b"Exif\x00\x00II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        fs::write(path, [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat()).unwrap();
    }
    let exact = ImageFolderConfig { fit: Fit::Exact, ..Default::default() };
    assert_eq!(exact.load(dir.path()).unwrap().train.shape().to_string(), "3x16x8");
}

/// Two pictures of six are cut short: of the first in the order of their names, which has the size, and of one more.
#[test]
fn broken_pictures_are_an_error_or_as_many_as_are_allowed_left_out() {
    let dir = TempDir::new().unwrap();
    for (i, file) in ["a.jpg", "b.png", "c.gif", "d.tif"].iter().enumerate() {
        let colour = 20 * (i as u8 + 1);
        save(&dir, &format!("train/x/{file}"), &halves(8, 8, [colour; 3], [colour; 3]));
    }
    save(&dir, "test/x/e.png", &halves(8, 8, [100; 3], [100; 3]));
    save(&dir, "test/x/f.bmp", &halves(8, 8, [120; 3], [120; 3]));
    for file in ["train/x/a.jpg", "test/x/f.bmp"] {
        let bytes = fs::read(dir.path().join(file)).unwrap();
        fs::write(dir.path().join(file), &bytes[..bytes.len() - 3]).unwrap();
    }
    for fit in [Fit::Exact, Fit::Crop] {
        let size = (fit == Fit::Crop).then_some(4.into());
        let with = |skip_broken| ImageFolderConfig { size, fit, skip_broken, ..Default::default() };
        assert!(message(&with(0), dir.path()).contains("train/x/a.jpg: cannot be decoded: truncated"));
        let one = message(&with(1), dir.path());
        assert!(
            one.contains("test/x/f.bmp") && one.ends_with("2 pictures are broken, and 1 may be left out"),
            "{one}"
        );
        let pair = with(2).load(dir.path()).unwrap();
        let colours: Vec<u8> = (0..3).map(|i| pair.train.pixels_of(i)[0]).collect();
        assert_eq!((pair.train.len(), colours, pair.eval.len()), (3, vec![40, 60, 80], 1));
        assert_eq!((pair.train.labels(), pair.eval.pixels_of(0)[0]), (vec![0; 3], 100));
    }
    let text = toml::to_string(&ImageFolderConfig { skip_broken: 3, ..config() }).unwrap();
    assert!(text.contains("skip_broken = 3") && !toml::to_string(&config()).unwrap().contains("skip_broken"));
}
