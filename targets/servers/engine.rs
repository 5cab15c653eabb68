//! One server without sockets: Raft, its log on a disk, the registers, and open requests.
//!
//! The same engine runs behind TCP and in the simulator. It decides what a client is told; it
//! must not know how packets travel or what time of day it is.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, BugSet};
use crate::disk::Disk;
use crate::kv::{Applied, Command, Held, Kv, Seen, Step, Txn};
use crate::raft::{Config, Input, Message, Output, Peer, Raft};
use crate::wal::Wal;

/// Most requests open at one time; more are refused.
const OPEN_LIMIT: usize = 16 << 10;

/// How long a forwarded request is remembered.
const FORWARD_PATIENCE_MS: u64 = 10_000;

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Read a register.
    Get {
        /// Which.
        key: String,
    },
    /// Change one.
    Change(Command),
    /// Read and change several at one instant.
    Txn(Txn),
}

/// What it is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A read's answer; `None`: there is no such register.
    Value(Option<Held>),
    /// Committed and applied.
    Done,
    /// Compare-and-set found another value. Final.
    Mismatch,
    /// A transaction happened; what each of its reads saw, in order.
    Seen(Vec<Seen>),
    /// A condition of a transaction did not hold. Final.
    Conflict,
    /// Nothing was proposed and nothing will be. Final.
    NotLeader {
        /// Who leads, as far as known.
        leader: Option<Peer>,
    },
    /// Too many requests are open; nothing was proposed. Final.
    Busy,
    /// Leadership was lost after the proposal: its fate is unknown.
    Lost,
}

impl From<Applied> for Reply {
    fn from(applied: Applied) -> Reply {
        match applied {
            Applied::Done => Reply::Done,
            Applied::Mismatch => Reply::Mismatch,
            Applied::Seen(seen) => Reply::Seen(seen),
            Applied::Conflict => Reply::Conflict,
        }
    }
}

/// From server to server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packet {
    /// Raft's own.
    Raft(Message),
    /// A client's request, handed on once to the leader. The link must not repeat it.
    Forward {
        /// Comes back in the answer.
        token: u64,
        /// What.
        request: Request,
    },
    /// Its answer.
    Answer {
        /// Of the forwarded request.
        token: u64,
        /// What.
        reply: Reply,
    },
}

/// What happened to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Time passed.
    Tick,
    /// A packet arrived.
    Packet {
        /// From whom.
        from: Peer,
        /// What.
        packet: Packet,
    },
    /// A client asks.
    Client {
        /// Comes back with the reply; never used again, not even after a restart.
        token: u64,
        /// What.
        request: Request,
    },
}

/// What a server does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send a packet; it may get lost.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        packet: Packet,
    },
    /// Tell a client.
    Reply {
        /// Its token.
        token: u64,
        /// What.
        reply: Reply,
    },
}

/// A look at a server, for `/status` and for the simulator's invariants.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `follower`, `candidate` or `leader`.
    pub role: &'static str,
    /// Current term.
    pub term: u64,
    /// Who leads, as far as known.
    pub leader: Option<Peer>,
    /// Last committed entry.
    pub commit: u64,
    /// Last applied entry.
    pub applied: u64,
    /// Entries up to here are in the snapshot.
    pub snapshot: u64,
    /// Snapshots taken over from a leader since the start.
    pub installed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Client(u64),
    Peer(Peer, u64),
}

#[derive(Debug)]
struct Open {
    origin: Origin,
    request: Request,
}

/// One server.
#[derive(Debug)]
pub struct Engine<D> {
    raft: Raft,
    wal: Wal<D>,
    kv: Kv,
    /// Last entry that `kv` holds; Raft may be ahead of it within a batch.
    held: u64,
    bugs: BugSet,
    snapshot_every: u64,
    open: BTreeMap<u64, Open>,
    /// Client tokens at the leader, with the time they were sent there.
    forwarded: BTreeMap<u64, u64>,
    next: u64,
    installed: u64,
}

impl<D: Disk> Engine<D> {
    /// A server as it comes up from `disk` at `now`. A snapshot is taken every `snapshot_every`
    /// entries; 0 is never.
    ///
    /// # Errors
    /// The disk's, or data that no crash can leave behind.
    pub fn open(config: Config, disk: D, snapshot_every: u64, now: u64) -> io::Result<Engine<D>> {
        let (wal, recovered) = Wal::open(disk)?;
        let kv = match recovered.snapshot.index {
            0 => Kv::default(),
            _ => Kv::restore(&recovered.snapshot.data)?,
        };
        Ok(Engine {
            held: recovered.snapshot.index,
            bugs: config.bugs,
            raft: Raft::new(config, recovered, now),
            wal,
            kv,
            snapshot_every,
            open: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            next: 0,
            installed: 0,
        })
    }

