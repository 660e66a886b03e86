//! Pictures and labels in WebDataset's form: tars of files that belong together by their names.
//!
//! ```toml
//! [data.webdataset]
//! train = "shards/train-*.tar"
//! eval = "shards/test-*.tar"
//! size = 32
//! ```
//!
//! A record is the files that follow each other and have the same path up to the first dot of the name: `a/0001.jpg` and
//! `a/0001.cls`. `image` says which is the picture, by default the one that ends as pictures do; `label` says which has the
//! class, by default `cls`: an integer, or the name of a class. In a file `json` the class is the value of `label_key`. Other
//! files of a record are passed over. Tars may be gzipped. A picture is any file that
//! [`image_folder`](super::image_folder) reads, and gets its size in the same ways.
//! (<https://github.com/webdataset/webdataset>)

mod shard;

use std::path::{Path, PathBuf};

use cldiff_choices::{Describe, ImageSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::shard::members;
use super::{
    DatasetOptions, DatasetPair, ImageDataset, Places, Split,
    image_folder::Fit,
    records::{Format, LARGEST_PICTURE, Label, Look, Record, Source, defaults},
};
use crate::{
    DataError,
    error::shortened,
    files::{EXTENSIONS, LeftOut},
};

/// A label is a line, and JSON beside a picture not much more.
const LARGEST_LABEL: u64 = 1 << 20;

/// The options of the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebDatasetConfig {
    /// The tars to train on: one, or all of a directory whose names fit a `*`; within the data directory, if one is given for
    /// the run.
    pub train: PathBuf,
    /// The tars that are held out; by default a share of each class of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<PathBuf>,
    /// The extension of pictures: all that follows the first dot. By default any that pictures have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The extension of labels.
    #[serde(default = "cls")]
    pub label: String,
    /// The key of the class in a label that is JSON.
    #[serde(default = "label")]
    pub label_key: String,
    /// One number for a square, or `[height, width]`, in pixels, 4 to 1024 each; needed unless `fit` is "exact".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<ImageSize>,
    /// How a picture gets its size.
    #[serde(default)]
    pub fit: Fit,
    /// 1 (grey, by the weights of ITU-R BT.601) or 3 (red, green, blue); transparency is dropped.
    #[serde(default = "defaults::three")]
    pub channels: usize,
    /// Broken pictures, cut short or damaged, that are left out, each with a warning; one more is an error.
    #[serde(default, skip_serializing_if = "defaults::is_zero")]
    pub skip_broken: usize,
    /// The share of each class that is held out where there is no `eval`.
    #[serde(default = "defaults::a_fifth")]
    pub eval_share: f64,
}

fn cls() -> String {
    "cls".into()
}

fn label() -> String {
    "label".into()
}

impl Describe for WebDatasetConfig {
    const NAME: &'static str = "webdataset";
    const SUMMARY: &'static str = "Pictures and labels in tars, in WebDataset's form";
}

impl DatasetOptions for WebDatasetConfig {
    fn check(&self) -> Result<(), DataError> {
        self.look().check(self.eval_share)
    }

    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        self.source(places).load()
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        self.source(places).load_split(split)
    }
}

impl WebDatasetConfig {
    fn look(&self) -> Look {
        Look { size: self.size, fit: self.fit, channels: self.channels, skip_broken: self.skip_broken }
    }

    fn source<'a>(&'a self, places: &'a Places) -> Source<'a, &'a Self> {
        Source {
            name: Self::NAME,
            format: self,
            base: places.data_dir.as_deref(),
            train: &self.train,
            eval: self.eval.as_deref(),
            eval_share: self.eval_share,
            look: self.look(),
        }
    }

    fn is_picture(&self, extension: &str) -> bool {
        self.image.as_ref().map_or_else(|| EXTENSIONS.contains(&extension), |image| image == extension)
    }

    /// The label in the bytes of its file.
    fn label_of(&self, bytes: &[u8]) -> Result<Label, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "its label is not UTF-8")?;
        if self.label.rsplit('.').next() != Some("json") {
            let text = text.trim();
            return Ok(text.parse().map_or_else(|_| Label::Name(text.to_owned()), Label::Number));
        }
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("its label: {e}"))?;
        let value = &value[&self.label_key];
        let found = match value.as_str() {
            Some(name) => Some(Label::Name(name.to_owned())),
            None => value.as_i64().map(Label::Number),
        };
        found.ok_or_else(|| format!("its label has no integer or text under `{}`", self.label_key))
    }
}

/// The files of a record as far as they are read.
#[derive(Debug, Default)]
struct Group {
    key: String,
    /// The first of its files.
    first: PathBuf,
    picture: Option<(PathBuf, Vec<u8>)>,
    label: Option<Label>,
}

impl Format for &WebDatasetConfig {
    const FILES: &'static str = "a tar";

    fn read(
        &self,
        path: &Path,
        pictures: bool,
        take: &mut dyn FnMut(Record) -> Result<(), DataError>,
    ) -> Result<Option<Vec<String>>, DataError> {
        let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
        let (mut group, mut left_out) = (Group::default(), LeftOut::default());
        members(path, &mut |name, content| {
            let (key, extension) = parted(name);
            if key != group.key {
                let next = Group { key: key.to_owned(), first: path.join(name), ..Group::default() };
                self.finish(std::mem::replace(&mut group, next), take, &mut left_out).map_err(format)??;
            }
            let extension = extension.to_ascii_lowercase();
            if extension == self.label {
                let label = self.label_of(&content(LARGEST_LABEL)?);
                group.label = Some(label.map_err(|why| format(format!("{}: {why}", shortened(name))))?);
            } else if self.is_picture(&extension) && group.picture.is_none() {
                let bytes = if pictures { content(LARGEST_PICTURE)? } else { Vec::new() };
                group.picture = Some((path.join(name), bytes));
            }
            Ok(())
        })?;
        self.finish(group, take, &mut left_out).map_err(format)??;
        left_out.warn(path);
        Ok(None)
    }
}

impl WebDatasetConfig {
    /// Gives the record of some files to `take`. Files of which none is a picture or label are no record.
    ///
    /// # Errors
    /// In words, for a picture without a label and the reverse; within, what `take` says.
    fn finish(
        &self,
        group: Group,
        take: &mut dyn FnMut(Record) -> Result<(), DataError>,
        left_out: &mut LeftOut,
    ) -> Result<Result<(), DataError>, String> {
        let lacking = |what: &str| Err(format!("record {} has no {what}", shortened(&group.key)));
        match (group.picture, group.label) {
            (Some((name, picture)), Some(label)) => Ok(take(Record { name, picture, label })),
            (Some(_), None) => lacking(&format!("file .{} with its label", shortened(&self.label))),
            (None, Some(_)) => lacking("picture"),
            (None, None) => {
                if !group.key.is_empty() {
                    left_out.add_other(group.first);
                }
                Ok(Ok(()))
            }
        }
    }
}

/// The path up to the first dot of the name, and what follows it.
fn parted(path: &str) -> (&str, &str) {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].find('.') {
        Some(dot) => (&path[..name + dot], &path[name + dot + 1..]),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests;
