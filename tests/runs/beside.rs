//! Commands beside `run` that make nodes: what an interrupt takes back, and a disk without room.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::scratch;
use crate::support::{self, Running, text};

/// A command that leads a group of its own and has its scratch files below `dir`.
fn start(dir: &Path, args: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(args).current_dir(dir).env("TMPDIR", dir).process_group(0);
    Running::spawn(command)
}

/// Ctrl-C, once somebody was started and `later` has passed.
fn interrupted(mut running: Running, later: Duration) -> support::Ended {
    running.until_it_started_somebody();
    thread::sleep(later);
    killpg(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
    running.end()
}

#[test]
fn an_interrupted_lab_is_taken_back() {
    if !support::local_nodes() {
        return;
    }
    let mut early = 0;
    for later in [0, 100, 300, 600] {
        let dir = scratch();
        let up = start(dir.path(), &["up", "--nodes", "local:3", "--dir", "lab"]);
        let ended = interrupted(up, Duration::from_millis(later));
        // It may have been there before.
        if ended.code() == 0 {
            let lab = dir.path().join("lab/inventory.toml");
            assert_eq!(ended.stdout.trim(), text(&lab), "{}", ended.words());
            assert_eq!(support::tribunal(&["down", text(&lab)]).status.code(), Some(0));
        } else {
            assert_eq!(ended.code(), 130, "{}", ended.words());
            assert!(ended.stderr.contains("are taken down"), "{}", ended.words());
            assert!(!dir.path().join("lab").exists(), "after {later} ms: {}", ended.words());
            early += 1;
        }
        ended.left_nothing(dir.path());
    }
    assert!(early > 0, "no interrupt came in time");
}

#[test]
fn an_interrupted_doctor_leaves_no_key() {
    if !support::local_nodes() {
        return;
    }
    let mut early = 0;
    for later in [0, 5, 10, 20, 40, 150, 400] {
        let dir = scratch();
        let doctor = start(dir.path(), &["doctor", "--nodes", "local:3"]);
        let ended = interrupted(doctor, Duration::from_millis(later));
        assert!([0, 130].contains(&ended.code()), "{}", ended.words());
        early += u32::from(ended.code() == 130);
        ended.left_nothing(dir.path());
        let left: Vec<_> = fs::read_dir(dir.path()).expect("it is there").flatten().collect();
        assert!(left.is_empty(), "after {later} ms: {left:?}\n{}", ended.words());
    }
    assert!(early > 0, "no interrupt came in time");
}

#[test]
fn a_disk_without_room_for_local_nodes_is_named() {
    if !support::local_nodes() {
        return;
    }
    for size in ["40k", "12m", "80m"] {
        for args in [
            &["run", "--target", "raftkv", "--nodes", "local:3", "--out", "full/out"][..],
            &["--runs-dir", "full/runs", "run", "--target", "raftkv", "--nodes", "local:3"],
            &["up", "--nodes", "local:3", "--dir", "full/lab"],
        ] {
            let dir = scratch();
            // The mount lives in a namespace of its own and goes with it.
            let script = "set -e; mkdir full; mount -t tmpfs -o size=$1 tmpfs full; shift
                set +e; \"$@\"; code=$?; find full -type f; exit $code";
            let mut command = Command::new("/usr/bin/unshare");
            command.args(["-m", "sh", "-c", script, "sh", size, env!("CARGO_BIN_EXE_tribunal")]);
            command.args(args).current_dir(dir.path());
            let ended = Running::spawn(command).end();
            assert_eq!(ended.code(), 69, "{args:?} {size}: {}", ended.words());
            let words = &ended.stderr;
            assert!(words.contains("disk full") && words.contains("MiB free at"), "{words}");
            assert!(words.contains("/full/") && words.contains("256 are needed"), "{words}");
            assert!(words.contains("free some space there"), "{words}");
            assert_eq!(ended.stdout, "", "{args:?} {size}");
        }
    }
}
