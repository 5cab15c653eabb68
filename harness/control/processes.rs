//! Nodes that are child processes of ours on 127.0.x.y: no privilege, no network of their own.
//!
//! The agent runs over two pipes. It can start, kill and pause daemons; its probe reports the rest
//! as not available here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tribunal_agent::frame;
use tribunal_agent::protocol::{Body, Hello, Reply, Request, Response};

use super::bootstrap::AgentBinary;
use super::error::{ClusterError, Step};
use super::lane::Wire;

/// What an agent says, in its directory.
pub(crate) const AGENT_LOG: &str = "agent.log";

/// Most nodes of this kind.
pub(crate) const PROCESSES_LIMIT: usize = 200;

/// How long an agent may take to end after its pipe has closed.
const END: Duration = Duration::from_secs(2);

/// Starts an agent with `root` as its directory, and hears who it is.
pub(crate) fn start(
    node: &str,
    agent: &AgentBinary,
    root: &Path,
) -> Result<(ChildWire, Hello), ClusterError> {
    let trouble = |problem: &dyn std::fmt::Display| {
        let next = format!("run `{} serve` by hand to see what it needs", agent.path.display());
        ClusterError::node(node, Step::Agent, problem, next)
    };
    fs::create_dir_all(root).map_err(|error| ClusterError::file(root, error))?;
    let root = root.canonicalize().map_err(|error| ClusterError::file(root, error))?;
    let log = root.join(AGENT_LOG);
    let stderr = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|error| ClusterError::file(&log, error))?;
    let mut child = Command::new(&agent.path)
        .args(["serve", "--root"])
        .arg(&root)
        .arg("--volatile")
        .arg(root.join("volatile"))
        // Its firewall would be that of the whole machine.
        .arg("--no-network")
        // Daemons go with us, however we end.
        .arg("--owned")
        .env_remove("SSH_CONNECTION")
        // An interrupt from the terminal is the controller's to answer: it still needs the agent.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| trouble(&error))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(trouble(&"it has no pipes"));
    };
    let mut wire = ChildWire { stdin: Some(stdin), stdout, child, log };
    let hello = wire.greet().map_err(|problem| trouble(&problem))?;
    for fd in [wire.stdout.as_fd(), wire.output(true).unwrap_or(wire.stdout.as_fd())] {
        fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| trouble(&error))?;
    }
    Ok((wire, hello))
}

/// The agent's pipes. When this goes, the agent's input ends.
pub(crate) struct ChildWire {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    child: Child,
    log: PathBuf,
}

impl ChildWire {
    /// Still blocking: nothing else happens on this thread before the agent has spoken.
    fn greet(&mut self) -> Result<Hello, String> {
        let request = Request { id: 0, epoch: 0, deadline_ms: 10_000, body: Body::Hello };
        let stdin = self.stdin.as_mut().ok_or("it has no input")?;
        let sent = frame::write(stdin, &request);
        let heard = sent.and_then(|()| frame::read(&mut self.stdout));
        let problem = match heard {
            Ok(Some(Response { result: Ok(Reply::Hello(hello)), .. })) => return Ok(hello),
            Ok(Some(other)) => format!("it answered hello with {other:?}"),
            Ok(None) => "it ended".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!("{problem}; its log ends: {}", self.last_words()))
    }
}

impl Wire for ChildWire {
    fn input(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    fn output(&self, pending: bool) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| pending).map(|pipe| pipe.as_fd())
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(into)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stdin {
            Some(pipe) => pipe.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn keep_alive(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn last_words(&mut self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(500)))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for ChildWire {
    fn drop(&mut self) {
        self.stdin = None;
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // SIGTERM would be kinder, but an agent heals by its journal whatever kills it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
