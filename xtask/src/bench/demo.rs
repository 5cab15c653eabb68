//! Seconds from `cargo xtask demo` to its verdict. The first run builds what is not built, so in an
//! empty target directory it is the cold figure; the others are warm.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Need};
use crate::steps::{build, root, target_dir};

/// What a warm demo may take.
const GOAL_S: f64 = 60.0;

/// One run.
struct Run {
    built_s: f64,
    verdict_s: f64,
    exit: Option<i32>,
    verdict: String,
}

/// Times the demo: 3 times after one that is not counted, or as often as the argument says.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let runs: u64 = match args {
        [] => 3,
        [runs] => runs.parse().with_context(|| format!("{runs:?} is not a number of runs"))?,
        [_, other, ..] => bail!("{other:?}: bench demo takes one argument, a number of runs"),
    };
    println!("| run | seed | built after | verdict after | exit code | verdict |");
    println!("|---|---|---|---|---|---|");
    show("first", 0, &once(0)?);
    let mut seconds = Vec::new();
    let mut failed = 0;
    for seed in 1..=runs {
        let run = once(seed)?;
        show("warm", seed, &run);
        failed += u64::from(run.exit != Some(0));
        seconds.push(run.verdict_s);
    }
    if let Some(median) = median(&mut seconds) {
        let most = seconds.last().copied().unwrap_or(median);
        println!("\nwarm: median {median:.1} s, slowest {most:.1} s, goal {GOAL_S:.0} s");
    }
    match failed {
        0 => Ok(()),
        _some => bail!("{failed} of {runs} warm demos did not end with exit code 0"),
    }
}

/// What `cargo xtask demo` does, with a clock.
fn once(seed: u64) -> Result<Run> {
    let start = Instant::now();
    setup::run(Need::Run)?;
    let tribunal = build("release")?;
    let built_s = start.elapsed().as_secs_f64();
    let mut demo = Command::new(&tribunal)
        .args(["demo", "--quiet", "--seed", &seed.to_string(), "--runs-dir"])
        .arg(target_dir().join("bench-demo"))
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", tribunal.display()))?;
    let out = demo.stdout.take().context("the output of the demo")?;
    let (mut verdict, mut verdict_s) = (String::new(), 0.0);
    for line in BufReader::new(out).lines() {
        let line = line.context("reading the output of the demo")?;
        // The one line that says how it ends.
        if line.contains("  exit ") {
            verdict_s = start.elapsed().as_secs_f64();
            verdict = line;
        }
    }
    let exit = demo.wait().context("waiting for the demo")?.code();
    if verdict.is_empty() {
        bail!("the demo with seed {seed} ended without a verdict, exit code {exit:?}");
    }
    Ok(Run { built_s, verdict_s, exit, verdict })
}

fn show(name: &str, seed: u64, run: &Run) {
    let exit = run.exit.map_or_else(|| "none".into(), |code| code.to_string());
    let verdict = run.verdict.replace('|', "\\|");
    let (built, took) = (run.built_s, run.verdict_s);
    println!("| {name} | {seed} | {built:.1} s | {took:.1} s | {exit} | {verdict} |");
}

fn median(seconds: &mut [f64]) -> Option<f64> {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}
