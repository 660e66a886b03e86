//! Any network as one type: what strategies, trainer and evaluation are compiled for.

use std::{any::Any, fmt::Debug};

use burn::{
    module::{AutodiffModule, Devices, Module, ModuleMapper, ModuleVisitor},
    tensor::{Int, Tensor},
};

use super::{
    Network, NetworkOptions, NetworkRecord,
    erased::{ErasedMapper, ErasedVisitor, Mapping, Visiting},
};
use crate::{Denoiser, Kernels, TrainBackend};

/// A network of any type. It has the names, parameters and outputs of the network that it holds.
pub struct AnyNetwork<B: Kernels> {
    network: Box<dyn ErasedNetwork<B>>,
    conversions: Conversions,
}

/// A [`Network`] as an object.
trait ErasedNetwork<B: Kernels>: Debug + Send {
    fn options(&self) -> &dyn NetworkOptions;
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4>;
    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4>;
    fn copied(&self) -> Box<dyn ErasedNetwork<B>>;
    fn devices(&self, devices: Devices<B>) -> Devices<B>;
    fn on_device(self: Box<Self>, device: &B::Device, fork: bool) -> Box<dyn ErasedNetwork<B>>;
    fn visited(&self, visitor: &mut dyn ErasedVisitor<B>);
    fn mapped(self: Box<Self>, mapper: &mut dyn ErasedMapper<B>) -> Box<dyn ErasedNetwork<B>>;
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<B: Kernels, N: Network<B>> ErasedNetwork<B> for N {
    fn options(&self) -> &dyn NetworkOptions {
        Network::options(self)
    }

    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        Denoiser::denoise(self, x_t, t, y)
    }

    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4> {
        Network::denoise_watched(self, x_t, t, y, watch)
    }

    fn copied(&self) -> Box<dyn ErasedNetwork<B>> {
        Box::new(self.clone())
    }

    fn devices(&self, devices: Devices<B>) -> Devices<B> {
        self.collect_devices(devices)
    }

    fn on_device(self: Box<Self>, device: &B::Device, fork: bool) -> Box<dyn ErasedNetwork<B>> {
        Box::new(if fork { self.fork(device) } else { self.to_device(device) })
    }

    fn visited(&self, visitor: &mut dyn ErasedVisitor<B>) {
        self.visit(&mut Visiting(visitor));
    }

    fn mapped(self: Box<Self>, mapper: &mut dyn ErasedMapper<B>) -> Box<dyn ErasedNetwork<B>> {
        Box::new(self.map(&mut Mapping(mapper)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Between a network with autodiff and the same without, which only who knows its type can do.
#[derive(Clone, Copy)]
struct Conversions {
    /// `&N` to `AnyNetwork<B::InnerBackend>`
    valid: fn(&dyn Any) -> Box<dyn Any>,
    /// `N::InnerModule` to `AnyNetwork<B>`
    from_inner: fn(Box<dyn Any>) -> Box<dyn Any>,
}

impl Conversions {
    const THE_NETWORKS_OWN: &str = "the conversions are those of the network";

    fn of<B: TrainBackend, N>() -> Self
    where
        N: Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>,
    {
        Self {
            valid: |network| {
                let network: &N = network.downcast_ref().expect(Self::THE_NETWORKS_OWN);
                Box::new(AnyNetwork::<B::InnerBackend> {
                    network: Box::new(network.valid()),
                    conversions: Self::of::<B, N>(),
                })
            },
            from_inner: |network| {
                let network: Box<N::InnerModule> = network.downcast().expect(Self::THE_NETWORKS_OWN);
                Box::new(AnyNetwork::<B>::new(N::from_inner(*network)))
            },
        }
    }
}

impl<B: TrainBackend> AnyNetwork<B> {
    /// A network of a known type.
    pub fn new<N>(network: N) -> Self
    where
        N: Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>,
    {
        Self { network: Box::new(network), conversions: Conversions::of::<B, N>() }
    }
}

impl<B: Kernels> AnyNetwork<B> {
    /// The network, if it is of this type.
    pub fn get<N: Network<B>>(&self) -> Option<&N> {
        self.network.as_any().downcast_ref()
    }
}

impl<B: Kernels> Debug for AnyNetwork<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.network.fmt(f)
    }
}

impl<B: Kernels> Clone for AnyNetwork<B> {
    fn clone(&self) -> Self {
        Self { network: self.network.copied(), conversions: self.conversions }
    }
}

impl<B: Kernels> Module<B> for AnyNetwork<B> {
    type Record = NetworkRecord;

    fn collect_devices(&self, devices: Devices<B>) -> Devices<B> {
        self.network.devices(devices)
    }

    fn fork(self, device: &B::Device) -> Self {
        Self { network: self.network.on_device(device, true), ..self }
    }

    fn to_device(self, device: &B::Device) -> Self {
        Self { network: self.network.on_device(device, false), ..self }
    }

    fn visit<V: ModuleVisitor<B>>(&self, visitor: &mut V) {
        self.network.visited(visitor);
    }

    fn map<M: ModuleMapper<B>>(self, mapper: &mut M) -> Self {
        Self { network: self.network.mapped(mapper), ..self }
    }

    fn load_record(self, record: NetworkRecord) -> Self {
        record.load(self)
    }

    fn into_record(self) -> NetworkRecord {
        NetworkRecord::of(&self)
    }
}

impl<B: TrainBackend> AutodiffModule<B> for AnyNetwork<B> {
    type InnerModule = AnyNetwork<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        let inner = (self.conversions.valid)(self.network.as_any());
        *inner.downcast().expect(Conversions::THE_NETWORKS_OWN)
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        let network = (module.conversions.from_inner)(module.network.into_any());
        *network.downcast().expect(Conversions::THE_NETWORKS_OWN)
    }
}

impl<B: Kernels> Denoiser<B> for AnyNetwork<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        self.network.denoise(x_t, t, y)
    }
}

impl<B: Kernels> Network<B> for AnyNetwork<B> {
    fn options(&self) -> &dyn NetworkOptions {
        self.network.options()
    }

    fn denoise_watched(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        y: Option<Tensor<B, 1, Int>>,
        watch: &mut dyn FnMut(&str, Tensor<B, 2>),
    ) -> Tensor<B, 4> {
        self.network.denoise_watched(x_t, t, y, watch)
    }
}
