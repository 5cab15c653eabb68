//! The binary that is pushed to a node; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Option<Vec<String>> =
        std::env::args_os().skip(1).map(|argument| argument.into_string().ok()).collect();
    // No argument of ours holds other bytes than UTF-8; the empty list prints the usage.
    tribunal_agent::run(&arguments.unwrap_or_default())
}
