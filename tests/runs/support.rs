//! Runs of the real program on real nodes, and who is left when they have ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The longest a run of these tests may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(240);

/// Patience for processes of a run that has ended.
const LEAVING: Duration = Duration::from_secs(20);

/// Whether local nodes can be had here; says so aloud when not.
pub(crate) fn local_nodes() -> bool {
    let missing = if !nix::unistd::geteuid().is_root() {
        "local nodes need root"
    } else if !Path::new("/usr/sbin/sshd").exists() {
        "no sshd"
    } else {
        return servers();
    };
    println!("skipped: {missing}");
    false
}

/// Whether the agent and our own servers are built beside the program; says so aloud when not.
pub(crate) fn servers() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_tribunal"));
    for name in ["tribunal-agent", "tribunal-targetd"] {
        if !program.with_file_name(name).is_file() {
            println!("skipped: no {name} beside {}; cargo xtask test builds it", program.display());
            return false;
        }
    }
    true
}

/// A program of ours that runs, with every process it ever started as far as they were seen.
pub(crate) struct Running {
    child: Child,
    files: tempfile::TempDir,
    seen: BTreeMap<i32, u64>,
    start: Instant,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    seen: BTreeMap<i32, u64>,
}

impl Running {
    /// Starts the program; its output goes to files, so that it never waits for a reader.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
        command.args(args).current_dir(dir);
        Running::spawn(command)
    }

    /// The same for a command line that leads to the program.
    pub(crate) fn spawn(mut command: Command) -> Running {
        let files = tempfile::tempdir().expect("a scratch directory");
        let file = |name| fs::File::create(files.path().join(name)).expect("a scratch file");
        let child = command
            .env("NO_COLOR", "1")
            .env_remove("TRIBUNAL_RUNS_DIR")
            .env_remove("TRIBUNAL_KEEP")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the program starts");
        Running { child, files, seen: BTreeMap::new(), start: Instant::now() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until `fact`; the test fails if the program ends before.
    pub(crate) fn until(&mut self, what: &str, fact: impl Fn() -> bool) {
        while !fact() {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "ended before {what}: {ended:?}\n{}", self.said("stderr"));
            assert!(self.start.elapsed() < PATIENCE, "no {what}\n{}", self.said("stderr"));
            self.look();
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it has started some process.
    pub(crate) fn until_it_started_somebody(&mut self) {
        while self.seen.is_empty() {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "ended alone: {ended:?}\n{}", self.said("stderr"));
            assert!(self.start.elapsed() < PATIENCE, "nobody\n{}", self.said("stderr"));
            self.look();
        }
    }

    /// Waits until its stderr has these words.
    pub(crate) fn until_it_says(&mut self, words: &str) {
        let path = self.files.path().join("stderr");
        self.until(words, || fs::read_to_string(&path).is_ok_and(|said| said.contains(words)));
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return Ended {
                    status,
                    stdout: self.said("stdout"),
                    stderr: self.said("stderr"),
                    seen: std::mem::take(&mut self.seen),
                };
            }
            assert!(self.start.elapsed() < PATIENCE, "no end\n{}", self.said("stderr"));
            self.look();
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A child of the program whose command line names `path`.
    pub(crate) fn child_that_names(&self, path: &Path) -> i32 {
        let ours = |process: &Process| process.parent == self.pid() && process.names(path);
        let found = processes().into_iter().find(|(_, process)| ours(process));
        found.expect("there is such a child").0
    }

    /// Waits for the end of a program that was killed.
    pub(crate) fn killed(mut self) -> Ended {
        self.look();
        self.end()
    }

    fn said(&self, name: &str) -> String {
        let bytes = fs::read(self.files.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn look(&mut self) {
        let all = processes();
        let root = self.child.id() as i32;
        for (pid, process) in &all {
            let mut at = *pid;
            while let Some(parent) = all.get(&at).map(|process| process.parent) {
                if parent == root {
                    self.seen.insert(*pid, process.start);
                }
                at = parent;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only of a test that failed: nodes end with the program that owns them.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}: {}", self.status, self.stderr))
    }

    /// Everything it said.
    pub(crate) fn words(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Every process seen below it is gone, and none that names `dir` is left.
    pub(crate) fn left_nothing(&self, dir: &Path) {
        assert!(!self.seen.is_empty(), "no process of the run was ever seen");
        gone(&self.seen, dir);
    }
}

/// None of these processes is left, and none that names `dir`.
pub(crate) fn gone(seen: &BTreeMap<i32, u64>, dir: &Path) {
    let start = Instant::now();
    loop {
        let all = processes();
        let ours = |pid: &i32, process: &Process| {
            seen.get(pid) == Some(&process.start) || process.names(dir)
        };
        let left: Vec<String> = all
            .iter()
            .filter(|(pid, process)| ours(pid, process))
            .map(|(pid, process)| format!("{pid}: {}", process.line))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < LEAVING, "left behind:\n{}", left.join("\n"));
        thread::sleep(Duration::from_millis(100));
    }
}

struct Process {
    parent: i32,
    start: u64,
    line: String,
}

impl Process {
    fn names(&self, dir: &Path) -> bool {
        self.line.contains(dir.to_str().expect("scratch paths are text"))
    }
}

/// Every process that is no zombie, by number.
fn processes() -> BTreeMap<i32, Process> {
    let mut all = BTreeMap::new();
    let numbers = fs::read_dir("/proc").expect("/proc is mounted").filter_map(|entry| {
        entry.ok().and_then(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
    });
    for pid in numbers {
        // What ends while it is looked at is gone.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let (Some(&state), Some(parent), Some(start)) =
            (fields.first(), fields.get(1), fields.get(19))
        else {
            continue;
        };
        let (Ok(parent), Ok(start)) = (parent.parse(), start.parse()) else { continue };
        if !matches!(state, "Z" | "X") {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            all.insert(pid, Process { parent, start, line });
        }
    }
    all
}

/// A suite whose faults surely bite within seconds.
pub(crate) fn suite(dir: &Path) -> PathBuf {
    let path = dir.join("short.toml");
    let fault = |kind: &str| {
        format!(
            "[[fault]]\nkind = \"{kind}\"\nshapes = [\"one\"]\nhold = \"700ms..1s\"\n\
             recover = \"700ms..1s\"\n\n"
        )
    };
    let text = format!(
        "schema = 1\nname = \"short\"\n\n[target]\nname = \"raftkv\"\n\n[cluster]\n\
         nodes = \"local:3\"\n\n[load]\nrate = 300\ntime = \"6s\"\nquiet = \"1s\"\n\
         op_timeout = \"2s\"\n\n[check]\n\
         beyond_quorum = true\n\n[workload]\nname = \"register\"\n\n{}{}",
        fault("pause"),
        fault("kill"),
    );
    fs::write(&path, text).expect("scratch files can be written");
    path
}

/// Processes whose command line has `word` and names `dir`.
pub(crate) fn named(dir: &Path, word: &str) -> Vec<i32> {
    let wanted = |process: &Process| process.names(dir) && process.line.contains(word);
    let found = processes().into_iter().filter(|(_, process)| wanted(process));
    found.map(|(pid, _)| pid).collect()
}

/// The process that judges for the program `pid`.
pub(crate) fn worker_of(pid: i32) -> Option<i32> {
    let works = |process: &Process| process.parent == pid && process.line.contains("\"job\":");
    processes().into_iter().find(|(_, process)| works(process)).map(|(worker, _)| worker)
}

/// Runs the program to its end.
pub(crate) fn tribunal(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are text")
}
