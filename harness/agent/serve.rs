//! The agent: answers requests on one channel and holds the node for one controller.
//!
//! Threads, each with one concern: the reader (this also answers what needs no waiting), four
//! lanes with bounded queues, the pulse of faults, the reaper's watcher, the signal watcher.
//! Whatever ends the agent goes through `main`'s one channel, so there is one place where it ends.

mod lanes;
mod replies;
mod session;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use crate::claim::{self, Lock};
use crate::clock::{clocks, in_ms, remaining_ms};
use crate::daemons::{Daemons, hold};
use crate::failure::Outcome;
use crate::frame;
use crate::hello::hello;
use crate::home::Home;
use crate::net::Mechanism;
use crate::protocol::{Body, DaemonState, Failure, Reply, Request, Response};
use crate::reach;
use crate::reaper::Message;

use self::replies::{Replies, Seen};
use self::session::Held;

/// Time for a controller to come back after its channel ended, before faults are undone.
const GRACE_MS: u64 = 3_000;

/// Requests that wait in one lane; more are refused, so a flood cannot take memory.
const QUEUE: usize = 64;

/// How the agent was started.
pub(crate) struct Options {
    pub(crate) home: Home,
    pub(crate) probe_port: u16,
    pub(crate) mechanism: Option<Mechanism>,
}

/// What all threads share.
pub(crate) struct Agent {
    home: Home,
    mechanism: Option<Mechanism>,
    probe_port: u16,
    /// The claim and its faults; locked while something is changed.
    held: Mutex<Option<Held>>,
    /// The same daemons as in `held`, readable while a fault is being injected.
    daemons: Mutex<Option<Arc<Daemons>>>,
    epoch: AtomicU64,
    sealed: AtomicBool,
    ending: AtomicBool,
    replies: Mutex<Replies>,
    out: Mutex<io::Stdout>,
    events: Mutex<Sender<End>>,
}

/// Why the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The controller said Bye and everything was healed.
    Bye,
    /// The channel ended or cannot be understood any more.
    Eof,
    /// SIGTERM, SIGINT or SIGHUP.
    Signal,
}

/// Serves until the channel ends, a signal comes or the controller says Bye.
pub(crate) fn main(options: Options) -> ExitCode {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    if let Err(error) = mask.thread_block() {
        eprintln!("tribunal-agent: block signals: {error}");
        return ExitCode::FAILURE;
    }
    let probe_port = reach::serve(options.probe_port).or_else(|_| reach::serve(0)).unwrap_or(0);
    let (send, receive) = mpsc::channel();
    let agent = Arc::new(Agent {
        home: options.home,
        mechanism: options.mechanism,
        probe_port,
        held: Mutex::default(),
        daemons: Mutex::default(),
        epoch: AtomicU64::new(0),
        sealed: AtomicBool::new(false),
        ending: AtomicBool::new(false),
        replies: Mutex::default(),
        out: Mutex::new(io::stdout()),
        events: Mutex::new(send),
    });
    start_threads(&agent, mask);
    agent.run(&receive)
}

fn start_threads(agent: &Arc<Agent>, mask: SigSet) {
    let watcher = Arc::clone(agent);
    thread::spawn(move || {
        // Blocked in all threads, so this one alone receives them.
        if mask.wait().is_ok() {
            watcher.end(End::Signal);
        }
    });
    let pulse = Arc::clone(agent);
    thread::spawn(move || pulse.pulse());
    let reader = Arc::clone(agent);
    let lanes = Lane::ALL.map(|_| ()).map(|()| start_lane(agent));
    thread::spawn(move || reader.read(&lanes));
}

fn start_lane(agent: &Arc<Agent>) -> SyncSender<Work> {
    let (send, receive) = mpsc::sync_channel::<Work>(QUEUE);
    let agent = Arc::clone(agent);
    thread::spawn(move || {
        for work in receive {
            let result = if Instant::now() > work.until {
                let text = "waited behind other requests until its deadline; not carried out";
                Err(Failure::new("timeout", text))
            } else {
                agent.carry_out(&work)
            };
            agent.reply(work.request.id, result);
            if matches!(work.request.body, Body::Bye) && agent.ending.load(Ordering::SeqCst) {
                agent.end(End::Bye);
            }
        }
    });
    send
}

/// A request on its way through a lane.
pub(crate) struct Work {
    pub(crate) request: Request,
    pub(crate) until: Instant,
}

/// Requests of one lane are carried out in order; lanes do not wait for each other, so a slow
/// installation never delays a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Lease,
    Daemons,
    Bulk,
    Reach,
}

impl Lane {
    const ALL: [Lane; 4] = [Lane::Lease, Lane::Daemons, Lane::Bulk, Lane::Reach];

    /// `None`: answered by the reader at once.
    fn of(body: &Body) -> Option<Lane> {
        match body {
            Body::Hello | Body::Clock | Body::Status { .. } => None,
            Body::Claim { .. }
            | Body::Renew { .. }
            | Body::Inject(_)
            | Body::Verify { .. }
            | Body::Heal { .. }
            | Body::HealAll
            | Body::Sealed
            | Body::Bye => Some(Lane::Lease),
            Body::Start(_) | Body::Stop { .. } => Some(Lane::Daemons),
            Body::Probe
            | Body::Sshd
            | Body::Install { .. }
            | Body::Reset { .. }
            | Body::Put { .. }
            | Body::Get { .. }
            | Body::Digest { .. } => Some(Lane::Bulk),
            Body::Reach { .. } | Body::Hold { .. } | Body::Look { .. } => Some(Lane::Reach),
        }
    }
}

