//! The state from which a training continues after an interruption: named tensors and values, which a checkpoint keeps as
//! safetensors and JSON.
//!
//! Names are joined by dots: `strategy.0.buffer.images`. Restoring takes what it reads out, so that what is left over
//! shows a state of something else.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data_streams::{ImageDataset, ImageShape};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    parameters::{ParameterVector, named_parameters, with_named_parameters},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{StrategyError, TrainerConfig};

/// Named tensors and values.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Numbers, f32 or u8.
    pub tensors: BTreeMap<String, TensorData>,
    /// Everything else.
    pub values: BTreeMap<String, Value>,
}

/// The inputs from which a strategy restores itself.
#[derive(Debug)]
pub struct Restore<'a, B: TrainBackend, D> {
    /// The model, whose parameters' identities the restored vectors get.
    pub model: &'a D,
    /// How the model is trained.
    pub training: &'a TrainerConfig,
    /// Images of the stream: stored images are as these.
    pub data: &'a ImageDataset,
    /// Where tensors live.
    pub device: &'a B::Device,
}

impl State {
    /// Adds a value.
    ///
    /// # Panics
    /// If it cannot be JSON: a map with keys that are no strings.
    pub fn put(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("values of a state are plain data");
        self.values.insert(name.to_owned(), value);
    }

    /// Adds a tensor.
    pub fn put_tensor<B: Backend, const D: usize>(&mut self, name: &str, tensor: &Tensor<B, D>) {
        self.tensors.insert(name.to_owned(), tensor.to_data().convert::<f32>());
    }

    /// Adds a vector of parameters, or that there is none.
    pub fn put_vector<B: Backend>(&mut self, name: &str, vector: Option<&ParameterVector<B>>) {
        if let Some(vector) = vector {
            let (values, len) = (vector.to_floats(), vector.len());
            self.tensors.insert(name.to_owned(), TensorData::new(values, [len]));
        }
    }

    /// Adds a module's parameters, each under its name.
    pub fn put_module<B: Backend, M: burn::module::Module<B>>(&mut self, name: &str, module: &M) {
        let mut inner = Self::default();
        inner.tensors.extend(named_parameters(module));
        self.put_scope(name, inner);
    }

    /// Adds images with their labels and tasks, or that there are none.
    pub fn put_images(&mut self, name: &str, images: Option<&ImageDataset>) {
        let Some(images) = images else { return };
        let ImageShape { channels, height, width } = images.shape();
        let pixels: Vec<u8> = (0..images.len()).flat_map(|i| images.pixels_of(i).iter().copied()).collect();
        let data = TensorData::new(pixels, [images.len(), channels, height, width]);
        self.tensors.insert(name.to_owned(), data);
        self.put(&format!("{name}.labels"), images.labels());
        self.put(&format!("{name}.tasks"), images.tasks());
    }

    /// Adds another state, with a name before all of its names.
    pub fn put_scope(&mut self, scope: &str, inner: Self) {
        let named = |name: String| format!("{scope}.{name}");
        self.tensors.extend(inner.tensors.into_iter().map(|(name, value)| (named(name), value)));
        self.values.extend(inner.values.into_iter().map(|(name, value)| (named(name), value)));
    }

    /// Whether something has this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.values.contains_key(name)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty() && self.values.is_empty()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`StrategyError::State`] that names the first that is.
    pub fn finish(&self) -> Result<(), StrategyError> {
        match self.tensors.keys().chain(self.values.keys()).next() {
            Some(name) => {
                Err(StrategyError::state(name, "nothing here has such a thing: it is of another training"))
            }
            None => Ok(()),
        }
    }

    /// Takes out what [`put_scope`](Self::put_scope) added.
    #[must_use]
    pub fn take_scope(&mut self, scope: &str) -> Self {
        let prefix = format!("{scope}.");
        Self { tensors: split_off(&mut self.tensors, &prefix), values: split_off(&mut self.values, &prefix) }
    }

