//! The claim this agent holds and what hangs on it: faults, daemons, reaper.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::Agent;
use crate::claim::{self, Claim, Lock};
use crate::clock::{boottime_ns, in_ms, remaining_ms};
use crate::daemons::{Daemons, hold};
use crate::failure::{Outcome, While};
use crate::faults::Faults;
use crate::heal;
use crate::hello::ssh;
use crate::home::{Home, is_run};
use crate::probe;
use crate::protocol::{Body, Failure, Reply, Request};
use crate::reaper::{self, Link, Message};

/// Longest lease: a fault nobody renews for longer than this helps nobody.
const LEASE_MS: u64 = 600_000;

/// A claim, while this agent serves it.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) faults: Faults,
    pub(super) reaper: Arc<Link>,
}

impl Held {
    /// Brings the end of claim and faults forward; the latest end of a fault.
    pub(super) fn shorten(&mut self, home: &Home, _: &Lock, until: u64) -> Outcome<Option<u64>> {
        let left = remaining_ms(self.claim.until_boottime_ns.min(until));
        self.claim.renew(home, left)?;
        let at_boottime_ns = self.claim.until_boottime_ns;
        let _ = self.reaper.send(&Message::Claim { at_boottime_ns });
        self.faults.shorten(until)
    }
}

impl Agent {
    /// `Claim`: raises the epoch, undoes what others left, starts the reaper.
    pub(super) fn claim(self: &Arc<Self>, body: &Body) -> Outcome<Reply> {
        let Body::Claim { run, controller, lease_ms, force, control } = body else {
            return Err(Failure::new("unsupported", "not a claim"));
        };
        if !is_run(run) {
            return Err(Failure::refused(format!("run {run:?}: eight lower-case hex digits")));
        }
        check_lease(*lease_ms)?;
        let mut held = hold(&self.held);
        let lock = Lock::take(&self.home)?;
        let (claim, again) = Claim::take(&self.home, &lock, run, controller, *lease_ms, *force)?;
        let result = self.take_over(&lock, &claim, again, control, &mut held);
        match result {
            Ok(healed) => Ok(Reply::Claimed { epoch: claim.epoch, healed }),
            Err(failure) => {
                // A node that could not be cleaned is not taken.
                *held = None;
                claim.release(&self.home)?;
                Err(failure)
            }
        }
    }

    fn take_over(
        self: &Arc<Self>,
        lock: &Lock,
        claim: &Claim,
        again: bool,
        control: &[SocketAddr],
        held: &mut Option<Held>,
    ) -> Outcome<Vec<String>> {
        let former = held.take();
        if let Some(former) = former {
            // Its deadlines move to the new one below, or are healed with everything else.
            let _ = former.reaper.send(&Message::Done);
        }
        let mut healed = heal::everything(&self.home, lock, again.then_some(claim.run.as_str()))?;
        for run in self.home.runs().during("list runs")? {
            if run != claim.run {
                healed.extend(Daemons::new(&self.home, &run).end_all()?);
            }
        }
        let reaper = self.start_reaper(claim)?;
        let daemons = match hold(&self.daemons).as_ref().filter(|_| again) {
            Some(daemons) => Arc::clone(daemons),
            None => Arc::new(Daemons::new(&self.home, &claim.run)),
        };
        let connection = std::env::var("SSH_CONNECTION").unwrap_or_default();
        let control = control.iter().copied().chain(ssh(&connection)).collect();
        let faults = Faults::new(&self.home, &claim.run, claim.epoch, Arc::clone(&daemons));
        let mut faults = faults.armed_with(control, Arc::clone(&reaper));
        faults.adopt(remaining_ms(claim.until_boottime_ns))?;
        *hold(&self.daemons) = Some(daemons);
        let forced = self.mechanism;
        // Tried now, so that the first cut does not wait for it; a refusal comes back with the cut.
        if self.home.network {
            thread::spawn(move || probe::mechanism(forced).is_ok());
        }
        self.epoch.store(claim.epoch, Ordering::SeqCst);
        self.sealed.store(false, Ordering::SeqCst);
        *held = Some(Held { claim: claim.clone(), faults, reaper });
        Ok(healed)
    }

