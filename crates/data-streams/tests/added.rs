//! A data set and a stream that a program has added to the lists: alone in a process of their own, since lists are open
//! for the rest of it.

use std::path::{Path, PathBuf};

use cldiff_choices::{Describe, ListError, entry};
use data_streams::{
    DataConfig, DataError, DatasetPair, Experience, ImageDataset, ImageShape, Places, PublishedSet,
    RemoteFile, Split, Stream, StreamBuilder, StreamConfig, dataset::DatasetOptions,
};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Benchmark {
    data: DataConfig,
    stream: StreamConfig,
}

/// One image of each brightness, from a file of bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct GreyLevels {
    /// The directory of the files.
    dir: Option<PathBuf>,
}

impl Describe for GreyLevels {
    const NAME: &'static str = "grey_levels";
    const SUMMARY: &'static str = "One image of each brightness";
}

impl PublishedSet for GreyLevels {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Brightness, 1x2x2"
    }

    fn licence(&self) -> &'static str {
        "none"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        Vec::new()
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        let file = if split == Split::Train { "train.bytes" } else { "test.bytes" };
        let path = dir.join(file);
        let missing = || DataError::Missing { name: Self::NAME.into(), dir: dir.into(), file: file.into() };
        path.is_file().then(|| vec![path]).ok_or_else(missing)
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        let path = self.files(dir, split)?.remove(0);
        let levels = std::fs::read(&path).map_err(|source| DataError::Io { path, source })?;
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        let names = (0..levels.len()).map(|i| i.to_string()).collect();
        let pixels = levels.iter().flat_map(|&level| [level; 4]).collect();
        ImageDataset::new(Self::NAME, shape, names, pixels, (0..levels.len()).collect())
    }
}

/// One experience a class, the last class first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Backwards {
    /// The last classes that are kept; all, if 0.
    most: usize,
}

impl Describe for Backwards {
    const NAME: &'static str = "backwards";
    const SUMMARY: &'static str = "One class after another, the last first";
}

impl StreamBuilder for Backwards {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let classes = data.train.class_names().len();
        if self.most > classes {
            return Err(DataError::config("most", self.most, format!("expected at most {classes}")));
        }
        let kept = if self.most == 0 { classes } else { self.most };
        let experience = |class: usize| Experience {
            name: data.train.class_names()[class].clone(),
            classes: vec![class],
            train: data.train.of_classes(&[class]),
            eval: data.eval.of_classes(&[class]),
            removes: Vec::new(),
        };
        let experiences = (classes - kept..classes).rev().map(experience).collect();
        Stream::new("backwards".into(), data.clone(), experiences)
    }
}

#[test]
fn what_a_program_adds_is_parsed_built_and_described_like_the_rest() {
    let text = "[data.grey_levels]\n[stream.online.stream.backwards]\nmost = 2\n";
    assert!(toml::from_str::<Benchmark>(text).is_err());
    DataConfig::list().add(entry!(GreyLevels as dyn DatasetOptions)).unwrap();
    StreamConfig::list().add(entry!(Backwards as dyn StreamBuilder)).unwrap();
    let again = StreamConfig::list().add(entry!(Backwards as dyn StreamBuilder)).unwrap_err();
    assert_eq!(again, ListError::NameTaken { kind: "stream", name: "backwards" });

    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("grey-levels")).unwrap();
    std::fs::write(dir.path().join("grey-levels/train.bytes"), [0, 100, 200]).unwrap();
    std::fs::write(dir.path().join("grey-levels/test.bytes"), [1, 101, 201]).unwrap();
    let places = Places { data_dir: None, cache: dir.path().into() };
    let benchmark: Benchmark = toml::from_str(text).unwrap();
    let stream = benchmark.stream.build(benchmark.data.build(&places).unwrap()).unwrap();
    let classes: Vec<_> = stream.experiences().iter().map(|e| e.classes.clone()).collect();
    assert_eq!((classes, stream.all_eval().pixels_of(0)[0]), (vec![vec![2], vec![1]], 201));

    // By its name alone, with and without a hyphen, and as a part of a joined set.
    for name in ["grey-levels", "grey_levels"] {
        assert_eq!(DataConfig::of_name(name).as_ref(), Some(&benchmark.data));
    }
    assert!(benchmark.data.published().is_some());
    let joined: DataConfig =
        toml::from_str("several.parts = [{ grey_levels = {} }, { grey_levels = {} }]").unwrap();
    assert_eq!(joined.build_split(&places, Split::Train).unwrap().class_names().len(), 6);

    let written = toml::to_string(&benchmark).unwrap();
    assert_eq!(toml::from_str::<Benchmark>(&written).unwrap(), benchmark, "{written}");
    let schema = serde_json::to_string(&schema_for!(StreamConfig)).unwrap();
    assert!(schema.contains("One class after another, the last first"), "{schema}");
    mistakes_of_added_choices_have_their_place(&places);
}

fn mistakes_of_added_choices_have_their_place(places: &Places) {
    let wrong = "[data.grey_levels]\n\n[stream.backwards]\nmost = 4\n";
    let benchmark: Benchmark = toml::from_str(wrong).unwrap();
    let error = benchmark.stream.build(benchmark.data.build(places).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`backwards.most` is 4: expected at most 3");
    let unknown = toml::from_str::<Benchmark>(&wrong.replace("most", "least")).unwrap_err().to_string();
    assert!(unknown.contains("unknown field `least`"), "{unknown}");
    let name = toml::from_str::<Benchmark>("[data.grey]\n").unwrap_err().to_string();
    assert!(name.contains("`several`, `grey_levels`"), "{name}");
}
