//! Looking for CUDA before Burn does: cudarc panics where a library is missing, and kernels that lack a header fail one by
//! one where they are first needed.
//!
//! The one place outside `ddpm-kernels` with `unsafe` code: loading a library and calling into it has no safe form.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_uint};

use cubecl::cuda::install::cuda_path;

use libloading::Library;

use super::headers;
use crate::{Asked, EngineError};

const DRIVER: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
/// The names under which cudarc looks for the runtime compiler of CUDA 13, newest first.
const NVRTC: [&str; 3] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"];

fn missing(problem: impl Into<String>) -> EngineError {
    EngineError::Backend { backend: "cuda", asked: Asked::Backend, problem: problem.into() }
}

fn load(names: &[&str], what: &str) -> Result<Library, EngineError> {
    names
        .iter()
        // SAFETY: these are NVIDIA's own libraries, whose initialisers have no preconditions.
        .find_map(|name| unsafe { Library::new(*name) }.ok())
        .ok_or_else(|| {
            missing(format!("no {what} found: looked for {} in the library path", names.join(", ")))
        })
}

/// The name of the device `index`.
///
/// # Errors
/// [`EngineError::Backend`] if the driver, the runtime compiler, its headers or the device is missing.
pub(super) fn find(index: usize) -> Result<String, EngineError> {
    let driver = load(&DRIVER, "NVIDIA driver")?;
    let count = device_count(&driver)?;
    if index >= count {
        let problem = format!("does not exist: the driver has {count} device(s), from 0");
        return Err(EngineError::Backend { backend: "cuda", asked: Asked::Device(index), problem });
    }
    load(&NVRTC, "CUDA runtime compiler (NVRTC, part of the CUDA toolkit)")?;
    headers::check(cuda_path().as_deref()).map_err(missing)?;
    device_name(&driver, index)
}

/// Whether there is such a device, with or without what it takes to use it.
pub(super) fn is_there(index: usize) -> bool {
    load(&DRIVER, "NVIDIA driver").and_then(|driver| device_count(&driver)).is_ok_and(|count| index < count)
}

fn device_count(driver: &Library) -> Result<usize, EngineError> {
    let mut count: c_int = 0;
    // SAFETY: the signatures are those of the CUDA driver API, and `count` outlives the calls.
    let status = unsafe {
        let init = symbol::<unsafe extern "C" fn(c_uint) -> c_int>(driver, "cuInit")?;
        let get_count = symbol::<unsafe extern "C" fn(*mut c_int) -> c_int>(driver, "cuDeviceGetCount")?;
        match init(0) {
            0 => get_count(&raw mut count),
            failed => failed,
        }
    };
    match (status, usize::try_from(count)) {
        (0, Ok(count)) if count > 0 => Ok(count),
        (0 | 100, _) => Err(missing("the NVIDIA driver is there but finds no device")),
        (status, _) => {
            Err(missing(format!("the NVIDIA driver does not start (CUDA error {status}); is it too old?")))
        }
    }
}

fn device_name(driver: &Library, index: usize) -> Result<String, EngineError> {
    let mut name = [0_u8; 256];
    // SAFETY: the signature is that of the CUDA driver API; the length passed is the buffer's.
    let status = unsafe {
        let get_name =
            symbol::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(driver, "cuDeviceGetName")?;
        get_name(name.as_mut_ptr().cast(), name.len() as c_int, index as c_int)
    };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    match status {
        0 => Ok(String::from_utf8_lossy(&name[..end]).into_owned()),
        failed => Err(missing(format!("device {index} does not answer (CUDA error {failed})"))),
    }
}

/// # Safety
/// `F` must be the symbol's signature.
unsafe fn symbol<F: Copy>(driver: &Library, name: &str) -> Result<F, EngineError> {
    // SAFETY: passed on to the caller.
    unsafe { driver.get::<F>(name.as_bytes()) }
        .map(|symbol| *symbol)
        .map_err(|_| missing(format!("the NVIDIA driver has no {name}; it is too old or damaged")))
}
