//! The parameters under diffusers' names.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use burn::tensor::TensorData;

use super::config::label_rows;
use crate::{
    CoreError,
    dit::{DiTConfig, FREQUENCIES},
};

/// A tensor of diffusers' state dict.
struct Place {
    theirs: String,
    ours: String,
    /// The shape in diffusers.
    shape: Vec<usize>,
    /// The third of the rows of our tensor that the tensor is; all rows if absent.
    third: Option<usize>,
}

impl Place {
    fn new(ours: impl Into<String>, theirs: impl Into<String>, shape: &[usize]) -> Self {
        Self { theirs: theirs.into(), ours: ours.into(), shape: shape.to_vec(), third: None }
    }

    /// The shape of our tensor.
    fn whole(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.third.is_some() {
            shape[0] = shape[0].saturating_mul(3);
        }
        shape
    }
}

/// Weight and bias of a layer.
fn layer(ours: &str, theirs: &str, weight: &[usize]) -> [Place; 2] {
    let place =
        |part: &str, shape: &[usize]| Place::new(format!("{ours}.{part}"), format!("{theirs}.{part}"), shape);
    [place("weight", weight), place("bias", &weight[..1])]
}

/// All tensors of diffusers' state dict. They come as they are asked for: a configuration may claim any depth.
fn places(config: &DiTConfig, rows: usize) -> impl Iterator<Item = Place> + use<> {
    let (width, patch, channels) = (config.hidden_size, config.patch_size, config.in_channels);
    let numbers = patch.saturating_mul(patch).saturating_mul(config.out_channels());
    let outer = [
        layer("x_embedder.proj", "pos_embed.proj", &[width, channels, patch, patch]),
        layer("final_layer.adaLN_modulation.1", "proj_out_1", &[width.saturating_mul(2), width]),
        layer("final_layer.linear", "proj_out_2", &[numbers, width]),
    ];
    outer.into_iter().flatten().chain((0..config.depth).flat_map(move |i| block(i, width, rows)))
}

/// The tensors of a block, with the embedders that each has a copy of.
fn block(i: usize, width: usize, rows: usize) -> Vec<Place> {
    let ours = |name: &str| format!("blocks.{i}.{name}");
    let theirs = |name: &str| format!("transformer_blocks.{i}.{name}");
    let (inner, parts) = (width.saturating_mul(4), width.saturating_mul(6));
    let time = "norm1.emb.timestep_embedder";
    let table = theirs("norm1.emb.class_embedder.embedding_table.weight");
    let mut places = vec![Place::new("y_embedder.embedding_table.weight", table, &[rows, width])];
    places.extend(layer("t_embedder.mlp.0", &theirs(&format!("{time}.linear_1")), &[width, FREQUENCIES]));
    places.extend(layer("t_embedder.mlp.2", &theirs(&format!("{time}.linear_2")), &[width, width]));
    places.extend(layer(&ours("adaLN_modulation.1"), &theirs("norm1.linear"), &[parts, width]));
    for (third, name) in ["attn1.to_q", "attn1.to_k", "attn1.to_v"].into_iter().enumerate() {
        let of_third = |place| Place { third: Some(third), ..place };
        places.extend(layer(&ours("attn.qkv"), &theirs(name), &[width, width]).map(of_third));
    }
    places.extend(layer(&ours("attn.proj"), &theirs("attn1.to_out.0"), &[width, width]));
    places.extend(layer(&ours("mlp.fc1"), &theirs("ff.net.0.proj"), &[inner, width]));
    places.extend(layer(&ours("mlp.fc2"), &theirs("ff.net.2"), &[width, inner]));
    places
}

/// The state dict of diffusers' class, from the parameters of a [`DiT`](crate::DiT) under their own names, as f32.
///
/// # Errors
/// [`CoreError::Config`] as [`config_to_diffusers`](super::config_to_diffusers); [`CoreError::Tensor`] for a name that
/// is missing or too many, or a shape that is not that of the configuration.
pub fn names_to_diffusers(
    tensors: HashMap<String, TensorData>,
    config: &DiTConfig,
) -> Result<HashMap<String, TensorData>, CoreError> {
    let (mut found, mut used) = (HashMap::new(), HashSet::new());
    for place in places(config, label_rows(config)?) {
        let value = tensors.get(&place.ours).ok_or_else(|| missing(&place.ours))?;
        let floats = checked(&place.ours, value, &place.whole())?;
        let part = match place.third {
            Some(third) => floats[third * floats.len() / 3..][..floats.len() / 3].to_vec(),
            None => floats,
        };
        found.insert(place.theirs, TensorData::new(part, place.shape));
        used.insert(place.ours);
    }
    nothing_left(tensors.into_keys().filter(|name| !used.contains(name)))?;
    Ok(found)
}

/// The parameters of a [`DiT`](crate::DiT) under their own names, from the state dict of diffusers' class, as f32.
///
/// Memory is taken for the given tensors alone, whatever the configuration claims.
///
/// # Errors
/// As [`names_to_diffusers`]; also [`CoreError::Tensor`] for an embedder of a block that differs from the first block's.
pub fn names_from_diffusers(
    mut tensors: HashMap<String, TensorData>,
    config: &DiTConfig,
) -> Result<HashMap<String, TensorData>, CoreError> {
    let mut found: HashMap<String, (Vec<f32>, Vec<usize>)> = HashMap::new();
    for place in places(config, label_rows(config)?) {
        let value = tensors.remove(&place.theirs).ok_or_else(|| missing(&place.theirs))?;
        let floats = checked(&place.theirs, &value, &place.shape)?;
        let whole = place.whole();
        match found.entry(place.ours) {
            Entry::Vacant(entry) => {
                entry.insert((floats, whole));
            }
            // Thirds come in the order of our rows.
            Entry::Occupied(mut entry) if place.third.is_some() => entry.get_mut().0.extend(floats),
            Entry::Occupied(entry) => {
                let (first, this) = (entry.get().0.iter(), floats.iter());
                if !first.map(|v| v.to_bits()).eq(this.map(|v| v.to_bits())) {
                    let problem =
                        "it differs from the first block's, and a DiT has one embedder for all blocks";
                    return Err(CoreError::tensor(place.theirs, problem));
                }
            }
        }
    }
    nothing_left(tensors.into_keys())?;
    Ok(found.into_iter().map(|(name, (values, shape))| (name, TensorData::new(values, shape))).collect())
}

fn missing(name: &str) -> CoreError {
    CoreError::tensor(name, "missing from the checkpoint")
}

fn checked(name: &str, value: &TensorData, shape: &[usize]) -> Result<Vec<f32>, CoreError> {
    if value.shape.to_vec() != shape {
        let problem = format!("its shape is {:?}, the configuration's is {shape:?}", value.shape.to_vec());
        return Err(CoreError::tensor(name, problem));
    }
    Ok(value.clone().convert::<f32>().iter::<f32>().collect())
}

fn nothing_left(names: impl Iterator<Item = String>) -> Result<(), CoreError> {
    match names.min() {
        Some(name) => Err(CoreError::tensor(name, "the model has no parameter of this name")),
        None => Ok(()),
    }
}
