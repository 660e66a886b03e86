//! The record of a network of any type: its parameters by name.

use std::collections::BTreeMap;

use burn::{
    record::{PrecisionSettings, Record},
    tensor::{TensorData, backend::Backend},
};

use super::AnyNetwork;
use crate::{
    Kernels,
    parameters::{named_parameters, with_named_parameters},
};

/// The parameters of an [`AnyNetwork`] under their names, on the host, in f32.
#[derive(Debug, Clone)]
pub struct NetworkRecord(BTreeMap<String, TensorData>);

impl NetworkRecord {
    pub(super) fn of<B: Kernels>(network: &AnyNetwork<B>) -> Self {
        Self(named_parameters(network))
    }

    /// # Panics
    /// For a record of another network, as Burn's own records do.
    pub(super) fn load<B: Kernels>(self, network: AnyNetwork<B>) -> AnyNetwork<B> {
        match with_named_parameters(network, self.0.into_iter().collect()) {
            Ok(network) => network,
            Err(error) => panic!("a record of another network: {error}"),
        }
    }
}

impl<B: Backend> Record<B> for NetworkRecord {
    type Item<S: PrecisionSettings> = BTreeMap<String, TensorData>;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self.0
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        Self(item)
    }
}
