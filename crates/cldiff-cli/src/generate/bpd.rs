//! `cldiff bpd`: bits per dimension of images under a model, term by term.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cldiff_engine::BitsJob;
use data_streams::{ImageDataset, ImageShape};
use ddpm_core::{
    likelihood::BitsPerDimension,
    network::NetworkShape,
    noise::{Key, Purpose},
};
use serde_json::json;

use super::{at_least_one, at_most, open, shape, tell_mistake};
use crate::{
    args::BpdArgs,
    config::{advised, named_split, places},
    failure::Failure,
    files::{class_names::class_names, hub, output, tensors::Tensors},
    ui::{progress::Progress, width::say},
};

const LIMIT: Purpose = Purpose::named("images of cldiff bpd");

/// Writes the terms of the bits per dimension.
///
/// # Errors
/// [`Failure::Mistake`] for a model, images or arguments that cannot work, before anything is written; [`Failure::Other`] if
/// the result cannot be written.
pub fn bits_per_dimension(args: &BpdArgs) -> Result<(), Failure> {
    at_least_one(&[
        ("--stride", args.stride),
        ("--draws", args.draws),
        ("--batch", args.batch),
        ("--limit", args.limit.unwrap_or(1)),
    ])?;
    at_most(&[("--stride", args.stride), ("--draws", args.draws), ("--batch", args.batch)])?;
    let images = images(args)?;
    check_size(&args.images, images.shape(), &shape(&args.model)?)?;
    let limited = |limit| images.select(&images.stratified(limit, Key::new(0, LIMIT)));
    let images = args.limit.map_or_else(|| images.clone(), limited);
    let job = BitsJob {
        model: hub::directory(&args.model.model)?.into_owned(),
        images,
        batch: args.batch,
        stride: args.stride,
        draws: args.draws,
        seed: args.seed,
    };
    output::check_file(&args.out)?;
    let engine = open(&args.model)?;
    let progress = Progress::new(args.quiet);
    progress.set_total(1000);
    let mut shown = 0;
    let mut tell = |share: f64| {
        let now = (share * 1000.0) as u64;
        progress.advance(now.saturating_sub(shown), || "evaluating the bound".to_owned());
        shown = shown.max(now);
    };
    let bits = engine.bits_per_dimension(&job, &mut tell).map_err(tell_mistake)?;
    progress.finish();
    let text = format!("{:#}\n", file_content(&bits, args.stride, args.draws));
    std::fs::write(&args.out, text).with_context(|| format!("cannot write {}", args.out.display()))?;
    let error = bits.standard_error.map_or(String::new(), |e| format!(" +- {e:.4}"));
    say(&format!(
        "{:.4}{error} bits per dimension of {} images: {}",
        bits.total,
        bits.images,
        args.out.display()
    ));
    Ok(())
}

/// Keys in the order of their importance; a term is that of a timestep drawn in `t .. t + width`, for all of which it
/// stands.
fn file_content(bits: &BitsPerDimension, stride: usize, draws: usize) -> serde_json::Value {
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
        "draws": draws,
        "terms": terms,
    })
}

/// The images whose likelihood is asked for.
fn images(args: &BpdArgs) -> Result<ImageDataset, Failure> {
    if Path::new(&args.images).extension().is_some_and(|e| e == "safetensors") {
        let model = shape(&args.model)?;
        let tensors = Tensors::read(&PathBuf::from(&args.images))?;
        let (shape, pixels) = tensors.pixels("images")?;
        let (labels, below) = match model.conditions {
            Some(conditions) => (tensors.indices("labels")?, conditions),
            None => (vec![0; shape[0]], 1),
        };
        let wrong = |problem: String| tensors.mistake(format!("tensor `labels`: {problem}"));
        let names = class_names(&labels, below).map_err(wrong)?;
        let [_, channels, height, width] = shape;
        let shape = ImageShape { channels, height, width };
        return ImageDataset::new(&args.images, shape, names, pixels, labels)
            .map_err(|e| Failure::mistake(format!("{}: {e}", args.images)));
    }
    let told = |problem: String| Failure::mistake(format!("--images {}: {problem}", args.images));
    let Some(named) = named_split(&args.images) else {
        return Err(told(
            "expected a .safetensors file, or a data set; `cldiff data list` names those".to_owned(),
        ));
    };
    let (mut data, split) = named.map_err(told)?;
    // Data that are drawn can be drawn at the size that the model needs.
    let model = shape(&args.model)?;
    data.edit().adapt(model.in_channels, model.size);
    data.build_split(&places(args.data_dir.as_deref()), split).map_err(|error| told(advised(&error)))
}

/// Refuses images of another size than the model's. A UNet computes a bound for them, which is not that of a model of this
/// size.
fn check_size(named: &str, images: ImageShape, model: &NetworkShape) -> Result<(), Failure> {
    match model.size {
        Some(size) if size != images.size() => Err(Failure::mistake(format!(
            "--images {named}: images of {}x{}, but the model was trained on {}x{} (the size in its config.json)",
            images.height, images.width, size.height, size.width
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ddpm_core::ImageSize;

    use super::*;

    #[test]
    fn images_of_another_size_than_the_models_are_refused() {
        let check = |size: Option<ImageSize>, height: usize, width: usize| {
            let model = NetworkShape {
                in_channels: 1,
                out_channels: 1,
                size,
                multiple: 2,
                fixed_size: false,
                conditions: None,
            };
            match check_size("mnist:test", ImageShape { channels: 1, height, width }, &model) {
                Ok(()) => None,
                Err(Failure::Mistake(message)) => Some(message),
                Err(other) => panic!("{other:?}"),
            }
        };
        let square = Some(ImageSize::square(8));
        assert_eq!(
            check(square, 28, 28).unwrap(),
            "--images mnist:test: images of 28x28, but the model was trained on 8x8 (the size in its config.json)"
        );
        assert_eq!(check(square, 8, 8), None);
        let wide = Some(ImageSize { height: 8, width: 16 });
        assert!(check(wide, 16, 8).unwrap().contains("images of 16x8, but the model was trained on 8x16"));
        // A configuration that names no size forbids none.
        assert_eq!(check(None, 28, 28), None);
    }
}
