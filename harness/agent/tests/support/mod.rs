//! A controller for tests: starts real agents, in network namespaces where cuts are concerned.
#![expect(dead_code, reason = "each test binary uses its part")]

pub(crate) mod two;

use std::fs;
use std::io::{BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tribunal_agent::frame;
use tribunal_agent::protocol::{
    Body, DaemonSpec, DaemonState, Failure, Fault, FaultKind, Identity, Look, Measured, Reached,
    Reply, Request, Response,
};

pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_tribunal-agent");
pub(crate) const RUN: &str = "0a1b2c3d";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Something that no other test, process or run of the tests has.
pub(crate) fn unique() -> String {
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A directory that goes away, after every process that lives in it.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("agent-{}", unique()));
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn sub(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub(crate) fn root(&self) -> String {
        self.sub("root")
    }

    /// Undo records on the disk.
    pub(crate) fn records(&self) -> usize {
        let all = fs::read_dir(self.0.join(format!("root/{RUN}/undo.d")));
        all.map_or(0, |all| all.filter(|entry| is_json(entry.as_ref().unwrap())).count())
    }

    pub(crate) fn reaper_log(&self) -> String {
        fs::read_to_string(self.0.join("root/reaper.log")).unwrap_or_default()
    }
}

fn is_json(entry: &fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "json")
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Daemons outlive agents by design; each leads a session and its record names it.
        let daemons = fs::read_dir(self.0.join(format!("root/{RUN}/daemons")));
        for entry in daemons.into_iter().flatten().flatten() {
            let text = fs::read(entry.path()).unwrap_or_default();
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            if let (Some(pid), Some(start)) =
                (value["identity"]["pid"].as_i64(), value["identity"]["start"].as_u64())
                && start_of(pid as i32) == Some(start)
            {
                kill(-(pid as i32), "KILL");
            }
        }
        // A reaper that has just healed may still be writing its last line.
        for _ in 0..40 {
            if fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An agent and the channel to it.
pub(crate) struct Agent {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next: u64,
    pub(crate) epoch: u64,
}

impl Agent {
    pub(crate) fn start(dir: &Dir, namespace: Option<&str>) -> Agent {
        Agent::start_with(dir, namespace, &[])
    }

    pub(crate) fn start_with(dir: &Dir, namespace: Option<&str>, more: &[&str]) -> Agent {
        let command = match namespace {
            None => Command::new(AGENT),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, AGENT]);
                command
            }
        };
        Agent::spawn(dir, command, more)
    }

    /// An agent without any right; `None`, said aloud, where one cannot be had.
    pub(crate) fn start_as_nobody(dir: &Dir) -> Option<Agent> {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", AGENT];
        if !run(&[&nobody[..], &["version"]].concat()) {
            eprintln!("skipped: no other user can run the agent here");
            return None;
        }
        std::os::unix::fs::chown(&dir.0, Some(65534), Some(65534)).unwrap();
        let mut command = Command::new(nobody[0]);
        command.args(&nobody[1..]);
        Some(Agent::spawn(dir, command, &[]))
    }

    fn spawn(dir: &Dir, mut command: Command, more: &[&str]) -> Agent {
        command.args(["serve", "--root", &dir.root(), "--volatile", &dir.sub("run")]).args(more);
        command.env_remove("SSH_CONNECTION");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Agent { child, stdin, stdout, next: 1, epoch: 0 }
    }

    /// Starts one and claims the node.
    pub(crate) fn claimed(dir: &Dir, namespace: Option<&str>, lease_ms: u64) -> Agent {
        let mut agent = Agent::start(dir, namespace);
        agent.claim("test", lease_ms, vec![]).unwrap();
        agent
    }

    pub(crate) fn claim(
        &mut self,
        who: &str,
        lease_ms: u64,
        control: Vec<SocketAddr>,
    ) -> Result<Vec<String>, Failure> {
        self.claim_run(RUN, who, lease_ms, control, false)
    }

    pub(crate) fn claim_run(
        &mut self,
        run: &str,
        who: &str,
        lease_ms: u64,
        control: Vec<SocketAddr>,
        force: bool,
    ) -> Result<Vec<String>, Failure> {
        let (run, controller) = (run.into(), who.into());
        match self.call(Body::Claim { run, controller, lease_ms, force, control })? {
            Reply::Claimed { epoch, healed } => {
                self.epoch = epoch;
                Ok(healed)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn call(&mut self, body: Body) -> Result<Reply, Failure> {
        let id = self.next;
        self.next += 1;
        self.send(id, body);
        let response = self.receive().expect("a reply");
        assert_eq!(response.id, id);
        response.result
    }

    pub(crate) fn send(&mut self, id: u64, body: Body) {
        let request = Request { id, epoch: self.epoch, deadline_ms: 10_000, body };
        frame::write(self.stdin.as_mut().unwrap(), &request).unwrap();
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        use std::io::Write;
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn receive(&mut self) -> Option<Response> {
        frame::read(&mut self.stdout).unwrap()
    }

    pub(crate) fn inject(
        &mut self,
        id: u32,
        lease_ms: u64,
        kind: FaultKind,
    ) -> Result<Measured, Failure> {
        measured(self.call(Body::Inject(Fault { id, lease_ms, kind })))
    }

    pub(crate) fn cut(
        &mut self,
        id: u32,
        lease_ms: u64,
        from: &[IpAddr],
        to: &[IpAddr],
    ) -> Measured {
        let (from, to) = (from.to_vec(), to.to_vec());
        self.inject(id, lease_ms, FaultKind::partition(from, to, None)).unwrap()
    }

    pub(crate) fn heal(&mut self, fault: u32) -> Result<Measured, Failure> {
        measured(self.call(Body::Heal { fault }))
    }

    pub(crate) fn verify(&mut self, fault: u32) -> Measured {
        measured(self.call(Body::Verify { fault })).unwrap()
    }

    pub(crate) fn start_daemon(&mut self, name: &str, argv: &[&str]) -> Identity {
        match self.call(Body::Start(spec(name, argv))).unwrap() {
            Reply::Daemon(DaemonState::Running(identity)) => identity,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&mut self, daemon: &str) -> DaemonState {
        match self.call(Body::Status { daemon: daemon.into() }).unwrap() {
            Reply::Daemon(state) => state,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn reach(&mut self, targets: Vec<SocketAddr>, timeout_ms: u64) -> Vec<Reached> {
        match self.call(Body::Reach { targets, timeout_ms }).unwrap() {
            Reply::Reached(reached) => reached,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn hold(&mut self, fault: u32, targets: Vec<SocketAddr>) {
        self.call(Body::Hold { fault, targets, timeout_ms: 300 }).unwrap();
    }

    pub(crate) fn look(
        &mut self,
        fault: u32,
        targets: Vec<SocketAddr>,
        numbered: u32,
    ) -> Vec<Look> {
        let services = targets.clone();
        let body = Body::Look { fault, targets, services, timeout_ms: 300, numbered };
        match self.call(body).unwrap() {
            Reply::Looks(looks) => looks,
            other => panic!("{other:?}"),
        }
    }

    /// A fault on links, on packets from some peers.
    pub(crate) fn meet(
        &mut self,
        id: u32,
        lease_ms: u64,
        kind: &str,
        from: &[IpAddr],
        parameters: &[(&str, i64)],
    ) -> Result<Measured, Failure> {
        self.meet_at(id, lease_ms, kind, from, &[], parameters)
    }

    /// The same on packets to some ports.
    pub(crate) fn meet_at(
        &mut self,
        id: u32,
        lease_ms: u64,
        kind: &str,
        from: &[IpAddr],
        ports: &[u16],
        parameters: &[(&str, i64)],
    ) -> Result<Measured, Failure> {
        let parameters = parameters.iter().map(|(name, value)| (name.to_string(), *value));
        let (kind, from, parameters) = (kind.into(), from.to_vec(), parameters.collect());
        let (to, ports, flap) = (vec![], ports.to_vec(), None);
        self.inject(id, lease_ms, FaultKind::Link { kind, from, to, ports, flap, parameters })
    }

    pub(crate) fn probe_port(&mut self) -> u16 {
        match self.call(Body::Hello).unwrap() {
            Reply::Hello(hello) => hello.probe_port,
            other => panic!("{other:?}"),
        }
    }

    /// The channel ends, as with a killed controller.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// SIGKILL to the agent alone.
    pub(crate) fn kill_agent(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Everything the agent still says.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stdout.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stdin = None;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(6) {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn measured(result: Result<Reply, Failure>) -> Result<Measured, Failure> {
    result.map(|reply| match reply {
        Reply::Fault(measured) => measured,
        other => panic!("{other:?}"),
    })
}

pub(crate) fn spec(name: &str, argv: &[&str]) -> DaemonSpec {
    DaemonSpec {
        name: name.into(),
        argv: argv.iter().map(|text| text.to_string()).collect(),
        env: vec![("TRIBUNAL_TEST".into(), "1".into())],
        dir: format!("{RUN}/data/{name}"),
        log: format!("{RUN}/{name}.log"),
    }
}

pub(crate) fn start_of(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text[text.rfind(')')? + 2..].split(' ').nth(19)?.parse().ok()
}

pub(crate) fn state_of(pid: i32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text[text.rfind(')')? + 2..].chars().next()
}

/// Sends a signal to one process (or, negative, to its group).
pub(crate) fn kill(pid: i32, signal: &str) {
    let status =
        Command::new("kill").args([&format!("-{signal}"), "--", &pid.to_string()]).status();
    assert!(status.unwrap().success() || pid < 0);
}

/// The reaper of an agent: its child that was started with `reap`.
pub(crate) fn reaper_of(agent: u32) -> Option<i32> {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let of = agent.to_string();
        if words.get(1) == Some(&&b"reap"[..]) && words.contains(&of.as_bytes()) {
            return Some(pid);
        }
    }
    None
}

/// Waits for something that must become true; how long it took.
pub(crate) fn until(what: &str, patience: Duration, mut is_true: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < patience, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Two network namespaces with a link: 198.18.77.1 and fd54::1 here, .2 and ::2 there.
pub(crate) struct Pair {
    pub(crate) here: String,
    pub(crate) there: String,
}

impl Pair {
    /// `None`, said aloud, where this cannot be tested.
    pub(crate) fn new() -> Option<Pair> {
        let name = unique();
        let pair = Pair { here: format!("tba-{name}-a"), there: format!("tba-{name}-b") };
        if !run(&["ip", "netns", "add", &pair.here]) {
            eprintln!("skipped: no right to make network namespaces");
            return None;
        }
        assert!(run(&["ip", "netns", "add", &pair.there]));
        let peer = ["peer", "name", "eth0", "netns", &pair.there];
        let link = ["ip", "link", "add", "eth0", "netns", &pair.here, "type", "veth"];
        assert!(run(&[&link[..], &peer[..]].concat()));
        for (namespace, digit) in [(&pair.here, 1), (&pair.there, 2)] {
            let (four, six) = (format!("198.18.77.{digit}/24"), format!("fd54::{digit}/64"));
            assert!(run(&["ip", "-n", namespace, "addr", "add", &four, "dev", "eth0"]));
            assert!(run(&["ip", "-n", namespace, "addr", "add", &six, "dev", "eth0", "nodad"]));
            assert!(run(&["ip", "-n", namespace, "link", "set", "eth0", "up"]));
            assert!(run(&["ip", "-n", namespace, "link", "set", "lo", "up"]));
        }
        Some(pair)
    }

    pub(crate) fn peers() -> [IpAddr; 2] {
        ["198.18.77.2".parse().unwrap(), "fd54::2".parse().unwrap()]
    }

    pub(crate) fn ruleset(&self) -> String {
        output(&["ip", "netns", "exec", &self.here, "nft", "-s", "list", "ruleset"])
    }

    pub(crate) fn nft(&self, script: &str) {
        use std::io::Write;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.here, "nft", "-f", "-"]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        run(&["ip", "netns", "del", &self.here]);
        run(&["ip", "netns", "del", &self.there]);
    }
}

pub(crate) fn run(argv: &[&str]) -> bool {
    let mut command = Command::new(argv[0]);
    let status = command.args(&argv[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

pub(crate) fn output(argv: &[&str]) -> String {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
