//! Any GPU by Vulkan, a software device included.

#[cfg(feature = "wgpu")]
mod vulkan;

// Linked for the code that both share, not for a name.
#[cfg(feature = "wgpu")]
extern crate gpu_instances as _;

use super::Backend;
#[cfg(feature = "wgpu")]
use super::{
    BackendEngine,
    cubecl_setup::{self, Memory},
};
use crate::{Engine, EngineError};

crate::everywhere::here! { "wgpu", ddpm_kernels::gpu::Wgpu }

pub(super) const BACKEND: Backend = Backend {
    name: "wgpu",
    summary: "Any GPU by Vulkan, a software device included",
    is_built_in: cfg!(feature = "wgpu"),
    is_gpu: true,
    open,
    try_to_open,
};

fn open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    open_device(index, true)
}

/// A software device is slower than the CPU's own backends: nobody wants it who has not asked for it.
fn try_to_open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    open_device(index, false)
}

#[cfg(feature = "wgpu")]
fn open_device(index: usize, software_too: bool) -> Result<Box<dyn Engine>, EngineError> {
    let (device, description) = vulkan::find(index, software_too)?;
    cubecl_setup::set_up(BACKEND.name, &description, Memory::Pieces);
    let backend = BACKEND.name;
    Ok(Box::new(BackendEngine::<ddpm_kernels::gpu::Wgpu> { device, backend, is_gpu: true, description }))
}

#[cfg(not(feature = "wgpu"))]
fn open_device(_index: usize, _software_too: bool) -> Result<Box<dyn Engine>, EngineError> {
    Err(Backend::not_built_in(BACKEND.name))
}
