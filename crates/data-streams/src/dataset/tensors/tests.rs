use std::fs;

use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::test_support::{npy, npz};

fn safetensors(path: &Path, tensors: &[(&str, Dtype, &[usize], &[u8])]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Two images of 3 channels, 1 row and 2 columns, in both orders of dimensions.
const NCHW: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const NHWC: [u8; 12] = [1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12];

fn config(train: &str, eval: &str) -> TensorsConfig {
    TensorsConfig { train: train.into(), eval: eval.into(), ..Default::default() }
}

#[test]
fn both_files_and_both_layouts_give_the_same_images() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    npz(
        &at("a.npz"),
        &[
            ("images", npy("|u1", "(2, 3, 2, 2)", &[NCHW, NCHW].concat())),
            ("labels", npy(">i4", "(2,)", &[0, 0, 0, 1, 0, 0, 0, 0])),
        ],
    );
    let last: Vec<u8> = (0..2).flat_map(|_| [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]).collect();
    let labels: Vec<u8> = [1_i64, 0].iter().flat_map(|l| l.to_le_bytes()).collect();
    safetensors(
        &at("b.safetensors"),
        &[("images", Dtype::U8, &[2, 2, 2, 3], &last), ("labels", Dtype::I64, &[2], &labels)],
    );
    let pair = config("a.npz", "b.safetensors").load(Some(dir.path())).unwrap();
    assert_eq!(pair.train.shape(), ImageShape { channels: 3, height: 2, width: 2 });
    assert_eq!(pair.train.labels(), [1, 0]);
    assert_eq!(pair.train.content_hash(), pair.eval.content_hash());
}

#[test]
fn a_layout_that_could_be_either_has_to_be_told() {
    let dir = TempDir::new().unwrap();
    let labels = npy("|u1", "(2,)", &[0, 1]);
    let at = dir.path().join("a.npz");
    npz(&at, &[("images", npy("|u1", "(2, 3, 2, 1)", &NCHW)), ("labels", labels.clone())]);
    let load = |layout| TensorsConfig { layout, ..config("a.npz", "a.npz") }.load(Some(dir.path()));
    let message = load(Layout::Auto).unwrap_err().to_string();
    assert!(message.contains("\"nchw\" or \"nhwc\""), "{message}");
    assert_eq!(load(Layout::Nchw).unwrap().train.shape().to_string(), "3x2x1");
    assert_eq!(load(Layout::Nhwc).unwrap().train.shape().to_string(), "1x3x2");
    npz(&at, &[("images", npy("|u1", "(2, 1, 2, 3)", &NHWC)), ("labels", labels.clone())]);
    assert_eq!(load(Layout::Nhwc).unwrap().train.pixels_of(0), &NCHW[..6]);
    npz(&at, &[("images", npy("|u1", "(2, 2, 3)", &NCHW)), ("labels", labels)]);
    assert_eq!(load(Layout::Auto).unwrap().train.shape().to_string(), "1x2x3");
}

