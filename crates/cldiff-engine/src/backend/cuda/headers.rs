//! Whether a CUDA toolkit has what kernels include. A wheel of the runtime alone has not, and is found by the same
//! variable.

use std::path::Path;

/// Each with the places where toolkits have it.
const HEADERS: [&[&str]; 5] = [
    &["cuda_runtime.h"],
    &["cuda_fp16.h"],
    &["crt/mma.h"],
    &["cooperative_groups.h"],
    &["cuda/barrier", "cccl/cuda/barrier"],
];

/// Checks the headers of the toolkit with which kernels are compiled.
///
/// # Errors
/// The missing headers, in words.
pub fn check(toolkit: Option<&Path>) -> Result<(), String> {
    let toolkit = toolkit.ok_or(
        "no CUDA toolkit found, with whose headers kernels are compiled: looked for CUDA_PATH, /usr/local/cuda, /opt/cuda \
         and /usr/bin/nvcc",
    )?;
    let include = toolkit.join("include");
    let lacks = |places: &&&[&str]| !places.iter().any(|place| include.join(place).exists());
    match HEADERS.iter().find(lacks) {
        None => Ok(()),
        Some(places) => Err(format!(
            "the CUDA toolkit in {} has no include/{}, with which kernels are compiled; set CUDA_PATH to a whole toolkit",
            toolkit.display(),
            places[0]
        )),
    }
}
