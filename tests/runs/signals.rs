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
fn an_interrupt_shortens_the_quiet_period_and_the_final_reads() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let run = dir.path().join("run");
    let suite = dir.path().join("quiet.toml");
    let words = fs::read_to_string(support::suite(dir.path())).expect("a suite");
    let words = words.replace("quiet = \"1s\"", "quiet = \"100s\"");
    assert!(words.contains("100s"), "{words}");
    fs::write(&suite, words).expect("a scratch file");
    let args = ["run", text(&suite), "--time", "3s", "--nemesis", "none", "--out", text(&run)];
    let mut running = Running::start(dir.path(), &args);
    let history = run.join("history.log");
    // No more operations: what is next would come in a hundred seconds.
    let last = std::cell::Cell::new((0, Instant::now()));
    running.until("rest", || {
        let length = fs::metadata(&history).map_or(0, |file| file.len());
        if length != last.get().0 {
            last.set((length, Instant::now()));
        }
        length > 10_000 && last.get().1.elapsed() > Duration::from_secs(3)
    });
    let asked = Instant::now();
    kill(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
    let ended = running.end();
    assert_eq!(ended.code(), 2, "{}", ended.words());
    assert!(asked.elapsed() < Duration::from_secs(40), "{:?}", asked.elapsed());
    ended.left_nothing(dir.path());
}

/// Unless it was started to outlive its terminal.
#[test]
fn a_terminal_that_is_gone_interrupts() {
    if !support::servers() {
        return;
    }
    for outlives in [false, true] {
        let dir = scratch();
        let run = dir.path().join("run");
        let program = env!("CARGO_BIN_EXE_tribunal");
        let mut command = Command::new("env");
        // These tests may have been started with nohup themselves.
        command.arg(if outlives { "--ignore-signal=HUP" } else { "--default-signal=HUP" });
        command.args([program, "run", "--target", "raftkv", "--nodes", "processes:3"]);
        command.args(["--nemesis", "none", "--time", "120s", "--out", text(&run)]);
        command.current_dir(dir.path());
        let mut running = Running::spawn(command);
        let history = run.join("history.log");
        let length = || fs::metadata(&history).map_or(0, |file| file.len());
        running.until("history", || length() > 40_000);
        kill(Pid::from_raw(running.pid()), Signal::SIGHUP).expect("it runs");
        if outlives {
            let before = length();
            running.until("more history", || length() > before + 40_000);
            kill(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it still runs");
        }
        let ended = running.end();
        assert!((0..=3).contains(&ended.code()), "{}: {}", ended.code(), ended.words());
        assert_eq!(ended.words().matches("interrupted: healing").count(), 1, "{}", ended.words());
        ended.left_nothing(dir.path());
    }
}

#[test]
fn an_interrupt_before_the_load_takes_everything_back() {
    if support::local_nodes() {
        interrupted_before_the_load(1);
    }
}

#[test]
fn two_interrupts_before_the_load_leave_nothing_either() {
    if support::local_nodes() {
        interrupted_before_the_load(2);
    }
}

fn interrupted_before_the_load(times: usize) {
    let dir = scratch();
    let runs = dir.path().join("runs");
    let suite = suite(dir.path());
    let args = ["--runs-dir", text(&runs), "run", text(&suite), "--nodes", "local:3"];
    let mut running = Running::start(dir.path(), &args);
    let begun = || fs::read_dir(&runs).is_ok_and(|mut entries| entries.next().is_some());
    running.until("a directory", begun);
    running.until_it_started_somebody();
    for _ in 0..times {
        kill(Pid::from_raw(running.pid()), Signal::SIGINT).expect("it runs");
        running.until_it_says("interrupted: taking back what was started");
    }
    let ended = running.end();
    assert_eq!(ended.code(), 130, "{}", ended.words());
    let last = ["interrupted before the load", "left at once"][times - 1];
    assert!(ended.words().contains(last), "{}", ended.words());
    ended.left_nothing(dir.path());
    let left: Vec<_> = fs::read_dir(&runs).expect("it was made").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn while_a_run_is_judged_a_second_interrupt_leaves() {
    if !support::local_nodes() {
        return;
    }
    let dir = scratch();
    let run = dir.path().join("run");
    let suite = suite(dir.path());
    let args = ["run", text(&suite), "--time", "4s", "--nemesis", "none", "--out", text(&run)];
    let mut running = Running::start(dir.path(), &args);
    let pid = running.pid();
    running.until("a worker", || support::worker_of(pid).is_some());
    let worker = support::worker_of(pid).expect("it judges");
    kill(Pid::from_raw(worker), Signal::SIGSTOP).expect("the worker is ours");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it runs");
    running.until_it_says("once more leaves at once");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it still runs");
    let ended = running.end();
    assert_eq!(ended.code(), 130, "{}", ended.words());
    assert!(ended.words().contains("once more leaves at once"), "{}", ended.words());
    ended.left_nothing(dir.path());
    assert!(!run.join("cluster/id_ed25519").exists(), "the key opened what is gone");
}
