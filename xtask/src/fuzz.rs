//! Fuzzing without a nightly toolchain: `fuzz/` drives every target with its own seeded mutator.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::steps::{cargo, root};

/// What `fuzz/drive.rs` knows.
const TARGETS: [&str; 10] =
    ["native", "jsonl", "edn", "porcupine", "awdit", "polysi", "dbcop", "cobra", "packed", "check"];

/// Address space of one fuzzer, in KiB: inputs have at most 64 KiB, and budgets of checks 64 MiB.
const MEMORY_KIB: u64 = 1 << 20;

/// Runs every target, and prints what it did.
pub(crate) fn run(executions: u64, seed: u64) -> Result<ExitCode> {
    cargo(&[
        "build",
        "--locked",
        "--release",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--bin",
        "drive",
    ])?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root().join("fuzz/target"), PathBuf::from);
    let drive = target.join("release/drive");
    if !drive.is_file() {
        bail!("cargo built no {}", drive.display());
    }
    let mut failed = false;
    for name in TARGETS {
        let status = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$@\""), "sh"])
            .arg(&drive)
            .args([name, &executions.to_string(), &seed.to_string()])
            .current_dir(root())
            .status()
            .with_context(|| format!("starting {}", drive.display()))?;
        if !status.success() {
            println!("{name}: failed ({status})");
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