impl Agent {
    /// Waits for the end, then leaves the node healed.
    fn run(&self, events: &Receiver<End>) -> ExitCode {
        let end = events.recv().unwrap_or(End::Eof);
        self.ending.store(true, Ordering::SeqCst);
        let healed = match end {
            End::Bye => Ok(()),
            End::Signal => self.leave(),
            End::Eof => self.linger(events),
        };
        match healed {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                // The reaper and the next claim still have the records.
                let _ = writeln!(io::stderr(), "tribunal-agent: {}", failure.message);
                ExitCode::FAILURE
            }
        }
    }

    /// The channel ended: a controller that comes back in time finds its faults in force.
    fn linger(&self, events: &Receiver<End>) -> Outcome<()> {
        if self.home.owned {
            return self.leave();
        }
        let until = in_ms(GRACE_MS);
        let last = {
            let mut held = hold(&self.held);
            let Some(held) = held.as_mut() else { return Ok(()) };
            let lock = Lock::take(&self.home)?;
            if claim::epoch(&self.home)? != held.claim.epoch {
                return Ok(());
            }
            held.shorten(&self.home, &lock, until)?
        };
        let Some(last) = last else { return self.leave() };
        while remaining_ms(last) > 0 {
            let pause = Duration::from_millis(remaining_ms(last).min(50));
            if events.recv_timeout(pause) == Ok(End::Signal) {
                break;
            }
            if claim::epoch(&self.home)? != self.epoch.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        self.leave()
    }

    /// Heals and gives the node back, unless somebody else has it.
    fn leave(&self) -> Outcome<()> {
        let mut held = hold(&self.held);
        let Some(mut held) = held.take() else { return Ok(()) };
        let lock = Lock::take(&self.home)?;
        if claim::epoch(&self.home)? == held.claim.epoch {
            if self.home.owned {
                // Before the faults: what was killed need not come back for a moment.
                Daemons::new(&self.home, &held.claim.run).end_all()?;
            }
            held.faults.heal_all(&lock)?;
            held.claim.release(&self.home)?;
        }
        // A reaper that is gone already has nothing left to do.
        let _ = held.reaper.send(&Message::Done);
        Ok(())
    }

    fn end(&self, why: End) {
        // The receiver lives as long as main; after it there is nobody to tell.
        let _ = hold(&self.events).send(why);
    }

    fn read(&self, lanes: &[SyncSender<Work>; 4]) {
        let mut input = io::stdin().lock();
        loop {
            let bytes = match frame::read_bytes(&mut input) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    // No next boundary can be trusted: as good as the end of the channel.
                    let _ = writeln!(io::stderr(), "tribunal-agent: {error}");
                    break;
                }
            };
            match frame::parse::<Request>(&bytes) {
                Ok(request) => self.dispatch(request, lanes),
                Err(error) => {
                    let value = serde_json::from_slice::<serde_json::Value>(&bytes);
                    let id = value.ok().and_then(|value| value["id"].as_u64()).unwrap_or(0);
                    let failure = Failure::new("unsupported", error.to_string());
                    self.send(&Response { id, result: Err(failure) });
                }
            }
        }
        self.end(End::Eof);
    }

    fn dispatch(&self, request: Request, lanes: &[SyncSender<Work>; 4]) {
        let id = request.id;
        match hold(&self.replies).see(id) {
            Seen::New => {}
            Seen::UnderWay => return,
            Seen::Answered(response) => return self.send(&response),
        }
        let Some(lane) = Lane::of(&request.body) else {
            return self.reply(id, self.answer(&request.body));
        };
        let until = Instant::now() + Duration::from_millis(request.deadline_ms);
        match lanes[lane as usize].try_send(Work { request, until }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let text = format!("{QUEUE} requests wait in this lane; wait for replies");
                self.reply(id, Err(Failure::refused(text)));
            }
            Err(TrySendError::Disconnected(_)) => {
                self.reply(id, Err(Failure::io("the lane ended; start a new agent")));
            }
        }
    }

    /// What needs no waiting.
    fn answer(&self, body: &Body) -> Outcome<Reply> {
        match body {
            Body::Hello => Ok(Reply::Hello(hello(&self.home, self.probe_port))),
            Body::Clock => Ok(Reply::Clock(clocks())),
            Body::Status { daemon } => {
                let daemons = hold(&self.daemons).clone();
                let state = daemons.map_or(Ok(DaemonState::Absent), |all| all.status(daemon));
                state.map(Reply::Daemon)
            }
            other => Err(Failure::new("unsupported", format!("{other:?} belongs to a lane"))),
        }
    }

    fn reply(&self, id: u64, result: Outcome<Reply>) {
        let response = Response { id, result };
        hold(&self.replies).answered(&response);
        self.send(&response);
    }

    fn send(&self, response: &Response) {
        let bytes = match frame::encode(response) {
            Ok(bytes) => bytes,
            Err(error) => {
                let failure = Failure::io(format!("reply: {error}"));
                match frame::encode(&Response { id: response.id, result: Err(failure) }) {
                    Ok(bytes) => bytes,
                    Err(_) => return,
                }
            }
        };
        let mut out = hold(&self.out);
        // A broken channel is noticed by the reader, which ends the agent.
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
    }
}
