//! A lane: one OS thread that owns one transport to one agent.
//!
//! libssh2 wants one thread per session, and `ssh2::Channel` frees itself without the session's
//! lock when dropped (ssh2-rs #322), although the types claim `Send`. So a [`Wire`] is made on the
//! lane's thread and never leaves it; requests come in over a bounded queue, answers go out over
//! oneshots. Replies may come in any order; they are matched by id.
//!
//! A lane never reconnects. The agent that answers on a new channel would be another process, and
//! commands must not be sent twice; connecting is retried before there is a lane.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tribunal_agent::frame::{Decoder, encode, parse};
use tribunal_agent::protocol::Response;

use super::error::{ClusterError, Step};
use super::link::{Answer, Link, LinkState, Outgoing, QUEUE_LIMIT, Trouble};

/// Most bytes waiting to be written before the queue is left alone.
const OUT_LIMIT: usize = 4 << 20;

/// Longest sleep: the rhythm of keepalives.
const TICK: Duration = Duration::from_secs(5);

/// Bytes read at a time.
const READ: usize = 64 << 10;

/// What carries bytes. Non-blocking; owned by one thread.
pub(crate) trait Wire {
    /// Descriptor that becomes readable when bytes arrive.
    fn input(&self) -> BorrowedFd<'_>;
    /// Descriptor to poll for writing, when there is something to write or the transport says so.
    fn output(&self, pending: bool) -> Option<BorrowedFd<'_>>;
    /// Bytes, `WouldBlock`, or 0 at the end.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Bytes taken, or `WouldBlock`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Called every few seconds.
    fn keep_alive(&mut self) -> io::Result<()>;
    /// What the other side said last on its error stream, for the message when it is gone.
    fn last_words(&mut self) -> String;
}

