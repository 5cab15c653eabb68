//! The thread that owns the engine, and the set-up of everything around it.
//!
//! One thread takes events in batches, so that one disk sync serves many requests. Every queue is
//! bounded; a full one drops packets (Raft repeats itself) and refuses clients.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::{api, link};
use crate::bugs::BugSet;
use crate::disk::FileDisk;
use crate::engine::{Effect, Engine, Event, Packet, Reply, Request, Status};
use crate::raft::{Config, Peer};

/// Events that may wait for the engine.
const INBOX: usize = 8192;

/// Packets that may wait for a peer.
const OUTBOX: usize = 2048;

/// Most events in one batch.
const BATCH: usize = 512;

/// How often the engine looks at the clock.
const TICK: Duration = Duration::from_millis(10);

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, one of `peers`.
    pub node: String,
    /// Name and peer address of every member, in the same order everywhere.
    pub peers: Vec<(String, SocketAddr)>,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where peers come in.
    pub peer_listen: SocketAddr,
    /// Directory of log and snapshot.
    pub data: PathBuf,
    /// Of the election timeouts.
    pub seed: u64,
    /// Bugs that are on.
    pub bugs: BugSet,
    /// Shortest and longest election timeout.
    pub election_ms: (u64, u64),
    /// Between heartbeats.
    pub heartbeat_ms: u64,
    /// Entries between snapshots; 0 is never.
    pub snapshot_every: u64,
}

/// What tasks send to the engine's thread.
pub(super) enum Mail {
    Packet(Peer, Packet),
    Client(Request, oneshot::Sender<Reply>),
    Status(oneshot::Sender<Status>),
}

/// What the tasks share.
pub(super) struct Shared {
    pub(super) inbox: SyncSender<Mail>,
    pub(super) names: Vec<String>,
    pub(super) id: Peer,
    pub(super) bugs: BugSet,
}

/// Serves until the disk fails.
///
/// # Errors
/// An unknown node name, an address that is taken, a disk that fails.
pub async fn serve(options: Options) -> io::Result<()> {
    let names: Vec<String> = options.peers.iter().map(|(name, _)| name.clone()).collect();
    let Some(id) = names.iter().position(|name| *name == options.node) else {
        let problem = format!("node {:?} is not among the peers {names:?}", options.node);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    };
    let disk = FileDisk::open(&options.data)?;
    let config = Config {
        id,
        members: names.len(),
        election_ms: options.election_ms,
        heartbeat_ms: options.heartbeat_ms,
        seed: options.seed,
        bugs: options.bugs,
    };
    let engine = Engine::open(config, disk, options.snapshot_every, 0)?;
    let clients = TcpListener::bind(options.listen).await?;
    let peers = TcpListener::bind(options.peer_listen).await?;
    let (inbox, mail) = sync_channel(INBOX);
    let shared = Arc::new(Shared { inbox, names, id, bugs: options.bugs });
    let mut outboxes = Vec::new();
    for (_, address) in &options.peers {
        let (outbox, packets) = mpsc::channel(OUTBOX);
        tokio::spawn(link::send(id, *address, packets));
        outboxes.push(outbox);
    }
    tokio::spawn(link::accept(peers, shared.clone()));
    let api = tokio::spawn(async move { axum::serve(clients, api::router(shared)).await });
    let (failed, failure) = oneshot::channel();
    std::thread::spawn(move || {
        let error = Driver::new(engine, outboxes).run(&mail);
        // The receiver is gone only when the whole server is.
        let _ = failed.send(error);
    });
    tokio::select! {
        error = failure => Err(error.unwrap_or_else(|_| io::Error::other("the engine panicked"))),
        result = api => result.map_err(io::Error::other)?,
    }
}

struct Driver {
    engine: Engine<FileDisk>,
    outboxes: Vec<mpsc::Sender<Packet>>,
    waiting: BTreeMap<u64, oneshot::Sender<Reply>>,
    next_token: u64,
    start: Instant,
    /// What the log said last.
    told: Option<Told>,
}

/// What is worth a line in the log when it changes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    role: &'static str,
    term: u64,
    leader: Option<Peer>,
    installed: u64,
}

impl Driver {
    fn new(engine: Engine<FileDisk>, outboxes: Vec<mpsc::Sender<Packet>>) -> Driver {
        // Tokens travel to the leader and back: an answer to a token of the life before a restart
        // must not meet one of this life.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next_token = since.as_nanos() as u64;
        let start = Instant::now();
        Driver { engine, outboxes, waiting: BTreeMap::new(), next_token, start, told: None }
    }

    /// Runs until the disk fails, and says how.
    fn run(mut self, mail: &Receiver<Mail>) -> io::Error {
        let mut tick = Instant::now();
        loop {
            let mut events = Vec::new();
            let mut looks = Vec::new();
            match mail.recv_timeout(tick.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    self.sort(first, &mut events, &mut looks);
                    while events.len() < BATCH
                        && let Ok(next) = mail.try_recv()
                    {
                        self.sort(next, &mut events, &mut looks);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return io::Error::other("nobody listens any more");
                }
            }
            if Instant::now() >= tick {
                tick = Instant::now() + TICK;
                events.insert(0, Event::Tick);
                self.waiting.retain(|_, reply| !reply.is_closed());
            }
            if let Err(error) = self.handle(events) {
                return error;
            }
            self.tell();
            for look in looks {
                // Whoever asked may have left.
                let _ = look.send(self.engine.status());
            }
        }
    }

    /// Changes of role, term and leader, for whoever reads the log beside a history.
    fn tell(&mut self) {
        let Status { role, term, leader, installed, commit, .. } = self.engine.status();
        let now = Told { role, term, leader, installed };
        if self.told != Some(now) {
            let leader = leader.map_or(-1, |peer| peer as i64 + 1);
            tracing::info!(role, term, leader, commit, snapshots_installed = installed);
            self.told = Some(now);
        }
    }

    fn sort(
        &mut self,
        mail: Mail,
        events: &mut Vec<Event>,
        looks: &mut Vec<oneshot::Sender<Status>>,
    ) {
        match mail {
            Mail::Packet(from, packet) => events.push(Event::Packet { from, packet }),
            Mail::Client(request, reply) => {
                let token = self.next_token;
                self.next_token += 1;
                self.waiting.insert(token, reply);
                events.push(Event::Client { token, request });
            }
            Mail::Status(look) => looks.push(look),
        }
    }

    fn handle(&mut self, events: Vec<Event>) -> io::Result<()> {
        let now = self.start.elapsed().as_millis() as u64;
        let (waiting, outboxes) = (&mut self.waiting, &self.outboxes);
        self.engine.handle(now, events, &mut |effect| match effect {
            Effect::Send { to, packet } => {
                if outboxes[to].try_send(packet).is_err() {
                    tracing::debug!(to, "outbox full, packet dropped");
                }
            }
            Effect::Reply { token, reply } => {
                if let Some(client) = waiting.remove(&token) {
                    // The client may have left.
                    let _ = client.send(reply);
                }
            }
        })
    }
}
