//! Brings the agent to a node and starts it: the only command that runs through a shell.
//!
//! The binary goes by SFTP to the first directory that is writable and executable, under a name
//! that is its digest, so a second run finds it there and an old agent is never overwritten while
//! it runs. Whether a directory is mounted `noexec` shows only when the agent is started there.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use ssh2::{Channel, ErrorCode, FileStat, OpenFlags, OpenType, RenameFlags, Session, Sftp};
use tribunal_agent::frame;
use tribunal_agent::protocol::{Body, Hello, PROTOCOL, Reply, Request, Response};

use super::error::{ClusterError, Step};
use super::quote;
use super::ssh::{Endpoint, Login, Retry, SshWire};

/// Where the agent may live, in order of preference.
const DIRECTORIES: [&str; 3] = ["/var/lib/tribunal/bin", "/opt/tribunal", "/run/tribunal"];

/// Directory for everything an agent stores.
const ROOT: &str = "/var/lib/tribunal";

/// Environment variable with the path of the agent's binary.
pub const AGENT_VARIABLE: &str = "TRIBUNAL_AGENT";

/// Bytes per SFTP write: libssh2 cuts them into packets and keeps many under way.
pub(crate) const PIECE: usize = 256 << 10;

/// The agent's binary, read once per cluster.
#[derive(Clone, Debug)]
pub struct AgentBinary {
    /// Where it lies on this machine.
    pub path: PathBuf,
    name: String,
    bytes: Arc<[u8]>,
}

impl AgentBinary {
    /// Finds the agent: `TRIBUNAL_AGENT`, else beside this program, else one directory up (tests
    /// live in `deps`).
    ///
    /// # Errors
    /// Where it was looked for, and how to build it.
    pub fn find() -> Result<AgentBinary, ClusterError> {
        if let Some(path) = std::env::var_os(AGENT_VARIABLE) {
            return AgentBinary::read(Path::new(&path));
        }
        let program =
            std::env::current_exe().map_err(|error| ClusterError::file("/proc/self/exe", error))?;
        let beside = program.ancestors().skip(1).take(2).map(|dir| dir.join("tribunal-agent"));
        match beside.clone().find(|path| path.is_file()) {
            Some(path) => AgentBinary::read(&path),
            None => Err(ClusterError::file(
                beside.into_iter().next().unwrap_or_default(),
                format!(
                    "there is no agent; build it with `cargo build -p tribunal-agent`, or name it \
                     in {AGENT_VARIABLE}"
                ),
            )),
        }
    }

    /// Reads the binary at `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<AgentBinary, ClusterError> {
        let bytes = std::fs::read(path).map_err(|error| {
            ClusterError::file(path, format!("cannot read the agent's binary: {error}"))
        })?;
        let digest: String =
            Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(AgentBinary {
            path: path.into(),
            name: format!("tribunal-agent-{digest}"),
            bytes: bytes.into(),
        })
    }

    /// File name on nodes.
    pub fn file_name(&self) -> &str {
        &self.name
    }
}

/// Logs in, pushes the agent, starts it, and hears who it is. On the lane's thread.
pub(crate) fn start(
    endpoint: &Endpoint,
    agent: &AgentBinary,
    retry: Retry,
) -> Result<(SshWire, Hello), ClusterError> {
    endpoint.network.enter()?;
    let login = endpoint.login(retry)?;
    login.session.set_timeout(20_000);
    let mut refused = Vec::new();
    for directory in directories(&login.session, endpoint)? {
        let path = match push(&login.session, &directory, agent) {
            Ok(path) => path,
            Err(problem) => {
                refused.push(format!("{directory}: {problem}"));
                continue;
            }
        };
        match run(&login.session, endpoint, &path)? {
            Started::Yes(channel, hello) => return greet(endpoint, login, channel, hello),
            Started::NotExecutable(said) => refused.push(format!("{path}: {said}")),
        }
    }
    Err(ClusterError::node(
        &endpoint.node,
        Step::Push,
        format!("no directory takes and runs the agent ({})", refused.join("; ")),
        "make one of them writable for this user and mount it without noexec",
    ))
}

fn greet(
    endpoint: &Endpoint,
    login: Login,
    channel: Channel,
    hello: Hello,
) -> Result<(SshWire, Hello), ClusterError> {
    if hello.protocol != PROTOCOL {
        return Err(ClusterError::node(
            &endpoint.node,
            Step::Agent,
            format!("it speaks protocol {}, we speak {PROTOCOL}", hello.protocol),
            "build controller and agent from the same source",
        ));
    }
    Ok((SshWire::new(login, channel), hello))
}

/// For root the fixed ones; for others also one in their home, which need not be `/home/NAME`.
fn directories(session: &Session, endpoint: &Endpoint) -> Result<Vec<String>, ClusterError> {
    let mut all: Vec<String> = DIRECTORIES.map(String::from).to_vec();
    if endpoint.user != "root" {
        let home = open_sftp(session, &endpoint.node)?
            .realpath(Path::new("."))
            .map_err(|e| ClusterError::node(&endpoint.node, Step::Push, e.message(), NO_SFTP))?;
        all.push(format!("{}/.tribunal/bin", home.display()));
    }
    Ok(all)
}

pub(crate) const NO_SFTP: &str =
    "add `Subsystem sftp internal-sftp` to the node's sshd configuration";

pub(crate) fn open_sftp(session: &Session, node: &str) -> Result<Sftp, ClusterError> {
    session.sftp().map_err(|error| {
        let problem = format!("no sftp: {}", error.message());
        ClusterError::node(node, Step::Push, problem, NO_SFTP)
    })
}