#[test]
fn what_is_wrong_with_an_npz_is_told() {
    let dir = TempDir::new().unwrap();
    let images = npy("|u1", "(2, 3, 1, 2)", &NCHW);
    let labels = npy("|u1", "(2,)", &[0, 1]);
    let mut long = images.clone();
    long[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    let mut version_2 = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat();
    version_2.extend([0; 60]);
    for (arrays, expected) in [
        (vec![("images", images.clone())], "no array `labels`; there is \"images\""),
        (
            vec![("images", images.clone()), ("labels", npy("|u1", "(3,)", &[0, 1, 2]))],
            "2 images, but 3 labels",
        ),
        (vec![("images", images.clone()), ("labels", npy("|i1", "(2,)", &[0, 255]))], "label -1 of image 1"),
        (vec![("images", images.clone()), ("labels", npy("<f4", "(2,)", &[0; 8]))], "not of an integer type"),
        (
            vec![("images", npy("<f4", "(2, 3, 1, 2)", &[0; 48])), ("labels", labels.clone())],
            "`images` is float32: set `values`",
        ),
        (
            vec![("images", npy("|u1", "(2, 3, 1, 2)", &NCHW[..9])), ("labels", labels.clone())],
            "header claims 12",
        ),
        (
            vec![("images", npy("|u1", "(2, 5, 1, 2)", &[0; 20])), ("labels", labels.clone())],
            "1 or 3 channels",
        ),
        (vec![("images", npy("|u1", "(2, 6)", &NCHW)), ("labels", labels.clone())], "expected N x C x H x W"),
        (
            vec![("images", npy("|u1", "(99999999, 3, 999, 999)", &[])), ("labels", labels.clone())],
            "header claims [99999999",
        ),
        (
            vec![("images", npy("|u1", "(9999999999999, 9999999999999)", &[])), ("labels", labels.clone())],
            "header claims",
        ),
        (vec![("images", long), ("labels", labels.clone())], "a header of 65535 bytes"),
        (vec![("images", version_2), ("labels", labels.clone())], "a header of 4294967295 bytes"),
        (vec![("images", b"words and more words".to_vec()), ("labels", labels)], "not an array of NumPy"),
    ] {
        npz(&dir.path().join("a.npz"), &arrays);
        let message = config("a.npz", "a.npz").load(Some(dir.path())).unwrap_err().to_string();
        assert!(message.contains("a.npz") && message.contains(expected), "no {expected:?} in {message}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_its_header_claims() {
    let dir = TempDir::new().unwrap();
    let bomb = [npy("|u1", "(2, 3, 1, 2)", &NCHW), vec![0; 100 << 20]].concat();
    npz(&dir.path().join("a.npz"), &[("images", bomb), ("labels", npy("|u1", "(2,)", &[0, 1]))]);
    let message = config("a.npz", "a.npz").load(Some(dir.path())).unwrap_err().to_string();
    assert!(message.contains("13 bytes or more, but its header claims 12"), "{message}");
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    npz(
        &at("a.npz"),
        &[("images", npy("|u1", "(2, 3, 1, 2)", &NCHW)), ("labels", npy("|u1", "(2,)", &[0, 1]))],
    );
    safetensors(
        &at("a.safetensors"),
        &[("images", Dtype::U8, &[2, 3, 1, 2], &NCHW), ("labels", Dtype::U8, &[2], &[0, 1])],
    );
    for file in ["a.npz", "a.safetensors"] {
        let whole = fs::read(at(file)).unwrap();
        assert!(config(file, file).load(Some(dir.path())).is_ok());
        for end in 0..whole.len() {
            fs::write(at(file), &whole[..end]).unwrap();
            let message = config(file, file).load(Some(dir.path())).unwrap_err().to_string();
            assert!(message.contains(file), "{message}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// With any bytes changed, the file is read or refused.
    #[test]
    fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        npz(
            &at("a.npz"),
            &[("images", npy("|u1", "(2, 3, 1, 2)", &NCHW)), ("labels", npy("|u1", "(2,)", &[0, 1]))],
        );
        safetensors(
            &at("a.safetensors"),
            &[("images", Dtype::U8, &[2, 3, 1, 2], &NCHW), ("labels", Dtype::U8, &[2], &[0, 1])],
        );
        for file in ["a.npz", "a.safetensors"] {
            let mut bytes = fs::read(at(file)).unwrap();
            for (index, value) in &changes {
                let i = index.index(bytes.len());
                bytes[i] = *value;
            }
            fs::write(at(file), bytes).unwrap();
            if let Err(error) = config(file, file).load_split(Some(dir.path()), Split::Train) {
                prop_assert!(error.to_string().contains(file), "{}", error);
            }
        }
    }
}

#[test]
fn files_that_are_not_there_or_of_another_kind_are_told() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a.pt"), b"x").unwrap();
    let message = |file: &str| config(file, file).load(Some(dir.path())).unwrap_err().to_string();
    assert!(message("b.npz").contains("no such file"), "{}", message("b.npz"));
    assert!(message("a.pt").contains("neither .safetensors nor .npz"));
    let arrays = |labels: Vec<u8>| {
        vec![("images", npy("|u1", "(2, 3, 1, 2)", &NCHW)), ("labels", npy("|u1", "(2,)", &labels))]
    };
    npz(&dir.path().join("train.npz"), &arrays(vec![0, 1]));
    npz(&dir.path().join("eval.npz"), &arrays(vec![0, 2]));
    let two = TensorsConfig {
        class_names: ["a", "b"].map(str::to_owned).to_vec(),
        ..config("train.npz", "eval.npz")
    };
    let error = two.load(Some(dir.path())).unwrap_err().to_string();
    assert!(error.contains("eval.npz: label 2 of image 1 is out of range: there are 2 classes"), "{error}");
}

/// The classes are those of both files, in whichever way they are read.
#[test]
fn a_class_of_one_file_is_a_class_of_the_other() {
    let dir = TempDir::new().unwrap();
    let arrays = |labels: [u8; 2]| {
        vec![("images", npy("|u1", "(2, 3, 1, 2)", &NCHW)), ("labels", npy("|u1", "(2,)", &labels))]
    };
    npz(&dir.path().join("train.npz"), &arrays([30, 10]));
    npz(&dir.path().join("eval.npz"), &arrays([20, 10]));
    let config = config("train.npz", "eval.npz");
    let pair = config.load(Some(dir.path())).unwrap();
    assert_eq!(pair.train.class_names(), ["10", "20", "30"]);
    assert_eq!((pair.train.labels(), pair.eval.labels()), (vec![2, 0], vec![1, 0]));
    for (split, whole) in [(Split::Train, &pair.train), (Split::Eval, &pair.eval)] {
        let alone = config.load_split(Some(dir.path()), split).unwrap();
        assert_eq!(alone.content_hash(), whole.content_hash());
    }
    fs::remove_file(dir.path().join("train.npz")).unwrap();
    assert_eq!(config.load_split(Some(dir.path()), Split::Eval).unwrap().class_names(), ["10", "20"]);
    let doubts = crate::Inventory::of(&pair).doubts();
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(doubts[0].starts_with("class \"20\" has no images to train on"), "{doubts:?}");
    assert!(doubts[1].starts_with("class \"30\" has no images to measure against"), "{doubts:?}");
}

/// One file of both splits, with the names of Keras and with those of MedMNIST, labels in a column and as rows.
#[test]
fn one_file_of_both_splits_is_read_by_its_names() {
    let dir = TempDir::new().unwrap();
    let images = |value: u8| npy("|u1", "(2, 2, 2)", &[value; 8]);
    let column = npy("<i2", "(2, 1)", &[1, 0, 0, 0]);
    let rows = npy("|b1", "(2, 3)", &[0, 1, 0, 1, 0, 0]);
    for (names, labels, classes) in [
        (["x_train", "y_train", "x_test", "y_test"], column, 2),
        (["train_images", "train_labels", "test_images", "test_labels"], rows, 3),
    ] {
        let [train, train_labels, eval, eval_labels] = names;
        npz(
            &dir.path().join("both.npz"),
            &[
                (train, images(7)),
                (train_labels, labels.clone()),
                (eval, images(9)),
                (eval_labels, labels),
                ("val_images", images(1)),
            ],
        );
        let pair = config("both.npz", "both.npz").load(Some(dir.path())).unwrap();
        assert_eq!((pair.train.pixels_of(0)[0], pair.eval.pixels_of(0)[0]), (7, 9), "{names:?}");
        assert_eq!((pair.eval.labels(), pair.train.class_names().len()), (vec![1, 0], classes), "{names:?}");
    }
}
