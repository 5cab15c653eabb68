//! The second process: undoes what is overdue when the agent does not.
//!
//! It has a session of its own, watches the agent by pidfd, counts on CLOCK_BOOTTIME and reads the
//! undo journal itself. Agent gone: deadlines stand, at each the reaper undoes, and with the last
//! record our firewall table goes. SIGTERM: everything at once. A higher epoch on the disk:
//! somebody else has the node and has healed it; the reaper ends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use serde::{Deserialize, Serialize};

use crate::claim::{self, Lock};
use crate::clock::boottime_ns;
use crate::daemons::{Daemons, hold};
use crate::failure::Outcome;
use crate::faults::Faults;
use crate::frame;
use crate::home::Home;
use crate::proc;
use crate::protocol::Identity;
use crate::sys;

/// Pause before an undo that failed is tried again, and how often.
const RETRY: Duration = Duration::from_millis(500);
const RETRIES: u32 = 120;

/// Failed attempts to get the lock (3 s each) after which the agent counts as stuck.
const STUCK: u32 = 3;

/// What the agent tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// A fault ends at this instant unless told otherwise.
    Deadline { fault: u32, at_boottime_ns: u64 },
    /// The fault was healed.
    Forget { fault: u32 },
    /// The claim ends at this instant, and our table with it.
    Claim { at_boottime_ns: u64 },
    /// Everything was healed or belongs to somebody else: end.
    Done,
}

/// The agent's end of the socket pair.
pub(crate) struct Link {
    socket: Mutex<UnixStream>,
}

impl Link {
    /// Hands a message over; an error means that the reaper is gone.
    pub(crate) fn send(&self, message: &Message) -> io::Result<()> {
        frame::write(&mut *hold(&self.socket), message).map_err(io::Error::other)
    }
}

