//! `cldiff sample`, `export`, `predict` and `bpd`: uses of a finished model, one of this program's or one of diffusers'.

mod bpd;
mod export;
mod predict;
mod sample;

use cldiff_engine::{Engine, EngineError};
use ddpm_core::{CoreError, network::NetworkShape};

pub use self::{bpd::bits_per_dimension, export::export, predict::predict, sample::sample};
use crate::{args::ModelArgs, failure::Failure, files::hub};

/// The shape of the model: one that cannot be read is told before a backend is looked for.
fn shape(args: &ModelArgs) -> Result<NetworkShape, Failure> {
    let network = cldiff_engine::network_of(&hub::directory(&args.model)?);
    Ok(network.map_err(|e| Failure::mistake(format!("--model: {e}")))?.shape())
}

fn open(args: &ModelArgs) -> Result<Box<dyn Engine>, Failure> {
    cldiff_engine::open(args.backend.name(), args.device).map_err(|error| Failure::of_backend(&error))
}

fn tell_mistake(error: EngineError) -> Failure {
    match error {
        EngineError::Core(CoreError::Config { ref key, ref value, ref expected }) => {
            let option = match key.as_str() {
                key @ ("steps" | "eta" | "class" | "guidance") => format!("--{key}"),
                "x_T" => "--x-T".to_owned(),
                "sample_size" => return Failure::mistake(format!("{error}: give it by --x-T")),
                key => format!("`{key}`"),
            };
            Failure::mistake(format!("{option} {value}: {expected}"))
        }
        // Nothing that the user has typed is wrong.
        error @ EngineError::Core(CoreError::NotFinite { .. }) => Failure::Other(error.into()),
        error @ EngineError::Core(_) => Failure::mistake(error),
        other => Failure::Other(other.into()),
    }
}

fn at_least_one(values: &[(&str, usize)]) -> Result<(), Failure> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((option, _)) => Err(Failure::mistake(format!("{option} 0: expected at least 1"))),
        None => Ok(()),
    }
}
