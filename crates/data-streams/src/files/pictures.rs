//! The pictures of a directory and of those below it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{LeftOut, Why};
use crate::DataError;

/// The ends of the names of pictures, in lower case; names may have them in either. The format is told by the bytes.
pub const EXTENSIONS: [&str; 10] = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "tif", "tiff", "gif"];

/// Directories within directories that are entered.
const DEEPEST: usize = 32;

/// Bytes of a path, at most.
const LONGEST_LINK: u64 = 4096;

/// The pictures that a search found, and the files that it passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The files, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// The others.
    pub left_out: LeftOut,
}

/// Finds the pictures in a directory and in those below it, hidden ones apart. Links are followed to files and to
/// directories, but not round in a circle.
///
/// # Errors
/// [`DataError::Io`] for a directory that cannot be read.
pub fn pictures(dir: &Path) -> Result<Found, DataError> {
    let mut found = Found::default();
    let real = fs::canonicalize(dir).map_err(io_error(dir))?;
    descend(dir, &mut vec![real], &mut found)?;
    found.files.sort();
    Ok(found)
}

/// Whether a name ends as those of pictures do.
pub(crate) fn is_named_as_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

/// The entries of a directory, sorted, without the hidden ones, which are noted.
///
/// # Errors
/// [`DataError::Io`] for a directory that cannot be read.
pub fn entries(dir: &Path, left_out: &mut LeftOut) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error(dir))? {
        let path = entry.map_err(io_error(dir))?.path();
        if is_hidden(&path) {
            left_out.add(Why::Hidden, path);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name begins with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b".")
}

/// `above` are the directories that are being searched, as they are without links.
fn descend(dir: &Path, above: &mut Vec<PathBuf>, found: &mut Found) -> Result<(), DataError> {
    for path in entries(dir, &mut found.left_out)? {
        if path.is_dir() {
            let real = fs::canonicalize(&path).map_err(io_error(&path))?;
            if above.contains(&real) || above.len() > DEEPEST {
                found.left_out.add(Why::Loop, path);
                continue;
            }
            above.push(real);
            descend(&path, above, found)?;
            above.pop();
        } else if !path.exists() {
            found.left_out.add(Why::Gone, path);
        } else if is_named_as_picture(&path) {
            if is_text_of_link(&path) {
                found.left_out.add(Why::Text, path);
            } else {
                found.files.push(path);
            }
        } else {
            found.left_out.add_other(path);
        }
    }
    Ok(())
}

/// Whether a file holds nothing but the name of a picture.
fn is_text_of_link(path: &Path) -> bool {
    let is_short = fs::metadata(path).is_ok_and(|metadata| (1..=LONGEST_LINK).contains(&metadata.len()));
    let text = || fs::read_to_string(path).ok();
    is_short
        && text()
            .is_some_and(|text| !text.contains(char::is_control) && is_named_as_picture(Path::new(&text)))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> DataError + '_ {
    |source| DataError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        dir
    }

    fn names(dir: &TempDir, found: &Found) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        found.files.iter().map(name).collect()
    }

    #[test]
    fn every_format_is_found_at_every_depth_and_the_rest_is_told() {
        let dir = directory(&[
            "b.PNG",
            "a.jpe",
            "x/y/z.TIFF",
            "x/c.Jfif",
            "x/._c.jfif",
            ".cache/d.png",
            "notes.txt",
            "x/raw.heic",
            "x/LICENSE",
        ]);
        let found = pictures(dir.path()).unwrap();
        assert_eq!(names(&dir, &found), ["a.jpe", "b.PNG", "x/c.Jfif", "x/y/z.TIFF"]);
        let count = |why| found.left_out.count(&why);
        assert_eq!((count(Why::Hidden), found.left_out.total()), (2, 5));
        let other = |extension: &str| count(Why::Other(extension.into()));
        assert_eq!((other("txt"), other("heic"), other("")), (1, 1, 1));
        assert!(pictures(&dir.path().join("nowhere")).unwrap_err().to_string().contains("nowhere"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_neither_circles_nor_dead_ends_entered() {
        use std::os::unix::fs::symlink;
        let (dir, pool) = (directory(&["a/1.png", "a/b/2.png"]), directory(&["3.png", "deep/4.gif"]));
        symlink(pool.path(), dir.path().join("a/pool")).unwrap();
        symlink(pool.path().join("3.png"), dir.path().join("a/one.png")).unwrap();
        symlink(dir.path(), dir.path().join("a/b/round")).unwrap();
        symlink("moved.png", dir.path().join("a/gone.png")).unwrap();
        let found = pictures(dir.path()).unwrap();
        let expected = ["a/1.png", "a/b/2.png", "a/one.png", "a/pool/3.png", "a/pool/deep/4.gif"];
        assert_eq!(names(&dir, &found), expected);
        assert_eq!((found.left_out.count(&Why::Gone), found.left_out.count(&Why::Loop)), (1, 1));
        assert_eq!(found.left_out.total(), 2);
    }

    #[test]
    fn links_that_were_copied_as_text_are_told_and_short_pictures_are_not_taken_for_them() {
        let dir = directory(&["a.png", "b.png", "c.gif", "d.bmp", "e.jpg"]);
        for (file, text) in
            [("a.png", "../moved/a.png"), ("b.png", "notes.txt"), ("c.gif", "x.gif\n"), ("d.bmp", "BM.bmp\0")]
        {
            fs::write(dir.path().join(file), text).unwrap();
        }
        fs::write(dir.path().join("e.jpg"), b"\xff\xd8\xff.jpg").unwrap();
        let found = pictures(dir.path()).unwrap();
        assert_eq!(names(&dir, &found), ["b.png", "c.gif", "d.bmp", "e.jpg"]);
        assert_eq!((found.left_out.count(&Why::Text), found.left_out.total()), (1, 1));
    }
}
