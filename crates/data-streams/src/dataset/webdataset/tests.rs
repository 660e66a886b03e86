use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::test_support::{Expected, fixture};

fn config(train: &str) -> WebDatasetConfig {
    WebDatasetConfig {
        train: train.into(),
        eval: Some(train.into()),
        image: None,
        label: "cls".into(),
        label_key: "label".into(),
        size: None,
        fit: Fit::Exact,
        channels: 3,
        skip_broken: 0,
        eval_share: 0.25,
    }
}

fn places(dir: PathBuf) -> Places {
    Places { data_dir: Some(dir), cache: PathBuf::new() }
}

/// The files of `tools/golden/records.py`.
fn whole(config: &WebDatasetConfig) -> Result<ImageDataset, DataError> {
    config.build_split(&places(fixture("records")), Split::Train)
}

#[test]
fn shards_of_the_librarys_writer_are_read() {
    let set = whole(&config("train-*.tar")).unwrap();
    assert_eq!(set.class_names(), ["0", "1", "2"]);
    Expected::read().check(&set);
    let pair = WebDatasetConfig { eval: None, ..config("train-*.tar") };
    let pair = pair.build(&places(fixture("records"))).unwrap();
    assert_eq!((pair.train.counts_per_class(), pair.eval.counts_per_class()), (vec![3; 3], vec![1; 3]));
}

#[test]
fn labels_are_json_or_names_and_names_of_files_long() {
    let json = WebDatasetConfig { label: "json".into(), ..config("json.tar.gz") };
    Expected::read().check(&whole(&json).unwrap());
    let names = WebDatasetConfig { label_key: "name".into(), ..json.clone() };
    let set = whole(&names).unwrap();
    assert_eq!(set.class_names(), ["ant", "bee", "cat"]);
    Expected::read().check(&set);
    for file in ["long_pax.tar", "long_gnu.tar"] {
        let set = whole(&WebDatasetConfig { label: "txt".into(), ..config(file) }).unwrap();
        assert_eq!(set.class_names(), ["ant", "bee", "cat"]);
        Expected::read().check(&set);
    }
    // A picture of another extension is one if it is asked for, and these are none.
    let told = whole(&WebDatasetConfig { image: Some("seg.png".into()), ..json }).unwrap_err().to_string();
    assert!(told.contains("json.tar.gz/a.b/0.seg.png: cannot be decoded"), "{told}");
}

#[test]
fn what_is_not_as_it_should_be_is_told() {
    let json = WebDatasetConfig { label: "json".into(), ..config("bad_json.tar") };
    let key = WebDatasetConfig { label_key: "class".into(), label: "json".into(), ..config("json.tar.gz") };
    for (config, expected) in [
        (config("no_label.tar"), "no_label.tar: record \"1\" has no file .\"cls\" with its label"),
        (config("no_picture.tar"), "no_picture.tar: record \"1\" has no picture"),
        (config("nothing.tar"), "nothing.tar: it holds no records"),
        (json, "bad_json.tar: \"0.json\": its label has no integer or text under `label`"),
        (key, "no integer or text under `class`"),
        (config("absent.tar"), "no such file; expected a tar"),
        (
            WebDatasetConfig { size: Some(4.into()), ..config("train-*.tar") },
            "png: 4x5, but `size` is 4x4: with `fit = \"exact\"` they must be equal",
        ),
    ] {
        let told = whole(&config).unwrap_err().to_string();
        assert!(told.contains(expected), "no {expected:?} in {told}");
    }
    let size = WebDatasetConfig { size: Some(3.into()), ..config("a") }.check().unwrap_err();
    assert_eq!(size.key(), Some("size"));
}

#[test]
fn broken_pictures_are_an_error_or_left_out() {
    let dir = TempDir::new().unwrap();
    let bytes = fs::read(fixture("records").join("train-0.tar")).unwrap();
    // A byte in the first picture's header.
    let at = bytes.windows(4).position(|window| window == b"IHDR").unwrap();
    let mut broken = bytes;
    broken[at + 3] = b'X';
    fs::write(dir.path().join("a.tar"), broken).unwrap();
    let told = config("a.tar").build(&places(dir.path().into())).unwrap_err().to_string();
    assert!(told.contains("a.tar/000000.png: cannot be decoded"), "{told}");
    let skipping = WebDatasetConfig { skip_broken: 1, ..config("a.tar") };
    let set = skipping.build_split(&places(dir.path().into()), Split::Train).unwrap();
    assert_eq!((set.len(), set.labels()), (5, vec![2, 1, 0, 2, 1]));
}

#[test]
fn the_first_dot_of_a_name_parts_key_and_extension() {
    assert_eq!(parted("a.b/000.seg.png"), ("a.b/000", "seg.png"));
    assert_eq!(parted("a.b/000"), ("a.b/000", ""));
    assert_eq!(parted(".png"), ("", "png"));
}

#[test]
fn a_label_is_an_integer_or_else_a_name() {
    let of = |bytes: &[u8]| config("a").label_of(bytes);
    assert_eq!(of(b" 12\n"), Ok(Label::Number(12)));
    assert_eq!(of("Bär\n".as_bytes()), Ok(Label::Name("Bär".into())));
    assert!(of(&[0xFF]).unwrap_err().contains("UTF-8"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// With any bytes changed or cut off, the file is read or refused.
    #[test]
    fn damage_never_panics(
        file in prop::sample::select(vec!["train-0.tar", "long_pax.tar", "long_gnu.tar", "json.tar.gz"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
    ) {
        let dir = TempDir::new().unwrap();
        let mut bytes = fs::read(fixture("records").join(file)).unwrap();
        for (index, value) in &changes {
            let i = index.index(bytes.len());
            bytes[i] = *value;
        }
        if changes.is_empty() {
            bytes.truncate(end.index(bytes.len()));
        }
        let name = if file.ends_with("gz") { "a.tar.gz" } else { "a.tar" };
        fs::write(dir.path().join(name), bytes).unwrap();
        for label in ["cls", "txt", "json"] {
            let config = WebDatasetConfig { label: label.into(), ..config(name) };
            if let Err(error) = config.build(&places(dir.path().into())) {
                let told = error.to_string();
                prop_assert!(told.len() < 3000, "{}", told);
            }
        }
    }
}
