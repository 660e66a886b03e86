use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    glyphs::GlyphsConfig,
    several::{Resizing, SeveralConfig},
    *,
};
use crate::test_support::{assert_described, documented_example, npy, npz};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    data: DataConfig,
}

fn parse(text: &str) -> DataConfig {
    toml::from_str::<Example>(text).unwrap_or_else(|e| panic!("{text}{e}")).data
}

fn published() -> impl Iterator<Item = DataConfig> {
    DataConfig::without_options().into_iter().filter(|set| set.published().is_some())
}

#[test]
fn every_data_set_says_what_it_and_its_options_are() {
    assert_described(DataConfig::list());
    for set in DataConfig::without_options() {
        assert!(!set.contents().is_empty() && !set.licence().is_empty(), "{}", set.name());
    }
}

#[test]
fn numbers_of_published_images_are_those_of_the_contents() {
    let mut declared = 0;
    for set in published() {
        let Some([train, eval]) = set.published().unwrap().published_images() else {
            assert!(set.contents().contains("up to"), "{}", set.name());
            continue;
        };
        assert!(set.contents().ends_with(&format!(", {train} + {eval}")), "{}", set.contents());
        declared += 1;
    }
    assert_eq!(declared, 6);
}

#[test]
fn every_data_set_parses_from_its_example_and_is_written_back() {
    let names = DataConfig::list().names();
    assert_eq!(names.len(), 13);
    for name in names {
        let example = Example { data: parse(&documented_example("dataset", name)) };
        assert_eq!(example.data.name(), name);
        example.data.check().unwrap();
        let written = toml::to_string(&example).unwrap();
        assert_eq!(parse(&written), example.data, "{written}");
    }
}

#[test]
fn unknown_names_and_keys_show_their_line() {
    let error = |text: &str| toml::from_str::<Example>(text).unwrap_err().to_string();
    let key = error("[data.mnist]\npad_to = 32\ncolour = true\n");
    assert!(key.contains("line 3") && key.contains("unknown field `colour`"), "{key}");
    let part =
        error("[[data.several.parts]]\nglyphs = {}\n\n[[data.several.parts]]\nglyphs = { side = 8 }\n");
    assert!(part.contains("line 5") && part.contains("unknown field `side`"), "{part}");
    let name = error("[data.imagenet]\n");
    assert!(name.contains("`imagenet`") && name.contains("`glyphs`, `mnist`"), "{name}");
}

#[test]
fn a_name_alone_means_what_needs_no_options() {
    let name = |name: &str| DataConfig::of_name(name).map(|set| set.name());
    assert_eq!(
        (name("fashion-mnist"), name("fashion_mnist")),
        (Some("fashion_mnist"), Some("fashion_mnist"))
    );
    assert_eq!(DataConfig::of_name("emnist-letters"), Some(parse("[data.emnist]\nsplit = \"letters\"\n")));
    for none in [
        "tensors",
        "parquet",
        "webdataset",
        "image_folder",
        "several",
        "imagenet",
        "emnist-digit",
        "mnist-letters",
        "",
    ] {
        assert_eq!(name(none), None, "{none}");
    }
    let all: Vec<String> = DataConfig::without_options().iter().map(DataConfig::public_name).collect();
    let expected = ["glyphs", "mnist", "fashion-mnist", "kmnist", "emnist", "cifar10", "cifar100", "digits"];
    assert_eq!(all, expected);
}

#[test]
fn a_mistake_has_the_names_of_the_data_sets_around_it() {
    let parts = vec![
        DataConfig::of(GlyphsConfig::default()),
        DataConfig::of(GlyphsConfig { size: 7.into(), ..Default::default() }),
    ];
    let joined = DataConfig::of(SeveralConfig { parts, ..Default::default() });
    let error = joined.build(&Places::default()).unwrap_err().at("data");
    assert_eq!(error.to_string(), "`data.several.parts.1.glyphs.size` is 7: expected 8 to 64");
    let folder = parse("[data.image_folder]\nsize = 8\n").build(&Places::default()).unwrap_err();
    assert_eq!(folder.to_string(), "`image_folder.dir` is not set: expected a directory of pictures");
}

