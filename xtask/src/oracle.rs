//! The checkers against the definitions, on as many random histories per data type, level or rule
//! as are asked for.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::steps::root;

/// Runs the checkers' tests with `histories` random histories each, and prints one row per data
/// type, level and rule. A disagreement ends its test, and with it this: 0 mismatches is what a row
/// means.
pub(crate) fn run(histories: u64) -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tests = Command::new(cargo)
        .args(["test", "--locked", "--release", "-p", "tribunal-checkers", "--lib"])
        .args(["--", "linearizable", "txn", "weak", "invariants", "--nocapture"])
        .env("TRIBUNAL_HISTORIES", histories.to_string())
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    println!("| judged | histories | valid | invalid | unknown | mismatches |");
    println!("|---|---|---|---|---|---|");
    let out = tests.stdout.take().context("the output of cargo test")?;
    for line in BufReader::new(out).lines() {
        let line = line.context("reading the output of cargo test")?;
        match line.find("| ") {
            Some(at) if line.ends_with('|') => println!("{}", &line[at..]),
            Some(_) | None => eprintln!("oracle: {line}"),
        }
    }
    let status = tests.wait().context("waiting for cargo test")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
