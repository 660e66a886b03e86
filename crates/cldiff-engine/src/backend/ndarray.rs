//! The CPU, by burn-ndarray.

use super::Backend;
#[cfg(feature = "ndarray")]
use super::{BackendEngine, cpu};
use crate::{Engine, EngineError};

crate::everywhere::here! { "ndarray", burn_ndarray::NdArray<f32> }

pub(super) const BACKEND: Backend = Backend {
    name: "ndarray",
    summary: "The CPU, by burn-ndarray",
    is_built_in: cfg!(feature = "ndarray"),
    is_gpu: false,
    open,
    try_to_open: open,
};

#[cfg(feature = "ndarray")]
fn open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = cpu(BACKEND.name, index)?;
    let device = burn_ndarray::NdArrayDevice::Cpu;
    Ok(Box::new(BackendEngine::<burn_ndarray::NdArray<f32>> {
        device,
        backend: BACKEND.name,
        is_gpu: false,
        description,
    }))
}

#[cfg(not(feature = "ndarray"))]
fn open(_index: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(Backend::not_built_in(BACKEND.name))
}
