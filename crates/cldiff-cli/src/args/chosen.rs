//! Arguments that name a choice of a list: the list gives their values and help.

use std::sync::LazyLock;

use clap::{ValueEnum, builder::PossibleValue};
use cldiff_choices::{Entry, List};
use cldiff_engine::{Backend, FeaturesConfig};
use ddpm_core::sampler::SamplerConfig;

/// A choice as the command line spells it: `dpm-solver` for `dpm_solver`.
#[derive(Debug, Clone, Copy)]
struct Named {
    name: &'static str,
    spelt: &'static str,
    summary: &'static str,
    aliases: &'static [&'static str],
}

impl Named {
    fn of<K: ?Sized>(entry: &'static Entry<K>) -> &'static Self {
        // Kept for the rest of the process, as clap keeps names.
        let spelt = Box::leak(entry.name.replace('_', "-").into_boxed_str());
        Box::leak(Box::new(Self { name: entry.name, spelt, summary: entry.summary, aliases: entry.aliases }))
    }

    fn all<K: ?Sized>(list: &List<K>) -> Vec<&'static Self> {
        list.entries().into_iter().map(Self::of).collect()
    }

    fn possible(&self) -> PossibleValue {
        PossibleValue::new(self.spelt).help(self.summary).aliases(self.aliases)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// `--sampler`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerArg(&'static Named);

impl SamplerArg {
    /// The sampler with its default options.
    pub fn sampler(self) -> Option<SamplerConfig> {
        SamplerConfig::named(self.0.name)
    }

    /// The help of `--steps`, with the default of each sampler.
    pub fn help_on_steps() -> String {
        let default = |arg: &Self| {
            let steps = serde_json::to_value(arg.sampler()?).ok()?[arg.0.name]["steps"].as_u64();
            let steps = steps.map_or("all".to_owned(), |steps| steps.to_string());
            Some(format!("{steps} with {}", arg.0.spelt))
        };
        let defaults: Vec<String> = Self::value_variants().iter().filter_map(default).collect();
        format!("Timesteps visited [default: as for --sampler; else {}]", defaults.join(", "))
    }
}

impl ValueEnum for SamplerArg {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<SamplerArg>> =
            LazyLock::new(|| Named::all(SamplerConfig::list()).into_iter().map(SamplerArg).collect());
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(self.0.possible())
    }
}

/// `--features`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeaturesArg(&'static Named);

impl FeaturesArg {
    /// The extractor with its default options.
    pub fn features(self) -> Option<FeaturesConfig> {
        FeaturesConfig::named(self.0.name)
    }
}

impl ValueEnum for FeaturesArg {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<FeaturesArg>> =
            LazyLock::new(|| Named::all(FeaturesConfig::list()).into_iter().map(FeaturesArg).collect());
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(self.0.possible())
    }
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackendArg(&'static Named);

impl BackendArg {
    /// The first backend that works.
    pub const AUTO: Self = Self(&Named {
        name: Backend::AUTO,
        spelt: Backend::AUTO,
        summary: "The first that works: CUDA, a hardware Vulkan device, the fastest CPU backend",
        aliases: &[],
    });

    /// As [`cldiff_engine::open`] takes it.
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

impl ValueEnum for BackendArg {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<BackendArg>> = LazyLock::new(|| {
            let listed = Backend::all().iter().map(|&Backend { name, summary, .. }| {
                BackendArg(Box::leak(Box::new(Named { name, spelt: name, summary, aliases: &[] })))
            });
            [BackendArg::AUTO].into_iter().chain(listed).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(self.0.possible())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_steps_has_the_default_of_each_sampler() {
        let help = SamplerArg::help_on_steps();
        for expected in [
            "[default: as for --sampler; else 50 with ddim, all with ancestral, 20 with dpm-solver, ",
            "20 with heun",
        ] {
            assert!(help.contains(expected), "{help}");
        }
    }
}
