//! Which files a directory of pictures has, and to which class and split each belongs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::super::Split;
use crate::DataError;

const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The pictures of one split.
#[derive(Debug)]
pub(super) struct Listing {
    /// The names of all classes, in their order.
    pub classes: Vec<String>,
    /// Every file with its class, class after class, by name.
    pub files: Vec<(PathBuf, usize)>,
}

/// Lists the files of a split.
pub(super) fn find(dir: &Path, split: Split, eval_share: f64) -> Result<Listing, DataError> {
    let expected =
        "expected DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, or DIR/CLASS/*.png (or jpg, jpeg, webp)";
    if !dir.is_dir() {
        return Err(DataError::Absent {
            path: dir.into(),
            problem: format!("no such directory; {expected}"),
        });
    }
    let train = Some(dir.join("train")).filter(|train| train.is_dir());
    let eval = ["test", "eval", "val"].map(|name| dir.join(name)).into_iter().find(|eval| eval.is_dir());
    let folders: Vec<&PathBuf> = [&train, &eval].into_iter().flatten().collect();
    let has_classes = |folder: &&PathBuf| directories(folder).is_ok_and(|classes| !classes.is_empty());
    let listing = if folders.iter().any(has_classes) {
        divided(dir, train.as_ref(), eval.as_ref(), split)?
    } else {
        flat(dir, split, eval_share)?
    };
    if listing.files.is_empty() {
        let problem = format!("it holds no classes; {expected}");
        return Err(DataError::Format { path: dir.into(), problem });
    }
    Ok(listing)
}

/// `train/CLASS` and `test/CLASS`: a class that either has is a class of both.
fn divided(
    dir: &Path,
    train: Option<&PathBuf>,
    eval: Option<&PathBuf>,
    split: Split,
) -> Result<Listing, DataError> {
    let mut classes = BTreeSet::new();
    for folder in [train, eval].into_iter().flatten() {
        classes.extend(directories(folder)?);
    }
    let (folder, name) = match split {
        Split::Train => (train, "train"),
        Split::Eval => (eval, "test"),
    };
    let absent = || DataError::Absent {
        path: dir.join(name),
        problem: "no such directory, though the other split has one".into(),
    };
    let folder = folder.ok_or_else(absent)?;
    let classes: Vec<String> = classes.into_iter().collect();
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        files.extend(pictures(&folder.join(class))?.into_iter().map(|path| (path, label)));
    }
    Ok(Listing { classes, files })
}

/// `CLASS` alone: the files with the smallest hashes of their names are held out.
fn flat(dir: &Path, split: Split, eval_share: f64) -> Result<Listing, DataError> {
    let classes = directories(dir)?;
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let folder = dir.join(class);
        let all = pictures(&folder)?;
        if all.len() < 2 {
            let problem = "the class has one image: expected at least one to train on and one to hold out";
            return Err(DataError::Format { path: folder, problem: problem.into() });
        }
        let held_out = ((all.len() as f64 * eval_share).round() as usize).clamp(1, all.len() - 1);
        let mut by_hash: Vec<&PathBuf> = all.iter().collect();
        by_hash.sort_by_cached_key(|path| {
            Sha256::digest(path.file_name().unwrap_or_default().as_encoded_bytes()).to_vec()
        });
        let eval: BTreeSet<&PathBuf> = by_hash.into_iter().take(held_out).collect();
        let chosen = all.iter().filter(|path| eval.contains(path) == (split == Split::Eval));
        files.extend(chosen.map(|path| (path.clone(), label)));
    }
    Ok(Listing { classes, files })
}

/// The names of the directories in a directory, sorted, without the hidden ones.
fn directories(dir: &Path) -> Result<Vec<String>, DataError> {
    entries(dir)?.into_iter().filter(|path| path.is_dir()).map(|path| name(&path)).collect()
}

/// The pictures in a directory, sorted by name.
fn pictures(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        path.is_file() && extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
    };
    let files: Vec<PathBuf> =
        if dir.is_dir() { entries(dir)?.into_iter().filter(is_picture).collect() } else { Vec::new() };
    if files.is_empty() {
        let problem = format!("the class has no images here: expected files *.{}", EXTENSIONS.join(", *."));
        return Err(DataError::Format { path: dir.into(), problem });
    }
    Ok(files)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b".") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> Result<String, DataError> {
    let name = path.file_name().unwrap_or_default().to_str();
    name.map(str::to_owned).ok_or_else(|| DataError::Format {
        path: path.to_owned(),
        problem: "the name of the class is not UTF-8".into(),
    })
}
