//! SSH sessions to nodes: connect, check the host key, log in.
//!
//! Only connecting is retried; nothing that was asked of a node ever is. ProxyJump, FIDO keys and
//! certificates are not supported by libssh2.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use ssh2::{BlockDirections, Channel, MethodType, Session};

use super::error::{ClusterError, Step};
use super::hostkey::HostKeys;
use super::inventory::Host;
use super::lane::Wire;
use super::network::Network;
use super::secret::Secret;

/// Most bytes of the agent's error stream that are kept.
const WORDS: usize = 2000;

/// Silence after which the kernel gives a connection up.
const SILENCE_MS: u32 = 20_000;

/// How to get to a node's sshd.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Node name, for messages.
    pub node: String,
    /// Control address: a name or a number.
    pub host: String,
    /// Port of sshd.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Private key file.
    pub key: Option<PathBuf>,
    /// Password, tried last.
    pub password: Option<Secret>,
    /// Which host key is right.
    pub host_keys: HostKeys,
    /// Where its address is reachable.
    pub network: Network,
}

/// How often a connection is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// No attempt begins after this.
    pub(crate) until: Instant,
    /// First pause; doubles up to `slowest`.
    pub(crate) pause: Duration,
    /// Longest pause.
    pub(crate) slowest: Duration,
    /// Refused connections that mean that nobody will ever listen.
    pub(crate) refusals: u32,
}

impl Retry {
    /// For hosts made by others: sshd drops connections at random when many come at once
    /// (`MaxStartups`), but a port where nobody listens stays one.
    pub(crate) fn host(patience: Duration) -> Retry {
        Retry {
            until: Instant::now() + patience,
            pause: Duration::from_millis(50),
            slowest: Duration::from_secs(5),
            refusals: 3,
        }
    }

    /// For nodes that are starting.
    pub(crate) fn starting(patience: Duration) -> Retry {
        Retry {
            until: Instant::now() + patience,
            pause: Duration::from_millis(20),
            slowest: Duration::from_millis(50),
            refusals: u32::MAX,
        }
    }
}

/// A session after login, in blocking mode. Never leaves its thread.
pub(crate) struct Login {
    pub(crate) session: Session,
    pub(crate) socket: TcpStream,
}

impl Endpoint {
    /// The way to a host of an inventory.
    pub(crate) fn of(host: &Host, network: &Network, password: Option<&Secret>) -> Endpoint {
        Endpoint {
            node: host.name.clone(),
            host: host.control.clone(),
            port: host.port,
            user: host.user.clone(),
            key: host.key.clone(),
            password: password.cloned(),
            host_keys: host.host_keys.clone(),
            network: network.clone(),
        }
    }

