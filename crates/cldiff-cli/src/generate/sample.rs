//! `cldiff sample`: samples of a model, as pictures or as a tensor.

use cldiff_engine::SampleJob;

use super::{at_least_one, at_most, open, shape, tell_mistake};
use crate::{
    args::{SampleArgs, SamplerArg},
    failure::Failure,
    files::{hub, output::Output, tensors::Tensors},
    ui::{progress::Progress, width::say},
};

/// Samples, when nothing says how many.
const COUNT: usize = 16;

/// Draws samples.
///
/// # Errors
/// [`Failure::Mistake`] for a model or arguments that cannot work, before anything is written.
pub fn sample(args: &SampleArgs) -> Result<(), Failure> {
    at_least_one(&[
        ("--n", args.n.unwrap_or(1)),
        ("--batch", args.batch),
        ("--steps", args.steps.unwrap_or(1)),
    ])?;
    at_most(&[("--n", args.n.unwrap_or(1)), ("--batch", args.batch)])?;
    if let Some(eta) = args.eta.filter(|eta| !eta.is_finite() || *eta < 0.0) {
        return Err(Failure::mistake(format!("--eta {eta}: expected 0 or more")));
    }
    if args.guidance.is_some_and(|scale| !scale.is_finite()) {
        return Err(Failure::mistake("--guidance: expected a finite number"));
    }
    let x_t = args.x_t.as_ref().map(|file| Tensors::read(file)?.images("x_T")).transpose()?;
    let given = x_t.as_ref().map(|x_t| x_t.shape[0]);
    let job = SampleJob {
        model: hub::directory(&args.model.model)?.into_owned(),
        count: args.n.or(given).unwrap_or(COUNT),
        batch: args.batch,
        class: args.class,
        sampler: args.sampler.and_then(SamplerArg::sampler),
        steps: args.steps,
        eta: args.eta,
        guidance: args.guidance,
        seed: args.seed,
        x_t,
    };
    let output = Output::new(&args.out, shape(&args.model)?.in_channels)?;
    let engine = open(&args.model)?;
    let progress = Progress::new(args.quiet);
    let mut started = false;
    let mut tell = |p: ddpm_core::sampler::Progress| {
        if !std::mem::replace(&mut started, true) {
            progress.set_total(job.count.saturating_mul(p.total) as u64);
        }
        progress.advance(p.batch as u64, || format!("sampling, step {}/{}", p.done, p.total));
    };
    let x_0 = engine.sample(&job, &mut tell).map_err(tell_mistake)?;
    progress.finish();
    output.write(&x_0)?;
    say(&format!("{} samples: {}", x_0.shape[0], args.out.display()));
    Ok(())
}
