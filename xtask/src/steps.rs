//! Demo and test.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Need};

/// Root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Runs cargo in the workspace; its failure is ours.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    eprintln!("xtask: cargo {}", args.join(" "));
    let status = Command::new(cargo)
        .args(args)
        .current_dir(root())
        .status()
        .with_context(|| format!("starting cargo {}", args.join(" ")))?;
    if !status.success() {
        bail!("cargo {} failed ({status})", args.join(" "));
    }
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the binaries of one profile and returns the path of `tribunal`.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    let dir = if profile == "dev" { "debug" } else { profile };
    cargo(&[
        "build",
        "--locked",
        "--profile",
        profile,
        "-p",
        "tribunal",
        "-p",
        "tribunal-agent",
        "-p",
        "tribunal-servers",
        "--bins",
    ])?;
    Ok(target_dir().join(dir).join("tribunal"))
}

/// Sets up, builds in release and runs the quickstart.
pub(crate) fn demo(args: &[String]) -> Result<ExitCode> {
    let start = Instant::now();
    setup::run(Need::Run)?;
    let tribunal = build("release")?;
    eprintln!("xtask: ready after {:.0} s", start.elapsed().as_secs_f64());
    let status = Command::new(&tribunal)
        .arg("demo")
        .args(args)
        .current_dir(root())
        .status()
        .with_context(|| format!("starting {}", tribunal.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70)))
}

/// Sets up and runs every test.
pub(crate) fn test() -> Result<ExitCode> {
    setup::run(Need::Everything)?;
    build("dev")?;
    cargo(&["test", "--locked", "--workspace", "--no-fail-fast"])?;
    Ok(ExitCode::SUCCESS)
}
