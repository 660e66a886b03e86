//! How CubeCL is set up: where a GPU's compiled kernels, and what tuning found, are kept from run to run (it would keep the
//! one nowhere, and the other where the program is started), and how memory is handed out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig, memory::PersistentMemory};
use directories::ProjectDirs;

/// How a backend hands memory out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// As CubeCL does by default: pages are cut in pieces.
    Pieces,
    /// Each size is kept for the next that asks for it. Steps are all alike, and so are the sizes that they ask for.
    ExactSizes,
}

/// Sets CubeCL up for a device. A `cubecl.toml` comes first, and so does a configuration that is in use already.
pub(super) fn set_up(backend: &str, device: &str, memory: Memory) {
    let mut used = CubeClRuntimeConfig::storage().lock();
    if used.is_some() {
        return;
    }
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    if let Some(dir) = cache(backend, device) {
        if matches!(config.autotune.cache, CacheConfig::Target) {
            config.autotune.cache = CacheConfig::File(dir.clone());
        }
        config.compilation.cache.get_or_insert(CacheConfig::File(dir));
    }
    // Pieces are joined and searched for every tensor: half of the time that the processor spends on a launch, and memory
    // in pieces that fit nothing.
    if memory == Memory::ExactSizes && matches!(config.memory.persistent_memory, PersistentMemory::Enabled) {
        config.memory.persistent_memory = PersistentMemory::Enforced;
    }
    *used = Some(config.into());
}

/// A directory in the user's cache, apart for each kind of device, and anew when our kernels change. None where it cannot
/// be written: CubeCL would panic.
fn cache(backend: &str, device: &str) -> Option<PathBuf> {
    let device = device.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = format!("{backend}-{device}-{:016x}", ddpm_kernels::gpu::SOURCES);
    let dir = ProjectDirs::from("", "", "cldiff")?.cache_dir().join("kernels").join(name);
    let writable = |dir: &Path| fs::metadata(dir).is_ok_and(|metadata| !metadata.permissions().readonly());
    (fs::create_dir_all(&dir).is_ok() && writable(&dir)).then_some(dir)
}