    /// Takes out a value.
    ///
    /// # Errors
    /// [`StrategyError::State`] if it is missing or another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, StrategyError> {
        let value = self.values.remove(name).ok_or_else(|| StrategyError::state(name, "it is missing"))?;
        serde_json::from_value(value).map_err(|error| StrategyError::state(name, error.to_string()))
    }

    /// Takes out a tensor.
    ///
    /// # Errors
    /// [`StrategyError::State`] if it is missing or has another rank.
    pub fn take_tensor<B: Backend, const D: usize>(
        &mut self,
        name: &str,
        device: &B::Device,
    ) -> Result<Tensor<B, D>, StrategyError> {
        let data = self.tensors.remove(name).ok_or_else(|| StrategyError::state(name, "it is missing"))?;
        if data.shape.len() != D {
            let problem = format!("its shape is {:?}: expected {D} dimensions", data.shape.to_vec());
            return Err(StrategyError::state(name, problem));
        }
        Ok(Tensor::from_data(data, ddpm_kernels::floats_on::<B>(device)))
    }

    /// Takes out a vector of a module's parameters; none if there was none.
    ///
    /// # Errors
    /// [`StrategyError::State`] if it is that of another module.
    pub fn take_vector<B: Backend>(
        &mut self,
        name: &str,
        like: &ParameterVector<B>,
    ) -> Result<Option<ParameterVector<B>>, StrategyError> {
        let Some(data) = self.tensors.remove(name) else { return Ok(None) };
        let values: Vec<f32> = data.iter::<f32>().collect();
        if values.len() != like.len() {
            let problem = format!("it has {} numbers, the model {} parameters", values.len(), like.len());
            return Err(StrategyError::state(name, problem));
        }
        Ok(Some(like.with_floats(&values)))
    }

    /// Takes out a module's parameters; none if there were none.
    ///
    /// # Errors
    /// [`StrategyError::State`] if they are those of another module.
    pub fn take_module<B: Backend, M: burn::module::Module<B>>(
        &mut self,
        name: &str,
        like: M,
    ) -> Result<Option<M>, StrategyError> {
        let inner = self.take_scope(name);
        if inner.is_empty() {
            return Ok(None);
        }
        let restored = with_named_parameters(like, inner.tensors.into_iter().collect());
        restored.map(Some).map_err(|error| StrategyError::state(name, error.to_string()))
    }

    /// Takes out images; none if there were none.
    ///
    /// # Errors
    /// [`StrategyError::State`] if they are not as those of the stream.
    pub fn take_images(
        &mut self,
        name: &str,
        like: &ImageDataset,
    ) -> Result<Option<ImageDataset>, StrategyError> {
        let Some(data) = self.tensors.remove(name) else { return Ok(None) };
        let labels: Vec<usize> = self.take(&format!("{name}.labels"))?;
        let tasks: Vec<usize> = self.take(&format!("{name}.tasks"))?;
        if tasks.len() != labels.len() || tasks.iter().any(|task| u16::try_from(*task).is_err()) {
            return Err(StrategyError::state(name, "its tasks are not one for each image"));
        }
        let ImageShape { channels, height, width } = like.shape();
        if data.shape.iter().skip(1).ne([channels, height, width].iter()) {
            let shape = data.shape.to_vec();
            let problem = format!("its shape is {shape:?}, the stream's images are {}", like.shape());
            return Err(StrategyError::state(name, problem));
        }
        let pixels = data.into_vec::<u8>().map_err(|error| StrategyError::state(name, error.to_string()))?;
        ImageDataset::new(like.name(), like.shape(), like.class_names().to_vec(), pixels, labels)
            .map(|images| Some(images.with_tasks(&tasks)))
            .map_err(|error| StrategyError::state(name, error.to_string()))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Restore<'_, B, D> {
    /// The model's parameters, whose identities restored vectors get.
    pub fn parameters(&self) -> ParameterVector<B::InnerBackend> {
        ParameterVector::of(&self.model.valid())
    }

    /// Takes out a vector of the model's parameters; none if there was none.
    ///
    /// # Errors
    /// [`StrategyError::State`] if it is that of another model.
    pub fn vector(
        &self,
        state: &mut State,
        name: &str,
    ) -> Result<Option<ParameterVector<B::InnerBackend>>, StrategyError> {
        state.take_vector(name, &self.parameters())
    }
}

fn split_off<T>(map: &mut BTreeMap<String, T>, prefix: &str) -> BTreeMap<String, T> {
    let names: Vec<String> = map.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
    names
        .into_iter()
        .filter_map(|name| map.remove(&name).map(|value| (name[prefix.len()..].to_owned(), value)))
        .collect()
}