    /// Takes a batch of events at `now` (milliseconds that never go back): one disk sync for all.
    ///
    /// # Errors
    /// The disk's. The server must then stop: it does not know what it has promised.
    pub fn handle(
        &mut self,
        now: u64,
        events: Vec<Event>,
        emit: &mut dyn FnMut(Effect),
    ) -> io::Result<()> {
        let mut outputs = Vec::new();
        for event in events {
            self.take(now, event, &mut outputs, emit);
        }
        outputs.extend(self.raft.step(now, Input::Flush));
        while !outputs.is_empty() {
            if self.store(&outputs, emit)? {
                self.act(outputs, emit)?;
                let index = self.raft.log().last_index();
                outputs = self.raft.step(now, Input::Synced { index });
            } else {
                self.act(outputs, emit)?;
                outputs = Vec::new();
            }
        }
        self.maybe_compact()
    }

    fn take(
        &mut self,
        now: u64,
        event: Event,
        outputs: &mut Vec<Output>,
        emit: &mut dyn FnMut(Effect),
    ) {
        match event {
            Event::Tick => {
                let old = now.saturating_sub(FORWARD_PATIENCE_MS);
                self.forwarded.retain(|_, sent| *sent >= old);
                self.kv.settle();
                outputs.extend(self.raft.step(now, Input::Tick));
            }
            Event::Packet { from, packet: Packet::Raft(message) } => {
                outputs.extend(self.raft.step(now, Input::Message { from, message }));
            }
            Event::Packet { from, packet: Packet::Forward { token, request } } => {
                self.request(now, Origin::Peer(from, token), request, outputs, emit);
            }
            Event::Packet { packet: Packet::Answer { token, reply }, .. } => {
                if self.forwarded.remove(&token).is_some() {
                    emit(Effect::Reply { token, reply });
                }
            }
            Event::Client { token, request } => {
                self.request(now, Origin::Client(token), request, outputs, emit);
            }
        }
    }

    fn request(
        &mut self,
        now: u64,
        origin: Origin,
        request: Request,
        outputs: &mut Vec<Output>,
        emit: &mut dyn FnMut(Effect),
    ) {
        if self.open.len() + self.forwarded.len() >= OPEN_LIMIT {
            return answer(origin, Reply::Busy, emit);
        }
        let token = self.next;
        self.next += 1;
        let input = match &request {
            Request::Get { .. } => Input::Read { token },
            Request::Txn(txn) if txn.only_reads() => Input::Read { token },
            Request::Txn(txn) => Input::Propose { token, command: Command::Txn(txn.clone()) },
            Request::Change(command) => {
                if let Some(reply) = self.dirty_cas(command) {
                    let done = reply == Reply::Done;
                    answer(origin, reply, emit);
                    if done {
                        let command = command.clone();
                        outputs.extend(self.raft.step(now, Input::Propose { token, command }));
                    }
                    return;
                }
                Input::Propose { token, command: command.clone() }
            }
        };
        self.open.insert(token, Open { origin, request });
        for output in self.raft.step(now, input) {
            match output {
                Output::Refused { token, leader } => self.refused(now, token, leader, emit),
                other => outputs.push(other),
            }
        }
    }

    /// A follower hands a client's request on, once. A request that was handed on already goes
    /// back as refused: it was proposed nowhere.
    fn refused(
        &mut self,
        now: u64,
        token: u64,
        leader: Option<Peer>,
        emit: &mut dyn FnMut(Effect),
    ) {
        let Some(Open { origin, request }) = self.open.remove(&token) else { return };
        match (origin, leader) {
            (Origin::Client(token), Some(to)) => {
                self.forwarded.insert(token, now);
                emit(Effect::Send { to, packet: Packet::Forward { token, request } });
            }
            (Origin::Client(_), None) | (Origin::Peer(..), _) => {
                answer(origin, Reply::NotLeader { leader }, emit);
            }
        }
    }

