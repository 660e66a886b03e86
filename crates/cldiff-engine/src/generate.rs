//! The uses of a finished model: samples, predictions, bits per dimension. The model is a directory that diffusers
//! or this project wrote.

use std::path::{Path, PathBuf};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, TensorData},
};
use burn_autodiff::Autodiff;
use data_streams::ImageDataset;
use ddpm_core::{
    AnyNetwork, Conditioning, CoreError, Denoiser, GaussianDiffusion, Guided, ImageSize, Kernels,
    diffusers::{NetworkFile, Parts, SchedulerConfig, load_network, save_diffusers},
    likelihood::{self, BitsPerDimension, LikelihoodRequest},
    network::NetworkShape,
    noise::{Key, Purpose, indices},
    plain_value,
    sampler::{self, Ddim, SampleRequest, SamplerConfig},
};

use crate::{
    EngineError, ModelConfig, NetworkConfig,
    everywhere::Home,
    sampling::{Sampling, check_eta},
};

const SAMPLES: Purpose = Purpose::named("sample");
const BITS: Purpose = Purpose::named("bits per dimension");

/// Images, or what is shaped like them, in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostImages {
    /// n, c, h, w
    pub shape: [usize; 4],
    /// The numbers, row after row.
    pub values: Vec<f32>,
}

/// A model, and the samples to draw from it.
#[derive(Debug, Clone)]
pub struct SampleJob {
    /// The model's directory.
    pub model: PathBuf,
    /// Number of samples.
    pub count: usize,
    /// Maximum number of samples computed at a time.
    pub batch: usize,
    /// Class of the samples; without it, a class-conditional model draws its classes in turn.
    pub class: Option<usize>,
    /// The sampler, of which the kind counts: its options are those of the model's scheduler. None: a checkpoint of a run
    /// draws as the run did, and any other model by DDIM.
    pub sampler: Option<SamplerConfig>,
    /// Its steps; each sampler has its default.
    pub steps: Option<usize>,
    /// The noise of DDIM; none if absent. A sampler without such an option refuses it.
    pub eta: Option<f64>,
    /// The scale of classifier-free guidance, for a model whose last class is "no label"; absent as for the sampler.
    pub guidance: Option<f64>,
    /// The seed of the noise.
    pub seed: u64,
    /// The initial noise, in place of the seed's.
    pub x_t: Option<HostImages>,
}

/// Noisy images to denoise.
#[derive(Debug, Clone)]
pub struct PredictJob {
    /// The model's directory.
    pub model: PathBuf,
    /// The noisy images.
    pub x_t: HostImages,
    /// Their timesteps.
    pub t: Vec<usize>,
    /// Their classes.
    pub y: Option<Vec<usize>>,
}

/// Images whose likelihood is asked for.
#[derive(Debug, Clone)]
pub struct BitsJob {
    /// The model's directory.
    pub model: PathBuf,
    /// The images; their labels are the conditions of a class-conditional model.
    pub images: ImageDataset,
    /// Maximum number of images computed at a time.
    pub batch: usize,
    /// See [`LikelihoodRequest::stride`].
    pub stride: usize,
    /// See [`LikelihoodRequest::draws`].
    pub draws: usize,
    /// The seed of noise and timesteps.
    pub seed: u64,
}

/// A value that does not fit the model.
fn misfit(key: &str, value: impl std::fmt::Debug, expected: String) -> EngineError {
    CoreError::Config { key: key.into(), value: plain_value(&value), expected }.into()
}

fn to_tensor<B: Kernels>(images: &HostImages, device: &B::Device) -> Tensor<B, 4> {
    Tensor::from_data(
        TensorData::new(images.values.clone(), images.shape),
        ddpm_kernels::floats_on::<B>(device),
    )
}

fn to_host<B: Kernels>(images: Tensor<B, 4>) -> HostImages {
    let shape = images.dims();
    HostImages { shape, values: images.into_data().convert::<f32>().iter::<f32>().collect() }
}

