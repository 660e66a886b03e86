//! Finds the files of a directory of pictures, and the class and split of each.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::super::Split;
use crate::{
    DataError,
    files::{self, EXTENSIONS, Found, LeftOut, Why},
};

const EVAL_NAMES: [&str; 3] = ["test", "eval", "val"];

/// The pictures of one split.
#[derive(Debug)]
pub(super) struct Listing {
    /// The names of all classes, in their order.
    pub classes: Vec<String>,
    /// Every file with its class, class after class, by name.
    pub files: Vec<(PathBuf, usize)>,
}

/// Lists the files of a split, and notes those that are left out.
pub(super) fn find(
    dir: &Path,
    split: Split,
    eval_share: f64,
    left_out: &mut LeftOut,
) -> Result<Listing, DataError> {
    let expected = format!(
        "expected DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, or DIR/CLASS/*.png (or {})",
        EXTENSIONS[1..].join(", ")
    );
    if !dir.is_dir() {
        return Err(DataError::Absent {
            path: dir.into(),
            problem: format!("no such directory; {expected}"),
        });
    }
    let train = Some(dir.join("train")).filter(|train| train.is_dir());
    let eval = EVAL_NAMES.map(|name| dir.join(name)).into_iter().find(|eval| eval.is_dir());
    let folders: Vec<&PathBuf> = [&train, &eval].into_iter().flatten().collect();
    let has_classes = |folder: &&PathBuf| {
        directories(folder, &mut LeftOut::default()).is_ok_and(|classes| !classes.is_empty())
    };
    let listing = if folders.iter().any(has_classes) {
        divided(dir, train.as_ref(), eval.as_ref(), split, left_out)?
    } else {
        flat(dir, split, eval_share, left_out)?
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
    left_out: &mut LeftOut,
) -> Result<Listing, DataError> {
    let mut classes = BTreeSet::new();
    for folder in [train, eval].into_iter().flatten() {
        classes.extend(directories(folder, left_out)?);
    }
    for path in files::entries(dir, left_out)? {
        if ![train, eval].contains(&Some(&path)) {
            let why = if path.is_dir() { Why::NoSplit } else { Why::NoClass };
            left_out.add(why, path);
        }
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
        files.extend(pictures(&folder.join(class), left_out)?.into_iter().map(|path| (path, label)));
    }
    Ok(Listing { classes, files })
}

/// `CLASS` alone: the files with the smallest hashes of their names (below the class's directory) are held out.
fn flat(dir: &Path, split: Split, eval_share: f64, left_out: &mut LeftOut) -> Result<Listing, DataError> {
    let classes = directories(dir, left_out)?;
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let folder = dir.join(class);
        let all = pictures(&folder, left_out)?;
        if all.len() < 2 {
            let problem = "the class has one image: expected at least one to train on and one to hold out";
            return Err(DataError::Format { path: folder, problem: problem.into() });
        }
        let held_out = ((all.len() as f64 * eval_share).round() as usize).clamp(1, all.len() - 1);
        let mut by_hash: Vec<&PathBuf> = all.iter().collect();
        by_hash.sort_by_cached_key(|path| hash_of_name(path, &folder));
        let eval: BTreeSet<&PathBuf> = by_hash.into_iter().take(held_out).collect();
        let chosen = all.iter().filter(|path| eval.contains(path) == (split == Split::Eval));
        files.extend(chosen.map(|path| (path.clone(), label)));
    }
    Ok(Listing { classes, files })
}

/// The SHA-256 of a file's path below its class, with `/` between directories: the same on every system.
fn hash_of_name(path: &Path, folder: &Path) -> Vec<u8> {
    let mut hash = Sha256::new();
    for (i, part) in path.strip_prefix(folder).unwrap_or(path).iter().enumerate() {
        if i > 0 {
            hash.update(b"/");
        }
        hash.update(part.as_encoded_bytes());
    }
    hash.finalize().to_vec()
}

/// The names of the directories in a directory, sorted; files beside them are noted.
fn directories(dir: &Path, left_out: &mut LeftOut) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for path in files::entries(dir, left_out)? {
        if path.is_dir() {
            names.push(name(&path)?);
        } else if path.exists() {
            left_out.add(Why::NoClass, path);
        } else {
            left_out.add(Why::Gone, path);
        }
    }
    Ok(names)
}

/// The pictures of a class, in its directory and in those below, sorted by name.
fn pictures(dir: &Path, left_out: &mut LeftOut) -> Result<Vec<PathBuf>, DataError> {
    let Found { files, left_out: passed } =
        if dir.is_dir() { files::pictures(dir)? } else { Found::default() };
    if files.is_empty() {
        let mut problem =
            format!("the class has no images here: expected files *.{}", EXTENSIONS.join(", *."));
        if !passed.is_empty() {
            problem = format!("{problem}; {passed}");
        }
        return Err(DataError::Format { path: dir.into(), problem });
    }
    left_out.merge(passed);
    Ok(files)
}

fn name(path: &Path) -> Result<String, DataError> {
    let name = path.file_name().unwrap_or_default().to_str();
    name.map(str::to_owned).ok_or_else(|| DataError::Format {
        path: path.to_owned(),
        problem: "the name of the class is not UTF-8".into(),
    })
}
