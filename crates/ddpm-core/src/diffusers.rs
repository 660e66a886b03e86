//! Model directories as Hugging Face diffusers reads and writes them: `config.json` beside
//! `diffusion_pytorch_model.safetensors`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};

use crate::{
    CoreError, Kernels, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    parameters::{named_parameters, with_named_parameters},
};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// Writes a model so that `UNet2DModel.from_pretrained(dir)` loads it.
///
/// # Errors
/// [`CoreError::Io`] if a file cannot be written.
///
/// # Panics
/// Never: parameters are written as f32, four bytes an element.
pub fn save_unet<B: Kernels>(unet: &UNet2D<B>, dir: &Path) -> Result<(), CoreError> {
    fs::create_dir_all(dir).map_err(CoreError::io(dir))?;
    let mut config = Map::from_iter([("_class_name".to_owned(), Value::from("UNet2DModel"))]);
    if let Ok(Value::Object(fields)) = serde_json::to_value(unet.config()) {
        config.extend(fields);
    }
    let path = dir.join(CONFIG);
    let text = format!("{:#}\n", Value::Object(config));
    fs::write(&path, text).map_err(CoreError::io(&path))?;
    let path = dir.join(WEIGHTS);
    let parameters = named_parameters(unet);
    let views = parameters.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes());
        (name, view.expect("f32 data has four bytes an element"))
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| CoreError::Format { path: path.clone(), problem: e.to_string() })?;
    fs::write(&path, bytes).map_err(CoreError::io(&path))
}

/// Reads a model that diffusers or [`save_unet`] wrote.
///
/// # Errors
/// [`CoreError::Io`] for a file that cannot be read, [`CoreError::Format`] for one that is not what it should be,
/// [`CoreError::Tensor`] for a tensor that does not fit, [`CoreError::Config`] for an architecture that is not
/// supported.
pub fn load_unet<B: Kernels>(dir: &Path, device: &B::Device) -> Result<UNet2D<B>, CoreError> {
    let config = load_config(&dir.join(CONFIG))?;
    let unet = config.init::<B>(Key::new(0, Purpose::named("replaced by the checkpoint")), device)?;
    let values = load_tensors(&dir.join(WEIGHTS))?;
    with_named_parameters(unet, values)
}

fn load_config(path: &Path) -> Result<UNet2DConfig, CoreError> {
    let format = |problem: String| CoreError::Format { path: path.to_owned(), problem };
    let text = fs::read_to_string(path).map_err(CoreError::io(path))?;
    let mut fields: Map<String, Value> = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
    match fields.get("_class_name") {
        Some(Value::String(class)) if class != "UNet2DModel" => {
            return Err(format(format!("`_class_name` is \"{class}\", expected \"UNet2DModel\"")));
        }
        _ => fields.retain(|key, _| !key.starts_with('_')),
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| format(e.to_string()))
}

/// Every tensor of a safetensors file, on the host, as f32.
///
/// # Errors
/// [`CoreError::Io`], [`CoreError::Format`] for a damaged file, [`CoreError::Tensor`] for an element type other
/// than F32.
pub fn load_tensors(path: &Path) -> Result<HashMap<String, TensorData>, CoreError> {
    let bytes = fs::read(path).map_err(CoreError::io(path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| CoreError::Format {
        path: PathBuf::from(path),
        problem: format!("not a safetensors file: {e}"),
    })?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                let problem = format!("its type is {:?}, expected F32", view.dtype());
                return Err(CoreError::tensor(name, problem));
            }
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((name, TensorData::new(values, view.shape().to_vec())))
        })
        .collect()
}
