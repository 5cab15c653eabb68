//! Whole runs on real nodes: what they leave, how they end, and that they leave nobody behind.

mod alone;
mod beside;
mod lab;
mod living;
mod signals;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;
use support::{Running, suite, text, tribunal};
use tempfile::TempDir;

fn scratch() -> TempDir {
    TempDir::new().expect("a scratch directory")
}

fn json(path: &Path) -> Json {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fault track: kind, number and edge of each line.
fn edges(run: &Path) -> Vec<(String, String, String)> {
    let lines = fs::read_to_string(run.join("faults.jsonl")).expect("a fault track");
    let field = |line: &Json, name: &str| line[name].to_string().replace('"', "");
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is an object"))
        .map(|line: Json| (field(&line, "kind"), field(&line, "fault"), field(&line, "edge")))
        .collect()
}

/// Every fault that was injected was seen to end.
fn all_healed(run: &Path) {
    let edges = edges(run);
    for (kind, fault, edge) in &edges {
        if edge == "injected" {
            let ended = |of: &&(String, String, String)| of.1 == *fault && of.2 == "heal-verified";
            assert!(edges.iter().any(|edge| ended(&edge)), "{kind} {fault} ended: {edges:?}");
        }
    }
}

#[test]
fn a_clean_run_passes_and_can_be_judged_again() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let ended = Running::start(
        dir.path(),
        &["run", text(&suite), "--out", text(&run), "--seed", "1", "--concurrency", "6"],
    )
    .end();
    assert_eq!(ended.code(), 0, "{}", ended.words());
    ended.left_nothing(dir.path());
    for name in ["report.html", "verdicts.json", "history.log", "faults.jsonl", "plan.json"] {
        let size = fs::metadata(run.join(name)).map_or(0, |file| file.len());
        assert!(size > 0, "{name} is written");
    }
    assert_eq!(json(&run.join("plan.json"))["seed"], 1);
    assert_eq!(json(&run.join("verdicts.json"))["class"], "pass");
    let edges = edges(&run);
    for kind in ["pause", "kill"] {
        let bit = |edge: &(String, String, String)| edge.0 == kind && edge.2 == "verified";
        assert!(edges.iter().any(bit), "{kind} bit: {edges:?}");
    }
    all_healed(&run);
    for word in [text(&run.join("report.html")), "--seed 1", "tribunal run "] {
        assert!(ended.stdout.contains(word), "{word} in\n{}", ended.stdout);
    }
    // The command that asks for the same run works as it is printed, wherever the program is.
    let repro = ended.stdout.lines().find_map(|line| line.trim().strip_prefix("repro"));
    let repro = repro.expect("the command is printed").trim();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("exec {repro} --time 2s --nemesis none")]).current_dir(dir.path());
    let asked = Running::spawn(shell).end();
    assert_eq!(asked.code(), 0, "{repro}: {}", asked.words());
    let again = tribunal(&["check", text(&run)]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    let mut pages = Vec::new();
    for _ in 0..2 {
        let output = tribunal(&["report", text(&run)]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        pages.push(fs::read(run.join("report.html")).expect("a page"));
    }
    assert_eq!(pages[0], pages[1], "a page depends on its run alone");
}

#[test]
fn a_planted_bug_is_found_and_can_be_expected() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let find = ["run", text(&suite), "--bug", "stale-read", "--time", "10s", "--seed", "3"];
    let found = Running::start(dir.path(), &[&find[..], &["--out", text(&run)]].concat()).end();
    assert_eq!(found.code(), 1, "{}", found.words());
    assert_eq!(json(&run.join("verdicts.json"))["class"], "anomaly");
    let again = tribunal(&["check", text(&run)]);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stderr));
    let more = dir.path().join("more");
    let args = [&find[..], &["--expect-anomaly", "--out", text(&more)]].concat();
    let expected = Running::start(dir.path(), &args).end();
    assert_eq!(expected.code(), 0, "{}", expected.words());
    expected.left_nothing(dir.path());
}

