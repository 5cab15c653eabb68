//! Every performance figure comes from one of these, in release.

mod demo;
mod transactions;

use std::process::ExitCode;

use anyhow::Result;

use crate::steps::{build, cargo};
use crate::usage::NoSuch;

/// Name, how it is run, what it measures.
const BENCHES: &[(&str, How, &str)] = &[
    (
        "dispatcher",
        How::Cargo("tribunal-harness", "dispatcher"),
        "runner with a no-op client, history on disk",
    ),
    ("generator", How::Cargo("tribunal-harness", "generator"), "offers and commits per second"),
    ("cluster", How::Cargo("tribunal-harness", "cluster"), "local nodes up and down, requests"),
    ("codec", How::Cargo("tribunal-history", "codec"), "reading and writing histories"),
    ("linearizable", How::Cargo("xtask", "linearizable"), "deciding histories, Porcupine by turns"),
    ("report", How::Cargo("tribunal-results", "report"), "rendering a report of 10^6 operations"),
    ("transactions", How::Transactions, "deciding levels of transactions, adya by turns"),
    ("demo", How::Demo, "the quickstart, from the command to its verdict"),
];

/// How a benchmark is run.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// A bench target of a package.
    Cargo(&'static str, &'static str),
    /// Here: it times the chore `demo`.
    Demo,
    /// Here: it times whole programs.
    Transactions,
}

/// Runs one benchmark, or all.
pub(crate) fn run(name: Option<&str>, args: &[String]) -> Result<ExitCode> {
    let chosen: Vec<_> = BENCHES.iter().filter(|b| name.is_none_or(|name| name == b.0)).collect();
    if chosen.is_empty() {
        let known = BENCHES.iter().map(|bench| bench.0);
        return Err(NoSuch::new("benchmark", name.unwrap_or_default(), known).into());
    }
    // What decides histories needs no node, agent or server.
    if chosen
        .iter()
        .any(|(_, how, _)| !matches!(how, How::Cargo("xtask", _) | How::Demo | How::Transactions))
    {
        build("release")?;
    }
    for (name, how, what) in chosen {
        eprintln!("bench {name}: {what}");
        match how {
            How::Cargo(package, target) => {
                let mut command = vec!["bench", "--locked", "-p", package, "--bench", target, "--"];
                command.extend(args.iter().map(String::as_str));
                cargo(&command)?;
            }
            How::Demo => demo::run(args)?,
            How::Transactions => transactions::run(args)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
