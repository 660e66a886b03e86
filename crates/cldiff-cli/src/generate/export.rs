//! `cldiff export`: a model as a pipeline of diffusers.

use super::{open, shape, tell_mistake};
use crate::{args::ExportArgs, failure::Failure, files::hub, ui::width::say};

/// Writes a model as a pipeline directory.
///
/// # Errors
/// [`Failure::Mistake`] for a model that cannot be read, and where something is there already.
pub fn export(args: &ExportArgs) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(Failure::mistake(format!("--out {}: it exists already", args.out.display())));
    }
    shape(&args.model)?;
    open(&args.model)?.export(&hub::directory(&args.model.model)?, &args.out).map_err(tell_mistake)?;
    if !args.quiet {
        say(&format!("pipeline: {}", args.out.display()));
    }
    Ok(())
}
