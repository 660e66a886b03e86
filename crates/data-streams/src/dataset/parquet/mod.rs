//! Pictures and labels in Parquet files, as Hugging Face's `datasets` writes them: a column `image` of `bytes` and `path`, and
//! a column `label`.
//!
//! ```toml
//! [data.parquet]
//! train = "data/train-*.parquet"
//! eval = "data/test-*.parquet"
//! size = 32
//! ```
//!
//! The files of a data set on the Hub are read as they are downloaded. The columns of pictures and classes, and the names of
//! classes, are those that `datasets` notes in the file under the key `huggingface`; without that, columns called `image` or
//! `img`, and `label`. A picture is any file that [`image_folder`](super::image_folder) reads, and gets its size in the same
//! ways. Labels are integers or text.
//!
//! The reader is our own, since that of the crate `parquet`, which writes the results, panics on damaged pages and takes the
//! memory that a header claims. It reads columns that are flat, `PLAIN` or with a dictionary, compressed by Snappy, gzip or
//! not at all: what `datasets`, pandas and pyarrow write unless they are told otherwise.

mod column;
mod features;
mod footer;
mod levels;
mod pages;
mod thrift;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use cldiff_choices::{Describe, ImageSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    features::Features,
    footer::{Kind, Leaf, ParquetFile},
};
use super::{
    DatasetOptions, DatasetPair, ImageDataset, Places, Split,
    image_folder::Fit,
    records::{Format, Label, Look, MOST_IMAGES, Record, Source, defaults},
};
use crate::{DataError, error::shortened, listed};

/// The options of the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetConfig {
    /// The files to train on: one, or all of a directory whose names fit a `*`; within the data directory, if one is given
    /// for the run.
    pub train: PathBuf,
    /// The files that are held out; by default a share of each class of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<PathBuf>,
    /// The column of pictures, as bytes or with `bytes` within; by default the one that `datasets` notes, else `image` or
    /// `img`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The column of labels; by default the one that `datasets` notes, else `label`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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

impl Describe for ParquetConfig {
    const NAME: &'static str = "parquet";
    const SUMMARY: &'static str =
        "Pictures and labels in Parquet files, as Hugging Face's datasets writes them";
}

impl DatasetOptions for ParquetConfig {
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

impl ParquetConfig {
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

    /// The column of pictures in a file.
    fn image_column(&self, leaves: &[Leaf], features: &Features) -> Result<usize, String> {
        let names = match &self.image {
            Some(name) => vec![name.clone()],
            None if features.images.is_empty() => vec!["image".into(), "img".into()],
            None => features.images.clone(),
        };
        let is_picture = |leaf: &Leaf, name: &String| {
            let inner: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
            inner == [name, "bytes"] || inner == [name.as_str()]
        };
        let found = names.iter().find_map(|name| leaves.iter().position(|leaf| is_picture(leaf, name)));
        let found = found.ok_or_else(|| lacking("pictures", "image", &names, leaves))?;
        match &leaves[found] {
            Leaf { kind: Kind::Bytes, repeated: false, .. } => Ok(found),
            leaf => Err(format!("column {} holds no bytes, one value a row", shortened(&leaf.name()))),
        }
    }

    /// The column of labels in a file.
    fn label_column(&self, leaves: &[Leaf], features: &Features) -> Result<usize, String> {
        let noted = || features.labels.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let names = match &self.label {
            Some(name) => vec![name.clone()],
            None if features.labels.len() > 1 => {
                let shown = listed(features.labels.iter().map(|(name, _)| name.as_str()));
                return Err(format!("it has several columns of classes, {shown}: name one by `label`"));
            }
            None if features.labels.is_empty() => vec!["label".into()],
            None => noted(),
        };
        let is_label = |leaf: &Leaf| leaf.path.len() == 1 && names.contains(&leaf.path[0]);
        let found = leaves.iter().position(is_label);
        let found = found.ok_or_else(|| lacking("labels", "label", &names, leaves))?;
        match &leaves[found] {
            leaf if leaf.kind == Kind::Other || leaf.repeated => Err(format!(
                "column {} holds neither integers nor text, one value a row",
                shortened(&leaf.name())
            )),
            _ => Ok(found),
        }
    }
}

/// Why a column was not found.
fn lacking(of: &str, key: &str, names: &[String], leaves: &[Leaf]) -> String {
    let wanted = listed(names.iter().map(String::as_str));
    let there: Vec<String> = leaves.iter().map(Leaf::name).collect();
    let there = listed(there.iter().map(String::as_str));
    format!("there is no column of {of} {wanted}; the columns are {there}: name one by `{key}`")
}

impl Format for &ParquetConfig {
    const FILES: &'static str = "a Parquet file";

    fn read(
        &self,
        path: &Path,
        pictures: bool,
        take: &mut dyn FnMut(Record) -> Result<(), DataError>,
    ) -> Result<Option<Vec<String>>, DataError> {
        let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
        let file = File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let mut file = ParquetFile::open(file).map_err(format)?;
        let features = file.huggingface.as_deref().map(Features::of).unwrap_or_default();
        let label = self.label_column(&file.leaves, &features).map_err(format)?;
        let image = self.image_column(&file.leaves, &features).map_err(format)?;
        let names = features.names(&file.leaves[label].path[0]);
        let kind = file.leaves[label].kind;
        let mut before = 0;
        for group in 0..file.groups.len() {
            let rows = file.groups[group].rows;
            if rows > MOST_IMAGES {
                return Err(format(format!("a row group has {rows} rows: expected at most {MOST_IMAGES}")));
            }
            let labels = file.column(group, label).map_err(format)?;
            let images = if pictures { Some(file.column(group, image).map_err(format)?) } else { None };
            for row in 0..rows {
                let at = before + row;
                let label = labels.get(row).ok_or_else(|| format(format!("row {at} has no label")))?;
                let label = value(label, kind).map_err(|why| format(format!("row {at}: {why}")))?;
                let picture = images.as_ref().map(|images| {
                    let why = || format(format!("row {at} has no picture: its bytes are null"));
                    images.get(row).ok_or_else(why)
                });
                let picture = picture.transpose()?.unwrap_or_default().to_vec();
                take(Record {
                    name: PathBuf::from(format!("{}, row {at}", path.display())),
                    picture,
                    label,
                })?;
            }
            before += rows;
        }
        Ok(names)
    }
}

/// The label that a value is.
fn value(bytes: &[u8], kind: Kind) -> Result<Label, String> {
    let number = match kind {
        Kind::Int32 => bytes.try_into().ok().map(|bytes| i64::from(i32::from_le_bytes(bytes))),
        Kind::Int64 => bytes.try_into().ok().map(i64::from_le_bytes),
        Kind::Bytes | Kind::Other => None,
    };
    match (number, std::str::from_utf8(bytes)) {
        (Some(number), _) => Ok(Label::Number(number)),
        (None, Ok(text)) => Ok(Label::Name(text.to_owned())),
        (None, Err(_)) => Err("its label is not UTF-8".into()),
    }
}

#[cfg(test)]
mod tests;
