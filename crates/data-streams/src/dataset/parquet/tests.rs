use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{super::ImageShape, *};
use crate::test_support::{Expected, fixture};

fn config(train: &str) -> ParquetConfig {
    ParquetConfig {
        train: train.into(),
        eval: None,
        image: None,
        label: None,
        size: None,
        fit: Fit::Exact,
        channels: 3,
        skip_broken: 0,
        eval_share: 0.25,
    }
}

/// The files of `tools/golden/records.py`.
fn records() -> Places {
    Places { data_dir: Some(fixture("records")), cache: PathBuf::new() }
}

fn in_dir(dir: &Path) -> Places {
    Places { data_dir: Some(dir.to_owned()), cache: PathBuf::new() }
}

/// All records of some files, as both splits name the same.
fn whole(config: &ParquetConfig) -> Result<ImageDataset, DataError> {
    let both = ParquetConfig { eval: Some(config.train.clone()), ..config.clone() };
    both.check()?;
    both.build_split(&records(), Split::Train)
}

fn message(config: &ParquetConfig) -> String {
    whole(config).unwrap_err().to_string()
}

#[test]
fn shards_of_datasets_have_pictures_labels_and_the_names_of_classes() {
    let expected = Expected::read();
    let set = whole(&config("train-*.parquet")).unwrap();
    assert_eq!(set.class_names(), ["ant", "bee", "cat"]);
    expected.check(&set);
    // The second file alone begins with the seventh picture.
    let second = whole(&config("train-00001-of-00002.parquet")).unwrap();
    assert_eq!((second.len(), second.pixels_of(0)), (6, set.pixels_of(6)));
}

#[test]
fn every_way_of_writing_gives_the_same_images() {
    let expected = Expected::read();
    for (file, names) in [
        ("gzip.parquet", ["0", "1", "2"]),
        ("v2.parquet", ["0", "1", "2"]),
        ("required.parquet", ["0", "1", "2"]),
        ("names.parquet", ["ant", "bee", "cat"]),
    ] {
        let set = whole(&config(file)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(set.class_names(), names, "{file}");
        expected.check(&set);
    }
}

#[test]
fn a_column_is_named_where_there_are_several() {
    let told = message(&config("two_labels.parquet"));
    let expected = "two_labels.parquet: it has several columns of classes, \"fine_label\", \"coarse_label\"";
    assert!(told.contains(expected), "{told}");
    let coarse = ParquetConfig { label: Some("coarse_label".into()), ..config("two_labels.parquet") };
    let set = whole(&coarse).unwrap();
    assert_eq!(set.class_names(), ["insect", "mammal"]);
    // Label 2 of three is the mammal's; the labels are 0, 2, 1 again and again.
    assert_eq!(set.labels()[..6], [0, 1, 0, 0, 1, 0]);
    let fine = ParquetConfig { label: Some("fine_label".into()), image: Some("img".into()), ..coarse };
    Expected::read().check(&whole(&fine).unwrap());
}

#[test]
fn what_is_not_as_it_should_be_is_told() {
    let with = |label: Option<&str>, image: Option<&str>| ParquetConfig {
        label: label.map(str::to_owned),
        image: image.map(str::to_owned),
        ..config("gzip.parquet")
    };
    for (config, expected) in [
        (config("zstd.parquet"), "compressed by Zstandard: expected Snappy, gzip or none"),
        (config("null_image.parquet"), "row 7 has no picture"),
        (config("null_label.parquet"), "row 5 has no label"),
        (config("float_label.parquet"), "column \"label\" holds neither integers nor text"),
        (config("list.parquet"), "there is no column of pictures \"image\", \"img\"; the columns are \"id\""),
        (config("delta.parquet"), "column \"label\" has encoding 5: expected PLAIN or a dictionary"),
        (config("expected.json"), "not a Parquet file"),
        (config("absent.parquet"), "no such file; expected a Parquet file"),
        (config("absent-*.parquet"), "no file has such a name"),
        (
            with(Some("class"), None),
            "there is no column of labels \"class\"; the columns are \"id\", \"image.bytes\"",
        ),
        (with(None, Some("id")), "column \"id\" holds no bytes"),
    ] {
        let told = message(&config);
        assert!(told.contains(expected), "no {expected:?} in {told}");
    }
    for (config, expected) in [
        (ParquetConfig { fit: Fit::Crop, ..config("a") }, "`size` is not set"),
        (ParquetConfig { size: Some(2.into()), ..config("a") }, "`size` is 2: expected 4 to 1024"),
        (ParquetConfig { channels: 2, ..config("a") }, "`channels` is 2: expected 1 or 3"),
        (ParquetConfig { eval_share: 1.0, ..config("a") }, "`eval_share` is 1.0"),
    ] {
        let told = config.check().unwrap_err().to_string();
        assert!(told.contains(expected), "no {expected:?} in {told}");
    }
}

#[test]
fn pictures_get_their_size_as_those_of_a_folder_do() {
    let config =
        ParquetConfig { size: Some(8.into()), fit: Fit::Stretch, channels: 1, ..config("gzip.parquet") };
    let set = whole(&config).unwrap();
    assert_eq!(set.shape(), ImageShape { channels: 1, height: 8, width: 8 });
}

#[test]
fn a_share_of_each_class_is_held_out_where_no_files_are() {
    let pair = config("train-*.parquet").build(&records()).unwrap();
    assert_eq!((pair.train.counts_per_class(), pair.eval.counts_per_class()), (vec![3; 3], vec![1; 3]));
    let mut all: Vec<usize> = [&pair.train, &pair.eval]
        .iter()
        .flat_map(|half| (0..half.len()).map(|i| half.source_index(i)))
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..12).collect::<Vec<_>>());
    let again = config("train-*.parquet").build_split(&records(), Split::Eval).unwrap();
    assert_eq!(again.content_hash(), pair.eval.content_hash());
}

