//! `cldiff predict`: the prediction of a model for given noisy images.

use cldiff_engine::PredictJob;

use super::{open, shape, tell_mistake};
use crate::{
    args::PredictArgs,
    failure::Failure,
    files::{
        hub, output,
        tensors::{self, Tensors},
    },
    ui::width::say,
};

/// Writes what a model predicts.
///
/// # Errors
/// [`Failure::Mistake`] for a model or tensors that cannot be read, before anything is written.
pub fn predict(args: &PredictArgs) -> Result<(), Failure> {
    let tensors = Tensors::read(&args.input)?;
    let job = PredictJob {
        model: hub::directory(&args.model.model)?.into_owned(),
        x_t: tensors.images("x_t")?,
        t: tensors.indices("t")?,
        y: if tensors.has("y") { Some(tensors.indices("y")?) } else { None },
    };
    shape(&args.model)?;
    output::check_file(&args.out)?;
    let prediction = open(&args.model)?.predict(&job).map_err(tell_mistake)?;
    tensors::write(&args.out, "prediction", &prediction)?;
    if !args.quiet {
        say(&format!("{} predictions: {}", prediction.shape[0], args.out.display()));
    }
    Ok(())
}
