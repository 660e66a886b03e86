//! Models as Hugging Face diffusers keeps them: a network as `config.json` beside
//! `diffusion_pytorch_model.safetensors`, a pipeline as a directory with `model_index.json`, `unet/` and `scheduler/`.

mod scheduler;
mod weights;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

pub use self::{scheduler::SchedulerConfig, weights::load_tensors};
use crate::{
    CoreError, Kernels, ProcessConfig, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    parameters::with_named_parameters,
};

const CONFIG: &str = "config.json";
const INDEX: &str = "model_index.json";
const SCHEDULER: &str = "scheduler_config.json";
/// The betas of a million timesteps have room in it.
const MOST_JSON: u64 = 64 << 20;
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

/// Writes network and process so that `DDPMPipeline.from_pretrained(dir)` loads them.
///
/// # Errors
/// [`CoreError::Io`] if a file cannot be written, [`CoreError::Config`] for a process that diffusers cannot express.
pub fn save_diffusers<B: Kernels>(
    unet: &UNet2D<B>,
    process: &ProcessConfig,
    dir: &Path,
) -> Result<(), CoreError> {
    save_unet(unet, &dir.join("unet"))?;
    save_scheduler(process, &dir.join("scheduler"))?;
    let index = json!({
        "_class_name": "DDPMPipeline",
        "_diffusers_version": VERSION,
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    });
    write_json(&dir.join(INDEX), &index)
}

/// Reads a directory that diffusers or [`save_diffusers`] wrote: a pipeline, or a network with or without a
/// `scheduler_config.json` beside it.
///
/// # Errors
/// As [`load_unet`]; [`CoreError::Format`] for a pipeline or scheduler that is not supported.
pub fn load_diffusers<B: Kernels>(dir: &Path, device: &B::Device) -> Result<Pretrained<B>, CoreError> {
    let (unet, scheduler) = parts(dir)?;
    Ok(Pretrained { unet: load_unet(&unet, device)?, scheduler })
}

/// Where the network is, and the scheduler's configuration.
fn parts(dir: &Path) -> Result<(PathBuf, SchedulerConfig), CoreError> {
    if !dir.is_dir() {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such directory");
        return Err(CoreError::Io { path: dir.to_owned(), source: missing });
    }
    let index = dir.join(INDEX);
    let (unet, scheduler) = if index.exists() {
        let fields = read_json(&index)?;
        let class = fields.get("_class_name").and_then(Value::as_str).unwrap_or("nothing");
        if !["DDPMPipeline", "DDIMPipeline"].contains(&class) {
            let problem = format!("it is a {class}; supported are DDPMPipeline and DDIMPipeline");
            return Err(CoreError::Format { path: index, problem });
        }
        (dir.join("unet"), dir.join("scheduler").join(SCHEDULER))
    } else {
        (dir.to_owned(), dir.join(SCHEDULER))
    };
    let scheduler = if scheduler.exists() || index.exists() {
        SchedulerConfig::read(&scheduler)?
    } else {
        SchedulerConfig::default()
    };
    Ok((unet, scheduler))
}

/// The configurations of a directory that [`load_diffusers`] reads, without the weights.
///
/// # Errors
/// As [`load_diffusers`].
pub fn read_configs(dir: &Path) -> Result<(UNet2DConfig, SchedulerConfig), CoreError> {
    let (unet, scheduler) = parts(dir)?;
    let path = unet.join(CONFIG);
    let config = load_config(&path)?;
    config.validate().map_err(CoreError::in_file(&path))?;
    Ok((config, scheduler))
}

/// Writes a network so that `UNet2DModel.from_pretrained(dir)` loads it.
///
/// # Errors
/// [`CoreError::Io`] if a file cannot be written.
pub fn save_unet<B: Kernels>(unet: &UNet2D<B>, dir: &Path) -> Result<(), CoreError> {
    fs::create_dir_all(dir).map_err(CoreError::io(dir))?;
    let mut config = Map::from_iter([
        ("_class_name".to_owned(), Value::from("UNet2DModel")),
        ("_diffusers_version".to_owned(), Value::from(VERSION)),
    ]);
    if let Ok(Value::Object(fields)) = serde_json::to_value(unet.config()) {
        config.extend(fields);
    }
    write_json(&dir.join(CONFIG), &Value::Object(config))?;
    weights::save(unet, dir)
}

/// Writes a process so that `DDPMScheduler.from_pretrained(dir)` loads it.
///
/// # Errors
/// As [`save_diffusers`].
pub fn save_scheduler(process: &ProcessConfig, dir: &Path) -> Result<(), CoreError> {
    fs::create_dir_all(dir).map_err(CoreError::io(dir))?;
    write_json(&dir.join(SCHEDULER), &SchedulerConfig::of(process).to_json())
}

/// Reads a network that diffusers or [`save_unet`] wrote.
///
/// # Errors
/// [`CoreError::Io`] for a file that cannot be read, [`CoreError::Format`] for one that is not what it should be or
/// holds a tensor that does not fit, [`CoreError::Config`] for an architecture that is not supported.
pub fn load_unet<B: Kernels>(dir: &Path, device: &B::Device) -> Result<UNet2D<B>, CoreError> {
    let path = dir.join(CONFIG);
    let config = load_config(&path)?;
    config.validate().map_err(CoreError::in_file(&path))?;
    let file = weights::find(dir)?;
    let tensors = load_tensors(&file)?;
    // A configuration may claim any size; memory is taken only for what the file holds.
    let held: usize = tensors.values().map(|t| t.shape.num_elements()).sum();
    if config.least_parameters() > held {
        let problem = format!(
            "the network of {} has at least {} parameters, this file has {held}",
            path.display(),
            config.least_parameters()
        );
        return Err(CoreError::Format { path: file, problem });
    }
    let unet = config.init::<B>(Key::new(0, Purpose::named("replaced by the checkpoint")), device)?;
    with_named_parameters(unet, weights::modern_names(tensors)).map_err(CoreError::in_file(&file))
}

fn load_config(path: &Path) -> Result<UNet2DConfig, CoreError> {
    let mut fields = read_json(path)?;
    let format = |problem: String| CoreError::Format { path: path.to_owned(), problem };
    match fields.get("_class_name") {
        Some(Value::String(class)) if class != "UNet2DModel" => {
            return Err(format(format!("`_class_name` is \"{class}\", expected \"UNet2DModel\"")));
        }
        _ => fields.retain(|key, _| !key.starts_with('_')),
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| format(e.to_string()))
}

fn read_json(path: &Path) -> Result<Map<String, Value>, CoreError> {
    let format = |problem: String| CoreError::Format { path: path.to_owned(), problem };
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(CoreError::io(path))?;
    file.take(MOST_JSON + 1).read_to_end(&mut text).map_err(CoreError::io(path))?;
    if text.len() as u64 > MOST_JSON {
        return Err(format(format!("more than {MOST_JSON} bytes: no configuration is that long")));
    }
    serde_json::from_slice(&text).map_err(|e| format(e.to_string()))
}

fn write_json(path: &PathBuf, value: &Value) -> Result<(), CoreError> {
    fs::write(path, format!("{value:#}\n")).map_err(CoreError::io(path))
}
