//! A class-conditional [`DiT`](super::DiT) in the form of Hugging Face diffusers' `DiTTransformer2DModel`: configuration
//! and names of the parameters, both ways, on host data.
//!
//! Differences between the two, and how each is met:
//! - Every block of diffusers' class has embedders of timestep and label of its own; this DiT has one of each. Its copies
//!   are written to all blocks. Copies that differ (a network trained in diffusers, not converted to it) are refused.
//! - Queries, keys and values are one map here and three there.
//! - The label table has one row more than `num_embeds_ada_norm`; diffusers takes the last row for "no label".
//! - diffusers' frequencies of the timestep have 127 in their exponent's denominator ([`DiTConfig::freq_shift`] 1), the
//!   published code's 128 (0). diffusers has no key for it, so that only 1 can be written.
//! - [`DiTConfig::norm_eps`] is diffusers' key; both add 1e-6 in the other norms.
//! - The two-layer network of diffusers' blocks is always four tokens wide ([`DiTConfig::mlp_ratio`]).
//! - diffusers has no unconditional form, and takes squares only.
//!
//! [`DiTConfig::freq_shift`]: super::DiTConfig::freq_shift
//! [`DiTConfig::norm_eps`]: super::DiTConfig::norm_eps
//! [`DiTConfig::mlp_ratio`]: super::DiTConfig::mlp_ratio

mod config;
mod names;

pub use self::{
    config::{CLASS, config_from_diffusers, config_to_diffusers},
    names::{names_from_diffusers, names_to_diffusers},
};
