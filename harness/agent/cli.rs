//! Subcommands of `tribunal-agent`.

use std::process::ExitCode;

use crate::node;

const USAGE: &str = "usage: tribunal-agent node | version";

/// Runs the subcommand named by the arguments (without the program's own name).
pub fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["node"] => node::main(),
        ["version"] => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
}