#[test]
fn a_split_is_read_without_the_other() {
    let (dir, from) = (TempDir::new().unwrap(), fixture("records"));
    fs::copy(from.join("names.parquet"), dir.path().join("eval.parquet")).unwrap();
    let both = ParquetConfig { eval: Some("eval.parquet".into()), ..config("train.parquet") };
    let set = both.build_split(&in_dir(dir.path()), Split::Eval).unwrap();
    Expected::read().check(&set);
    assert!(both.build(&in_dir(dir.path())).unwrap_err().is_missing());
    // Other names of classes.
    fs::copy(from.join("two_labels.parquet"), dir.path().join("train.parquet")).unwrap();
    fs::copy(from.join("train-00000-of-00002.parquet"), dir.path().join("eval.parquet")).unwrap();
    let coarse = ParquetConfig { label: Some("coarse_label".into()), ..both.clone() };
    assert!(coarse.build_split(&in_dir(dir.path()), Split::Train).is_err());
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    let dir = TempDir::new().unwrap();
    for file in ["gzip.parquet", "train-00000-of-00002.parquet", "v2.parquet"] {
        let bytes = fs::read(fixture("records").join(file)).unwrap();
        // All of a short beginning, the footer's end, and steps that share no factor with the sizes between.
        let ends = (0..bytes.len()).filter(|end| end % 13 == 0 || *end < 32 || end + 32 > bytes.len());
        for end in ends {
            fs::write(dir.path().join("a.parquet"), &bytes[..end]).unwrap();
            let told = config("a.parquet").build(&in_dir(dir.path())).unwrap_err().to_string();
            assert!(told.contains("a.parquet"), "{told}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// With any bytes changed, the file is read or refused.
    #[test]
    fn damage_never_panics(
        file in prop::sample::select(vec!["gzip.parquet", "names.parquet", "v2.parquet", "required.parquet"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let dir = TempDir::new().unwrap();
        let mut bytes = fs::read(fixture("records").join(file)).unwrap();
        for (index, value) in &changes {
            let i = index.index(bytes.len());
            bytes[i] = *value;
        }
        fs::write(dir.path().join("a.parquet"), bytes).unwrap();
        if let Err(error) = config("a.parquet").build(&in_dir(dir.path())) {
            let told = error.to_string();
            prop_assert!(told.len() < 2000, "{}", told);
        }
    }
}
