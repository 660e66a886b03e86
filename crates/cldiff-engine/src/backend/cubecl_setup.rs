//! Where a GPU's compiled kernels, and what tuning found, are kept from run to run: CubeCL would keep the one nowhere, and
//! the other where the program is started.

use std::fs;

use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};
use directories::ProjectDirs;

/// Keeps them in the user's cache, apart for each kind of device, and anew when our kernels change. What a `cubecl.toml` says
/// of either comes first, and so does a configuration that is in use already. Where the cache cannot be written, nothing is
/// kept: CubeCL would panic.
pub(super) fn keep(backend: &str, device: &str) {
    let Some(dirs) = ProjectDirs::from("", "", "cldiff") else { return };
    let device = device.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let sources = ddpm_kernels::gpu::SOURCES;
    let dir = dirs.cache_dir().join("kernels").join(format!("{backend}-{device}-{sources:016x}"));
    let writable = |metadata: fs::Metadata| !metadata.permissions().readonly();
    if !fs::create_dir_all(&dir).and_then(|()| fs::metadata(&dir)).is_ok_and(writable) {
        return;
    }

    let mut used = CubeClRuntimeConfig::storage().lock();
    if used.is_none() {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        if matches!(config.autotune.cache, CacheConfig::Target) {
            config.autotune.cache = CacheConfig::File(dir.clone());
        }
        config.compilation.cache.get_or_insert(CacheConfig::File(dir));
        *used = Some(config.into());
    }
}
