//! Where the files of data sets may be.

use std::path::{Path, PathBuf};

/// Where the files of data sets may be: the program that builds them says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// A directory that goes before the one that options name: of the data set, or of several, each in a directory of
    /// its name.
    pub data_dir: Option<PathBuf>,
    /// The directory of what was fetched, each data set in a directory of its name.
    pub cache: PathBuf,
}

impl Places {
    /// Where the files of the data set `name` are looked for: `name` in the data directory where it is there, else the
    /// data directory itself; the options' own directory; the cache.
    pub fn located(&self, name: &str, own_dir: Option<&Path>) -> PathBuf {
        match (&self.data_dir, own_dir) {
            (Some(data_dir), _) => {
                let named = data_dir.join(name);
                if named.is_dir() { named } else { data_dir.clone() }
            }
            (None, Some(own_dir)) => own_dir.to_owned(),
            (None, None) => self.cache.join(name),
        }
    }

    /// Where the files of the data set `name` are put: `name` in the data directory, or in the cache.
    pub fn fetched(&self, name: &str) -> PathBuf {
        self.data_dir.as_ref().unwrap_or(&self.cache).join(name)
    }

    /// The same without a data directory, so that the options' own directory counts.
    #[must_use]
    pub fn without_data_dir(&self) -> Self {
        Self { data_dir: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_goes_before_options_and_these_before_the_cache() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("mnist")).unwrap();
        let places = Places { data_dir: Some(dir.path().into()), cache: "cache".into() };
        let own = Some(Path::new("own"));
        assert_eq!(places.located("mnist", own), dir.path().join("mnist"));
        assert_eq!(places.located("kmnist", own), dir.path());
        assert_eq!(places.fetched("kmnist"), dir.path().join("kmnist"));
        let places = places.without_data_dir();
        assert_eq!(places.located("mnist", own), Path::new("own"));
        assert_eq!(places.located("mnist", None), Path::new("cache/mnist"));
        assert_eq!(places.fetched("mnist"), Path::new("cache/mnist"));
    }
}