/// Starts the reaper and waits until it says that it watches.
pub(crate) fn start(home: &Home, run: &str, epoch: u64) -> io::Result<(Child, Arc<Link>)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let me = proc::stat(std::process::id() as i32)
        .ok_or_else(|| io::Error::other("no /proc entry of the agent"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("reap").arg("--root").arg(&home.root).arg("--volatile").arg(&home.volatile);
    command.args(["--run", run, "--epoch", &epoch.to_string()]);
    command.args(["--pid", &me.identity.pid.to_string()]);
    command.args(["--start", &me.identity.start.to_string()]);
    if !home.network {
        command.arg("--no-network");
    }
    if home.owned {
        command.arg("--owned");
    }
    let socket = Stdio::from(OwnedFd::from(theirs));
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    let child = sys::own_session(&mut command).spawn()?;
    // Parent's copy of the other end must go, or the end of the reaper would not be seen.
    drop(command);
    ours.set_read_timeout(Some(Duration::from_secs(5)))?;
    let ready: Option<bool> = frame::read(&mut ours).map_err(io::Error::other)?;
    if ready != Some(true) {
        return Err(io::Error::other("the reaper ended at once; see reaper.log"));
    }
    ours.set_write_timeout(Some(Duration::from_secs(2)))?;
    Ok((child, Arc::new(Link { socket: Mutex::new(ours) })))
}

/// How the reaper was started.
pub(crate) struct Orders {
    pub(crate) home: Home,
    pub(crate) run: String,
    pub(crate) epoch: u64,
    pub(crate) agent: Identity,
}

/// Runs the reaper to its end.
pub(crate) fn main(orders: Orders) -> ExitCode {
    let home = orders.home.clone();
    match Reaper::new(orders).and_then(|mut reaper| reaper.watch()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&home, &format!("reaper ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

struct Reaper {
    orders: Orders,
    faults: Faults,
    socket: UnixStream,
    agent: Option<OwnedFd>,
    timer: TimerFd,
    signals: SignalFd,
    deadlines: BTreeMap<u32, u64>,
    claim_until: Option<u64>,
    done: bool,
}

/// Whether there is more to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Watch,
    End,
}

impl Reaper {
    fn new(orders: Orders) -> io::Result<Reaper> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // What rights allow: an OOM kill or a swapped-out page must not delay the healing.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
        let _ = sys::lock_memory();
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?;
        let agent = sys::pidfd_open(orders.agent.pid).ok();
        let agent = agent.filter(|_| proc::stat_of(orders.agent).is_some());
        let daemons = Arc::new(Daemons::new(&orders.home, &orders.run));
        let faults = Faults::new(&orders.home, &orders.run, orders.epoch, daemons);
        let mut socket = socket;
        frame::write(&mut socket, &true).map_err(io::Error::other)?;
        Ok(Reaper {
            orders,
            faults,
            socket,
            agent,
            timer,
            signals,
            deadlines: BTreeMap::new(),
            claim_until: None,
            done: false,
        })
    }

    fn watch(&mut self) -> io::Result<()> {
        let (mut agent_lives, mut channel_open) = (self.agent.is_some(), true);
        while !self.done {
            self.set_timer()?;
            let ready = self.wait(agent_lives, channel_open)?;
            if ready.signal {
                log(&self.orders.home, "SIGTERM: undoing everything at once");
                return self.finish(true).map(|_| self.retire());
            }
            if ready.message {
                match frame::read::<Message>(&mut self.socket) {
                    Ok(Some(message)) => self.note(&message),
                    // Closed, or cut off by the agent's death: from now on the clock decides.
                    Ok(None) | Err(_) => channel_open = false,
                }
                continue;
            }
            agent_lives &= !ready.agent_gone;
            let alone = !agent_lives || !channel_open;
            if ready.time || alone {
                let next = self.finish(false)?;
                if alone && next == Next::End {
                    self.retire();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Undoes what is due, or everything; tries again while it fails. `End`: nothing is left.
    fn finish(&mut self, everything: bool) -> io::Result<Next> {
        let mut waited = 0;
        for _ in 0..RETRIES {
            let now = if everything { u64::MAX } else { boottime_ns() };
            let failure = match self.undo_due(now) {
                Ok(next) => return Ok(next),
                Err(failure) => failure,
            };
            log(&self.orders.home, &failure.message);
            waited += u32::from(failure.code == "timeout");
            if waited == STUCK {
                self.end_stuck_agent();
            }
            std::thread::sleep(RETRY);
        }
        Err(io::Error::other("gave up; `tribunal heal` undoes the rest"))
    }

    /// Daemons of a node that lives no longer than its controller end with it, after their faults:
    /// by now nothing starts them again.
    fn retire(&self) {
        let Orders { home, run, epoch, .. } = &self.orders;
        if !home.owned {
            return;
        }
        let ended = Lock::take(home).and_then(|_lock| match claim::epoch(home)? == *epoch {
            true => Daemons::new(home, run).end_all(),
            false => Ok(Vec::new()),
        });
        match ended {
            Ok(ended) => ended.iter().for_each(|line| log(home, line)),
            Err(failure) => log(home, &failure.message),
        }
    }

    /// An agent that keeps the lock past a deadline is stopped or hung: a lease is a promise, and
    /// its end does not wait for anybody. The pidfd names our agent and no later process.
    fn end_stuck_agent(&self) {
        if let Some(agent) = &self.agent {
            let result = sys::pidfd_signal(agent.as_fd(), Signal::SIGKILL);
            log(&self.orders.home, &format!("killed the agent that kept the lock: {result:?}"));
        }
    }

    /// Takes in what the agent has said up to now: a renewal that was sent under the lock counts.
    fn drain(&mut self) {
        loop {
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
                return;
            }
            match frame::read::<Message>(&mut self.socket) {
                Ok(Some(message)) => self.note(&message),
                // The main loop meets the same end and draws the conclusion.
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn undo_due(&mut self, now: u64) -> Outcome<Next> {
        let lock = Lock::take(&self.orders.home)?;
        if claim::epoch(&self.orders.home)? != self.orders.epoch {
            self.deadlines.clear();
            self.claim_until = None;
            return Ok(Next::End);
        }
        self.drain();
        let claim_over = self.claim_until.is_some_and(|until| until <= now);
        let (mut left, mut failed) = (0, None);
        for record in self.faults.records()?.iter().rev() {
            let due = self.deadlines.get(&record.fault).copied();
            let due = due.unwrap_or(record.deadline_boottime_ns);
            if due > now && !claim_over {
                left += 1;
                self.deadlines.insert(record.fault, due);
                continue;
            }
            match self.faults.undo(&lock, record) {
                Ok(what) => {
                    self.deadlines.remove(&record.fault);
                    log(&self.orders.home, &format!("fault {}: {what}", record.fault));
                }
                Err(failure) => failed = Some(failure),
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        self.deadlines.retain(|_, at| *at > now);
        if left > 0 {
            return Ok(Next::Watch);
        }
        self.claim_until = self.claim_until.filter(|until| *until > now);
        for what in self.faults.heal_all(&lock)? {
            log(&self.orders.home, &what);
        }
        // A table that only the agent knew of: cuts of it have ended in the kernel by now.
        let network = self.orders.home.network;
        if network && crate::net::nft::runs().is_ok_and(|runs| runs.contains(&self.orders.run)) {
            let removed = crate::net::nft::remove(&self.orders.run);
            crate::failure::While::during(removed, "remove firewall table")?;
            log(&self.orders.home, "removed our firewall table");
        }
        Ok(Next::End)
    }

    fn note(&mut self, message: &Message) {
        match message {
            Message::Deadline { fault, at_boottime_ns } => {
                self.deadlines.insert(*fault, *at_boottime_ns);
            }
            Message::Forget { fault } => {
                self.deadlines.remove(fault);
            }
            Message::Claim { at_boottime_ns } => self.claim_until = Some(*at_boottime_ns),
            Message::Done => self.done = true,
        }
    }

    fn set_timer(&self) -> io::Result<()> {
        let next = self.deadlines.values().copied().chain(self.claim_until).min();
        let Some(at) = next else { return Ok(self.timer.unset()?) };
        // An instant of 0 would disarm the timer; one in the past fires at once.
        let at = TimeSpec::from_duration(Duration::from_nanos(at.max(1)));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
        Ok(self.timer.set(Expiration::OneShot(at), flags)?)
    }

    fn wait(&self, agent_lives: bool, channel_open: bool) -> io::Result<Ready> {
        let wanted = PollFlags::POLLIN;
        let mut fds = vec![
            PollFd::new(self.timer.as_fd(), wanted),
            PollFd::new(self.signals.as_fd(), wanted),
        ];
        let message_at = channel_open.then(|| {
            fds.push(PollFd::new(self.socket.as_fd(), wanted));
            fds.len() - 1
        });
        let agent_at = self.agent.as_ref().filter(|_| agent_lives).map(|agent| {
            fds.push(PollFd::new(agent.as_fd(), wanted));
            fds.len() - 1
        });
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| fds[at].any().unwrap_or(true);
        Ok(Ready {
            time: is_ready(0),
            signal: is_ready(1),
            message: message_at.is_some_and(is_ready),
            agent_gone: agent_at.is_some_and(is_ready),
        })
    }
}

struct Ready {
    time: bool,
    signal: bool,
    message: bool,
    agent_gone: bool,
}

/// A reaper has nobody to talk to; what it did is in a file of bounded size.
fn log(home: &Home, line: &str) {
    let path = home.root.join("reaper.log");
    let small = path.metadata().map_or(true, |meta| meta.len() < 1 << 20);
    let file =
        OpenOptions::new().create(true).append(small).write(true).truncate(!small).open(path);
    let at = boottime_ns() / 1_000_000;
    // Healing goes on when the disk is full; the line is lost, the fault is not kept.
    let _ = file.and_then(|mut file| writeln!(file, "{at} ms: {line}"));
}
