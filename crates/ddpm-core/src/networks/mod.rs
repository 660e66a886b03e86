//! The networks that are built in, a folder each, and the list of them.
//!
//! A network's folder has its module, its options with their checks ([`NetworkOptions`](crate::NetworkOptions)), how it is
//! made from them ([`BuildNetwork`](crate::BuildNetwork)), and its form on disk.

pub mod dit;
pub mod unet;

pub use self::{
    dit::{DiT, DiTConfig},
    unet::{UNet2D, UNet2DConfig},
};

/// The networks that are built in, one line each. Hands the list to a macro of the caller:
/// `built_in_networks! { my_macro! { anything before the list } }`.
#[macro_export]
macro_rules! built_in_networks {
    ($callback:ident! { $($before:tt)* }) => {
        $callback! {
            $($before)*
            $crate::UNet2DConfig,
            $crate::DiTConfig,
        }
    };
}
