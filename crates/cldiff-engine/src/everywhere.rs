//! Choices that exist on every backend of this program.
//!
//! A strategy, a network and a feature extractor are generic over the backend; a configuration is not. These traits
//! say "made on each of the backends that are built in", so that one object in a configuration can be made on the
//! backend that a run is given. They are implemented for every type that has the generic implementation.

use burn_autodiff::Autodiff;
use cl_strategies::{BuildStrategy, StrategyOptions};
use ddpm_core::{AnyNetwork, BuildNetwork, Kernels, NetworkOptions, sampler::SamplerOptions};

use crate::{
    backend::backends,
    features::{BuildExtractor, FeaturesOptions},
};

/// Declares a trait of options that every backend makes something of.
macro_rules! every {
    ({ $(#[$meta:meta])* $Every:ident: $Options:ident $(+ $More:ident)*; $Here:ident } $($backend:ident),*) => {
        $(#[$meta])*
        pub trait $Every: $Options $(+ $More)* $(+ crate::backend::$backend::$Here)* {}

        impl<T> $Every for T where T: $Options $(+ $More)* $(+ crate::backend::$backend::$Here)* {}
    };
}

backends! { every! {
    /// A strategy's options, made on any backend.
    EveryStrategy: StrategyOptions; StrategyHere
} }

backends! { every! {
    /// A network's options, made on any backend.
    EveryNetwork: NetworkOptions; NetworkHere
} }

backends! { every! {
    /// A feature extractor's options, made on any backend.
    EveryFeatures: FeaturesOptions; FeaturesHere
} }

backends! { every! {
    /// A sampler that draws on any backend.
    EverySampler: SamplerOptions + Clone; SamplerHere
} }

macro_rules! add_on_each {
    ({ $Sampler:ident } $($backend:ident),*) => { $(crate::backend::$backend::add_sampler::<$Sampler>();)* };
}

/// Makes a sampler of an outside crate known on every backend; its options have to be added to the list besides.
pub fn add_sampler<S: EverySampler>() {
    backends! { add_on_each! { S } }
}

/// A backend on which choices are made.
pub(crate) trait Home: Kernels {
    /// The strategy's options as this backend makes them.
    fn strategy(
        options: &dyn EveryStrategy,
    ) -> &dyn BuildStrategy<Autodiff<Self>, AnyNetwork<Autodiff<Self>>>;

    /// The network's options as this backend makes them.
    fn network(options: &dyn EveryNetwork) -> &dyn BuildNetwork<Autodiff<Self>>;

    /// The extractor's options as this backend makes them.
    fn features(options: &dyn EveryFeatures) -> &dyn BuildExtractor<Self>;
}

/// Declares, in a backend's file, what it is to be made there. Without the backend's feature everything is.
macro_rules! here {
    ($feature:literal, $Backend:ty) => {
        #[cfg(feature = $feature)]
        mod here {
            use burn_autodiff::Autodiff;
            use cl_strategies::BuildStrategy;
            use ddpm_core::{AnyNetwork, BuildNetwork, sampler::Sampler};

            use crate::{
                everywhere::{EveryFeatures, EveryNetwork, EveryStrategy, Home},
                features::BuildExtractor,
            };

            type Train = Autodiff<$Backend>;

            /// A strategy that can be made on this backend.
            pub trait StrategyHere: BuildStrategy<Train, AnyNetwork<Train>> {}
            impl<T: BuildStrategy<Train, AnyNetwork<Train>>> StrategyHere for T {}

            /// A network that can be made on this backend.
            pub trait NetworkHere: BuildNetwork<Train> {}
            impl<T: BuildNetwork<Train>> NetworkHere for T {}

            /// A feature extractor that can be made on this backend.
            pub trait FeaturesHere: BuildExtractor<$Backend> {}
            impl<T: BuildExtractor<$Backend>> FeaturesHere for T {}

            /// A sampler that draws on this backend.
            pub trait SamplerHere: Sampler<$Backend> {}
            impl<T: Sampler<$Backend>> SamplerHere for T {}

            pub(crate) fn add_sampler<S: SamplerHere + Clone>() {
                ddpm_core::sampler::add_sampler::<$Backend, S>();
            }

            impl Home for $Backend {
                fn strategy(options: &dyn EveryStrategy) -> &dyn BuildStrategy<Train, AnyNetwork<Train>> {
                    options
                }

                fn network(options: &dyn EveryNetwork) -> &dyn BuildNetwork<Train> {
                    options
                }

                fn features(options: &dyn EveryFeatures) -> &dyn BuildExtractor<$Backend> {
                    options
                }
            }
        }
        #[cfg(not(feature = $feature))]
        mod here {
            /// Every strategy: this backend is not built in.
            pub trait StrategyHere {}
            impl<T> StrategyHere for T {}

            /// Every network: this backend is not built in.
            pub trait NetworkHere {}
            impl<T> NetworkHere for T {}

            /// Every feature extractor: this backend is not built in.
            pub trait FeaturesHere {}
            impl<T> FeaturesHere for T {}

            /// Every sampler: this backend is not built in.
            pub trait SamplerHere {}
            impl<T> SamplerHere for T {}

            pub(crate) fn add_sampler<S>() {}
        }
        pub(crate) use here::add_sampler;
        pub use here::{FeaturesHere, NetworkHere, SamplerHere, StrategyHere};
    };
}
pub(crate) use here;