    /// Runs a change of the node: under the lock, if the claim is still this agent's.
    pub(super) fn change<T>(
        &self,
        request: &Request,
        act: impl FnOnce(&mut Held, &Lock) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut held = hold(&self.held);
        let lock = Lock::take(&self.home)?;
        self.check_epoch(request)?;
        let held = held.as_mut().ok_or_else(unclaimed)?;
        act(held, &lock)
    }

    /// Refuses what a controller that lost the node asks for.
    pub(super) fn check_epoch(&self, request: &Request) -> Outcome<()> {
        let ours = self.epoch.load(Ordering::SeqCst);
        if ours == 0 {
            return Err(unclaimed());
        }
        let newest = claim::epoch(&self.home)?;
        if request.epoch == ours && newest == ours {
            return Ok(());
        }
        Err(Failure::new(
            "stale-epoch",
            format!(
                "request of epoch {}, agent of epoch {ours}, node at epoch {newest}: another \
                 controller has claimed it; claim again to go on",
                request.epoch
            ),
        ))
    }

    /// New life for the claim and every armed fault.
    pub(super) fn renew(&self, request: &Request, lease_ms: u64) -> Outcome<Reply> {
        check_lease(lease_ms)?;
        self.change(request, |held, _| {
            held.claim.renew(&self.home, lease_ms)?;
            let at_boottime_ns = held.claim.until_boottime_ns;
            held.reaper.send(&Message::Claim { at_boottime_ns }).during("tell the reaper")?;
            held.faults.renew(lease_ms)?;
            Ok(Reply::Done)
        })
    }

    /// What faults do by themselves: flapping cuts, storms of restarts.
    pub(super) fn pulse(&self) {
        let mut pause = Duration::from_millis(50);
        loop {
            thread::sleep(pause);
            pause = Duration::from_millis(50);
            let mut held = hold(&self.held);
            let Some(held) = held.as_mut().filter(|held| held.faults.pulses()) else { continue };
            let Ok(lock) = Lock::take(&self.home) else { continue };
            if claim::epoch(&self.home).ok() != Some(held.claim.epoch) {
                continue;
            }
            // A failed pulse leaves undone what it should do: Verify says that it does not bite.
            if let Ok(Some(next)) = held.faults.pulse() {
                let wait = Duration::from_nanos(next.saturating_sub(boottime_ns()));
                pause = wait.min(pause);
            }
            drop(lock);
        }
    }

    /// Starts a reaper and a thread that notices its death.
    fn start_reaper(self: &Arc<Self>, claim: &Claim) -> Outcome<Arc<Link>> {
        let (mut child, link) =
            reaper::start(&self.home, &claim.run, claim.epoch).during("start the reaper")?;
        let at_boottime_ns = claim.until_boottime_ns.max(in_ms(0));
        link.send(&Message::Claim { at_boottime_ns }).during("tell the reaper")?;
        let (agent, watched) = (Arc::clone(self), Arc::clone(&link));
        thread::spawn(move || {
            // Either way it is gone: an error of wait means that it is not our child any more.
            let _ = child.wait();
            agent.reaper_gone(&watched);
        });
        Ok(link)
    }

    /// Without a reaper there is no second layer: heal, start another. Faults may come back after.
    fn reaper_gone(self: &Arc<Self>, gone: &Arc<Link>) {
        if self.ending.load(Ordering::SeqCst) {
            return;
        }
        let mut held = hold(&self.held);
        let Some(held) = held.as_mut().filter(|held| Arc::ptr_eq(&held.reaper, gone)) else {
            return;
        };
        let restored = Lock::take(&self.home).and_then(|lock| {
            if claim::epoch(&self.home)? != held.claim.epoch {
                return Ok(());
            }
            held.faults.heal_all(&lock)?;
            let link = self.start_reaper(&held.claim)?;
            held.faults.set_reaper(Arc::clone(&link));
            held.reaper = link;
            Ok(())
        });
        if let Err(failure) = restored {
            // The dead link refuses every new fault.
            eprintln!("tribunal-agent: the reaper died and was not replaced: {}", failure.message);
        }
    }
}

/// Between a moment and ten minutes.
pub(super) fn check_lease(lease_ms: u64) -> Outcome<()> {
    if (1..=LEASE_MS).contains(&lease_ms) {
        return Ok(());
    }
    Err(Failure::refused(format!("lease of {lease_ms} ms; 1 to {LEASE_MS} are possible")))
}

fn unclaimed() -> Failure {
    Failure::new("stale-epoch", "this agent holds no claim; claim the node first")
}
