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

/// The most samples, draws of an image and images of a batch that an option may ask for: as many as no memory or time is
/// enough for.
const MOST: usize = 10_000_000;

fn at_most(values: &[(&str, usize)]) -> Result<(), Failure> {
    match values.iter().find(|(_, value)| *value > MOST) {
        Some((option, value)) => Err(Failure::mistake(format!("{option} {value}: expected at most {MOST}"))),
        None => Ok(()),
    }
}

fn at_least_one(values: &[(&str, usize)]) -> Result<(), Failure> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((option, _)) => Err(Failure::mistake(format!("{option} 0: expected at least 1"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_cannot_be_computed_are_refused_by_their_option() {
        at_most(&[("--n", 1), ("--batch", MOST)]).unwrap();
        for (value, told) in [
            (MOST + 1, "--batch 10000001: expected at most 10000000"),
            (10_000_000_000_000, "--batch 10000000000000: expected at most 10000000"),
        ] {
            let refused = at_most(&[("--n", 64), ("--batch", value)]);
            assert!(matches!(&refused, Err(Failure::Mistake(message)) if message == told), "{refused:?}");
        }
    }
}
