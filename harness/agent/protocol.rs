//! What controller and agent say to each other.
//!
//! A frame is `u32 length | u32 crc32c | JSON`, little endian, at most [`FRAME_LIMIT`] bytes of
//! JSON. Every request carries an id; the agent keeps its last replies, so a request that is sent
//! again after a lost connection is answered, not repeated.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Version both sides must share; the agent is pushed by the controller, so they do.
pub const PROTOCOL: u32 = 3;

/// Most bytes of JSON in one frame. Files travel in chunks.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Most bytes of a file in one chunk.
pub const CHUNK: usize = 512 << 10;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Unique within a controller; replies are matched and remembered by it.
    pub id: u64,
    /// The claim this request belongs to; 0 before there is one.
    pub epoch: u64,
    /// Give up after this many milliseconds.
    pub deadline_ms: u64,
    /// What is asked.
    pub body: Body,
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Id of the request.
    pub id: u64,
    /// The answer.
    pub result: Result<Reply, Failure>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable word: `claimed`, `stale-epoch`, `not-found`, `io`, `refused`, `timeout` or
    /// `unsupported`.
    pub code: String,
    /// What, where, and what to do.
    pub message: String,
}

/// Everything a node can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Who are you?
    Hello,
    /// Try each fault family in a scratch place.
    Probe,
    /// What does your sshd allow?
    Sshd,
    /// Take the node for a run. Refused while another controller's lease lives, unless `force`.
    Claim {
        /// Run id, 8 hex digits: names tables and directories.
        run: String,
        /// Who asks, shown to a second controller that is refused. Unique per controller process
        /// (host, pid, start): the same run and controller may claim again after a lost channel
        /// and finds its faults still in force.
        controller: String,
        /// Life of the claim without renewal.
        lease_ms: u64,
        /// Raise the epoch over a living claim (`tribunal heal --force`).
        force: bool,
        /// (Address of a controller, port of this node's sshd) pairs: packets between them are
        /// never cut. The pair of SSH_CONNECTION is added by the agent itself.
        control: Vec<SocketAddr>,
    },
    /// Extend the claim and every armed fault.
    Renew {
        /// New life, from now.
        lease_ms: u64,
    },
    /// Start a daemon and answer with its identity.
    Start(DaemonSpec),
    /// Stop a daemon in order: SIGTERM, then SIGKILL after `grace_ms`.
    Stop {
        /// Daemon name.
        daemon: String,
        /// Time for an orderly end.
        grace_ms: u64,
    },
    /// What is the daemon doing?
    Status {
        /// Daemon name.
        daemon: String,
    },
    /// Make the undo record durable, then bring the fault about.
    Inject(Fault),
    /// Measure whether the fault is in force.
    Verify {
        /// Fault id.
        fault: u32,
    },
    /// Undo the fault, measure that it is gone, drop the record. Idempotent.
    Heal {
        /// Fault id.
        fault: u32,
    },
    /// Undo everything of every run. Idempotent.
    HealAll,
    /// Connect to each address by TCP and by the agents' UDP probe; say which answered.
    Reach {
        /// What to try.
        targets: Vec<SocketAddr>,
        /// Patience per target.
        timeout_ms: u64,
    },
    /// Connect to each address and keep the connections, to see later what a fault does to them;
    /// those kept for the same fault are closed first.
    Hold {
        /// Fault id.
        fault: u32,
        /// Probe ports of other agents. None: only close.
        targets: Vec<SocketAddr>,
        /// Patience per target.
        timeout_ms: u64,
    },
    /// Look along the way to each address.
    Look {
        /// Whose kept connections are tried.
        fault: u32,
        /// Probe ports of other agents.
        targets: Vec<SocketAddr>,
        /// A port of the daemon at each target, in the same order; none, where none is asked for.
        services: Vec<SocketAddr>,
        /// Patience per target.
        timeout_ms: u64,
        /// Datagrams to be counted; one each millisecond, at most 1 000.
        numbered: u32,
    },
    /// Run a program to its end. Allowed in the set-up phase only.
    Install {
        /// Program and arguments.
        argv: Vec<String>,
        /// Environment, replacing the agent's own except PATH.
        env: Vec<(String, String)>,
    },
    /// Set-up is over: refuse `Install` from now on.
    Sealed,
    /// Remove a directory beneath the agent's root and everything in it, then make it anew.
    /// Every path of a request is absolute beneath [`Hello::root`] or relative to it.
    Reset {
        /// Which directory.
        dir: String,
    },
    /// Write a chunk of a file beneath the agent's root.
    Put {
        /// Where.
        path: String,
        /// Offset of this chunk; 0 truncates.
        offset: u64,
        /// Base64 of the bytes.
        data: String,
        /// File mode.
        mode: u32,
    },
    /// Read a chunk of a file.
    Get {
        /// Where.
        path: String,
        /// From.
        offset: u64,
        /// At most this many bytes.
        length: u64,
    },
    /// Size and CRC32C of a file, to skip a push that is not needed.
    Digest {
        /// Where.
        path: String,
    },
    /// The node's clocks.
    Clock,
    /// Heal, release the claim, end.
    Bye,
}

