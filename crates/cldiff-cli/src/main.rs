//! The program `cldiff`.

use std::process::ExitCode;

/// A training step allocates the same large tensors again and again; the system's allocator gives their pages back
/// and takes them anew each time, which costs as much as some of the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cldiff_cli::main()
}
