//! The binary that is pushed to a node; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    tribunal_agent::run(&arguments)
}
