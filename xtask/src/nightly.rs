//! The long checks, one row of docs/TRACK_RECORD.md each.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::setup::{self, Need};
use crate::steps::{build, root};
use crate::usage::NoSuch;
use crate::{faults, fuzz, leases, oracle};

/// One row: the same run with many seeds.
struct Row {
    group: &'static str,
    name: &'static str,
    args: &'static [&'static str],
    /// Exit code every run must end with.
    wanted: i32,
    /// Seeds, as a share of those asked for: percent.
    share: u64,
    /// Runs that may end otherwise, in percent; never with another verdict when `wanted` is 0.
    misses: u64,
}

const ROWS: &[Row] = &[
    Row {
        group: "matrix",
        name: "raftkv stale-read",
        args: &["suites/negative/raftkv-stale-read.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv lost-write",
        args: &["suites/negative/raftkv-lost-write.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv no-fsync-vote",
        args: &["suites/negative/raftkv-no-fsync-vote.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv dirty-cas",
        args: &["suites/negative/raftkv-dirty-cas.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv torn-txn",
        args: &["suites/negative/raftkv-torn-txn.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv no-read-validation",
        args: &["suites/negative/raftkv-no-read-validation.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv no-range-validation",
        args: &["suites/negative/raftkv-no-range-validation.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv stale-read, transactions",
        args: &["suites/negative/raftkv-stale-read-txn.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv stale-read, sessions that roam",
        args: &["suites/negative/raftkv-stale-session.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv torn-txn, bank",
        args: &["suites/negative/raftkv-torn-bank.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "matrix",
        name: "raftkv stale-read, bank",
        args: &["suites/negative/raftkv-stale-bank.toml"],
        wanted: 1,
        share: 100,
        misses: 5,
    },
    Row {
        group: "clean",
        name: "raftkv clean, three faults together",
        args: &["suites/quickstart.toml"],
        wanted: 0,
        share: 200,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv transactions, three faults together",
        args: &["suites/claims/raftkv-append.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv transactions on registers, three faults together",
        args: &["suites/claims/raftkv-wr.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv transactions on ranges, three faults together",
        args: &["suites/claims/raftkv-predicate.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv reads and writes of several registers, three faults together",
        args: &["suites/claims/raftkv-multi-register.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv long forks, three faults together",
        args: &["suites/claims/raftkv-long-fork.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv causality, three faults together",
        args: &["suites/claims/raftkv-causal.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv sessions that roam, three faults together",
        args: &["suites/claims/raftkv-session.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "clean",
        name: "raftkv bank, three faults together",
        args: &["suites/claims/raftkv-bank.toml"],
        wanted: 0,
        share: 100,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd default reads",
        args: &["suites/claims/etcd.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd serializable reads",
        args: &["suites/claims/etcd-serializable.toml"],
        wanted: 1,
        share: 50,
        misses: 10,
    },
    Row {
        group: "etcd",
        name: "etcd transactions",
        args: &["suites/claims/etcd-append.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd transactions on registers",
        args: &["suites/claims/etcd-wr.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd transactions on ranges, three faults together",
        args: &["suites/claims/etcd-predicate.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd sessions that roam, default reads",
        args: &["suites/claims/etcd-session.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
    Row {
        group: "etcd",
        name: "etcd sessions that roam, serializable reads",
        args: &["suites/claims/etcd-serializable-session.toml"],
        wanted: 1,
        share: 50,
        misses: 10,
    },
    Row {
        group: "etcd",
        name: "etcd bank",
        args: &["suites/claims/etcd-bank.toml"],
        wanted: 0,
        share: 50,
        misses: 0,
    },
];

/// Seeds asked for, for each run of a fault on a target: two with the usual 20.
const SEEDS_PER_FAULT: u64 = 10;

/// Controllers killed for each seed asked for: 100 with the usual 20.
const KILLS_PER_SEED: u64 = 5;

/// Inputs given to each fuzzer for each seed asked for: a million with the usual 20.
const INPUTS_PER_SEED: u64 = 50_000;

/// Random histories per data type for each seed asked for: a million with the usual 20.
const HISTORIES_PER_SEED: u64 = 50_000;

/// Every group, `all` last.
const GROUPS: [&str; 8] = ["matrix", "clean", "etcd", "faults", "leases", "fuzz", "oracle", "all"];

/// Runs the rows of one group, or all, and prints a Markdown table.
pub(crate) fn run(group: Option<&str>, seeds: u64) -> Result<ExitCode> {
    // Said at once, not after the minutes that setting up and building take.
    if let Some(group) = group.filter(|group| !GROUPS.contains(group)) {
        return Err(NoSuch::new("nightly check", group, GROUPS).into());
    }
    if group == Some("fuzz") {
        return fuzz::run(seeds * INPUTS_PER_SEED, 1);
    }
    if group == Some("oracle") {
        return oracle::run(seeds * HISTORIES_PER_SEED);
    }
    setup::run(Need::Everything)?;
    let tribunal = build("release")?;
    let all = group.is_none_or(|group| group == "all");
    if group == Some("leases") {
        return leases::run(&tribunal, seeds * KILLS_PER_SEED);
    }
    if group == Some("faults") {
        return faults::run(&tribunal, (seeds / SEEDS_PER_FAULT).max(1));
    }
    let rows: Vec<&Row> = ROWS.iter().filter(|row| all || Some(row.group) == group).collect();
    println!("| row | runs | as wanted | verdicts by exit code | median s | command |");
    println!("|---|---|---|---|---|---|");
    let mut failed = false;
    for row in rows {
        failed |= !run_row(&tribunal, row, (seeds * row.share / 100).max(1))?;
    }
    if all && faults::run(&tribunal, (seeds / SEEDS_PER_FAULT).max(1))? != ExitCode::SUCCESS {
        failed = true;
    }
    if all && leases::run(&tribunal, seeds * KILLS_PER_SEED)? != ExitCode::SUCCESS {
        failed = true;
    }
    if all && fuzz::run(seeds * INPUTS_PER_SEED, 1)? != ExitCode::SUCCESS {
        failed = true;
    }
    if all && oracle::run(seeds * HISTORIES_PER_SEED)? != ExitCode::SUCCESS {
        failed = true;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_row(tribunal: &Path, row: &Row, runs: u64) -> Result<bool> {
    let mut codes = std::collections::BTreeMap::<i32, u64>::new();
    let mut seconds = Vec::new();
    for seed in 1..=runs {
        let start = Instant::now();
        let status = Command::new(tribunal)
            .arg("run")
            .args(row.args)
            .args(["--quiet", "--seed", &seed.to_string()])
            .current_dir(root())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("starting {}", tribunal.display()))?;
        *codes.entry(status.code().unwrap_or(-1)).or_default() += 1;
        seconds.push(start.elapsed().as_secs_f64());
        eprintln!("nightly: {} seed {seed}: {status}", row.name);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let hits = codes.get(&row.wanted).copied().unwrap_or(0);
    let list: Vec<String> = codes.iter().map(|(code, n)| format!("{code}: {n}")).collect();
    println!(
        "| {} | {runs} | {hits} | {} | {median:.1} | `tribunal run {} --seed N` |",
        row.name,
        list.join(", "),
        row.args.join(" "),
    );
    Ok((runs - hits) * 100 <= row.misses * runs)
}
