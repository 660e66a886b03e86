//! Models as Hugging Face diffusers keeps them: a network as `config.json` beside
//! `diffusion_pytorch_model.safetensors`, a pipeline as a directory with `model_index.json`, `unet/` and `scheduler/`.

mod classes;
mod directory;
mod fields;
mod json;
mod scheduler;
mod weights;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use serde_json::{Map, Value};

use self::json::{read_json, write_json};
pub use self::{directory::Parts, scheduler::SchedulerConfig, weights::load_tensors};
pub(crate) use self::{
    fields::{pass_over, read_fields},
    weights::modern_names,
};
use crate::{
    AnyNetwork, BuildNetwork, CoreError, Kernels, Network, NetworkOptions, TrainBackend, UNet2D,
    UNet2DConfig,
    noise::{Key, Purpose},
    parameters::{named_parameters, with_named_parameters},
};

const CONFIG: &str = "config.json";
const INDEX: &str = "model_index.json";
/// The directories of the network in a pipeline, of diffusers' and of ours.
const UNET: &str = "unet";
const NETWORK: &str = "network";
const SCHEDULER: &str = "scheduler_config.json";
/// The release whose file formats these are.
const VERSION: &str = "0.42.1";

/// A network with the process that it was trained for.
#[derive(Debug)]
pub struct Pretrained<B: Kernels> {
    /// The network.
    pub unet: UNet2D<B>,
    /// The process and how diffusers would sample from it; diffusers' defaults where a directory has none.
    pub scheduler: SchedulerConfig,
}

/// Writes network and scheduler as a pipeline: a UNet so that `DiffusionPipeline.from_pretrained(dir)` loads it and draws
/// as the scheduler says. diffusers has no pipeline of pixels with another network; such a one is written as `network/`
/// beside `scheduler/`.
///
/// # Errors
/// [`CoreError::Io`] if a file cannot be written, [`CoreError::Config`] for a network that diffusers cannot express, or
/// whose channels do not fit the scheduler.
pub fn save_diffusers<B: Kernels, N: Network<B>>(
    network: &N,
    scheduler: &SchedulerConfig,
    dir: &Path,
) -> Result<(), CoreError> {
    let (class, variance) = (network.options().class_name(), scheduler.process()?.variance);
    directory::check_channels(&network.options().shape(), variance, scheduler.variance_type.as_deref())?;
    let is_unet = class == UNet2DConfig::default().class_name();
    save_network(network, &dir.join(if is_unet { UNET } else { NETWORK }))?;
    save_scheduler(scheduler, &dir.join("scheduler"))?;
    if !is_unet {
        return Ok(());
    }
    let index = serde_json::json!({
        "_class_name": scheduler.pipeline(),
        "_diffusers_version": VERSION,
        "scheduler": ["diffusers", scheduler.class],
        "unet": ["diffusers", class],
    });
    write_json(&dir.join(INDEX), &index)
}

/// Reads a directory that diffusers or [`save_diffusers`] wrote: a pipeline, or a network with or without a
/// `scheduler_config.json` beside it.
///
/// # Errors
/// As [`load_unet`] and [`Parts::find`]; [`CoreError::Format`] for a network and a scheduler that do not fit each other.
pub fn load_diffusers<B: Kernels>(dir: &Path, device: &B::Device) -> Result<Pretrained<B>, CoreError> {
    let parts = Parts::find(dir)?;
    parts.check(&unet_config(&parts.network)?.shape())?;
    Ok(Pretrained { unet: load_unet(&parts.network, device)?, scheduler: parts.scheduler })
}

/// The configurations of a directory that [`load_diffusers`] reads, without the weights.
///
/// # Errors
/// As [`load_diffusers`].
pub fn read_configs(dir: &Path) -> Result<(UNet2DConfig, SchedulerConfig), CoreError> {
    let parts = Parts::find(dir)?;
    Ok((unet_config(&parts.network)?, parts.scheduler))
}

fn unet_config(dir: &Path) -> Result<UNet2DConfig, CoreError> {
    let mut config = UNet2DConfig::default();
    NetworkFile::read(dir)?.fill(&mut config)?;
    Ok(config)
}

/// The `config.json` of a network's directory.
#[derive(Debug, Clone)]
pub struct NetworkFile {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl NetworkFile {
    /// Reads the file in a network's directory.
    ///
    /// # Errors
    /// [`CoreError::Io`]; [`CoreError::Format`] for a file that is no JSON object, and for a directory without one, whose
    /// content it lists.
    pub fn read(dir: &Path) -> Result<Self, CoreError> {
        let path = dir.join(CONFIG);
        if dir.is_dir() && !path.exists() {
            let problem = format!("there is no {CONFIG}; {}", directory::contents(dir));
            return Err(CoreError::Format { path: dir.to_owned(), problem });
        }
        let fields = read_json(&path)?;
        match fields.get("_class_name") {
            None | Some(Value::Null | Value::String(_)) => Ok(Self { path, fields }),
            Some(other) => {
                let problem =
                    format!("`_class_name` is {}: expected a text", fields::cut(&other.to_string()));
                Err(CoreError::Format { path, problem })
            }
        }
    }

