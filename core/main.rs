//! The `cuetone` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    cuetone::cli::run()
}
