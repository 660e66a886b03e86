//! Data sets of records, each a picture in its file format and a label: what Parquet files and WebDataset's tars have in
//! common. A folder of pictures is read by [`image_folder`](super::image_folder), from which sizes are borrowed.

mod classes;
pub(super) mod defaults;
mod pattern;
mod pictures;

use std::path::{Path, PathBuf};

use keyed_random::{Key, Purpose};

use self::{classes::Classes, pictures::Pictures};
pub(super) use self::{classes::Label, pictures::Look};
use super::{DatasetPair, ImageDataset, Split};
use crate::{DataError, files::Broken};

/// A thousand times more images than these formats are used for here.
pub(super) const MOST_IMAGES: usize = 1 << 24;
/// A picture whose file is larger is refused.
pub(super) const LARGEST_PICTURE: u64 = 1 << 28;

const HELD_OUT: Purpose = Purpose::named("images of a data set that are held out");

/// A picture with its label.
#[derive(Debug)]
pub(super) struct Record {
    /// The name in messages.
    pub name: PathBuf,
    /// The bytes of its file; none if pictures are not wanted.
    pub picture: Vec<u8>,
    /// Its class.
    pub label: Label,
}

/// A format of files of records.
pub(super) trait Format {
    /// The name of the format in messages: "a Parquet file".
    const FILES: &'static str;

    /// Gives the records of a file to `take`, in their order, without their pictures if these are not wanted. The names of
    /// the classes, if the file has them.
    fn read(
        &self,
        path: &Path,
        pictures: bool,
        take: &mut dyn FnMut(Record) -> Result<(), DataError>,
    ) -> Result<Option<Vec<String>>, DataError>;
}

/// Where records are, and what is made of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a, F> {
    /// The name of the data set.
    pub name: &'a str,
    /// How files are read.
    pub format: F,
    /// The directory that the patterns are in.
    pub base: Option<&'a Path>,
    /// The files to train on: one, or a pattern with `*` in its name.
    pub train: &'a Path,
    /// The files that are held out.
    pub eval: Option<&'a Path>,
    /// The share of each class that is held out where there are no such files.
    pub eval_share: f64,
    /// The form to which every picture is brought.
    pub look: Look,
}

/// The records of a split.
struct Part {
    pictures: Pictures,
    labels: Vec<Label>,
    names: Option<Vec<String>>,
    /// The first of its files.
    file: PathBuf,
}

impl<F: Format> Source<'_, F> {
    /// Both splits.
    ///
    /// # Errors
    /// [`DataError::Absent`] for files that are not there, [`DataError::Io`] and [`DataError::Format`] for one that is
    /// damaged or not as it should be, [`DataError::Broken`] for more broken pictures than may be, and
    /// [`DataError::Inconsistent`] for splits of different sizes.
    pub(super) fn load(&self) -> Result<DatasetPair, DataError> {
        let mut broken = Broken::allowing(self.look.skip_broken);
        let train = self.part(self.train, true, &mut broken)?;
        match self.eval {
            Some(eval) => {
                let eval = self.part(eval, true, &mut broken)?;
                let classes = classes(&[&train, &eval])?;
                DatasetPair::new(self.set(train, &classes)?, self.set(eval, &classes)?)
            }
            None => {
                let classes = classes(&[&train])?;
                self.divided(&self.set(train, &classes)?)
            }
        }
    }

    /// One split. Of the other no more is read than its labels, if its files are there: the classes are those of both.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(super) fn load_split(&self, split: Split) -> Result<ImageDataset, DataError> {
        let Some(eval) = self.eval else { return Ok(self.load()?.into_split(split)) };
        let (own, other) = match split {
            Split::Train => (self.train, eval),
            Split::Eval => (eval, self.train),
        };
        let mut broken = Broken::allowing(self.look.skip_broken);
        let own = self.part(own, true, &mut broken)?;
        let other = match self.part(other, false, &mut broken) {
            Err(error) if error.is_missing() => None,
            part => Some(part?),
        };
        let parts: Vec<&Part> = [Some(&own), other.as_ref()].into_iter().flatten().collect();
        let classes = classes(&parts)?;
        self.set(own, &classes)
    }

    fn part(&self, files: &Path, pictures: bool, broken: &mut Broken) -> Result<Part, DataError> {
        let files = pattern::files(self.base, files, F::FILES)?;
        let mut part = Part {
            pictures: Pictures::new(self.look),
            labels: Vec::new(),
            names: None,
            file: files[0].clone(),
        };
        for file in &files {
            let (decoder, labels) = (&mut part.pictures, &mut part.labels);
            let names = self.format.read(file, pictures, &mut |record: Record| {
                if labels.len() >= MOST_IMAGES {
                    let problem = format!("more than {MOST_IMAGES} records");
                    return Err(DataError::Format { path: file.clone(), problem });
                }
                labels.push(record.label);
                if pictures { decoder.push(record.name, record.picture, broken) } else { Ok(()) }
            })?;
            if part.names.is_some() && names != part.names {
                let problem = format!("its classes have other names than those of {}", part.file.display());
                return Err(DataError::Format { path: file.clone(), problem });
            }
            part.names = names;
        }
        part.pictures.decode(broken)?;
        if part.labels.is_empty() {
            return Err(DataError::Format { path: part.file, problem: "it holds no records".into() });
        }
        Ok(part)
    }

    fn set(&self, part: Part, classes: &Classes) -> Result<ImageDataset, DataError> {
        let format = |problem: String| DataError::Format { path: part.file.clone(), problem };
        let labels = classes.numbers(&part.labels).map_err(format)?;
        let (shape, pixels, whole) = part.pictures.finish();
        let shape = shape.ok_or_else(|| format("it holds no pictures".into()))?;
        let labels = labels.into_iter().zip(whole).filter_map(|(label, whole)| whole.then_some(label));
        ImageDataset::new(self.name, shape, classes.names.clone(), pixels, labels.collect())
    }

    /// A share of each class, drawn with a key, is held out.
    fn divided(&self, whole: &ImageDataset) -> Result<DatasetPair, DataError> {
        if whole.len() < 2 {
            let problem = "one image: expected at least one to train on and one to hold out".into();
            return Err(DataError::Inconsistent { name: self.name.into(), problem });
        }
        let count = ((whole.len() as f64 * self.eval_share).round() as usize).clamp(1, whole.len() - 1);
        let held_out = whole.stratified(count, Key::new(0, HELD_OUT));
        let rest: Vec<usize> = (0..whole.len()).filter(|i| held_out.binary_search(i).is_err()).collect();
        DatasetPair::new(whole.select(&rest), whole.select(&held_out))
    }
}

/// The classes of all parts.
fn classes(parts: &[&Part]) -> Result<Classes, DataError> {
    let named: Vec<&Part> = parts.iter().copied().filter(|part| part.names.is_some()).collect();
    if named.len() == 2 && named[0].names != named[1].names {
        let problem = format!("its classes have other names than those of {}", named[0].file.display());
        return Err(DataError::Format { path: named[1].file.clone(), problem });
    }
    let labels: Vec<&[Label]> = parts.iter().map(|part| &part.labels[..]).collect();
    let names = named.first().and_then(|part| part.names.clone());
    Classes::of(&labels, names).map_err(|problem| DataError::Format { path: parts[0].file.clone(), problem })
}
