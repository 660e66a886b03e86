//! `cldiff weights convert`: a PyTorch file made a safetensors file.

use std::{fs, path::Path};

use cl_metrics::features::inception::{Converted, convert_weights};

use super::tell;
use crate::failure::Failure;

pub(super) fn convert(file: &Path, out: &Path) -> Result<Converted, Failure> {
    if let Some(dir) = out.parent() {
        fs::create_dir_all(dir).map_err(|e| Failure::mistake(format!("{}: {e}", dir.display())))?;
    }
    let converted = convert_weights(file, out).map_err(Failure::mistake)?;
    tell(out)?;
    // Counters of batches are in every state dict, and nothing to speak of.
    let left_out: Vec<&str> = converted
        .left_out
        .iter()
        .map(String::as_str)
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    print!("{} tensors", converted.tensors);
    match &left_out[..] {
        [] => println!(),
        names => println!("; left out, since the network does not read them: {}", names.join(", ")),
    }
    Ok(converted)
}