/// Refuses images with numbers that are not finite.
fn finite(images: HostImages, things: &'static str) -> Result<HostImages, EngineError> {
    let size = images.shape[1..].iter().product::<usize>().max(1);
    let lost = images.values.chunks(size).filter(|image| image.iter().any(|v| !v.is_finite())).count();
    CoreError::if_not_finite(things, lost, images.shape[0])?;
    Ok(images)
}

/// A model in a directory, with its process.
struct Pretrained<B: Home> {
    network: AnyNetwork<B>,
    shape: NetworkShape,
    scheduler: SchedulerConfig,
    process: GaussianDiffusion,
}

/// The network in a model's directory, without its weights, of which only the files are looked for.
///
/// # Errors
/// [`CoreError`] for a directory that cannot be read, a network that is not in the list, and parts that do not fit each
/// other.
pub fn network_of(model: &Path) -> Result<NetworkConfig, CoreError> {
    Ok(described(model)?.0)
}

fn described(model: &Path) -> Result<(NetworkConfig, Parts), CoreError> {
    let parts = Parts::find(model)?;
    let file = NetworkFile::read(&parts.network)?;
    // A file that does not say is a UNet's, as those of old releases are.
    let mut options = match file.class_name() {
        None => ModelConfig::default().0,
        Some(class) => {
            NetworkConfig::of_class(class).ok_or_else(|| file.unknown_class(&NetworkConfig::classes()))?
        }
    };
    file.fill(options.edit())?;
    parts.check(&options.shape())?;
    Ok((options, parts))
}

/// Reads a model of any network of the list.
fn load<B: Home>(model: &Path, device: &B::Device) -> Result<Pretrained<B>, EngineError> {
    let (options, Parts { network, scheduler, .. }) = described(model)?;
    let built = load_network::<Autodiff<B>>(B::network(&*options), &network, device)?;
    let process = scheduler.process()?.build()?;
    Ok(Pretrained { network: built.valid(), shape: options.shape(), scheduler, process })
}

/// Channels and size that a model takes; its own size where the images say nothing else.
fn check_images(model: &NetworkShape, key: &str, shape: [usize; 4]) -> Result<(), EngineError> {
    let [_, c, h, w] = shape;
    let multiple = model.multiple;
    if c != model.in_channels {
        return Err(misfit(key, shape, format!("the model takes {} channels", model.in_channels)));
    }
    if let (true, Some(size)) = (model.fixed_size, model.size)
        && [h, w] != [size.height, size.width]
    {
        let ImageSize { height, width } = size;
        return Err(misfit(key, shape, format!("the model takes images of {height} x {width} pixels alone")));
    }
    if h == 0 || w == 0 || h % multiple != 0 || w % multiple != 0 {
        let expected = format!("height and width must be multiples of {multiple} for this model");
        return Err(misfit(key, shape, expected));
    }
    Ok(())
}

fn check_class(model: &NetworkShape, key: &str, class: usize) -> Result<(), EngineError> {
    match model.conditions {
        None => Err(misfit(key, class, "the model is unconditional: leave the class out".into())),
        Some(n) if class >= n => Err(misfit(key, class, format!("expected 0 to {}", n - 1))),
        Some(_) => Ok(()),
    }
}

