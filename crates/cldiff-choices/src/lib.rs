//! Choices that describe themselves.
//!
//! A *kind* is something of which a configuration names one: a sampler, a stream, a strategy. A *choice* is a type
//! that holds the options and implements [`Describe`] (name, summary, citation) and the object-safe trait of its
//! kind. The macro [`choice!`] declares the list of a kind and a type that stands for "one of them, with options": it
//! parses from `{ name = { options } }`, writes itself that way, and has a JSON Schema. The list is open: a program
//! [adds](List::add) choices of its own before it parses anything.
//!
//! ```
//! use cldiff_choices::{Describe, Options, choice};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! pub trait Shape: Options {
//!     fn area(&self) -> f64;
//! }
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct Square {
//!     /// Length of a side
//!     side: f64,
//! }
//!
//! impl Describe for Square {
//!     const NAME: &'static str = "square";
//!     const SUMMARY: &'static str = "Four equal sides";
//! }
//!
//! impl Shape for Square {
//!     fn area(&self) -> f64 {
//!         self.side * self.side
//!     }
//! }
//!
//! choice! {
//!     /// The choice of a shape, with its options.
//!     pub struct ShapeConfig(dyn Shape), kind "shape";
//!     Square,
//! }
//!
//! let shape: ShapeConfig = serde_json::from_str(r#"{ "square": { "side": 2.0 } }"#)?;
//! assert_eq!(shape.area(), 4.0);
//! assert_eq!(ShapeConfig::list().names(), ["square"]);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod choice;
mod describe;
mod image_size;
mod list;
mod plain;
mod schema;

pub use describe::{Describe, Options, Serializable};
pub use image_size::ImageSize;
pub use list::{Entry, List, ListError};
pub use plain::plain_value;
pub use schema::one_of;

#[doc(hidden)]
pub mod private {
    pub use crate::choice::{AddedOptions, KnownName, NoOther, bare, serialize};
    pub use ::dyn_clone::arc_make_mut;
    pub use ::erased_serde;
    pub use ::schemars;
    pub use ::serde;
}
