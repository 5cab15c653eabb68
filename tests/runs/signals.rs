//! Interrupts as a terminal sends them, to the whole foreground group, and controllers that die:
//! what is healed, kept and said, and that nobody is left behind.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::{self, Ended, Running, suite, text, tribunal};
use crate::{all_healed, json, scratch};

/// A run that leads a group of its own, as a shell starts it.
fn start(dir: &Path, nodes: &str, run: &Path, more: &[&str]) -> Running {
    let suite = suite(dir);
    let args = ["run", text(&suite), "--nodes", nodes, "--seed", "1", "--out", text(run)];
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(args).args(more).current_dir(dir).process_group(0);
    Running::spawn(command)
}

/// Ctrl-C at the terminal.
fn interrupt(running: &Running) {
    killpg(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
}

fn under_load(running: &mut Running, run: &Path) {
    let history = run.join("history.log");
    running.until("history", || fs::metadata(&history).is_ok_and(|file| file.len() > 40_000));
}

/// Judged, with its artefacts and without its keys.
fn assert_kept(ended: &Ended, dir: &Path, run: &Path) {
    assert_eq!(ended.code(), 2, "{}", ended.words());
    assert!(ended.words().contains("stopped early: interrupted"), "{}", ended.words());
    ended.left_nothing(dir);
    let verdicts = json(&run.join("verdicts.json"));
    assert!(verdicts["counts"]["ok"].as_u64().is_some_and(|ok| ok > 0), "{verdicts}");
    all_healed(run);
    for node in ["n1", "n2", "n3"] {
        let logs = fs::read_dir(run.join("logs").join(node)).map_or(0, Iterator::count);
        assert!(logs > 0, "the logs of {node} are there\n{}", ended.words());
    }
    let again = tribunal(&["check", text(run)]);
    assert_eq!(again.status.code(), Some(2), "the history has an end");
}

#[test]
fn an_interrupt_from_the_terminal_spares_the_nodes_of_local() {
    if support::local_nodes() {
        interrupted_under_load("local:3");
    }
}

#[test]
fn an_interrupt_from_the_terminal_spares_plain_processes() {
    if support::servers() {
        let _one = support::alone();
        interrupted_under_load("processes:3");
    }
}

fn interrupted_under_load(nodes: &str) {
    let dir = scratch();
    let run = dir.path().join("run");
    let mut running = start(dir.path(), nodes, &run, &["--time", "120s"]);
    under_load(&mut running, &run);
    interrupt(&running);
    assert_kept(&running.end(), dir.path(), &run);
}

/// A dead controller's nodes are free of everything by then.
const LEASE_AND_TWO: Duration = Duration::from_secs(12);

#[test]
fn plain_processes_end_with_a_controller_that_is_killed() {
    if !support::servers() {
        return;
    }
    let _one = support::alone();
    let dir = scratch();
    for (name, also_an_agent) in [("one", false), ("two", true)] {
        let run = dir.path().join(name);
        let mut running = start(dir.path(), "processes:3", &run, &["--time", "120s"]);
        under_load(&mut running, &run);
        let pid = running.pid();
        let agent = running.child_that_names(&run.join("cluster/n1"));
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
        if also_an_agent {
            kill(Pid::from_raw(agent), Signal::SIGKILL).expect("an agent serves");
        }
        let killed = Instant::now();
        running.killed().left_nothing(dir.path());
        let took = killed.elapsed();
        assert!(took < LEASE_AND_TWO, "{name}: all gone only after {took:?}");
    }
}

#[test]
fn who_holds_a_port_is_named() {
    if !support::servers() {
        return;
    }
    let _one = support::alone();
    let dir = scratch();
    let run = dir.path().join("run");
    let first = start(dir.path(), "processes:3", &run, &["--time", "120s"]);
    let mut first = first;
    under_load(&mut first, &run);
    let second = start(dir.path(), "processes:3", &dir.path().join("second"), &[]).end();
    assert_eq!(second.code(), 69, "{}", second.words());
    let words = &second.stderr;
    assert!(words.contains("127.0.0.11:") && words.contains("is held by process "), "{words}");
    assert!(words.contains("(tribunal-target"), "names the program: {words}");
    interrupt(&first);
    assert_kept(&first.end(), dir.path(), &run);
}