/// Draws samples.
///
/// # Errors
/// [`CoreError`] for a model or a request that cannot work, and for samples that are not finite.
pub(crate) fn sample<B: Home>(
    job: &SampleJob,
    device: &B::Device,
    progress: &mut dyn FnMut(sampler::Progress),
) -> Result<HostImages, EngineError> {
    let Pretrained { network, shape, scheduler, process } = load::<B>(&job.model, device)?;
    let [h, w] = match (&job.x_t, shape.size) {
        (Some(x_t), _) => [x_t.shape[2], x_t.shape[3]],
        (None, Some(size)) => size.into(),
        (None, None) => {
            let expected = "the model's configuration names no size: give the initial noise".to_owned();
            return Err(misfit("sample_size", None::<usize>, expected));
        }
    };
    if let Some(x_t) = &job.x_t {
        check_images(&shape, "x_T", x_t.shape)?;
        if x_t.shape[0] != job.count {
            return Err(misfit("x_T", x_t.shape, format!("expected {} images, as asked for", job.count)));
        }
    }
    let (sampler, guidance, no_label) = drawn_by(job, &scheduler)?;
    let request = SampleRequest {
        count: job.count,
        batch: job.batch,
        shape: [shape.in_channels, h, w],
        conditioning: conditioning(&shape, job, guidance, no_label)?,
        key: Key::new(job.seed, SAMPLES),
    };
    sampler.check(&process)?;
    let sampler = sampler.build::<B>();
    let model: &dyn Denoiser<B> = &network;
    let guided = guidance.map(|scale| {
        Guided::new(model, scale, shape.conditions.map_or(0, |classes| classes.saturating_sub(1)))
    });
    let model = guided.as_ref().map_or(model, |guided| guided);
    let x_0 = match &job.x_t {
        Some(x_t) => {
            let x_t = to_tensor(x_t, device);
            sampler::draw_from(&*sampler, model, &process, &request, x_t, progress)?
        }
        None => sampler::draw(&*sampler, model, &process, &request, device, progress)?,
    };
    finite(to_host(x_0), "samples")
}

/// The sampler and the scale of guidance, those that are asked for or else those of the run that the model is from; and
/// whether the model's last condition stands for "no label", where the run says so.
///
/// # Errors
/// [`CoreError`] for a file of the run that cannot be read, whether or not a sampler is asked for.
fn drawn_by(
    job: &SampleJob,
    scheduler: &SchedulerConfig,
) -> Result<(SamplerConfig, Option<f64>, Option<bool>), EngineError> {
    // Read where a sampler is named, too: it says which of the model's conditions stands for "no label".
    let of_run = Sampling::read(&job.model)?;
    let no_label = of_run.as_ref().and_then(|sampling| sampling.no_label);
    if let Some(sampling) = of_run.filter(|_| job.sampler.is_none()) {
        let guidance = job.guidance.or(sampling.guidance);
        return Ok((sampling.sampler(scheduler, job.steps, job.eta)?, guidance, no_label));
    }
    let mut sampler = job.sampler.clone().unwrap_or_else(|| SamplerConfig::of(Ddim::default()));
    check_eta(&sampler, job.eta)?;
    sampler.edit().follow(scheduler, job.steps, job.eta.unwrap_or(0.0));
    Ok((sampler, job.guidance, no_label))
}

fn conditioning(
    model: &NetworkShape,
    job: &SampleJob,
    guidance: Option<f64>,
    no_label: Option<bool>,
) -> Result<Conditioning, EngineError> {
    if let (Some(scale), Some(_), Some(false)) = (guidance, model.conditions, no_label) {
        let problem =
            "the model was trained without label dropout: none of its classes stands for \"no label\"";
        return Err(misfit("guidance", scale, problem.into()));
    }
    if let Some(class) = job.class {
        check_class(model, "class", class)?;
        return Ok(Conditioning::Classes(vec![class; job.count]));
    }
    match (model.conditions, guidance) {
        (None, None) => Ok(Conditioning::None),
        (None, Some(scale)) => {
            Err(misfit("guidance", scale, "the model is unconditional: there is nothing to guide".into()))
        }
        (Some(1), Some(scale)) => {
            Err(misfit("guidance", scale, "the model has no class beside \"no label\"".into()))
        }
        (Some(rows), guidance) => {
            let has_no_label = no_label.unwrap_or(guidance.is_some());
            let classes = rows.saturating_sub(usize::from(has_no_label));
            if classes == 0 {
                return Err(misfit(
                    "no_label",
                    has_no_label,
                    "the model has no class beside \"no label\"".into(),
                ));
            }
            Ok(Conditioning::Classes((0..job.count).map(|i| i % classes).collect()))
        }
    }
}

