//! Networks: what the data ask of one, how it is made, saved and read back.
//!
//! A network is a [`Module`] that implements [`Denoiser`] and [`Network`], beside an options type that implements
//! [`Describe`](cldiff_choices::Describe), [`NetworkOptions`] and [`BuildNetwork`]. Programs train an
//! [`AnyNetwork`], so that a network of an outside crate takes part without their being compiled for it.

mod any;
mod erased;
mod record;

use std::collections::HashMap;

use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use cldiff_choices::{ImageSize, Options, Serializable};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::{any::AnyNetwork, record::NetworkRecord};
use crate::{
    CoreError, Denoiser, Kernels, TrainBackend,
    diffusers::{pass_over, read_fields},
    error::plain_value,
    noise::Key,
};

/// The requirements of the data and the process for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Channels of the images.
    pub channels: usize,
    /// Height and width of the images.
    pub size: ImageSize,
    /// Conditions (classes or tasks, and one for "no label" where labels are dropped); none for an unconditional model.
    pub conditions: Option<usize>,
    /// Whether the network predicts a variance beside the mean: twice the channels come out.
    pub learned_variance: bool,
}

impl Fit {
    /// Channels that come out of the network.
    pub fn out_channels(&self) -> usize {
        if self.learned_variance { 2 * self.channels } else { self.channels }
    }
}

/// The input and the output of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkShape {
    /// Channels of x_t.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// The images that it was made for; none where its configuration does not say.
    pub size: Option<ImageSize>,
    /// Height and width must be multiples of this.
    pub multiple: usize,
    /// Whether it takes images of `size` alone.
    pub fixed_size: bool,
    /// Rows of its table of conditions; none for an unconditional network.
    pub conditions: Option<usize>,
}

/// The options of a network: what a configuration and a checkpoint say of it.
pub trait NetworkOptions: Options {
    /// Fills in what the data decide. `given` tells whether a key was set by the user, who may repeat what the data say.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a given key that contradicts the data.
    fn fit(&mut self, data: &Fit, given: &dyn Fn(&str) -> bool) -> Result<(), CoreError>;

    /// Checks that the values fit each other.
    ///
    /// # Errors
    /// [`CoreError::Config`] that names the first key that does not.
    fn validate(&self) -> Result<(), CoreError>;

    /// Checks that a network of these options can be trained here, and not only used: by default
    /// [`validate`](Self::validate).
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`CoreError::Config`] for an option that changes the training alone and is not
    /// supported.
    fn validate_training(&self) -> Result<(), CoreError> {
        self.validate()
    }

    /// The input and the output of the network.
    fn shape(&self) -> NetworkShape;

    /// A lower bound of the number of parameters, so that a checkpoint's configuration cannot ask for more memory than
    /// its weights take.
    fn least_parameters(&self) -> usize;

    /// The `_class_name` in `config.json` of a directory that holds the network.
    fn class_name(&self) -> &'static str {
        self.name()
    }

    /// Whether a directory that holds this class is read; by default the class that is written.
    fn reads_class(&self, class: &str) -> bool {
        class == self.class_name()
    }

    /// The other keys of `config.json`; by default the options under their own names.
    ///
    /// # Errors
    /// [`CoreError::Config`] for options that the file's form cannot express.
    fn to_config(&self) -> Result<Map<String, Value>, CoreError> {
        let json = serde_json::to_value(Serializable(self)).ok();
        Ok(json.and_then(|value| value.as_object().cloned()).unwrap_or_default())
    }

    /// Takes over the keys of a `config.json` that holds `class`, those that begin with `_` left out. [`read_config`]
    /// does it for options that are written under their own names.
    ///
    /// # Errors
    /// [`CoreError::Config`] for values that are not understood.
    fn take_config(&mut self, class: &str, fields: Map<String, Value>) -> Result<(), CoreError>;

    /// The tensors of a checkpoint under the names of its file; by default as they are.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a network that the file's form cannot express.
    fn to_file_names(
        &self,
        tensors: HashMap<String, TensorData>,
    ) -> Result<HashMap<String, TensorData>, CoreError> {
        Ok(tensors)
    }

    /// The tensors of a file under the names of the network's parameters; by default as they are.
    ///
    /// # Errors
    /// [`CoreError::Tensor`] for tensors that do not fit.
    fn to_own_names(
        &self,
        tensors: HashMap<String, TensorData>,
    ) -> Result<HashMap<String, TensorData>, CoreError> {
        Ok(tensors)
    }
}

/// Options from the fields of a `config.json`. Keys that the options do not have are passed over with a warning, as
/// diffusers does.
///
/// # Errors
/// [`CoreError::Config`] for a value that is not understood, with the path of its key.
pub fn read_config<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, CoreError> {
    let (options, unknown) = read_fields(fields)?;
    pass_over("config.json", &unknown);
    Ok(options)
}

/// Makes the network of some options, on one backend.
pub trait BuildNetwork<B: TrainBackend>: NetworkOptions {
    /// The network with initial values drawn from `key`.
    ///
    /// # Errors
    /// [`CoreError::Config`] for options that do not fit each other.
    fn build(&self, key: Key, device: &B::Device) -> Result<AnyNetwork<B>, CoreError>;
}

/// A network that can say what it was made from, and show its activations.
pub trait Network<B: Kernels>: Denoiser<B> + Module<B> + 'static {
    /// The options that the network was made from.
    fn options(&self) -> &dyn NetworkOptions;

    /// As [`denoise`](Denoiser::denoise), with the activations of its blocks shown to `watch` in the order of the
    /// forward pass, under the names of their parameters; by default none.
    ///
    /// # Shapes
    /// - as `denoise`; an activation is `[n, features]`
    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4> {
        let _ = watch;
        self.denoise(x_t, t, y)
    }
}

/// The longest side of images that a network is made for: four times that of data sets. A file that claims more is damaged;
/// a sampler would draw noise of that size.
pub const LARGEST_SIDE: usize = 4096;

/// Checks the size of the images that a network is made for.
///
/// # Errors
/// [`CoreError::Config`] for a side above [`LARGEST_SIDE`].
pub fn check_side(key: &str, size: ImageSize) -> Result<(), CoreError> {
    if size.longer() <= LARGEST_SIDE {
        return Ok(());
    }
    Err(CoreError::config(key, size, format!("expected at most {LARGEST_SIDE} pixels a side")))
}

/// Fills in one key that the data decide, or checks what was given.
///
/// # Errors
/// [`CoreError::Config`] if a given value is another than `needed`.
pub fn decide<T: PartialEq + std::fmt::Debug>(
    key: &str,
    value: &mut T,
    needed: T,
    given: &dyn Fn(&str) -> bool,
) -> Result<(), CoreError> {
    if given(key) && *value != needed {
        let expected = format!("the data need {}; leave the key out", plain_value(&needed));
        return Err(CoreError::Config { key: key.into(), value: plain_value(value), expected });
    }
    *value = needed;
    Ok(())
}
