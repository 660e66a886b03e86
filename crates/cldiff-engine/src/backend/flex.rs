//! The CPU, by burn-flex.

use super::Backend;
#[cfg(feature = "flex")]
use super::{BackendEngine, cpu};
use crate::{Engine, EngineError};

crate::everywhere::here! { "flex", burn_flex::Flex }

pub(super) const BACKEND: Backend = Backend {
    name: "flex",
    summary: "The CPU, by burn-flex: the faster of the two",
    is_built_in: cfg!(feature = "flex"),
    is_gpu: false,
    open,
    try_to_open: open,
};

#[cfg(feature = "flex")]
fn open(index: usize) -> Result<Box<dyn Engine>, EngineError> {
    let description = cpu(BACKEND.name, index)?;
    let device = burn_flex::FlexDevice;
    Ok(Box::new(BackendEngine::<burn_flex::Flex> {
        device,
        backend: BACKEND.name,
        is_gpu: false,
        description,
    }))
}

#[cfg(not(feature = "flex"))]
fn open(_index: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(Backend::not_built_in(BACKEND.name))
}
