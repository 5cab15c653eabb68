//! A run directory while its run is being made, and when that was killed.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scratch;
use crate::support::{self, Running, suite, text, tribunal};

/// A run of two minutes that has recorded something.
fn under_load(
    dir: &Path,
    nodes: &str,
    more: &[&str],
    run: impl Fn() -> Option<PathBuf>,
) -> Running {
    let suite = suite(dir);
    let args = ["run", text(&suite), "--nodes", nodes, "--time", "120s"];
    let mut running = Running::start(dir, &[&args[..], more].concat());
    let recorded = |run: PathBuf| {
        fs::metadata(run.join("history.log")).is_ok_and(|history| history.len() > 20_000)
    };
    running.until("history", || run().is_some_and(recorded));
    running
}

#[test]
fn a_run_that_goes_on_is_left_alone_and_said_to_go_on() {
    if !support::servers() {
        return;
    }
    let dir = scratch();
    let run = dir.path().join("run");
    let out = ["--nemesis", "none", "--out", text(&run)];
    let running = under_load(dir.path(), "processes:3", &out, || Some(run.clone()));
    let looked = tribunal(&["check", text(&run)]);
    let words = String::from_utf8_lossy(&looked.stdout);
    assert_eq!(looked.status.code(), Some(2), "{words}");
    assert!(words.contains("still going on") && !words.contains("cut short"), "{words}");
    let second =
        tribunal(&["run", "--target", "raftkv", "--nodes", "processes:3", "--out", text(&run)]);
    let words = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(64), "{words}");
    assert!(words.contains("another run is being made in"), "{words}");
    kill(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
    let ended = running.end();
    assert!((0..=3).contains(&ended.code()), "{}: {}", ended.code(), ended.words());
    let looked = tribunal(&["check", text(&run)]);
    assert!(!String::from_utf8_lossy(&looked.stdout).contains("still going on"));
}

#[test]
fn the_next_run_removes_the_files_of_local_nodes_whose_run_was_killed() {
    if support::local_nodes() {
        swept("local:3", &["id_ed25519", "nodes"]);
    }
}

#[test]
fn the_next_run_removes_the_files_of_processes_whose_run_was_killed() {
    if support::servers() {
        swept("processes:3", &["n1", "n2", "n3"]);
    }
}

fn swept(nodes: &str, files: &[&str]) {
    let dir = scratch();
    let runs = dir.path().join("runs");
    let only =
        || fs::read_dir(&runs).ok()?.flatten().map(|it| it.path()).find(|it| !it.is_symlink());
    let running = under_load(dir.path(), nodes, &["--nemesis", "none"], only);
    kill(Pid::from_raw(running.pid()), Signal::SIGKILL).expect("it runs");
    running.killed().left_nothing(dir.path());
    let killed = only().expect("the killed run");
    let there = |file: &&str| killed.join("cluster").join(file).exists();
    assert!(files.iter().all(there), "nobody was there to remove them");
    let args = ["run", "--target", "raftkv", "--nodes", "processes:3", "--nemesis", "none"];
    let next = Running::start(dir.path(), &[&args[..], &["--time", "2s"]].concat()).end();
    assert!(
        next.stderr.contains("was killed: removing the files of its nodes"),
        "{}",
        next.words()
    );
    assert!(!files.iter().any(there), "{}", next.words());
    let history = fs::metadata(killed.join("history.log")).expect("what was recorded stays");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&history) * 512;
    assert!(blocks < history.len() + (1 << 20), "{blocks} bytes for {}", history.len());
}
