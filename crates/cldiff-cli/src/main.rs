//! The program `cldiff`.

use std::process::ExitCode;

/// A training step allocates the same large tensors again and again; the system's allocator gives their pages back
/// and takes them anew each time, which costs as much as some of the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's header: after how many milliseconds free pages go back to the system.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // Never: the memory of one step is that of the next.
    #[allow(unsafe_code)]
    // SAFETY: sets a number, before any other thread is started.
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, -1);
    }
    cldiff_cli::main()
}
