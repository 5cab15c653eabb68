//! Runs on nodes that outlive them: what is left when a run ends, is interrupted or dies, and who
//! may have the nodes meanwhile. Nodes are looked at from outside, past our agent.
//!
//! Root and the sibling binaries are needed; without them a test says `skipped:`.

#[path = "../xtask/src/outside.rs"]
mod outside;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use outside::{Node, Seen};
use tempfile::TempDir;

const TRIBUNAL: &str = env!("CARGO_BIN_EXE_tribunal");

/// Longest wait for a fault to be in force, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// One lab at a time: they share the cores.
static ALONE: Mutex<()> = Mutex::new(());

/// A cut and a pause that begin at once and stay.
const SUITE: &str = r#"schema = 1
name = "leases"
[target]
name = "raftkv"
[load]
concurrency = "1n"
rate = 50
time = "TIME"
quiet = "500ms"
[check]
beyond_quorum = true
[workload]
name = "register"
[[fault]]
kind = "partition"
shapes = ["halves"]
hold = "HOLD"
recover = "100ms"
[[fault]]
kind = "pause"
shapes = ["one"]
hold = "HOLD"
recover = "100ms"
"#;

struct Lab {
    dir: TempDir,
    nodes: Vec<Node>,
    _alone: MutexGuard<'static, ()>,
}