/// Starts a lane. `open` runs on the lane's thread and makes the transport there; what it says
/// besides (`T`) is handed back.
///
/// # Errors
/// What `open` answers, or that no thread can be had.
pub(crate) fn spawn<W: Wire, T: Send + 'static>(
    node: &str,
    open: impl FnOnce() -> Result<(W, T), ClusterError> + Send + 'static,
) -> Result<(Link, T), ClusterError> {
    let trouble = |error: &dyn std::fmt::Display| {
        ClusterError::node(node, Step::Connect, error, "raise the limits on threads and files")
    };
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let wake = Arc::new(EventFd::from_value_and_flags(0, flags).map_err(|e| trouble(&e))?);
    let state = Arc::new(Mutex::new(LinkState::Open));
    let (queue, requests) = sync_channel(QUEUE_LIMIT);
    let (opened, outcome) = mpsc::channel();
    let lane = Tail { requests, wake: wake.clone(), state: state.clone() };
    thread::Builder::new()
        .name(format!("lane {node}"))
        .spawn(move || match open() {
            Ok((wire, extra)) => {
                // If nobody waits any more the queue is closed too, and the loop ends at once.
                let _ = opened.send(Ok(extra));
                lane.run(wire);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        })
        .map_err(|error| trouble(&error))?;
    let extra = outcome.recv().map_err(|_| trouble(&"the lane panicked while connecting"))??;
    Ok((Link::to_lane(queue, wake, state), extra))
}

/// The lane's end of a link.
struct Tail {
    requests: Receiver<Outgoing>,
    wake: Arc<EventFd>,
    state: Arc<Mutex<LinkState>>,
}

/// What is under way.
#[derive(Default)]
struct Traffic {
    /// Not yet frames, because the wire is full: their deadlines count all the same.
    backlog: VecDeque<Outgoing>,
    out: Vec<u8>,
    waiting: BTreeMap<u64, (Instant, Answer)>,
    decoder: Decoder,
}

impl Tail {
    fn run<W: Wire>(self, mut wire: W) {
        let mut traffic = Traffic::default();
        let why = match self.serve(&mut wire, &mut traffic) {
            Ok(()) => "closed by us".to_owned(),
            Err(problem) => match wire.last_words() {
                words if words.is_empty() => problem,
                words => format!("{problem}; it said: {words}"),
            },
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = LinkState::Lost(why.clone());
        let backlog = traffic.backlog.into_iter().map(|it| it.answer);
        for answer in traffic.waiting.into_values().map(|(_, answer)| answer).chain(backlog) {
            let _ = answer.send(Err(Trouble::Lost(why.clone())));
        }
        // The state was set first: whoever is refused by the queue from now on learns the reason.
        while let Ok(late) = self.requests.try_recv() {
            let _ = late.answer.send(Err(Trouble::Lost(why.clone())));
        }
    }

    fn serve<W: Wire>(&self, wire: &mut W, traffic: &mut Traffic) -> Result<(), String> {
        let mut alive = Instant::now();
        let mut open = true;
        loop {
            // Any value means: look at the queue.
            let _ = self.wake.read();
            open = open && self.take(traffic);
            if !open && traffic.is_idle() {
                return Ok(());
            }
            // Write first: libssh2 may read the socket while it writes, and what it buffers then
            // would not wake a poll.
            traffic.write(wire)?;
            traffic.read(wire)?;
            traffic.expire();
            if alive.elapsed() >= TICK {
                wire.keep_alive().map_err(|error| format!("keepalive: {error}"))?;
                alive = Instant::now();
            }
            self.sleep(wire, traffic)?;
        }
    }

    /// Empties the queue, always: a request left in it would have nobody to keep its deadline.
    /// False when no more can come.
    fn take(&self, traffic: &mut Traffic) -> bool {
        loop {
            match self.requests.try_recv() {
                Ok(it) => traffic.enqueue(it),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn sleep<W: Wire>(&self, wire: &W, traffic: &Traffic) -> Result<(), String> {
        let now = Instant::now();
        let next = traffic.next_deadline();
        let nap = next.map_or(TICK, |deadline| deadline.saturating_duration_since(now).min(TICK));
        // Rounded up, or the last millisecond before a deadline would be spent spinning.
        let patience = PollTimeout::try_from(nap + Duration::from_millis(1))
            .unwrap_or(PollTimeout::from(1000_u16));
        let mut fds = vec![
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
            PollFd::new(wire.input(), PollFlags::POLLIN),
        ];
        if let Some(output) = wire.output(!traffic.out.is_empty()) {
            fds.push(PollFd::new(output, PollFlags::POLLOUT));
        }
        match poll(&mut fds, patience) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(format!("poll: {error}")),
        }
    }
}

impl Traffic {
    fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.out.is_empty() && self.waiting.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let sent = self.waiting.values().map(|(deadline, _)| *deadline);
        sent.chain(self.backlog.iter().map(|it| it.deadline)).min()
    }

    fn enqueue(&mut self, it: Outgoing) {
        if self.backlog.len() >= QUEUE_LIMIT {
            let why = format!("not sent: {QUEUE_LIMIT} requests are waiting already");
            let _ = it.answer.send(Err(Trouble::Lost(why)));
            return;
        }
        self.backlog.push_back(it);
    }

    fn send(&mut self, it: Outgoing) {
        match encode(&it.request) {
            Ok(frame) => {
                self.out.extend_from_slice(&frame);
                self.waiting.insert(it.request.id, (it.deadline, it.answer));
            }
            Err(error) => {
                let _ = it.answer.send(Err(Trouble::Lost(format!("not sent: {error}"))));
            }
        }
    }

    fn write<W: Wire>(&mut self, wire: &mut W) -> Result<(), String> {
        while self.out.len() < OUT_LIMIT
            && let Some(it) = self.backlog.pop_front()
        {
            self.send(it);
        }
        let mut written = 0;
        while written < self.out.len() {
            match wire.write(&self.out[written..]) {
                Ok(0) => break,
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        self.out.drain(..written);
        Ok(())
    }

    fn read<W: Wire>(&mut self, wire: &mut W) -> Result<(), String> {
        let mut buffer = vec![0; READ];
        loop {
            match wire.read(&mut buffer) {
                Ok(0) => return Err("the agent ended".into()),
                Ok(n) => self.decoder.push(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("read: {error}")),
            }
            while let Some(response) = self.next_response()? {
                // Unknown ids are replies to requests whose deadline has passed.
                if let Some((_, answer)) = self.waiting.remove(&response.id) {
                    let _ = answer.send(response.result.map_err(Trouble::Refused));
                }
            }
        }
    }

    /// A frame that lies about its length or checksum ends the link: after it nothing can be
    /// trusted to begin where we look.
    fn next_response(&mut self) -> Result<Option<Response>, String> {
        let frame = self.decoder.next_frame().map_err(|error| error.to_string())?;
        frame.map(|json| parse(&json).map_err(|error| error.to_string())).transpose()
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let late: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, (deadline, _))| *deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some((_, answer)) = self.waiting.remove(&id) {
                let _ = answer.send(Err(Trouble::Deadline));
            }
        }
        for _ in 0..self.backlog.len() {
            let Some(it) = self.backlog.pop_front() else { break };
            if it.deadline <= now {
                let _ = it.answer.send(Err(Trouble::Deadline));
            } else {
                self.backlog.push_back(it);
            }
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