/// Puts the binary there unless it is there; answers its path.
fn push(session: &Session, directory: &str, agent: &AgentBinary) -> Result<String, String> {
    let said = |error: ssh2::Error| error.message().to_owned();
    let sftp =
        session.sftp().map_err(|error| format!("no sftp: {}; {NO_SFTP}", error.message()))?;
    let directory = Path::new(directory);
    let path = directory.join(&agent.name);
    let shown = path.display().to_string();
    // The name is the digest and the file came by rename: its size need not lie.
    let whole = || sftp.stat(&path).is_ok_and(|found| found.size == Some(agent.bytes.len() as u64));
    if whole() {
        return Ok(shown);
    }
    make_directories(&sftp, directory).map_err(said)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let part = directory.join(format!(".{}.{}.{now}", agent.name, std::process::id()));
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let mut file = sftp.open_mode(&part, flags, 0o755, OpenType::File).map_err(said)?;
    for piece in agent.bytes.chunks(PIECE) {
        file.write_all(piece).map_err(|error| error.to_string())?;
    }
    let mode =
        FileStat { size: None, uid: None, gid: None, perm: Some(0o755), atime: None, mtime: None };
    file.setstat(mode).map_err(said)?;
    // Closed before it is run, or the kernel says "text file busy".
    file.close().map_err(said)?;
    // Another controller may have been quicker: its file is never taken away, it may be starting.
    if sftp.rename(&part, &path, None).is_ok() {
        return Ok(shown);
    }
    if whole() {
        let _ = sftp.unlink(&part);
        return Ok(shown);
    }
    rename(&sftp, &part, &path).map_err(said)?;
    Ok(shown)
}

/// SFTP 3 as OpenSSH speaks it refuses to rename onto an existing file.
pub(crate) fn rename(sftp: &Sftp, from: &Path, to: &Path) -> Result<(), ssh2::Error> {
    let flags = Some(RenameFlags::OVERWRITE | RenameFlags::ATOMIC | RenameFlags::NATIVE);
    if sftp.rename(from, to, flags).is_ok() {
        return Ok(());
    }
    let _ = sftp.unlink(to);
    sftp.rename(from, to, flags)
}

/// Like `mkdir -p`. What exists is left alone; what cannot be made shows when it is used.
pub(crate) fn make_directories(sftp: &Sftp, directory: &Path) -> Result<(), ssh2::Error> {
    let mut all: Vec<&Path> = directory.ancestors().collect();
    all.reverse();
    for part in all.into_iter().skip(1) {
        if sftp.stat(part).is_ok() {
            continue;
        }
        match sftp.mkdir(part, 0o755) {
            Ok(()) => {}
            // Another lane may have been faster.
            Err(_) if sftp.stat(part).is_ok() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

enum Started {
    Yes(Channel, Hello),
    NotExecutable(String),
}

fn run(session: &Session, endpoint: &Endpoint, path: &str) -> Result<Started, ClusterError> {
    let node = endpoint.node.as_str();
    let trouble = |problem: String| {
        ClusterError::node(node, Step::Agent, problem, "look at the node's log and free space")
    };
    let words = [path, "serve", "--root", ROOT];
    let line = match endpoint.user.as_str() {
        "root" => quote::command(&words),
        _user => quote::command(&[&["sudo", "-n", "--"], words.as_slice()].concat()),
    };
    let line = line.map_err(trouble)?;
    let mut channel =
        session.channel_session().map_err(|error| trouble(error.message().to_owned()))?;
    channel.exec(&format!("exec {line}")).map_err(|error| trouble(error.message().to_owned()))?;
    let request = Request { id: 0, epoch: 0, deadline_ms: 20_000, body: Body::Hello };
    let asked = frame::write(&mut channel, &request).map_err(|error| error.to_string());
    let answer: Result<Option<Response>, String> =
        asked.and_then(|()| frame::read(&mut channel).map_err(|error| error.to_string()));
    match answer {
        Ok(Some(Response { result: Ok(Reply::Hello(hello)), .. })) => {
            Ok(Started::Yes(channel, hello))
        }
        Ok(Some(other)) => Err(trouble(format!("it answered hello with {other:?}"))),
        Ok(None) => ended(&mut channel, endpoint),
        Err(problem) => match ended(&mut channel, endpoint)? {
            Started::Yes(..) => Err(trouble(problem)),
            not => Ok(not),
        },
    }
}

/// The channel ended before the agent spoke: why?
fn ended(channel: &mut Channel, endpoint: &Endpoint) -> Result<Started, ClusterError> {
    let mut said = String::new();
    let mut stream = channel.stderr().take(2000);
    let _ = stream.read_to_string(&mut said);
    let _ = channel.wait_close();
    let said = said.trim();
    match channel.exit_status() {
        // The shell's answer to "not executable": noexec, or a binary for another machine.
        Ok(126) => Ok(Started::NotExecutable(said.to_owned())),
        Ok(code) => {
            let next = match endpoint.user.as_str() {
                "root" => "run the agent there by hand to see what it needs",
                _user => "log in as root, or allow this user `sudo -n` without a password",
            };
            let problem = format!("it ended with code {code}: {said}");
            Err(ClusterError::node(&endpoint.node, Step::Agent, problem, next))
        }
        Err(error) => {
            let problem = format!("{} {said}", error.message());
            let next = "look at the log of the node's sshd";
            Err(ClusterError::node(&endpoint.node, Step::Agent, problem, next))
        }
    }
}

/// Whether the error says that there is no such file.
pub(crate) fn is_missing(error: &ssh2::Error) -> bool {
    const NO_SUCH_FILE: i32 = 2;
    error.code() == ErrorCode::SFTP(NO_SUCH_FILE)
}
