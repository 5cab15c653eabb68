//! Every performance figure comes from one of these, in release.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::steps::{build, cargo};

/// Name, package, cargo bench target, what it measures.
const BENCHES: &[(&str, &str, &str, &str)] = &[
    ("dispatcher", "tribunal-harness", "dispatcher", "runner with a no-op client, history on disk"),
    ("generator", "tribunal-harness", "generator", "offers and commits per second"),
    ("cluster", "tribunal-harness", "cluster", "local nodes up and down, agent requests"),
    ("codec", "tribunal-history", "codec", "reading and writing histories"),
    ("linearizable", "xtask", "linearizable", "deciding histories, Porcupine by turns"),
    ("report", "tribunal-results", "report", "rendering a report of a million operations"),
];

/// Runs one benchmark, or all.
pub(crate) fn run(name: Option<&str>, args: &[String]) -> Result<ExitCode> {
    let chosen: Vec<_> = BENCHES.iter().filter(|b| name.is_none_or(|name| name == b.0)).collect();
    if chosen.is_empty() {
        for (name, _, _, what) in BENCHES {
            eprintln!("  {name:14} {what}");
        }
        bail!("no benchmark is called {:?}", name.unwrap_or_default());
    }
    // What decides histories needs no node, agent or server.
    if chosen.iter().any(|bench| bench.1 != "xtask") {
        build("release")?;
    }
    for (name, package, target, what) in chosen {
        eprintln!("bench {name}: {what}");
        let mut command = vec!["bench", "--locked", "-p", package, "--bench", target, "--"];
        command.extend(args.iter().map(String::as_str));
        cargo(&command)?;
    }
    Ok(ExitCode::SUCCESS)
}