    /// Connects and logs in, on the calling thread, which must be in the right network.
    ///
    /// # Errors
    /// The node, the step and what to do. A wrong host key stops before any authentication.
    pub(crate) fn login(&self, retry: Retry) -> Result<Login, ClusterError> {
        let mut pause = retry.pause;
        let mut refusals = 0;
        loop {
            let error = match self.attempt(retry.until) {
                Ok(mut login) => {
                    self.check_host_key(&login.session)?;
                    self.authenticate(&mut login.session)?;
                    return Ok(login);
                }
                Err(failed) => failed,
            };
            refusals += u32::from(error.refused);
            if refusals >= retry.refusals || Instant::now() + pause >= retry.until {
                return Err(error.error);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(retry.slowest);
        }
    }

    /// TCP and key exchange.
    fn attempt(&self, until: Instant) -> Result<Login, Failed> {
        let address = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .and_then(|mut all| all.next().ok_or(io::ErrorKind::NotFound.into()))
            .map_err(|error| {
                let next = format!("correct the address {:?} or its name service", self.host);
                Failed::other(ClusterError::node(&self.node, Step::Resolve, error, next))
            })?;
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let socket =
            TcpStream::connect_timeout(&address, left).map_err(|error| self.unreachable(&error))?;
        let trouble = |step, error: &dyn std::fmt::Display| {
            Failed::other(ClusterError::node(&self.node, step, error, self.ask_for_sshd()))
        };
        socket.set_nodelay(true).map_err(|e| trouble(Step::Connect, &e))?;
        setsockopt(&socket, sockopt::TcpUserTimeout, &SILENCE_MS)
            .map_err(|e| trouble(Step::Connect, &e))?;
        let ours = socket.try_clone().map_err(|e| trouble(Step::Connect, &e))?;
        let mut session = Session::new().map_err(|e| trouble(Step::Handshake, &e))?;
        let kinds = self.host_keys.preferred(&self.host, self.port);
        if !kinds.is_empty() {
            // Kinds this build does not know leave the server's choice; the check comes anyway.
            let _ = session.method_pref(MethodType::HostKey, &kinds.join(","));
        }
        session.set_timeout(left.as_millis().clamp(1, 60_000) as u32);
        session.set_tcp_stream(socket);
        session.handshake().map_err(|e| trouble(Step::Handshake, &e.message()))?;
        session.set_keepalive(true, 5);
        Ok(Login { session, socket: ours })
    }

    fn unreachable(&self, error: &io::Error) -> Failed {
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let problem = format!("{}:{}: {error}", self.host, self.port);
        let next = match refused {
            true => self.ask_for_sshd(),
            false => "check that the host is up and that its address, routes and firewall let \
                      this machine in"
                .into(),
        };
        Failed { refused, error: ClusterError::node(&self.node, Step::Connect, problem, next) }
    }

    fn ask_for_sshd(&self) -> String {
        format!("check that sshd runs on port {} there, and its log", self.port)
    }

    fn check_host_key(&self, session: &Session) -> Result<(), ClusterError> {
        self.host_keys.verify(session, &self.host, self.port).map_err(|refusal| {
            ClusterError::node(&self.node, Step::HostKey, refusal.problem, refusal.next)
        })
    }

    /// ssh-agent, key file, password. A key that is named is the only key offered: servers count
    /// attempts, and an agent full of other keys would use them up.
    fn authenticate(&self, session: &mut Session) -> Result<(), ClusterError> {
        let mut tried = Vec::new();
        match &self.key {
            Some(key) => match session.userauth_pubkey_file(&self.user, None, key, None) {
                Ok(()) => return Ok(()),
                Err(error) => tried.push(format!("key {}: {}", key.display(), error.message())),
            },
            None => match self.ask_agent(session) {
                Ok(()) => return Ok(()),
                Err(problem) => tried.push(problem),
            },
        }
        if let Some(password) = &self.password {
            match session.userauth_password(&self.user, password.expose()) {
                Ok(()) => return Ok(()),
                Err(error) => tried.push(format!("password: {}", error.message())),
            }
        }
        Err(ClusterError::node(
            &self.node,
            Step::Login,
            format!("{} was not let in ({})", self.user, tried.join("; ")),
            "name the right user and key in the inventory, load the key into ssh-agent, or set \
             TRIBUNAL_SSH_PASSWORD",
        ))
    }

    fn ask_agent(&self, session: &Session) -> Result<(), String> {
        let said = |error: ssh2::Error| format!("ssh-agent: {}", error.message());
        let mut agent = session.agent().map_err(said)?;
        agent.connect().map_err(said)?;
        agent.list_identities().map_err(said)?;
        let identities = agent.identities().map_err(said)?;
        let accepted = identities.iter().any(|it| agent.userauth(&self.user, it).is_ok());
        match accepted {
            true => Ok(()),
            false => Err(format!("ssh-agent: none of its {} keys fits", identities.len())),
        }
    }
}

struct Failed {
    refused: bool,
    error: ClusterError,
}

impl Failed {
    fn other(error: ClusterError) -> Failed {
        Failed { refused: false, error }
    }
}

/// The agent's channel as a wire: non-blocking, on the lane's thread.
pub(crate) struct SshWire {
    // Dropped in this order: the channel before its session, the session before our descriptor.
    channel: Channel,
    session: Session,
    socket: TcpStream,
    words: Vec<u8>,
}

impl SshWire {
    /// Takes the channel over; `login` is the session it belongs to.
    pub(crate) fn new(login: Login, channel: Channel) -> SshWire {
        login.session.set_blocking(false);
        SshWire { channel, session: login.session, socket: login.socket, words: Vec::new() }
    }

    /// Empties the error stream. Its window would fill otherwise, and the agent block.
    fn listen(&mut self) {
        let mut buffer = [0; 1024];
        let mut stream = self.channel.stderr();
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            self.words.extend_from_slice(&buffer[..n]);
            let excess = self.words.len().saturating_sub(WORDS);
            self.words.drain(..excess);
        }
    }
}

impl Wire for SshWire {
    fn input(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn output(&self, _pending: bool) -> Option<BorrowedFd<'_>> {
        // A full window is not a full socket: only the session knows which one it waits for.
        match self.session.block_directions() {
            BlockDirections::Outbound | BlockDirections::Both => Some(self.socket.as_fd()),
            BlockDirections::None | BlockDirections::Inbound => None,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let outcome = self.channel.read(into);
        self.listen();
        match outcome {
            // libssh2 answers 0 also when only the other stream had something.
            Ok(0) if !self.channel.eof() => Err(io::ErrorKind::WouldBlock.into()),
            // Reading the error stream may have queued bytes of ours: look again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.channel.read(into),
            other => other,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.write(bytes)
    }

    fn keep_alive(&mut self) -> io::Result<()> {
        match self.session.keepalive_send() {
            Ok(_) => Ok(()),
            Err(error) => match io::Error::from(error) {
                again if again.kind() == io::ErrorKind::WouldBlock => Ok(()),
                error => Err(error),
            },
        }
    }

    fn last_words(&mut self) -> String {
        self.listen();
        String::from_utf8_lossy(&self.words).trim().to_owned()
    }
}
