//! Properties of every file that cldiff reads, whatever is in it: one function a parser.
//!
//! Each takes bytes, gives them to the parser that users' files go through, and checks what must be true of a value that
//! is accepted. A fuzzer calls them (`fuzz/`, `cargo xtask fuzz`), and `tests/replay.rs` with all committed seeds.

// They panic where what must hold does not: that is what they are for.
#![allow(clippy::missing_panics_doc)]

mod arrays;
mod data;
mod models;
mod program;

use std::{cell::OnceCell, fs, path::Path};

pub use self::{
    arrays::{arrays, npy, npz, safetensors},
    data::{archive, cifar, digits, idx, image, parquet, pickled_cifar, webdataset},
    models::{checkpoint, diffusers, pytorch, weights},
    program::{cell, cells, config, events, lease, manifest, metric, results},
};

/// A parser's name and its function.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Panics if what must hold does not.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 24] = [
    Target { name: "archive", run: archive },
    Target { name: "arrays", run: arrays },
    Target { name: "cell", run: cell },
    Target { name: "cells", run: cells },
    Target { name: "checkpoint", run: checkpoint },
    Target { name: "cifar", run: cifar },
    Target { name: "config", run: config },
    Target { name: "diffusers", run: diffusers },
    Target { name: "digits", run: digits },
    Target { name: "events", run: events },
    Target { name: "idx", run: idx },
    Target { name: "image", run: image },
    Target { name: "lease", run: lease },
    Target { name: "manifest", run: manifest },
    Target { name: "metric", run: metric },
    Target { name: "npy", run: npy },
    Target { name: "npz", run: npz },
    Target { name: "parquet", run: parquet },
    Target { name: "pickled_cifar", run: pickled_cifar },
    Target { name: "pytorch", run: pytorch },
    Target { name: "results", run: results },
    Target { name: "safetensors", run: safetensors },
    Target { name: "webdataset", run: webdataset },
    Target { name: "weights", run: weights },
];

/// The mark between the files of an input that has several.
pub const NEXT: &[u8] = b"\n--next--\n";

/// The files of an input; those that lack are empty.
fn files<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data;
    std::array::from_fn(|i| {
        let end = rest.windows(NEXT.len()).position(|window| window == NEXT).filter(|_| i + 1 < N);
        let file = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + NEXT.len()..]);
        file
    })
}

/// The first byte chooses how the rest is read.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Gives a directory of this thread that lasts as long as it. Files of an earlier call may be in it.
fn in_directory(of: impl FnOnce(&Path)) {
    thread_local!(static DIRECTORY: OnceCell<tempfile::TempDir> = const { OnceCell::new() });
    DIRECTORY.with(|dir| {
        let made = || tempfile::tempdir().expect("a temporary directory can be made");
        of(dir.get_or_init(made).path());
    });
}

fn write(path: &Path, bytes: &[u8]) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("a temporary directory can be written");
    }
    fs::write(path, bytes).expect("a temporary file can be written");
}