    /// The class of the network; none where the file does not say.
    pub fn class_name(&self) -> Option<&str> {
        self.fields.get("_class_name").and_then(Value::as_str)
    }

    /// The error for a class that nobody knows.
    pub fn unknown_class(&self, known: &[&str]) -> CoreError {
        let class = self.class_name().unwrap_or_default();
        let problem = format!("`_class_name` is \"{class}\", expected \"{}\"", known.join("\" or \""));
        CoreError::Format { path: self.path.clone(), problem }
    }

    /// Fills options with the file's, and checks them.
    ///
    /// # Errors
    /// [`CoreError::Format`] for another class of network, for values that are not understood, and for values that do not
    /// fit each other. A key that is not known is passed over with a warning.
    pub fn fill(&self, options: &mut dyn NetworkOptions) -> Result<(), CoreError> {
        let class = self.class_name().unwrap_or(options.class_name());
        if !options.reads_class(class) {
            return Err(self.unknown_class(&[options.class_name()]));
        }
        let mut fields = self.fields.clone();
        fields.retain(|key, _| !key.starts_with('_'));
        options.take_config(class, fields).map_err(CoreError::in_file(&self.path))?;
        options.validate().map_err(CoreError::in_file(&self.path))
    }
}

/// Writes a network in the form of its class: for a UNet, `UNet2DModel.from_pretrained(dir)` loads it.
///
/// # Errors
/// [`CoreError::Io`] if a file cannot be written, [`CoreError::Config`] for a network that the form cannot express,
/// [`CoreError::Format`] for one with numbers that are not finite.
pub fn save_network<B: Kernels, N: Network<B>>(network: &N, dir: &Path) -> Result<(), CoreError> {
    let options = network.options();
    let mut config = Map::from_iter([
        ("_class_name".to_owned(), Value::from(options.class_name())),
        ("_diffusers_version".to_owned(), Value::from(VERSION)),
    ]);
    config.extend(options.to_config()?);
    let tensors = options.to_file_names(named_parameters(network).into_iter().collect())?;
    fs::create_dir_all(dir).map_err(CoreError::io(dir))?;
    write_json(&dir.join(CONFIG), &Value::Object(config))?;
    weights::save(tensors, dir)
}

/// Writes a scheduler so that the `from_pretrained(dir)` of its class loads it.
///
/// # Errors
/// As [`save_diffusers`].
pub fn save_scheduler(scheduler: &SchedulerConfig, dir: &Path) -> Result<(), CoreError> {
    fs::create_dir_all(dir).map_err(CoreError::io(dir))?;
    let path = dir.join(SCHEDULER);
    write_json(&path, &scheduler.to_json())?;
    SchedulerConfig::read(&path).map(|_| ())
}

/// Reads a UNet that diffusers or [`save_network`] wrote.
///
/// # Errors
/// [`CoreError::Io`] for a file that cannot be read, [`CoreError::Format`] for one that is not what it should be or
/// holds a tensor that does not fit or is not finite, or an architecture that is not supported.
pub fn load_unet<B: Kernels>(dir: &Path, device: &B::Device) -> Result<UNet2D<B>, CoreError> {
    let config = unet_config(dir)?;
    let (file, tensors) = read_weights(&config, dir)?;
    let unet = config.init::<B>(REPLACED, device)?;
    with_named_parameters(unet, tensors).map_err(CoreError::in_file(&file))
}

/// Reads the weights of a network whose options were [filled](NetworkFile::fill) from its directory.
///
/// # Errors
/// As [`load_unet`].
pub fn load_network<B: TrainBackend>(
    options: &dyn BuildNetwork<B>,
    dir: &Path,
    device: &B::Device,
) -> Result<AnyNetwork<B>, CoreError> {
    let (file, tensors) = read_weights(options, dir)?;
    let network = options.build(REPLACED, device)?;
    with_named_parameters(network, tensors).map_err(CoreError::in_file(&file))
}

/// Initial values that a checkpoint replaces.
const REPLACED: Key = Key::new(0, Purpose::named("replaced by the checkpoint"));

/// The weights of a network's directory under the names of its parameters, and their file.
fn read_weights(
    options: &dyn NetworkOptions,
    dir: &Path,
) -> Result<(PathBuf, HashMap<String, TensorData>), CoreError> {
    let files = weights::find(dir)?;
    let (file, tensors) = (files.name().to_owned(), files.load()?);
    weights::check_finite(&tensors).map_err(CoreError::in_file(&file))?;
    // A configuration may claim any size; memory is taken only for what the file holds.
    let held: usize = tensors.values().map(|t| t.shape.num_elements()).sum();
    if options.least_parameters() > held {
        let problem = format!(
            "the network of {} has at least {} parameters, this file has {held}",
            dir.join(CONFIG).display(),
            options.least_parameters()
        );
        return Err(CoreError::Format { path: file, problem });
    }
    let tensors = options.to_own_names(tensors).map_err(CoreError::in_file(&file))?;
    Ok((file, tensors))
}
