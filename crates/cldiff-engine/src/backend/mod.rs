//! Backends: one file or folder each, with how it is found and what is made on it, and their list.
//!
//! This module, `ddpm-kernels` and `gpu-instances`, which compiles its kernels, are all that names concrete backends.

#[cfg(feature = "gpu")]
mod cubecl_setup;
pub mod cuda;
mod engine;
pub mod flex;
pub mod ndarray;
pub mod wgpu;

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cuda", feature = "wgpu"))]
use self::engine::BackendEngine;
use crate::{Asked, Engine, EngineError};

/// Hands the modules of the backends to another macro, in the order in which they are tried where none is asked for:
/// GPUs, then the fastest on the CPU.
macro_rules! backends {
    ($callback:ident! { $($context:tt)* }) => {
        $callback! { { $($context)* } cuda, wgpu, flex, ndarray }
    };
}
pub(crate) use backends;

macro_rules! known {
    ({} $($backend:ident),*) => { [$($backend::BACKEND),*] };
}

static BACKENDS: &[Backend] = &backends! { known! {} };

/// Opens a backend on a device.
type Open = fn(usize) -> Result<Box<dyn Engine>, EngineError>;

/// A backend, as the program knows it.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    /// As it is asked for.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Whether it is part of this program.
    pub is_built_in: bool,
    /// Whether it computes on a GPU, or on a device that stands for one.
    pub is_gpu: bool,
    open: Open,
    /// As `open`, for a search in which nobody asked for this one.
    try_to_open: Open,
}

impl Backend {
    /// The name that leaves the choice to the program.
    pub const AUTO: &str = "auto";

    /// All backends, those that are not built in included.
    pub fn all() -> &'static [Self] {
        BACKENDS
    }

    /// The backend of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        BACKENDS.iter().find(|backend| backend.name == name)
    }

    #[cfg(not(all(feature = "cuda", feature = "wgpu", feature = "flex", feature = "ndarray")))]
    fn not_built_in(name: &'static str) -> EngineError {
        let problem = "not built into this program".to_owned();
        EngineError::Backend { backend: name, asked: Asked::NotBuiltIn, problem }
    }
}

/// Finds a backend by name and a device; `auto` takes the first that works.
///
/// # Errors
/// [`EngineError::Backend`] if a library or device is missing, the backend was not built in, or the name is unknown.
pub fn open(name: &str, device: usize) -> Result<Box<dyn Engine>, EngineError> {
    if name == Backend::AUTO {
        return auto(device);
    }
    let Some(backend) = Backend::named(name) else {
        let known: Vec<&str> = BACKENDS.iter().map(|backend| backend.name).collect();
        let problem = format!("there is no `{name}`; the backends are {}", known.join(", "));
        return Err(EngineError::Backend { backend: "NAME", asked: Asked::Backend, problem });
    };
    (backend.open)(device)
}

fn auto(device: usize) -> Result<Box<dyn Engine>, EngineError> {
    let mut refusals = Vec::new();
    for backend in BACKENDS {
        match (backend.try_to_open)(device) {
            Ok(engine) => return Ok(engine),
            Err(refusal) => refusals.push(refusal.to_string()),
        }
    }
    let problem = format!("nothing works: {}", refusals.join("; "));
    Err(EngineError::Backend { backend: Backend::AUTO, asked: Asked::Backend, problem })
}

/// Processor features available to the CPU kernels: equal features give results that are equal to the bit.
pub fn cpu_features() -> Vec<String> {
    let mut features = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    for set in ddpm_kernels::cpu::InstructionSet::available() {
        features.push(format!("{set:?}").to_lowercase());
    }
    features
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn cpu(backend: &'static str, index: usize) -> Result<String, EngineError> {
    if index > 0 {
        let problem = "does not exist: a CPU backend has device 0 only".to_owned();
        return Err(EngineError::Backend { backend, asked: Asked::Device(index), problem });
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(format!("CPU ({cores} {})", if cores == 1 { "core" } else { "cores" }))
}
