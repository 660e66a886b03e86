//! `cldiff sample`, `export`, `predict` and `bpd`: uses of a finished model, one of this program's or one of diffusers'.

mod bpd;
mod export;
mod predict;
mod sample;

use cldiff_engine::{Engine, EngineError};
use ddpm_core::{CoreError, UNet2DConfig, diffusers::read_configs};

pub use self::{bpd::bits_per_dimension, export::export, predict::predict, sample::sample};
use crate::{args::ModelArgs, failure::Failure};

/// The model's configuration: one that cannot be read is told before a backend is looked for.
fn config(args: &ModelArgs) -> Result<UNet2DConfig, Failure> {
    let (config, _) = read_configs(&args.model).map_err(|e| Failure::mistake(format!("--model: {e}")))?;
    Ok(config)
}

fn open(args: &ModelArgs) -> Result<Box<dyn Engine>, Failure> {
    cldiff_engine::open(args.backend.into(), args.device).map_err(Failure::mistake)
}

fn tell_mistake(error: EngineError) -> Failure {
    match error {
        EngineError::Core(CoreError::Config { ref key, ref value, ref expected }) => {
            let option = match key.strip_prefix("sampler.").unwrap_or(key) {
                key @ ("steps" | "class" | "guidance") => format!("--{key}"),
                "x_T" => "--x-T".to_owned(),
                key => format!("`{key}`"),
            };
            Failure::mistake(format!("{option} {value}: {expected}"))
        }
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
