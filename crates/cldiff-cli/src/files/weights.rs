//! Where the weights of feature extractors are kept.

use std::path::PathBuf;

use directories::ProjectDirs;

/// The weights of Inception-v3 that features take where no file is named: what `weights fetch` got.
///
/// # Errors
/// A message that says how to get them, if they are not there.
pub fn default_weights() -> Result<PathBuf, String> {
    let path = fetched();
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "there are no weights of Inception-v3 at {}: get them by `cldiff weights fetch`, or name a file",
        path.display()
    ))
}

/// Where `cldiff weights fetch` puts them.
pub fn fetched() -> PathBuf {
    let dirs = ProjectDirs::from("", "", "cldiff");
    let dir = dirs.map_or_else(PathBuf::new, |dirs| dirs.cache_dir().join("weights"));
    dir.join("inception.safetensors")
}
