//! Where the weights of feature extractors are kept.

use std::path::PathBuf;

use directories::ProjectDirs;

use super::published::published;

/// The weights that features of this name take where no file is named: what `weights fetch` or `weights convert` made.
///
/// # Errors
/// A message that says how to get them, if they are not there.
pub fn default_weights(features: &str) -> Result<PathBuf, String> {
    let path = kept(features);
    if path.is_file() {
        return Ok(path);
    }
    let network = published().iter().find(|network| network.features == features);
    let (summary, advice) = network.map_or((features, ""), |network| (network.short, network.advice));
    Err(format!("there are no weights of {summary} at {}: {advice}, or name a file", path.display()))
}

/// Where `cldiff weights` puts the weights of features of this name.
pub fn kept(features: &str) -> PathBuf {
    let dirs = ProjectDirs::from("", "", "cldiff");
    let dir = dirs.map_or_else(PathBuf::new, |dirs| dirs.cache_dir().join("weights"));
    dir.join(format!("{features}.safetensors"))
}
