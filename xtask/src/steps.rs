//! Demo and test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
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
    // In our place: an interrupt is its to answer, and its exit code is that of the command.
    let error = Command::new(&tribunal).arg("demo").args(args).current_dir(root()).exec();
    Err(error).with_context(|| format!("starting {}", tribunal.display()))
}

/// Sets up and runs every test; what a passing test skipped is said aloud.
pub(crate) fn test() -> Result<ExitCode> {
    setup::run(Need::Everything)?;
    build("dev")?;
    let args = ["test", "--locked", "--workspace", "--no-fail-fast", "--", "--show-output"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    eprintln!("xtask: cargo {}", args.join(" "));
    let mut child = Command::new(cargo)
        .args(args)
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut filter = Filter::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading what the tests say")?;
        let line = String::from_utf8_lossy(&line);
        if filter.shows(&line) {
            println!("{line}");
        }
    }
    let status = child.wait().context("waiting for cargo test")?;
    for skipped in &filter.skipped {
        println!("{skipped}");
    }
    if !status.success() {
        bail!("cargo test failed ({status})");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of `--show-output`: all but the words of tests that passed, unless they skipped.
#[derive(Default)]
struct Filter {
    passed: bool,
    name: String,
    skipped: Vec<String>,
}

impl Filter {
    fn shows(&mut self, line: &str) -> bool {
        match line {
            "successes:" => self.passed = true,
            "failures:" => self.passed = false,
            line if line.starts_with("test result: ") => self.passed = false,
            _other => {}
        }
        if !self.passed {
            return true;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----"))
        {
            self.name = name.to_string();
        }
        if line.starts_with("skipped: ") {
            self.skipped.push(format!("{}: {line}", self.name));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn a_skipped_test_is_heard_and_a_failed_one_shown() {
        let text = "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\nskipped: no sshd\nnoise\n\n\
                    successes:\n    a\n\nfailures:\n\n---- b stdout ----\nwhy\n\n\
                    test result: FAILED. 1 passed";
        let mut filter = Filter::default();
        let shown: Vec<&str> = text.lines().filter(|line| filter.shows(line)).collect();
        assert_eq!(filter.skipped, ["a: skipped: no sshd"]);
        assert!(shown.contains(&"why") && shown.contains(&"test result: FAILED. 1 passed"));
        assert!(!shown.contains(&"noise"));
    }
}
