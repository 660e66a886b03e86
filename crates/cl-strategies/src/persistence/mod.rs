//! The state of a training, and how it is kept on disk.

mod checkpoint;
mod state;

pub use checkpoint::Checkpoints;
pub use state::{Restore, State};
