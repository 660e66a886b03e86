//! `cldiff weights convert`: a PyTorch file made a safetensors file.

use std::{fs, path::Path};

use cl_metrics::{features::Converted, pytorch::StateDict};

use super::{Published, published, tell};
use crate::{failure::Failure, files::weights::kept, ui::width::say};

/// The network that a PyTorch file is of, by the tensors in it; the first where it is of none, for its message.
pub(super) fn network_of(file: &Path) -> &'static Published {
    let state = StateDict::read(file).ok();
    let has = |network: &&Published| {
        state.as_ref().is_some_and(|state| state.form(network.first_parameter).is_some())
    };
    published().iter().find(has).unwrap_or(&published()[0])
}

/// Converts to `out`, or to where features look for the weights.
pub(super) fn convert(network: &Published, file: &Path, out: Option<&Path>) -> Result<Converted, Failure> {
    let out = &out.map_or_else(|| kept(network.features), Path::to_owned);
    if let Some(dir) = out.parent() {
        fs::create_dir_all(dir).map_err(|e| Failure::mistake(format!("{}: {e}", dir.display())))?;
    }
    let converted = (network.convert)(file, out).map_err(Failure::mistake)?;
    tell(network, out)?;
    // Counters of batches are in every state dict, and nothing to speak of.
    let left_out: Vec<&str> = converted
        .left_out
        .iter()
        .map(String::as_str)
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    let left_out = match &left_out[..] {
        [] => String::new(),
        names => format!("; left out, since the network does not read them: {}", names.join(", ")),
    };
    say(&format!("{} tensors{left_out}", converted.tensors));
    Ok(converted)
}