/// Writes a model as a pipeline, with the scheduler of its source, and how the run drew that it is from.
pub(crate) fn export<B: Home>(model: &Path, to: &Path, device: &B::Device) -> Result<(), EngineError> {
    let Pretrained { network, scheduler, .. } = load::<B>(model, device)?;
    let sampling = Sampling::read(model)?;
    save_diffusers(&network, &scheduler, to)?;
    Ok(sampling.map_or(Ok(()), |sampling| sampling.save(to))?)
}

/// The predictions of a model.
pub(crate) fn predict<B: Home>(job: &PredictJob, device: &B::Device) -> Result<HostImages, EngineError> {
    let Pretrained { network, shape, process, .. } = load::<B>(&job.model, device)?;
    let n = job.x_t.shape[0];
    check_images(&shape, "x_t", job.x_t.shape)?;
    if job.t.len() != n {
        return Err(misfit("t", job.t.len(), format!("expected {n} timesteps, one for each image")));
    }
    if let Some(&t) = job.t.iter().find(|&&t| t >= process.timesteps()) {
        return Err(misfit("t", t, format!("expected 0 to {}", process.timesteps() - 1)));
    }
    if let Some(y) = &job.y {
        if y.len() != n {
            return Err(misfit("y", y.len(), format!("expected {n} classes, one for each image")));
        }
        y.iter().try_for_each(|&class| check_class(&shape, "y", class))?;
    } else if shape.conditions.is_some() {
        return Err(misfit(
            "y",
            None::<usize>,
            "the model is class-conditional: give a class for each image".into(),
        ));
    }
    let y = job.y.as_ref().map(|y| indices(y, device));
    let prediction = network.denoise(to_tensor(&job.x_t, device), indices(&job.t, device), y);
    finite(to_host(prediction), "predictions")
}