    /// The planted bug: the leader answers from its log, committed or not.
    fn dirty_cas(&self, command: &Command) -> Option<Reply> {
        let Command::Cas { key, from, .. } = command else { return None };
        if !self.bugs.has(Bug::DirtyCas) || !self.raft.is_leader() {
            return None;
        }
        let mut value = self.kv.get(key).map(|held| &held.value);
        for entry in self.raft.log().after(self.held) {
            match &entry.command {
                Command::Put { key: other, value: new } if other == key => value = Some(new),
                Command::Cas { key: other, from, to } if other == key && value == from.as_ref() => {
                    value = Some(to);
                }
                // Taken to happen: this is a bug, and another guess would be no better.
                Command::Txn(txn) => {
                    for step in &txn.steps {
                        match step {
                            Step::Put { key: other, value: new } if other == key => {
                                value = Some(new);
                            }
                            Step::Put { .. } | Step::Get { .. } | Step::Range(_) => {}
                        }
                    }
                }
                Command::Noop | Command::Put { .. } | Command::Cas { .. } => {}
            }
        }
        Some(if value == from.as_ref() { Reply::Done } else { Reply::Mismatch })
    }

    /// Writes what must be durable, after sending what need not wait for it.
    fn store(&mut self, outputs: &[Output], emit: &mut dyn FnMut(Effect)) -> io::Result<bool> {
        for output in outputs {
            if let Output::Send { to, message } = output
                && !message.needs_sync()
            {
                let packet = Packet::Raft(message.clone());
                emit(Effect::Send { to: *to, packet });
            }
        }
        let mut installed = false;
        for output in outputs {
            match output {
                Output::Save(hard) => self.wal.save(*hard)?,
                Output::Append(entry) => self.wal.append(entry)?,
                Output::Install { .. } => installed = true,
                Output::Send { .. }
                | Output::Apply { .. }
                | Output::ReadReady { .. }
                | Output::Refused { .. }
                | Output::Dropped { .. } => {}
            }
        }
        if installed {
            // The whole log is written anew, with all that this batch added to it.
            let log = self.raft.log();
            let entries = log.after(log.base());
            self.wal.compact(self.raft.hard_state(), log.snapshot(), entries)?;
            return Ok(true);
        }
        self.wal.sync()
    }

    /// Does what may be done now that all is durable.
    fn act(&mut self, outputs: Vec<Output>, emit: &mut dyn FnMut(Effect)) -> io::Result<()> {
        for output in outputs {
            match output {
                Output::Save(_) | Output::Append(_) => {}
                Output::Install { snapshot } => {
                    self.kv = Kv::restore(&snapshot.data)?;
                    self.held = snapshot.index;
                    self.installed += 1;
                }
                Output::Send { to, message } => {
                    if message.needs_sync() {
                        emit(Effect::Send { to, packet: Packet::Raft(message) });
                    }
                }
                Output::Apply { entry, token } => {
                    self.held = entry.index;
                    let applied = self.kv.apply(entry.index, &entry.command, self.bugs);
                    self.finish(token, applied.into(), emit);
                }
                Output::ReadReady { token } => {
                    let reply = match self.open.get(&token).map(|open| &open.request) {
                        Some(Request::Get { key }) => Reply::Value(self.kv.get(key).cloned()),
                        Some(Request::Txn(txn)) => self.kv.look(txn).into(),
                        Some(Request::Change(_)) | None => continue,
                    };
                    self.finish(Some(token), reply, emit);
                }
                Output::Refused { token, leader } => {
                    self.finish(Some(token), Reply::NotLeader { leader }, emit);
                }
                Output::Dropped { token } => self.finish(Some(token), Reply::Lost, emit),
            }
        }
        Ok(())
    }

    fn finish(&mut self, token: Option<u64>, reply: Reply, emit: &mut dyn FnMut(Effect)) {
        if let Some(open) = token.and_then(|token| self.open.remove(&token)) {
            answer(open.origin, reply, emit);
        }
    }

    fn maybe_compact(&mut self) -> io::Result<()> {
        let (applied, base) = (self.raft.applied(), self.raft.log().base());
        if self.snapshot_every == 0 || applied < base + self.snapshot_every {
            return Ok(());
        }
        self.raft.compact(applied, self.kv.snapshot());
        let log = self.raft.log();
        self.wal.compact(self.raft.hard_state(), log.snapshot(), log.after(log.base()))
    }

    /// A look at it.
    pub fn status(&self) -> Status {
        Status {
            role: self.raft.role_name(),
            term: self.raft.term(),
            leader: self.raft.leader(),
            commit: self.raft.commit(),
            applied: self.raft.applied(),
            snapshot: self.raft.log().base(),
            installed: self.installed,
        }
    }

    /// The consensus core, to look at.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The registers, to look at.
    pub fn kv(&self) -> &Kv {
        &self.kv
    }
}

fn answer(origin: Origin, reply: Reply, emit: &mut dyn FnMut(Effect)) {
    emit(match origin {
        Origin::Client(token) => Effect::Reply { token, reply },
        Origin::Peer(to, token) => Effect::Send { to, packet: Packet::Answer { token, reply } },
    });
}
