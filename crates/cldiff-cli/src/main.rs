//! The program `cldiff`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cldiff_cli::main()
}
