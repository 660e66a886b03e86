//! Where the files of a published data set are.

use std::path::{Path, PathBuf};

use data_streams::Published;
use directories::ProjectDirs;

/// Where they are looked for: `NAME` in `--data-dir`, where `fetch` puts it, else `--data-dir` itself; the
/// configuration's `dir`; the cache.
pub fn located(published: Published, dir: Option<&Path>, data_dir: Option<&Path>) -> PathBuf {
    match (data_dir, dir) {
        (Some(data_dir), _) => {
            let named = data_dir.join(published.name());
            if named.is_dir() { named } else { data_dir.to_owned() }
        }
        (None, Some(dir)) => dir.to_owned(),
        (None, None) => cache(published.name()),
    }
}

/// Where `fetch` puts them: `NAME` in `--data-dir`, or in the cache.
pub fn fetched(published: Published, data_dir: Option<&Path>) -> PathBuf {
    data_dir.map_or_else(|| cache(published.name()), |data_dir| data_dir.join(published.name()))
}

fn cache(name: &str) -> PathBuf {
    let dirs = ProjectDirs::from("", "", "cldiff");
    dirs.map_or_else(|| PathBuf::from(name), |dirs| dirs.cache_dir().join("data").join(name))
}