impl Lab {
    /// `None`, and says why, where there can be none.
    fn up() -> Option<Lab> {
        let beside = |name| Path::new(TRIBUNAL).with_file_name(name);
        let wanted =
            [beside("tribunal-agent"), beside("tribunal-targetd"), "/usr/sbin/sshd".into()];
        if let Some(missing) = wanted.iter().find(|path: &&PathBuf| !path.exists()) {
            println!("skipped: {} is missing", missing.display());
            return None;
        }
        if !Uid::effective().is_root() {
            println!("skipped: not root");
            return None;
        }
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = TempDir::new().expect("a scratch directory");
        let mut lab = Lab { dir, nodes: Vec::new(), _alone: alone };
        let up = tribunal(&["up", "--nodes", "local:3", "--dir", &lab.path("lab")]);
        assert!(up.status.success(), "{}", words(&up));
        lab.nodes = outside::nodes_of(Path::new(&lab.inventory())).expect("its nodes are found");
        Some(lab)
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn inventory(&self) -> String {
        self.path("lab/inventory.toml")
    }

    /// A run whose first faults hold this long.
    fn run(&self, name: &str, time: &str, hold: &str) -> Run {
        let suite = self.path(&format!("{name}.toml"));
        let text = SUITE.replace("TIME", time).replace("HOLD", hold);
        std::fs::write(&suite, text).expect("scratch files can be written");
        let child = Command::new(TRIBUNAL)
            .args(["run", &suite, "--seed", "5", "--nodes", &self.inventory(), "--out"])
            .arg(self.path(name))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Run(Some(child))
    }

    fn look(&self, connect: bool) -> Vec<Seen> {
        let all: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        let peers: &[&str] = if connect { &all } else { &[] };
        self.nodes.iter().map(|node| outside::look(node, peers).expect("it can be seen")).collect()
    }

    /// Waits until one node is cut and one is paused.
    fn await_faults(&self) {
        let start = Instant::now();
        loop {
            let seen = self.look(false);
            if seen.iter().any(|node| node.cuts) && seen.iter().any(|node| node.stopped > 0) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no cut and pause in force: {seen:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// No cut, no table, nothing paused; the database may be gone with its run.
    fn assert_free(&self) {
        for (node, mut seen) in self.nodes.iter().zip(self.look(true)) {
            seen.daemons = seen.daemons.max(1);
            assert_eq!(seen.trouble(), None, "{}", node.name);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = tribunal(&["down", &self.inventory()]);
        if !down.status.success() {
            println!("down: {}", words(&down));
        }
    }
}

/// A run that does not outlive its test.
struct Run(Option<Child>);

impl Run {
    fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().expect("it was not awaited yet");
        kill(Pid::from_raw(child.id() as i32), signal).expect("it lives");
    }

    fn end(mut self) -> Output {
        let child = self.0.take().expect("awaited once");
        child.wait_with_output().expect("it ends")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Gone already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn tribunal(args: &[&str]) -> Output {
    let output = Command::new(TRIBUNAL).args(args).env("NO_COLOR", "1").output();
    output.expect("the binary starts")
}

fn words(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Every fault that was injected was seen to end.
fn assert_healed(ledger: &str) {
    let text = std::fs::read_to_string(ledger).expect("the ledger is there");
    let edges: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    let of = |edge: &str| -> Vec<u64> {
        let wanted = edges.iter().filter(|event| event["edge"] == edge);
        wanted.filter_map(|event| event["fault"].as_u64()).collect()
    };
    let (injected, healed) = (of("injected"), of("heal-verified"));
    assert!(injected.len() >= 2, "{text}");
    let open: Vec<_> = injected.iter().filter(|fault| !healed.contains(fault)).collect();
    assert!(open.is_empty(), "faults {open:?} were not seen to end: {text}");
}

#[test]
fn rules_of_others_are_the_same_bytes_after_a_run() {
    let Some(lab) = Lab::up() else { return };
    let before: Vec<String> = lab
        .nodes
        .iter()
        .map(|node| {
            outside::plant(node).expect("rules can be put there");
            outside::foreign_rules(node).expect("rules can be read")
        })
        .collect();
    assert!(before[0].contains("packets 11 bytes 660"), "{}", before[0]);
    let run = lab.run("r", "8s", "3s");
    lab.await_faults();
    let ended = run.end();
    assert!(ended.status.code().is_some_and(|code| code < 64), "{}", words(&ended));
    lab.assert_free();
    for (node, before) in lab.nodes.iter().zip(&before) {
        assert_eq!(outside::foreign_rules(node).expect("rules can be read"), *before);
    }
    assert_healed(&lab.path("r/faults.jsonl"));
}

#[test]
fn interrupts_heal_first_and_nodes_have_one_controller() {
    let Some(lab) = Lab::up() else { return };
    for (name, signal) in [("one", Signal::SIGINT), ("two", Signal::SIGTERM)] {
        let run = lab.run(name, "60s", "30s");
        lab.await_faults();
        if signal == Signal::SIGINT {
            let second = lab.run("second", "5s", "1s").end();
            let text = words(&second);
            assert_eq!(second.status.code(), Some(69), "{text}");
            assert!(text.contains("held by controller run one (pid "), "{text}");
            assert!(text.contains("for another ") && text.contains(" ms"), "{text}");
            let heal = tribunal(&["heal", "--nodes", &lab.inventory()]);
            assert_eq!(heal.status.code(), Some(69), "{}", words(&heal));
            assert!(words(&heal).contains("held by controller"), "{}", words(&heal));
        }
        run.signal(signal);
        let ended = run.end();
        let text = words(&ended);
        // What exists is judged, and whatever the judgement is, it is not an error.
        assert!(ended.status.code().is_some_and(|code| code < 4), "{text}");
        assert!(text.contains("stopped early: interrupted"), "{text}");
        lab.assert_free();
        assert_healed(&lab.path(&format!("{name}/faults.jsonl")));
        let again = tribunal(&["check", &lab.path(name)]);
        assert_eq!(again.status.code(), ended.status.code(), "{}", words(&again));
    }
}

#[test]
fn heal_ends_what_a_dead_run_left() {
    let Some(lab) = Lab::up() else { return };
    let run = lab.run("r", "60s", "30s");
    lab.await_faults();
    for node in &lab.nodes {
        outside::kill_agent(node).expect("an agent serves");
    }
    run.signal(Signal::SIGKILL);
    drop(run.end());
    // The dead controller's lease still lives: only force may have the nodes now.
    let early = tribunal(&["heal", "--nodes", &lab.inventory()]);
    assert_eq!(early.status.code(), Some(69), "{}", words(&early));
    let heal = tribunal(&["heal", "--force", "--nodes", &lab.inventory()]);
    let text = words(&heal);
    assert_eq!(heal.status.code(), Some(0), "{text}");
    assert!(text.contains("directed cuts") && text.contains("none in state T"), "{text}");
    assert!(text.contains("stopped daemon "), "{text}");
    lab.assert_free();
    assert!(lab.look(false).iter().all(|seen| seen.daemons == 0), "a daemon outlived its run");
    let twice = tribunal(&["heal", "--nodes", &lab.inventory()]);
    assert_eq!(twice.status.code(), Some(0), "{}", words(&twice));
    assert!(words(&twice).contains("n3: nothing to heal"), "{}", words(&twice));
    let doctor = tribunal(&["doctor", "--nodes", &lab.inventory()]);
    let text = words(&doctor);
    assert_eq!(doctor.status.code(), Some(0), "{text}");
    let limits = "  sshd       yes (MaxSessions 64, MaxStartups 100:30:100)";
    assert_eq!(text.matches(limits).count(), 3, "what these nodes' sshd was started with: {text}");
}

#[test]
fn doctor_says_what_plain_processes_lack() {
    if !Path::new(TRIBUNAL).with_file_name("tribunal-agent").exists() {
        println!("skipped: tribunal-agent is missing");
        return;
    }
    let doctor = tribunal(&["doctor", "--nodes", "processes:3"]);
    let text = words(&doctor);
    assert_eq!(doctor.status.code(), Some(69), "{text}");
    assert_eq!(text.matches("partition  no: this node shares its host's network").count(), 3);
    assert_eq!(text.matches("kill       yes").count(), 3, "{text}");
}
