//! Output that more than one subcommand prints: progress, tables, and the reason for ending without success.
//!
//! Results go to stdout, everything else to stderr. Nothing is wider than the terminal ([`width`]).

pub mod class_counts;
pub mod download;
pub mod excerpt;
pub mod failure;
pub mod number;
pub mod pace;
pub mod panics;
pub mod paper;
pub mod progress;
pub mod sheet;
pub mod short_of_memory;
pub mod table;
pub mod width;
