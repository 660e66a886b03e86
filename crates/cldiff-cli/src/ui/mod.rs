//! Output that more than one subcommand prints: progress, the table of results, and the reason for ending without
//! success.
//!
//! Results go to stdout, everything else to stderr.

pub mod class_counts;
pub mod download;
pub mod failure;
pub mod pace;
pub mod panics;
pub mod progress;
pub mod short_of_memory;
pub mod table;
pub mod wrapped;
