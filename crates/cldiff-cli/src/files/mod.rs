//! Files: the directory of a run and the directories of its cells, sets of tensors, pictures, and the program's files
//! in the user's cache.
//!
//! A file of a run is written whole or not at all, by way of a temporary file beside it.

pub mod cell_directory;
pub mod claim;
pub(crate) mod class_names;
mod events;
pub mod finished_run;
pub mod grid;
pub(crate) mod hub;
mod late;
pub mod lease;
mod machine;
pub mod manifest;
mod no_run;
pub mod output;
mod parts;
pub(crate) mod pictures;
pub(crate) mod published;
pub mod run_directory;
pub mod tensorboard;
pub mod tensors;
pub mod weights;
