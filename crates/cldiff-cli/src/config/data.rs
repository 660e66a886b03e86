//! The program's knowledge of data beyond the library: where files are, names on the command line, and advice.

use std::path::{Path, PathBuf};

use data_streams::{DataConfig, DataError, Places, Split};
use directories::ProjectDirs;

/// Where files of data sets are: `--data-dir`, if it is given, and the cache, where `data fetch` puts them.
pub fn places(data_dir: Option<&Path>) -> Places {
    let dirs = ProjectDirs::from("", "", "cldiff");
    let cache = dirs.map_or_else(PathBuf::new, |dirs| dirs.cache_dir().join("data"));
    Places { data_dir: data_dir.map(Path::to_owned), cache }
}

/// A data set and one of its splits: `NAME` (the test images), `NAME:test` or `NAME:train`. None for an unknown name, a
/// message for an unknown split.
pub fn named_split(argument: &str) -> Option<Result<(DataConfig, Split), String>> {
    let (name, split) = argument.split_once(':').unwrap_or((argument, "test"));
    let config = DataConfig::of_name(name)?;
    Some(match split {
        "train" => Ok((config, Split::Train)),
        "test" | "eval" => Ok((config, Split::Eval)),
        other => Err(format!("`{other}` is no split, expected train or test")),
    })
}

/// A mistake in data, with what the program can advise.
pub fn advised(error: &DataError) -> String {
    match error {
        DataError::Missing { name, .. } => {
            let is_published = DataConfig::of_name(name).is_some_and(|set| set.published().is_some());
            let fetch = if is_published {
                format!("`cldiff data fetch {name}` gets the published files, or ")
            } else {
                String::new()
            };
            format!("{error}; {fetch}name their directory with --data-dir or the key `dir`")
        }
        DataError::OneDataSet { key, .. } => {
            format!("`{key}`: {error}; list them under `data.several.parts`")
        }
        DataError::Broken { broken, .. } => {
            format!("{error}; `skip_broken = {broken}` among the keys of the data set leaves that many out")
        }
        DataError::Config { key, .. } if key.rsplit('.').next() == Some("dir") => {
            format!("{error}, here or with --data-dir")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_what_the_program_has() {
        let missing = |name: &str| {
            let file = "a.gz".to_owned();
            advised(&DataError::Missing { name: name.into(), dir: "data".into(), file })
        };
        assert_eq!(
            missing("fashion-mnist"),
            "no fashion-mnist in data: looked for a.gz (gzipped or not); `cldiff data fetch fashion-mnist` gets the \
             published files, or name their directory with --data-dir or the key `dir`"
        );
        assert!(missing("mine").ends_with("not); name their directory with --data-dir or the key `dir`"));
        let dir = DataError::needed("data.image_folder.dir", "expected a directory of pictures");
        assert!(advised(&dir).ends_with("expected a directory of pictures, here or with --data-dir"));
        let (path, problem) = ("pictures/a/1.png".into(), "truncated".to_owned());
        let broken = DataError::Broken { path, problem, broken: 2, allowed: 0 };
        assert_eq!(
            advised(&broken),
            "pictures/a/1.png: cannot be decoded: truncated; 2 pictures are broken, and 0 may be left out; \
             `skip_broken = 2` among the keys of the data set leaves that many out"
        );
        let one = DataError::OneDataSet { key: "stream.x".into(), name: "glyphs".into() };
        assert!(advised(&one).starts_with("`stream.x`: expected several data sets"), "{}", advised(&one));
    }

    #[test]
    fn a_split_is_named_behind_a_data_set() {
        let named = |argument| named_split(argument).map(|named| named.map(|(_, split)| split));
        assert_eq!(named("mnist"), Some(Ok(Split::Eval)));
        assert_eq!(named("emnist-letters:train"), Some(Ok(Split::Train)));
        assert_eq!(named("imagenet"), None);
        assert_eq!(named("mnist:all"), Some(Err("`all` is no split, expected train or test".into())));
    }
}