/// A daemon, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSpec {
    /// Name, unique on the node.
    pub name: String,
    /// Program and arguments. Never a shell.
    pub argv: Vec<String>,
    /// Environment, replacing the agent's own except PATH.
    pub env: Vec<(String, String)>,
    /// Working directory; made if missing.
    pub dir: String,
    /// File that receives stdout and stderr.
    pub log: String,
}

/// A process that cannot be mistaken for a later one with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start time, field 22 of `/proc/PID/stat`, in clock ticks since boot.
    pub start: u64,
}

/// What a daemon is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonState {
    /// Never started, or forgotten.
    Absent,
    /// Running or sleeping.
    Running(Identity),
    /// Stopped by a signal: state T.
    Paused(Identity),
    /// Ended: exit code, or minus the signal's number.
    Exited {
        /// Who it was.
        identity: Identity,
        /// Exit code, or minus the signal. `None`: it ended while no agent of this boot was its
        /// parent, so nobody could learn it.
        code: Option<i32>,
    },
}

/// A fault on one node, under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Number of the fault in the run's schedule; the same on every node it concerns.
    pub id: u32,
    /// Longest time the fault outlives the last renewal.
    pub lease_ms: u64,
    /// What.
    pub kind: FaultKind,
}

/// What can be done to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A fault of [`crate::links`] on packets from and to peers, both families.
    Link {
        /// Which, by name.
        kind: String,
        /// Peers whose packets are met here.
        from: Vec<IpAddr>,
        /// Peers to whom packets are met here, before they leave.
        to: Vec<IpAddr>,
        /// Of TCP: only packets to them, where the kind is about ports.
        ports: Vec<u16>,
        /// Toggle: in force for `duty_pct` percent of each period, not for the rest.
        flap: Option<Flap>,
        /// Each parameter of the kind, by name.
        parameters: BTreeMap<String, i64>,
    },
    /// A fault of [`crate::kinds`] on the processes of a daemon.
    Daemon {
        /// Which, by name.
        kind: String,
        /// Daemon name.
        daemon: String,
        /// Each parameter of the kind, by name.
        parameters: BTreeMap<String, i64>,
    },
}

impl FaultKind {
    /// A partition: packets from some peers are not received, and none are sent to others.
    pub fn partition(from: Vec<IpAddr>, to: Vec<IpAddr>, flap: Option<Flap>) -> FaultKind {
        let (kind, ports, parameters) = ("partition".into(), Vec::new(), BTreeMap::new());
        FaultKind::Link { kind, from, to, ports, flap, parameters }
    }

    /// A fault without parameters on a daemon.
    pub fn daemon(kind: &str, daemon: &str) -> FaultKind {
        let parameters = BTreeMap::new();
        FaultKind::Daemon { kind: kind.into(), daemon: daemon.into(), parameters }
    }
}

/// Timing of a flapping fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flap {
    /// Length of one period.
    pub period_ms: u64,
    /// Part of it for which it is in force, in percent (1 to 99).
    pub duty_pct: u8,
}

/// Answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Carried out; nothing to add.
    Done,
    /// To `Hello`.
    Hello(Hello),
    /// To `Probe`: fault family, and why not if not.
    Probed(Vec<Probed>),
    /// To `Sshd`.
    Sshd(SshLimits),
    /// To `Claim`.
    Claimed {
        /// Put it into every later request.
        epoch: u64,
        /// Faults of earlier runs that were found and undone.
        healed: Vec<String>,
    },
    /// To `Start` and `Status`.
    Daemon(DaemonState),
    /// To `Inject`, `Verify`, `Heal`.
    Fault(Measured),
    /// To `HealAll`: what was found and undone.
    HealedAll(Vec<String>),
    /// To `Reach`, in the order asked.
    Reached(Vec<Reached>),
    /// To `Look`, in the order asked.
    Looks(Vec<Look>),
    /// To `Install`.
    Output {
        /// Exit code, or minus the signal.
        code: i32,
        /// Head of stdout and stderr together, cut (and so marked) where a frame would be full.
        output: String,
    },
    /// To `Get`.
    Bytes {
        /// Base64 of the bytes; shorter than asked at the end of the file.
        data: String,
        /// Size of the whole file.
        size: u64,
    },
    /// To `Digest`; `None` when there is no such file.
    Digest(Option<Digest>),
    /// To `Clock`.
    Clock(Clocks),
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Bytes.
    pub size: u64,
    /// CRC32C of the contents.
    pub crc32c: u32,
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// See [`PROTOCOL`].
    pub protocol: u32,
    /// Agent version.
    pub version: String,
    /// Hostname.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Boot id: equal on nodes that share a kernel.
    pub boot_id: String,
    /// Addresses of every interface but loopback.
    pub addresses: Vec<IpAddr>,
    /// Agent's directory for everything it stores.
    pub root: String,
    /// (Controller's address, this node's sshd port) from SSH_CONNECTION: exempt from every cut.
    pub ssh: Option<SocketAddr>,
    /// UDP and TCP port that answers reachability probes.
    pub probe_port: u16,
    /// Free bytes beneath the root.
    pub free_bytes: u64,
}

/// Result of trying one fault family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// A kind of [`crate::links`] or [`crate::kinds`].
    pub family: String,
    /// `None`: available. Otherwise the reason and what to install.
    pub unavailable: Option<String>,
    /// Mechanism that will be used (`nft`, `iptables+ipset`, `iptables`).
    pub mechanism: String,
}

/// What an sshd allows, outside of `Match` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshLimits {
    /// Channels on one connection (`MaxSessions`).
    pub max_sessions: u32,
    /// Connections before login from which on new ones are dropped at random (`MaxStartups`).
    pub startups_begin: u32,
    /// How many of them at first, in percent.
    pub startups_rate_pct: u32,
    /// Connections before login at which every new one is dropped.
    pub startups_full: u32,
}

/// A fault, measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether the effect is there (after `Inject` and `Verify`) or gone (after `Heal`).
    pub effective: bool,
    /// What was measured, in words: counters, pids, states.
    pub evidence: String,
    /// Agent's CLOCK_BOOTTIME at the instant of the change.
    pub at_boottime_ns: u64,
}

/// Whether one address answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// A fresh TCP connection was made.
    pub tcp: bool,
    /// The probe datagram came back.
    pub udp: bool,
}

/// What one end of a link sees of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Look {
    /// A connection that was made for this look.
    pub fresh: Line,
    /// A round trip on the one that was kept.
    pub held: Line,
    /// A connection to the daemon's port.
    pub service: Line,
    /// A datagram of a few bytes came back.
    pub small: bool,
    /// One of 1 200 bytes was answered, in a few.
    pub large: bool,
    /// Datagrams sent one after the other.
    pub numbered: u32,
    /// How many of them were not answered.
    pub lost: u32,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// There was none to try.
    #[default]
    Untried,
    /// It carries.
    Open,
    /// The other end, or somebody in its name, reset or refused it.
    Reset,
    /// Nothing came back in time.
    Silent,
}

/// One reading of the node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// CLOCK_REALTIME.
    pub realtime_ns: u64,
    /// CLOCK_MONOTONIC.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME.
    pub boottime_ns: u64,
}
