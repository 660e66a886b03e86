//! `cldiff metric` as others use it: two sets in files, directories or data sets, one JSON object.

mod common;

use std::{fs, io::Write, path::Path};

use common::{Scratch, text};
use npyz::WriterBuilder;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

/// A tensor for a file.
struct Tensor(&'static str, Dtype, Vec<usize>, Vec<u8>);

fn save(path: &Path, tensors: &[Tensor]) {
    let views = tensors.iter().map(|Tensor(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Rows that are neither regular nor random: a linear congruential sequence around `shift`.
fn features(rows: usize, width: usize, seed: u64, shift: f32) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 + shift
    };
    let bytes = (0..rows * width).flat_map(|_| next().to_le_bytes()).collect();
    Tensor("features", Dtype::F32, vec![rows, width], bytes)
}

/// A scratch directory with two files of features.
fn two_sets() -> Scratch {
    let scratch = Scratch::new();
    save(&scratch.path("a.safetensors"), &[features(120, 8, 1, 0.0)]);
    save(&scratch.path("b.safetensors"), &[features(90, 8, 2, 0.1)]);
    scratch
}

fn measured(scratch: &Scratch, arguments: &[&str]) -> Value {
    let output = scratch.cldiff(&[&["metric"], arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn refused(scratch: &Scratch, arguments: &[&str], expected: &[&str]) {
    let output = scratch.cldiff(&[&["metric"], arguments].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    for part in expected {
        assert!(stderr.contains(part), "{arguments:?}: no \"{part}\" in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked") && output.stdout.is_empty(), "{stderr}");
}

#[test]
fn every_metric_has_its_keys_and_repeats_itself() {
    let scratch = two_sets();
    let common = ["n_a", "n_b", "features"];
    for (metric, expected) in [
        (&["fid"][..], &["fid", "fid_standard_error"][..]),
        (&["fid-infinity"], &["fid_infinity"]),
        (&["kid", "--subsets", "5", "--subset-size", "50"], &["kid", "kid_std", "kid_standard_error"]),
        (&["kid", "--subsets", "0"], &["kid", "kid_std", "kid_standard_error"]),
        (
            &["precision-recall", "--k", "4"],
            &["precision", "recall", "precision_standard_error", "recall_standard_error"],
        ),
        (
            &["density-coverage"],
            &[
                "density",
                "coverage",
                "coverage_expected",
                "coverage_normalised",
                "density_standard_error",
                "coverage_standard_error",
                "coverage_normalised_standard_error",
            ],
        ),
        (&["vendi"], &["vendi", "vendi_standard_error"]),
        (&["inception-score", "--splits", "3"], &["inception_score", "inception_score_std"]),
        (&["swd", "--projections", "16"], &["swd", "swd_standard_error"]),
    ] {
        let arguments = [metric, &["a.safetensors", "b.safetensors"]].concat();
        let found = measured(&scratch, &arguments);
        assert_eq!(keys(&found), [expected, &common].concat(), "{metric:?}");
        assert!(expected.iter().all(|key| found[key].is_f64()), "{found}");
        assert_eq!((&found["n_a"], &found["n_b"]), (&120.into(), &90.into()));
        assert_eq!(found, measured(&scratch, &arguments));
    }
    let plain = scratch.cldiff(&["metric", "fid", "a.safetensors", "b.safetensors"]);
    assert!(text(&plain.stdout).starts_with("fid ") && text(&plain.stdout).contains("n_a"));
}

#[test]
fn a_set_is_at_no_distance_from_itself() {
    let scratch = two_sets();
    let itself = |metric: &str| measured(&scratch, &[metric, "a.safetensors", "a.safetensors"]);
    assert!(itself("fid")["fid"].as_f64().unwrap() < 1e-9);
    assert_eq!(itself("swd")["swd"], 0.0);
    let both = itself("precision-recall");
    assert_eq!((&both["precision"], &both["recall"]), (&1.0.into(), &1.0.into()));
    assert_eq!(itself("density-coverage")["coverage"], 1.0);
    save(&scratch.path("c.safetensors"), &[features(150, 8, 3, 0.0)]);
    let copies = |metric: &str, b: &str| {
        measured(&scratch, &[metric, "a.safetensors", b, "--held-out", "c.safetensors"])
    };
    let stored = copies("memorisation", "a.safetensors");
    assert_eq!((&stored["memorisation"], &stored["memorisation_distance"]), (&1.0.into(), &0.0.into()));
    assert_eq!(stored["n_held_out"], 150);
    assert_eq!(copies("memorised-training", "a.safetensors")["memorised_training"], 1.0);
    assert_eq!(copies("authenticity", "a.safetensors")["authenticity"], 0.0);
    assert!(copies("ct", "a.safetensors")["ct"].as_f64().unwrap() < -8.0);
    assert!(copies("ct", "b.safetensors")["ct"].as_f64().unwrap() > -3.0);
    // A threshold that 1 % are below takes 99 images.
    let few = ["memorisation", "a.safetensors", "a.safetensors", "--held-out", "b.safetensors"];
    refused(&scratch, &few, &["at least 99 images, got 90"]);
}

/// Outputs of any network, written by any language, with the network's name in the header.
#[test]
fn features_of_any_network_compare_by_hand_worked_numbers() {
    let scratch = Scratch::new();
    let save = |name: &str, values: [f32; 2], network: &str| {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().repeat(50);
        let view = TensorView::new(Dtype::F32, vec![100, 1], &bytes).unwrap();
        let note = std::collections::HashMap::from([("features".to_owned(), network.to_owned())]);
        let bytes = safetensors::serialize([("features", view)], Some(note)).unwrap();
        fs::write(scratch.path(name), bytes).unwrap();
    };
    save("a.safetensors", [-1.0, 1.0], "my network");
    save("b.safetensors", [1.0, 5.0], "my network");
    save("c.safetensors", [1.0, 5.0], "another network");
    // Means 0 and 3, variances v and 4 v with v = 100 / 99: 9 + (sqrt(4 v) - sqrt(v))^2 = 9 + v.
    let found = measured(&scratch, &["fid", "a.safetensors", "b.safetensors"]);
    assert!((found["fid"].as_f64().unwrap() - (9.0 + 100.0 / 99.0)).abs() < 1e-9, "{found}");
    assert_eq!(found["features"], "my network");
    // k(x, y) = (x y + 1)^3. Within A: pairs of equal sign 8, of unlike sign 0: 8 * 49/99. Within B: (1, 1) 8, (5, 5) 26^3,
    // (1, 5) 6^3. Between: (-1, 1) 0, (-1, 5) -64, (1, 1) 8, (1, 5) 216.
    let within_b = 17_584.0 / 2.0 * 49.0 / 99.0 + 216.0 * 50.0 / 99.0;
    let kid = 8.0 * 49.0 / 99.0 + within_b - 2.0 * (0.0 - 64.0 + 8.0 + 216.0) / 4.0;
    let found = measured(&scratch, &["kid", "a.safetensors", "b.safetensors", "--subsets", "0"]);
    assert!((found["kid"].as_f64().unwrap() / kid - 1.0).abs() < 1e-9, "{found}, {kid}");
    refused(
        &scratch,
        &["fid", "a.safetensors", "c.safetensors"],
        &["different features", "my network", "another network"],
    );
    for (metric, option) in [("kid", "--subsets"), ("fid-infinity", "--points")] {
        refused(
            &scratch,
            &[metric, "a.safetensors", "b.safetensors", option, "10000000000000"],
            &[&format!("{option} 10000000000000: expected at most 1000000")],
        );
    }
}

#[test]
fn saved_statistics_stand_for_their_set() {
    let scratch = two_sets();
    let saved = measured(&scratch, &["stats", "b.safetensors", "--out", "b-stats.safetensors"]);
    assert_eq!((&saved["n"], &saved["d"]), (&90.into(), &8.into()));
    let direct = measured(&scratch, &["fid", "a.safetensors", "b.safetensors"]);
    let through = measured(&scratch, &["fid", "a.safetensors", "b-stats.safetensors"]);
    assert!((direct["fid"].as_f64().unwrap() - through["fid"].as_f64().unwrap()).abs() < 1e-12);
    // Saved statistics have no samples left that an error could be of.
    assert!(direct["fid_standard_error"].is_f64() && through.get("fid_standard_error").is_none());
    assert_eq!(through["n_b"], 90);
    refused(&scratch, &["kid", "a.safetensors", "b-stats.safetensors"], &["b-stats", "only fid"]);
}

/// An array as NumPy writes it.
fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

fn save_npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (array, bytes) in arrays {
        archive.start_file(format!("{array}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// The form that pytorch-fid's `--save-stats` writes: NumPy arrays in a zip archive, here the mean 0 and the unit covariance.
#[test]
fn statistics_of_pytorch_fid_are_read() {
    let scratch = two_sets();
    let array = |shape: &[u64], values: &[f64]| {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes);
        let mut writer = options.begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    };
    let save = |name: &str, arrays: &[(&str, Vec<u8>)]| save_npz(&scratch.path(name), arrays);
    let unit = |d: usize| (0..d * d).map(|i| f64::from(u8::from(i % (d + 1) == 0))).collect::<Vec<_>>();
    let far: Vec<f64> = unit(8).iter().map(|x| 4.0 * x).collect();
    save("unit.npz", &[("mu", array(&[8], &[0.0; 8])), ("sigma", array(&[8, 8], &unit(8)))]);
    save("far.npz", &[("mu", array(&[8], &[1.0; 8])), ("sigma", array(&[8, 8], &far))]);
    // Each of 8 features: (0 - 1)^2 + (1 - 2)^2.
    let found = measured(&scratch, &["fid", "unit.npz", "far.npz"]);
    assert!((found["fid"].as_f64().unwrap() - 16.0).abs() < 1e-12, "{found}");
    assert!(found["n_a"].is_null());
    save("half.npz", &[("mu", array(&[8], &[0.0; 8]))]);
    refused(&scratch, &["fid", "unit.npz", "half.npz"], &["half.npz", "`sigma`"]);
    save("odd.npz", &[("mu", array(&[2], &[0.0; 2])), ("sigma", array(&[4], &[0.0; 4]))]);
    refused(&scratch, &["fid", "unit.npz", "odd.npz"], &["odd.npz", "d x d"]);
    fs::write(scratch.path("text.npz"), "hello").unwrap();
    refused(&scratch, &["fid", "unit.npz", "text.npz"], &["not an .npz"]);
}

/// Pixel (row, column, channel) of image n.
fn pixel(n: usize, row: usize, column: usize, channel: usize) -> u8 {
    (n * 37 + row * 11 + column * 5 + channel * 71) as u8
}

#[test]
fn images_are_the_same_in_directories_and_in_either_layout() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("images/deeper")).unwrap();
    let (mut nchw, mut nhwc) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let picture = image::RgbImage::from_fn(5, 4, |x, y| {
            image::Rgb([0, 1, 2].map(|c| pixel(n, y as usize, x as usize, c)))
        });
        let folder = if n < 3 { "images" } else { "images/deeper" };
        picture.save(scratch.path(folder).join(format!("{n}.png"))).unwrap();
        nhwc.extend(picture.as_raw());
        nchw.extend((0..3).flat_map(|c| (0..20).map(move |i| pixel(n, i / 5, i % 5, c))));
    }
    fs::write(scratch.path("images/notes.txt"), "no image").unwrap();
    save(&scratch.path("nchw.safetensors"), &[Tensor("images", Dtype::U8, vec![6, 3, 4, 5], nchw)]);
    save(&scratch.path("nhwc.safetensors"), &[Tensor("images", Dtype::U8, vec![6, 4, 5, 3], nhwc)]);
    for other in ["nchw.safetensors", "nhwc.safetensors"] {
        let found = measured(&scratch, &["swd", "images", other]);
        assert_eq!((&found["swd"], &found["n_a"], &found["n_b"]), (&0.0.into(), &6.into(), &6.into()));
        assert_eq!(found["features"], "pixels in [-1, 1]");
    }
    let grey = image::GrayImage::from_pixel(7, 7, image::Luma([9]));
    grey.save(scratch.path("images/other.png")).unwrap();
    refused(&scratch, &["swd", "images", "nchw.safetensors"], &["different size", "other.png", "7x7"]);
    fs::write(scratch.path("images/other.png"), b"not a picture").unwrap();
    refused(
        &scratch,
        &["swd", "images", "nchw.safetensors"],
        &["other.png", "cannot be decoded", "--skip-broken 1"],
    );
}

/// Sets of images of two shapes have no distance, however many values an image has: in directories, files and data sets,
/// and where one is left as statistics alone.
#[test]
fn images_of_two_shapes_are_not_compared() {
    let scratch = Scratch::new();
    let images = |name: &str, shape: [usize; 3]| {
        let shape = [&[5], &shape[..]].concat();
        let pixels = (0..shape.iter().product::<usize>()).map(|i| (i * 31) as u8).collect();
        save(&scratch.path(name), &[Tensor("images", Dtype::U8, shape, pixels)]);
    };
    images("wide.safetensors", [3, 4, 8]);
    images("tall.safetensors", [3, 8, 4]);
    images("grey.safetensors", [1, 8, 12]);
    let told = |a: &str, b: &str, shapes: [&str; 2]| {
        for metric in ["fid", "swd", "kid"] {
            refused(&scratch, &[metric, a, b], &[&shapes[..], &["expected one shape"]].concat());
        }
    };
    told("wide.safetensors", "tall.safetensors", ["3x4x8", "3x8x4"]);
    told("grey.safetensors", "wide.safetensors", ["1x8x12", "3x4x8"]);
    told("glyphs", "grey.safetensors", ["1x16x16", "1x8x12"]);
    fs::create_dir(scratch.path("pictures")).unwrap();
    (0..3_u8).for_each(|n| {
        let picture = image::RgbImage::from_pixel(12, 8, image::Rgb([n; 3]));
        picture.save(scratch.path(&format!("pictures/{n}.png"))).unwrap();
    });
    told("pictures", "grey.safetensors", ["3x8x12", "1x8x12"]);
    measured(&scratch, &["stats", "tall.safetensors", "--features", "pixels", "--out", "stats.safetensors"]);
    refused(&scratch, &["fid", "wide.safetensors", "stats.safetensors"], &["3x4x8", "3x8x4"]);
    assert!(measured(&scratch, &["fid", "tall.safetensors", "stats.safetensors"])["fid"].is_f64());
}

/// Statistics that do not say what they are of meet images only where the user says it, and raw pixels are told before a
/// number in them.
#[test]
fn features_without_a_name_and_raw_pixels_are_told() {
    let scratch = Scratch::new();
    let pixels: Vec<u8> = (0..6 * 4_u32).map(|i| (i * i * 7) as u8).collect();
    save(&scratch.path("images.safetensors"), &[Tensor("images", Dtype::U8, vec![6, 1, 2, 2], pixels)]);
    let zeros = npy("<f8", "(4,)", &[0; 32]);
    let unit: Vec<u8> = (0..16).flat_map(|i| f64::from(u8::from(i % 5 == 0)).to_le_bytes()).collect();
    save_npz(&scratch.path("unit.npz"), &[("mu", zeros), ("sigma", npy("<f8", "(4, 4)", &unit))]);
    let both = ["fid", "images.safetensors", "unit.npz"];
    refused(
        &scratch,
        &both,
        &["unit.npz does not say which features", "give --features classifier, pixels, inception or dinov2"],
    );
    let stderr = |arguments: &[&str]| {
        let output = scratch.cldiff(&[&["metric"], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let chosen = stderr(&[&both[..], &["--features", "pixels"]].concat());
    assert!(chosen.contains("unit.npz does not say") && !chosen.contains("raw pixels"), "{chosen}");
    let default = stderr(&["fid", "images.safetensors", "images.safetensors"]);
    assert!(default.contains("without --features, raw pixels are compared"), "{default}");
    // Where a name stands against none, it is said whose is taken.
    save(&scratch.path("plain.safetensors"), &[features(9, 4, 1, 0.0)]);
    measured(
        &scratch,
        &["stats", "images.safetensors", "--features", "pixels", "--out", "named.safetensors"],
    );
    let taken = stderr(&["fid", "named.safetensors", "plain.safetensors"]);
    assert!(
        taken.contains("plain.safetensors does not say") && taken.contains("pixels in [-1, 1]"),
        "{taken}"
    );
    assert!(!stderr(&["fid", "plain.safetensors", "plain.safetensors"]).contains("does not say"));
}

/// Samples as guided-diffusion writes them, and other arrays of NumPy.
#[test]
fn images_in_npz_are_read_and_other_types_named() {
    let scratch = Scratch::new();
    let pixels: Vec<u8> = (0..5 * 12_u32).map(|i| (i * 37) as u8).collect();
    save(&scratch.path("same.safetensors"), &[Tensor("images", Dtype::U8, vec![5, 2, 2, 3], pixels.clone())]);
    save_npz(
        &scratch.path("samples.npz"),
        &[("arr_0", npy("|u1", "(5, 2, 2, 3)", &pixels)), ("arr_1", npy("<i8", "(5,)", &[0; 40]))],
    );
    let wide: Vec<u8> = pixels.iter().flat_map(|&p| i32::from(p).to_le_bytes()).collect();
    save_npz(&scratch.path("wide.npz"), &[("images", npy("<i4", "(5, 2, 2, 3)", &wide))]);
    for npz in ["samples.npz", "wide.npz"] {
        let found = measured(&scratch, &["swd", npz, "same.safetensors"]);
        assert_eq!((&found["swd"], &found["n_a"]), (&0.0.into(), &5.into()), "{npz}");
    }
    let refuse = |arrays: &[(&str, Vec<u8>)], expected: &str| {
        save_npz(&scratch.path("wrong.npz"), arrays);
        refused(&scratch, &["fid", "wrong.npz", "wrong.npz"], &["wrong.npz", expected]);
    };
    let sigma = |kind: &str| ("sigma", npy(kind, "(2, 2)", &[0; 32]));
    refuse(
        &[("mu", npy("<f2", "(2,)", &[0; 4])), sigma("<f8")],
        "`mu` is float16: expected float32 or float64",
    );
    refuse(&[("mu", npy("<i8", "(2,)", &[0; 16])), sigma("<f8")], "`mu` is int64: expected float32");
    refuse(&[("images", npy("|O", "(4,)", b"pickled"))], "`images`: an array of Python objects");
    refuse(&[("x", npy("<f2", "(1, 2, 2, 3)", &[0; 24]))], "`x` is float16: expected integers, 0 to 255");
    refuse(&[("weights", npy("<f4", "(1,)", &[0; 4]))], "there is \"weights\"");
}

/// The files of a directory count for a metric as they do for training; a broken one is an error unless it may be left
/// out, and then it is named.
#[test]
fn a_directory_of_images_is_read_as_for_training() {
    let scratch = Scratch::new();
    let picture = |n: u8| image::RgbImage::from_fn(8, 6, |x, y| image::Rgb([n, x as u8 * 20, y as u8 * 30]));
    for (n, name) in ["a/1.bmp", "a/2.tif", "a/deep/3.gif", "a/4.webp"].into_iter().enumerate() {
        let path = scratch.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(n as u8 * 40).save(path).unwrap();
    }
    fs::write(scratch.path("a/._1.bmp"), "a Mac's attributes").unwrap();
    fs::write(scratch.path("a/raw.heic"), "x").unwrap();
    fs::create_dir(scratch.path("b")).unwrap();
    (0..5_u8).for_each(|n| picture(n * 40).save(scratch.path(&format!("b/{n}.png"))).unwrap());
    let output = scratch.cldiff(&["metric", "swd", "a", "b", "--json"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&found["n_a"], &found["n_b"]), (&4.into(), &5.into()));
    assert!(stderr.contains("a: left out 2 files: 1 hidden (a/._1.bmp), 1 *.heic (a/raw.heic)"), "{stderr}");
    let whole = fs::read(scratch.path("b/3.png")).unwrap();
    fs::write(scratch.path("b/3.png"), &whole[..whole.len() / 2]).unwrap();
    refused(&scratch, &["swd", "a", "b"], &["b/3.png: cannot be decoded", "--skip-broken 1 leaves"]);
    let output = scratch.cldiff(&["metric", "swd", "a", "b", "--skip-broken", "1", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["n_b"], 4);
    assert!(
        text(&output.stderr).contains("left out, since it is broken: b/3.png"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn data_sets_have_names_and_classes() {
    let scratch = Scratch::new();
    let found = measured(&scratch, &["swd", "glyphs:train", "glyphs"]);
    assert!(found["swd"].as_f64().unwrap() < 0.5 && found["n_a"].as_u64() > found["n_b"].as_u64(), "{found}");
    refused(&scratch, &["swd", "glyphs:valid", "glyphs"], &["`valid`", "train or test"]);
    refused(&scratch, &["swd", "glyph", "glyphs"], &["glyph:", "data-sets"]);
    let labelled = |name: &str, labels: &[i64]| {
        let bytes = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        let labels_of = Tensor("labels", Dtype::I64, vec![labels.len()], bytes);
        save(&scratch.path(name), &[features(labels.len(), 2, 1, 0.0), labels_of]);
    };
    labelled("even.safetensors", &[0, 0, 1, 1]);
    labelled("lost.safetensors", &[0, 0, 0, 0]);
    let files = ["even.safetensors", "lost.safetensors"];
    // Half of the classes lost is 1, of which 4 samples of a perfect model have 6/16 by chance.
    let ard = measured(&scratch, &[&["ard"], &files[..]].concat());
    assert_eq!(ard["ard_plug_in"], 1.0);
    assert!((ard["ard"].as_f64().unwrap() - 0.625).abs() < 1e-9, "{ard}");
    let kld = measured(&scratch, &[&["kld"], &files[..]].concat());
    assert!((kld["kld_plug_in"].as_f64().unwrap() - 0.510_826).abs() < 1e-6, "{kld}");
    assert!((kld["kld"].as_f64().unwrap() - 0.403_384).abs() < 1e-6, "{kld}");
    save(&scratch.path("plain.safetensors"), &[features(4, 2, 1, 0.0)]);
    refused(&scratch, &["kld", "even.safetensors", "plain.safetensors"], &["plain", "class probabilities"]);
}

#[test]
fn too_few_images_are_told() {
    let scratch = two_sets();
    for n in [1, 3] {
        save(&scratch.path(&format!("{n}.safetensors")), &[features(n, 8, 3, 0.0)]);
    }
    refused(&scratch, &["fid", "a.safetensors", "1.safetensors"], &["1.safetensors", "at least 2", "got 1"]);
    refused(&scratch, &["stats", "1.safetensors", "--out", "s.safetensors"], &["at least 2"]);
    assert!(!scratch.path("s.safetensors").exists());
    refused(&scratch, &["precision-recall", "a.safetensors", "3.safetensors"], &["at least 4 images, got 3"]);
    refused(&scratch, &["density-coverage", "3.safetensors", "a.safetensors"], &["at least 6 images, got 3"]);
    refused(
        &scratch,
        &["kid", "a.safetensors", "b.safetensors", "--subset-size", "91"],
        &["at least 91 images, got 90"],
    );
    refused(
        &scratch,
        &["kid", "a.safetensors", "b.safetensors", "--subset-size", "0"],
        &["--subset-size 0:"],
    );
    refused(&scratch, &["fid-infinity", "a.safetensors", "3.safetensors"], &["at least 16"]);
    refused(&scratch, &["inception-score", "3.safetensors"], &["at least 10"]);
}

#[test]
fn features_that_do_not_compare_are_told() {
    let scratch = two_sets();
    for (name, value) in [("nan", f32::NAN), ("infinite", f32::INFINITY)] {
        let Tensor(_, dtype, shape, mut bytes) = features(20, 8, 3, 0.0);
        bytes[4 * (8 * 5 + 3)..][..4].copy_from_slice(&value.to_le_bytes());
        save(&scratch.path(&format!("{name}.safetensors")), &[Tensor("features", dtype, shape, bytes)]);
        let file = format!("{name}.safetensors");
        refused(&scratch, &["fid", "a.safetensors", &file], &[&file, "feature 3 of image 5"]);
    }
    save(&scratch.path("wide.safetensors"), &[features(20, 9, 3, 0.0)]);
    for metric in ["fid", "kid", "precision-recall", "density-coverage", "swd", "fid-infinity"] {
        refused(&scratch, &[metric, "a.safetensors", "wide.safetensors"], &["8 and 9"]);
    }
    save(&scratch.path("huge.safetensors"), &[features(20, 8, 3, 3e38)]);
    refused(&scratch, &["kid", "huge.safetensors", "a.safetensors", "--subset-size", "10"], &["too large"]);
}

#[test]
fn files_that_are_no_sets_are_told() {
    let scratch = two_sets();
    let with = |name: &str, tensor: Tensor| save(&scratch.path(name), &[tensor]);
    with("other.safetensors", Tensor("weights", Dtype::F32, vec![1], vec![0; 4]));
    with("flat.safetensors", Tensor("features", Dtype::F32, vec![4], vec![0; 16]));
    with("bytes.safetensors", Tensor("features", Dtype::U8, vec![2, 2], vec![0; 4]));
    with("both.safetensors", Tensor("images", Dtype::U8, vec![2, 3, 2, 3], vec![0; 36]));
    with("mu.safetensors", Tensor("mu", Dtype::F64, vec![2], vec![0; 16]));
    fs::write(scratch.path("text.safetensors"), "hello").unwrap();
    fs::create_dir(scratch.path("empty")).unwrap();
    for (set, expected) in [
        ("missing.safetensors", "missing.safetensors"),
        ("other.safetensors", "\"weights\""),
        ("flat.safetensors", "N x d"),
        ("bytes.safetensors", "U8"),
        ("both.safetensors", "either"),
        ("mu.safetensors", "`sigma`"),
        ("text.safetensors", "not a safetensors file"),
        ("empty", "no image"),
        ("nowhere", "no such directory"),
    ] {
        refused(&scratch, &["fid", "a.safetensors", set], &[set, expected]);
    }
    refused(&scratch, &["fidd", "a.safetensors", "b.safetensors"], &["'fid'"]);
    refused(&scratch, &["fid", "a.safetensors"], &["<B>"]);
}

#[test]
fn features_and_weights_have_to_fit() {
    let scratch = two_sets();
    save(&scratch.path("images.safetensors"), &[Tensor("images", Dtype::U8, vec![4, 1, 8, 8], vec![7; 256])]);
    let images = ["images.safetensors", "images.safetensors"];
    refused(
        &scratch,
        &[&["fid"], &images[..], &["--features", "inception"]].concat(),
        &["--weights FILE", "cldiff weights fetch"],
    );
    refused(&scratch, &[&["fid"], &images[..], &["--features", "classifier"]].concat(), &["data set"]);
    refused(
        &scratch,
        &[&["fid"], &images[..], &["--features", "pixels", "--weights", "w.safetensors"]].concat(),
        &["--features inception or dinov2 only"],
    );
    refused(
        &scratch,
        &[&["fid"], &images[..], &["--weights", "a.safetensors", "--backend", "flex"]].concat(),
        &["`Conv2d_1a_3x3.conv.weight` is missing"],
    );
    refused(
        &scratch,
        &[&["fid"], &images[..], &["--weights", "none.safetensors", "--backend", "flex"]].concat(),
        &["none.safetensors"],
    );
    let score = |features: &[&str], parts: &[&str]| {
        refused(&scratch, &[&["inception-score", images[0]], features].concat(), parts);
    };
    score(&["--features", "pixels"], &["inception_score needs --features inception"]);
    score(&["--features", "classifier"], &["inception_score needs --features inception"]);
    score(&[], &["no weights of Inception-v3"]);
    // The same features by name, or none at all: pixels are not what the statistics are of.
    measured(&scratch, &["stats", "images.safetensors", "--out", "pixels.safetensors"]);
    assert_eq!(measured(&scratch, &["fid", "images.safetensors", "pixels.safetensors"])["n_b"], 4);
    let named = std::collections::HashMap::from([("features".to_owned(), "somebody's".to_owned())]);
    let Tensor(name, dtype, shape, bytes) = features(9, 64, 1, 0.0);
    let view = TensorView::new(dtype, shape, &bytes).unwrap();
    fs::write(
        scratch.path("named.safetensors"),
        safetensors::serialize([(name, view)], Some(named)).unwrap(),
    )
    .unwrap();
    refused(
        &scratch,
        &["fid", "images.safetensors", "named.safetensors"],
        &["different features", "somebody's"],
    );
}