#[test]
fn a_load_ends_as_soon_as_its_promise_is_broken() {
    if !support::servers() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let find = ["run", text(&suite), "--nodes", "processes:3", "--seed", "1", "--time", "60s"];
    let early = ["--nemesis", "none", "--bug", "stale-read", "--live", "stop", "--out", text(&run)];
    let ended = Running::start(dir.path(), &[&find[..], &early].concat()).end();
    assert_eq!(ended.code(), 1, "{}", ended.words());
    assert!(ended.stderr.contains("linearizable is broken already: key"), "{}", ended.stderr);
    let verdicts = json(&run.join("verdicts.json"));
    assert_eq!(verdicts["warnings"][0]["code"], "stopped", "{}", verdicts["warnings"]);
    let seconds = verdicts["run"]["duration_ns"].as_u64().expect("a duration") / 1_000_000_000;
    assert!(seconds < 40, "the load of 60 s ended only after {seconds} s");
}

#[test]
fn plain_processes_are_killed_and_paused_but_not_cut_apart() {
    if !support::servers() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let on = ["run", text(&suite), "--nodes", "processes:3", "--seed", "1"];
    let ended = Running::start(dir.path(), &[&on[..], &["--out", text(&run)]].concat()).end();
    assert_eq!(ended.code(), 0, "{}", ended.words());
    ended.left_nothing(dir.path());
    all_healed(&run);
    let more = dir.path().join("more");
    let args =
        [&on[..], &["--time", "30s", "--nemesis", "partition", "--out", text(&more)]].concat();
    let refused = Running::start(dir.path(), &args).end();
    assert_eq!(refused.code(), 64, "{}", refused.words());
    let words = &refused.stderr;
    assert!(words.contains("partition") && words.contains("not available"), "{words}");
    assert!(words.contains("host's network"), "says why: {words}");
}

#[test]
fn an_interrupt_heals_and_judges_what_exists() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let args = ["run", text(&suite), "--time", "120s", "--out", text(&run)];
    let mut running = Running::start(dir.path(), &args);
    let history = run.join("history.log");
    running.until("history", || fs::metadata(&history).is_ok_and(|file| file.len() > 40_000));
    kill(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
    let ended = running.end();
    assert!((0..=3).contains(&ended.code()), "{}: {}", ended.code(), ended.words());
    assert!(ended.stderr.contains("interrupted"), "{}", ended.words());
    ended.left_nothing(dir.path());
    let verdicts = json(&run.join("verdicts.json"));
    assert!(verdicts["counts"].to_string().contains("ok"), "{verdicts}");
    all_healed(&run);
    let again = tribunal(&["check", text(&run)]);
    assert_eq!(again.status.code(), Some(ended.code()), "the history has an end");
}

#[test]
fn a_full_disk_ends_the_run_and_keeps_what_was_written() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let suite = suite(dir.path());
    // The mount lives in a namespace of its own and goes with it, however this test ends. Nodes
    // have their disks elsewhere: it is the record that meets the end of the disk.
    let script = "set -e; mkdir full elsewhere; mount -t tmpfs -o size=1300k tmpfs full
        ln -s ../elsewhere full/cluster
        set +e; \"$0\" run \"$1\" --rate 2000 --time 60s --out full; code=$?
        cp -r full kept; exit $code";
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_tribunal"), text(&suite)]);
    command.current_dir(dir.path());
    let ended = Running::spawn(command).end();
    assert!([2, 69].contains(&ended.code()), "{}: {}", ended.code(), ended.words());
    assert!(ended.words().contains("disk full after"), "{}", ended.words());
    ended.left_nothing(dir.path());
    let kept = dir.path().join("kept");
    all_healed(&kept);
    let again = tribunal(&["check", text(&kept), "--json"]);
    assert_eq!(again.status.code(), Some(ended.code()), "a run that failed passes never");
    let judged: Json = serde_json::from_slice(&again.stdout).expect("the history is readable");
    let ok = judged["counts"]["ok"].as_u64().expect("a count");
    assert!(ok > 100, "what was written is there: {judged}");
}

#[test]
fn a_run_whose_words_nobody_reads_ends_as_it_would() {
    if !support::servers() {
        return;
    }
    let dir = scratch();
    let (suite, run) = (suite(dir.path()), dir.path().join("run"));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(["run", text(&suite), "--nodes", "processes:3", "--seed", "1", "--time", "8s"])
        .args(["--out", text(&run)])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // As `2>&1 | head -1` does.
    drop(child.stderr.take());
    let ended = child.wait().expect("a child of ours");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(json(&run.join("verdicts.json"))["class"], "pass");
}