#[test]
fn the_directory_of_a_part_goes_before_that_of_the_run() {
    let dir = tempfile::TempDir::new().unwrap();
    let places = Places { data_dir: Some(dir.path().join("run")), cache: "cache".into() };
    let several = |part: &str| parse(&format!("[[data.several.parts]]\nmnist = {part}\n"));
    let own = several("{ dir = \"own\" }").build(&places).unwrap_err().to_string();
    assert!(own.starts_with("no mnist in own: looked for train-images-idx3-ubyte.gz"), "{own}");
    let run = several("{}").build(&places).unwrap_err().to_string();
    assert!(run.contains(&format!("no mnist in {}", places.located("mnist", None).display())), "{run}");
}

#[test]
fn parts_are_built_and_reconciled() {
    let part = |size: usize, channels| {
        let size = size.into();
        let glyphs = GlyphsConfig { size, channels, train_per_class: 2, eval_per_class: 1, seed: 0 };
        DataConfig::of(glyphs)
    };
    let config = SeveralConfig {
        parts: vec![part(8, 1), part(16, 3)],
        size: Some(16.into()),
        fit: Some(Resizing::Pad),
        channels: Some(3),
    };
    let config = DataConfig::of(config);
    let pair = config.build(&Places::default()).unwrap();
    assert_eq!((pair.train.len(), pair.train.shape().to_string()), (40, "3x16x16".to_owned()));
    let eval = config.build_split(&Places::default(), Split::Eval).unwrap();
    assert_eq!(eval.content_hash(), pair.eval.content_hash());
}

#[test]
fn a_size_of_a_configuration_is_one_number_or_two() {
    for (text, shape) in [
        ("[data.glyphs]\nsize = 8\n", "1x8x8"),
        ("[data.glyphs]\nsize = [8, 8]\n", "1x8x8"),
        ("[data.glyphs]\nsize = [8, 16]\n", "1x8x16"),
        ("[data.glyphs]\nsize = [12, 8]\n", "1x12x8"),
        (
            "[data.several]\nparts = [{ glyphs = { size = [8, 16] } }, { glyphs = { size = 8 } }]\n\
             size = [10, 20]\nfit = \"pad\"\n",
            "1x10x20",
        ),
    ] {
        let config = parse(text);
        assert_eq!(config.build(&Places::default()).unwrap().train.shape().to_string(), shape, "{text}");
        let written = toml::to_string(&Example { data: config.clone() }).unwrap();
        assert_eq!(parse(&written), config, "{written}");
    }
    for text in ["[data.glyphs]\nsize = [8]\n", "[data.mnist]\npad_to = \"32x28\"\n"] {
        let message = toml::from_str::<Example>(text).unwrap_err().to_string();
        let expected = "expected a whole number of pixels, or [height, width]";
        assert!(message.contains("line 2") && message.contains(expected), "{message}");
    }
}

#[test]
fn every_file_is_pinned_and_has_somewhere_to_come_from() {
    assert_eq!(published().count(), 7);
    for set in published() {
        for file in set.published().unwrap().remote_files() {
            assert!(file.sha256.len() == 64 && file.sha256.chars().all(|c| c.is_ascii_hexdigit()));
            assert!(!file.urls.is_empty() && file.urls.iter().all(|url| url.starts_with("http")));
        }
    }
}

/// Where the published files are beside the checkout, their hashes are the pinned ones.
#[test]
fn hashes_are_those_of_the_published_files() {
    for set in published().filter(|set| ["mnist", "fashion_mnist"].contains(&set.name())) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
        for file in set.published().unwrap().remote_files() {
            let path = dir.join(set.public_name()).join(&file.name);
            // MNIST's training images are compressed otherwise there.
            let recompressed = set.name() == "mnist" && file.name.starts_with("train-images");
            let Some(bytes) = std::fs::read(&path).ok().filter(|_| !recompressed) else {
                println!("skipped: {}", path.display());
                continue;
            };
            let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!((Some(bytes.len() as u64), hash), (file.bytes, file.sha256));
        }
    }
}