/// The likelihood of images.
pub(crate) fn bits_per_dimension<B: Home>(
    job: &BitsJob,
    device: &B::Device,
    progress: &mut dyn FnMut(f64),
) -> Result<BitsPerDimension, EngineError> {
    let Pretrained { network, shape, scheduler, process } = load::<B>(&job.model, device)?;
    let (images, n) = (job.images.shape(), job.images.len());
    check_images(&shape, "images", [n, images.channels, images.height, images.width])?;
    let conditional = shape.conditions.is_some();
    if conditional {
        job.images.labels().iter().try_for_each(|&class| check_class(&shape, "labels", class))?;
    }
    let request = LikelihoodRequest {
        stride: job.stride,
        draws: job.draws,
        threshold: scheduler.threshold(),
        key: Key::new(job.seed, BITS),
    };
    let strata = likelihood::strata(process.timesteps(), job.stride).len();
    let (total, mut done) = (n.div_ceil(job.batch) as f64 * strata as f64 * job.draws as f64, 0.0);
    let mut result: Option<BitsPerDimension> = None;
    for first in (0..n).step_by(job.batch) {
        let positions: Vec<usize> = (first..n.min(first + job.batch)).collect();
        let x_0 = cl_strategies::images::<B>(&job.images, &positions, device);
        let labels: Vec<usize> = positions.iter().map(|&i| job.images.label(i)).collect();
        let y = conditional.then(|| indices(&labels, device));
        let mut tick = || {
            done += 1.0;
            progress(done / total);
        };
        let part =
            likelihood::bits_per_dimension(&network, &process, x_0, y, &request, first as u64, &mut tick);
        result = Some(result.map_or_else(|| part.clone(), |sum| sum.pool(&part)));
    }
    let bits = result.ok_or_else(|| misfit("images", 0, "expected at least one image".into()))?;
    let terms = bits.vlb.iter().chain(&bits.eps_mse).chain(&bits.x_0_mse).chain([&bits.total]);
    let lost = terms.clone().filter(|term| !term.is_finite()).count();
    CoreError::if_not_finite("terms of the bound", lost, terms.count())?;
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use ddpm_core::ProcessConfig;

    use super::*;

    fn job(model: &Path, sampler: Option<SamplerConfig>) -> SampleJob {
        SampleJob {
            model: model.to_owned(),
            count: 5,
            batch: 2,
            class: None,
            sampler,
            steps: None,
            eta: None,
            guidance: None,
            seed: 0,
            x_t: None,
        }
    }

    /// Without it, samples of a model whose labels were dropped would be of other classes.
    #[test]
    fn a_damaged_file_of_the_run_is_told_whether_or_not_a_sampler_is_named() {
        let model = tempfile::tempdir().unwrap();
        let scheduler = SchedulerConfig::of(&ProcessConfig::default());
        let ddim = || Some(SamplerConfig::of(Ddim::default()));
        for sampler in [None, ddim()] {
            assert!(drawn_by(&job(model.path(), sampler), &scheduler).is_ok(), "there is no file");
        }
        let file = model.path().join("cldiff_sampling.json");
        std::fs::write(&file, "{").unwrap();
        for sampler in [None, ddim()] {
            let message = drawn_by(&job(model.path(), sampler), &scheduler).unwrap_err().to_string();
            assert!(message.contains("cldiff_sampling.json"), "{message}");
        }
        std::fs::write(&file, r#"{"sampler": {"heun": {}}, "no_label": true}"#).unwrap();
        let (sampler, guidance, no_label) = drawn_by(&job(model.path(), ddim()), &scheduler).unwrap();
        assert_eq!((sampler.name(), guidance, no_label), ("ddim", None, Some(true)));
    }

    #[test]
    fn classes_come_in_turn_without_that_of_no_label() {
        let shape = |conditions| NetworkShape {
            in_channels: 1,
            out_channels: 1,
            size: None,
            multiple: 1,
            fixed_size: false,
            conditions,
        };
        let of = |rows: Option<usize>, guidance, no_label| {
            conditioning(&shape(rows), &job(Path::new("model"), None), guidance, no_label)
        };
        let classes = |classes: &[usize]| Conditioning::Classes(classes.to_vec());
        assert_eq!(of(Some(3), None, None).unwrap(), classes(&[0, 1, 2, 0, 1]));
        assert_eq!(of(Some(3), None, Some(true)).unwrap(), classes(&[0, 1, 0, 1, 0]));
        assert_eq!(of(Some(1), None, Some(false)).unwrap(), classes(&[0; 5]));
        assert_eq!(of(None, None, None).unwrap(), Conditioning::None);
        // Its only condition stands for "no label".
        for guidance in [None, Some(2.0)] {
            let message = of(Some(1), guidance, Some(true)).unwrap_err().to_string();
            assert!(message.contains("the model has no class beside \"no label\""), "{message}");
        }
    }

    #[test]
    fn images_that_are_not_finite_are_counted() {
        let images = |values: [f32; 6]| HostImages { shape: [3, 1, 1, 2], values: values.to_vec() };
        assert!(finite(images([0.0, -3.0, 1e30, 0.0, 0.0, -1e-40]), "samples").is_ok());
        for (values, told) in [
            ([f32::NAN, f32::NAN, 0.0, 0.0, 0.0, 0.0], "1 of 3 samples have numbers that are not finite"),
            ([0.0, f32::INFINITY, 0.0, f32::NAN, 0.0, 0.0], "2 of 3 samples"),
            ([f32::NEG_INFINITY, 0.0, 0.0, f32::NAN, f32::NAN, 0.0], "3 of 3 samples"),
        ] {
            let message = finite(images(values), "samples").unwrap_err().to_string();
            assert!(message.starts_with(told), "{message}");
        }
    }
}
