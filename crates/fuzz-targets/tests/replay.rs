//! Every committed input through its target, and what becomes of it when it is cut or bits of it flip.
//!
//! Memory is capped, so that a parser that takes more than it should ends the test.

use std::{alloc::System, fs, path::Path};

use cap::Cap;
use fuzz_targets::TARGETS;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 1 << 30);

/// Cuts and flips of each input.
const VARIATIONS: usize = 60;

#[test]
fn seeds_and_their_variations_hold() {
    for target in TARGETS {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target.name);
        let mut files: Vec<_> = fs::read_dir(&seeds).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} has no seed", target.name);
        for file in files {
            let bytes = fs::read(&file).unwrap();
            eprintln!("{}", file.display());
            (target.run)(&bytes);
            for i in 0..VARIATIONS {
                (target.run)(&bytes[..bytes.len() * i / VARIATIONS]);
                let mut flipped = bytes.clone();
                // Steps that share no factor with the length of most files reach all parts of them.
                let at = i * 7919 % bytes.len().max(1);
                if let Some(byte) = flipped.get_mut(at) {
                    *byte ^= 1 << (i % 8);
                }
                (target.run)(&flipped);
            }
        }
    }
}

/// Not even a first byte.
#[test]
fn an_empty_input_is_an_error_and_no_panic() {
    for target in TARGETS {
        (target.run)(&[]);
    }
}
