//! `cldiff sample`, `predict` and `bpd`: what a finished model is used for, its own or one of diffusers'.

use std::path::{Path, PathBuf};

use cldiff_engine::{BitsJob, Engine, EngineError, PredictJob, SampleJob};
use data_streams::{ImageDataset, ImageShape};
use ddpm_core::{CoreError, UNet2DConfig, diffusers::read_configs, likelihood::BitsPerDimension};
use serde_json::json;

use crate::{
    args::{BpdArgs, ExportArgs, ModelArgs, PredictArgs, SampleArgs},
    config::DataConfig,
    failure::Failure,
    files::{
        output::{self, Output},
        tensors::{self, Tensors},
    },
    ui::progress::Progress,
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
    if !args.eta.is_finite() || args.eta < 0.0 {
        return Err(Failure::mistake(format!("--eta {}: expected 0 or more", args.eta)));
    }
    if args.guidance.is_some_and(|scale| !scale.is_finite()) {
        return Err(Failure::mistake("--guidance: expected a finite number"));
    }
    let x_t = args.x_t.as_ref().map(|file| Tensors::read(file)?.images("x_T")).transpose()?;
    let given = x_t.as_ref().map(|x_t| x_t.shape[0]);
    let job = SampleJob {
        model: args.model.model.clone(),
        count: args.n.or(given).unwrap_or(COUNT),
        batch: args.batch,
        class: args.class,
        sampler: args.sampler.into(),
        steps: args.steps,
        eta: args.eta,
        guidance: args.guidance,
        seed: args.seed,
        x_t,
    };
    let output = Output::new(&args.out, config(&args.model)?.in_channels)?;
    let engine = open(&args.model)?;
    let progress = Progress::new(args.model.quiet);
    let mut started = false;
    let mut tell = |p: ddpm_core::sampler::Progress| {
        if !std::mem::replace(&mut started, true) {
            progress.set_total((job.count * p.total) as u64);
        }
        progress.advance(p.batch as u64, || format!("sampling, step {}/{}", p.done, p.total));
    };
    let x_0 = engine.sample(&job, &mut tell).map_err(tell_mistake)?;
    progress.finish();
    output.write(&x_0)?;
    println!("{} samples: {}", x_0.shape[0], args.out.display());
    Ok(())
}

/// Writes a model as a pipeline directory.
///
/// # Errors
/// As [`sample`].
pub fn export(args: &ExportArgs) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(Failure::mistake(format!("--out {}: it exists already", args.out.display())));
    }
    config(&args.model)?;
    open(&args.model)?.export(&args.model.model, &args.out).map_err(tell_mistake)?;
    println!("pipeline: {}", args.out.display());
    Ok(())
}

/// Writes what a model predicts.
///
/// # Errors
/// As [`sample`].
pub fn predict(args: &PredictArgs) -> Result<(), Failure> {
    let tensors = Tensors::read(&args.input)?;
    let job = PredictJob {
        model: args.model.model.clone(),
        x_t: tensors.images("x_t")?,
        t: tensors.indices("t")?,
        y: if tensors.has("y") { Some(tensors.indices("y")?) } else { None },
    };
    config(&args.model)?;
    output::check_file(&args.out)?;
    let prediction = open(&args.model)?.predict(&job).map_err(tell_mistake)?;
    tensors::write(&args.out, "prediction", &prediction)?;
    println!("{} predictions: {}", prediction.shape[0], args.out.display());
    Ok(())
}

/// Writes the terms of the bits per dimension.
///
/// # Errors
/// As [`sample`].
pub fn bits_per_dimension(args: &BpdArgs) -> Result<(), Failure> {
    at_least_one(&[
        ("--stride", args.stride),
        ("--batch", args.batch),
        ("--limit", args.limit.unwrap_or(1)),
    ])?;
    let images = images(args)?;
    let images = args.limit.map_or_else(|| images.clone(), |limit| images.take(limit));
    let job = BitsJob {
        model: args.model.model.clone(),
        images,
        batch: args.batch,
        stride: args.stride,
        seed: args.seed,
    };
    output::check_file(&args.out)?;
    let engine = open(&args.model)?;
    let progress = Progress::new(args.model.quiet);
    progress.set_total(1000);
    let mut shown = 0;
    let mut tell = |share: f64| {
        let now = (share * 1000.0) as u64;
        progress.advance(now.saturating_sub(shown), || "evaluating the bound".to_owned());
        shown = shown.max(now);
    };
    let bits = engine.bits_per_dimension(&job, &mut tell).map_err(tell_mistake)?;
    progress.finish();
    let text = format!("{:#}\n", file_content(&bits, args.stride));
    std::fs::write(&args.out, text).map_err(|e| Failure::mistake(format!("{}: {e}", args.out.display())))?;
    let error = bits.standard_error.map_or(String::new(), |e| format!(" +- {e:.4}"));
    println!("{:.4}{error} bits per dimension of {} images: {}", bits.total, bits.images, args.out.display());
    Ok(())
}

/// Keys in the order of their importance; a term is that of one timestep, `width` of which it stands for.
fn file_content(bits: &BitsPerDimension, stride: usize) -> serde_json::Value {
    let terms: Vec<_> = bits
        .strata
        .iter()
        .enumerate()
        .map(|(i, (from, to))| {
            json!({
                "t": from, "width": to - from, "vlb": bits.vlb[i],
                "eps_mse": bits.eps_mse[i], "x_0_mse": bits.x_0_mse[i],
            })
        })
        .collect();
    json!({
        "bpd": bits.total,
        "standard_error": bits.standard_error,
        "prior": bits.prior,
        "images": bits.images,
        "stride": stride,
        "terms": terms,
    })
}

/// The images whose likelihood is asked for.
fn images(args: &BpdArgs) -> Result<ImageDataset, Failure> {
    if Path::new(&args.images).extension().is_some_and(|e| e == "safetensors") {
        let config = config(&args.model)?;
        let tensors = Tensors::read(&PathBuf::from(&args.images))?;
        let (shape, pixels) = tensors.pixels("images")?;
        let conditions = config.num_class_embeds;
        let labels = match conditions {
            Some(_) => tensors.indices("labels")?,
            None => vec![0; shape[0]],
        };
        let classes = conditions.unwrap_or(1).max(labels.iter().max().map_or(1, |m| m + 1));
        let names = (0..classes).map(|c| c.to_string()).collect();
        let [_, channels, height, width] = shape;
        let shape = ImageShape { channels, height, width };
        return ImageDataset::new(&args.images, shape, names, pixels, labels)
            .map_err(|e| Failure::mistake(format!("{}: {e}", args.images)));
    }
    let told = |problem: String| Failure::mistake(format!("--images {}: {problem}", args.images));
    let Some(named) = DataConfig::named_split(&args.images) else {
        return Err(told(
            "expected a .safetensors file, or a data set; `cldiff data list` names those".to_owned(),
        ));
    };
    let (mut data, split) = named.map_err(told)?;
    if let DataConfig::Glyphs(glyphs) = &mut data {
        // What is drawn can be drawn as the model needs it.
        let config = config(&args.model)?;
        glyphs.size = config.sample_size.unwrap_or(glyphs.size);
        glyphs.channels = config.in_channels;
    }
    data.build_split(args.data_dir.as_deref(), split).map_err(|error| told(error.to_string()))
}

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
