//! What judges is a process of its own: its death is an answer that is missing, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tribunal_history::codec::{self, Format, ReadOptions};
use tribunal_results::store::RunDir;
use tribunal_results::{Environment, Plan};

/// For something that takes milliseconds, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Compare-and-sets of every pair of `values` values, all at once, all successful, and one more of
/// the last value: no order chains them, and there is no short way to see it.
fn hard(values: i64) -> String {
    let pairs = (0..values).flat_map(|a| (0..values).map(move |b| (a, b)));
    let mut pairs: Vec<(i64, i64)> = pairs.filter(|(a, b)| a != b).collect();
    pairs.extend([(values - 1, 0), (values - 1, 1), (values - 1, 2)]);
    let event = |kind: &str| {
        let one = |(process, (a, b)): (usize, &(i64, i64))| {
            format!("{{:process {process}, :type :{kind}, :f :cas, :value [{a} {b}]}}\n")
        };
        pairs.iter().enumerate().map(one).collect::<String>()
    };
    let first = "{:process 999, :type :invoke, :f :write, :value 0}\n\
                 {:process 999, :type :ok, :f :write, :value 0}\n";
    format!("{first}{}{}", event("invoke"), event("ok"))
}

fn tribunal(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The children of a process, from the kernel.
fn children(pid: u32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The one worker of `parent` once it has used processor time, which it does when it judges.
fn worker(parent: u32) -> i32 {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "no worker of {parent} gets to work");
        if let [worker] = children(parent)[..]
            && ticks(worker).is_some_and(|ticks| ticks > 30)
        {
            return worker;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Processor time in clock ticks: fields 14 and 15 of `stat`, counted after the name.
fn ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(rest.get(11)?.parse::<u64>().ok()? + rest.get(12)?.parse::<u64>().ok()?)
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("the worker is ours");
}

fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).expect("scratch files can be written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are text")
}

#[test]
fn a_killed_worker_leaves_its_checker_unknown_with_the_reason() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "hard.edn", &hard(9));
    for (signal, said) in [(Signal::SIGKILL, "SIGKILL"), (Signal::SIGABRT, "SIGABRT")] {
        let page = dir.path().join("page.html");
        let args = ["check", text(&history), "--json", "--report", text(&page)];
        let running = tribunal(&args);
        send(worker(running.id()), signal);
        let output = running.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        let json = json(&output);
        assert_eq!(json["verdict"], "unknown");
        let reason = json["checks"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("linearizable") && reason.contains(said), "{reason}");
        assert!(page.is_file(), "the page is written all the same");
        fs::remove_file(&page).expect("it is ours");
    }
}

#[test]
fn a_killed_worker_of_a_run_hides_no_other_answer() {
    let scratch = TempDir::new().expect("a scratch directory");
    let path = scratch.path().join("run");
    fs::create_dir(&path).expect("a run directory");
    let dir = RunDir::open(&path).expect("a run");
    let read = codec::read(hard(9).as_bytes(), Some(Format::Edn), &ReadOptions::default());
    let mut log = Vec::new();
    codec::write(&read.expect("a history").history, Format::Native, &mut log).expect("memory");
    dir.write("history.log", &log).expect("a history");
    let plan = Plan { workload: "register".into(), concurrency: 10, ..Plan::default() };
    dir.save_plan(&plan).expect("a plan");
    dir.save_environment(&Environment::default()).expect("an environment");
    let running = tribunal(&["check", text(&path), "--json"]);
    send(worker(running.id()), Signal::SIGABRT);
    let output = running.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let json = json(&output);
    let checks = json["checks"].as_array().expect("checks");
    let crashed = |check: &&serde_json::Value| {
        check["reason"].as_str().is_some_and(|reason| reason.contains("SIGABRT"))
    };
    assert!(checks.len() > 1, "{checks:?}");
    assert_eq!(checks.iter().filter(crashed).count(), 1, "{checks:?}");
}

#[test]
fn no_worker_outlives_who_asked() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "hard.edn", &hard(9));
    let mut running = tribunal(&["check", text(&history)]);
    let worker = worker(running.id());
    running.kill().expect("it is ours");
    running.wait().expect("it ends");
    let start = Instant::now();
    while ticks(worker).is_some() {
        assert!(start.elapsed() < PATIENCE, "worker {worker} lives on");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_checker_that_takes_more_than_it_may_is_ended_by_the_system() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "hard.edn", &hard(9));
    let running = tribunal(&["check", text(&history), "--json"]);
    let worker = worker(running.id());
    // As if the checker's account were wrong: the system's limit is the last one.
    let limited = Command::new("prlimit").args(["--pid", &worker.to_string(), "--as=1:1"]).status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("skipped: no prlimit (package util-linux)");
        send(worker, Signal::SIGKILL);
        running.wait_with_output().expect("it ends");
        return;
    }
    let output = running.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let json = json(&output);
    let reason = json["checks"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("SIGABRT") && reason.contains("memory allocation"), "{reason}");
}

#[test]
fn a_history_may_come_from_a_pipe() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(
        &dir,
        "one.edn",
        "{:process 0, :type :invoke, :f :write, :value 1}\n\
        {:process 0, :type :ok, :f :write, :value 1}\n",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(["check", "/dev/stdin", "--json"])
        .stdin(fs::File::open(&history).expect("it is there"))
        .output()
        .expect("the program starts");
    assert_eq!(json(&output)["verdict"], "valid");
}
