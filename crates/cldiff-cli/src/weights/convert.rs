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
    let others = converted.left_out.iter().filter(|name| !name.ends_with("num_batches_tracked")).count();
    println!("{} tensors; {others} others, which the network does not read, are left out", converted.tensors);
    Ok(converted)
}
