//! An NVIDIA GPU by CUDA.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "cuda")]
mod headers;

use super::Backend;
#[cfg(feature = "cuda")]
use super::{
    BackendEngine,
    cubecl_setup::{self, Memory},
};
use crate::{Engine, EngineError};

crate::everywhere::here! { "cuda", ddpm_kernels::gpu::Cuda }

pub(super) const BACKEND: Backend = Backend {
    name: "cuda",
    summary: "An NVIDIA GPU by CUDA",
    is_built_in: cfg!(feature = "cuda"),
    is_gpu: true,
    open,
    try_to_open,
};

#[cfg(feature = "cuda")]
fn open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = driver::find(index)?;
    cubecl_setup::set_up(BACKEND.name, &description, Memory::ExactSizes);
    let (device, backend) = (burn_cuda::CudaDevice { index }, BACKEND.name);
    Ok(Box::new(BackendEngine::<ddpm_kernels::gpu::Cuda> { device, backend, is_gpu: true, description }))
}

/// Opens CUDA; on failure, warns if an NVIDIA GPU is present.
#[cfg(feature = "cuda")]
fn try_to_open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let opened = open(index);
    if let Err(refusal) = &opened
        && driver::is_there(index)
    {
        tracing::warn!("there is an NVIDIA GPU, which is not used: {refusal}");
    }
    opened
}

#[cfg(not(feature = "cuda"))]
fn open(_index: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(Backend::not_built_in(BACKEND.name))
}

#[cfg(not(feature = "cuda"))]
use open as try_to_open;