/// Two images of one pixel, or their labels, as an idx file.
fn idx(magic: u8, sizes: &[u8], bytes: &[u8]) -> Vec<u8> {
    let sizes = sizes.iter().flat_map(|&size| u32::from(size).to_be_bytes());
    [0, 0, 8, magic].into_iter().chain(sizes).chain(bytes.iter().copied()).collect()
}

/// torchvision's directories, those of the archives, and beside the files what copies over other disks leave.
#[test]
fn published_files_are_found_where_other_programs_put_them() {
    let (images, labels) = (idx(3, &[2, 1, 1], &[7, 9]), idx(1, &[2], &[1, 2]));
    let record = |labels: usize| [vec![3; labels], vec![8; 3072]].concat();
    let four = |stem: [&str; 2]| -> Vec<(String, Vec<u8>)> {
        let of = |stem: &str| {
            [
                (format!("{stem}-images-idx3-ubyte"), images.clone()),
                (format!("{stem}-labels-idx1-ubyte"), labels.clone()),
            ]
        };
        stem.into_iter().flat_map(of).collect()
    };
    let two =
        |names: [&str; 2], record: Vec<u8>| names.map(|name| (name.to_owned(), record.clone())).to_vec();
    for (set, below, files) in [
        ("mnist", "MNIST/raw", four(["train", "t10k"])),
        ("mnist", "raw", four(["train", "t10k"])),
        ("fashion-mnist", "FashionMNIST/raw", four(["train", "t10k"])),
        ("kmnist", "KMNIST/raw", four(["train", "t10k"])),
        ("emnist-letters", "EMNIST/raw", four(["emnist-letters-train", "emnist-letters-test"])),
        ("emnist-digits", "gzip", four(["emnist-digits-train", "emnist-digits-test"])),
        ("cifar10", "cifar-10-batches-bin", two(["data_batch_1.bin", "test_batch.bin"], record(1))),
        ("cifar100", "cifar-100-binary", two(["train.bin", "test.bin"], record(2))),
    ] {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = dir.path().join(below);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &files {
            std::fs::write(folder.join(name), bytes).unwrap();
            std::fs::write(folder.join(format!("._{name}")), b"a Mac's attributes").unwrap();
            // As gunzip -k leaves it: read once, and the plain one.
            std::fs::write(folder.join(format!("{name}.gz")), b"no gzip at all").unwrap();
        }
        let places = Places { data_dir: Some(dir.path().into()), cache: "cache".into() };
        let config = DataConfig::of_name(set).unwrap();
        let pair = config.build(&places).unwrap_or_else(|error| panic!("{set} in {below}: {error}"));
        let images = if set.starts_with("cifar") { 1 } else { 2 };
        assert_eq!((pair.train.len(), pair.eval.len()), (images, images), "{set} in {below}");
        assert!(config.build(&Places { data_dir: Some(folder), ..places }).is_ok());
    }
}

/// Keras' one file of both splits.
#[test]
fn mnist_is_read_from_the_file_of_keras() {
    let dir = tempfile::TempDir::new().unwrap();
    let arrays = |test: &str| {
        vec![
            ("x_train", npy("|u1", "(3, 2, 2)", &[7; 12])),
            ("y_train", npy("|u1", "(3,)", &[5, 0, 9])),
            ("x_test", npy("|u1", test, &[8; 4])),
            ("y_test", npy("<i8", "(1,)", &[3, 0, 0, 0, 0, 0, 0, 0])),
        ]
    };
    npz(&dir.path().join("mnist.npz"), &arrays("(1, 2, 2)"));
    let places = Places { data_dir: Some(dir.path().into()), cache: "cache".into() };
    let pair = parse("[data.mnist]\npad_to = 4\n").build(&places).unwrap();
    assert_eq!((pair.train.labels(), pair.eval.labels()), (vec![5, 0, 9], vec![3]));
    assert_eq!((pair.eval.pixels_of(0)[5], pair.eval.shape().to_string()), (8, "1x4x4".to_owned()));
    // Images in one dimension are none.
    npz(&dir.path().join("mnist.npz"), &arrays("(1, 4)"));
    let told = parse("[data.mnist]\n").build(&places).unwrap_err().to_string();
    assert!(told.contains("mnist.npz: `x_test` is [1, 4]: expected N x height x width"), "{told}");
}
