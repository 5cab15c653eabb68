//! Faults of one run on this node: armed, brought about, measured, undone.
//!
//! The journal on the disk is the truth about what is armed; agent and reaper both act from it,
//! one at a time (the lock), so either may undo what the other armed.

mod links;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::claim::Lock;
use crate::clock::{boottime_ns, in_ms};
use crate::daemons::Daemons;
use crate::failure::{Outcome, While};
use crate::home::{Home, boot_id};
use crate::journal::{Journal, Record, Undo};
use crate::kinds::{self, Place};
use crate::net::{Firewall, Mechanism};
use crate::protocol::{Failure, Fault, FaultKind, Measured};
use crate::reaper::{Link, Message};
use links::Toggle;
pub(crate) use links::{NEEDS_NFT, NO_NETWORK};

/// Most faults armed at once.
const ARMED: usize = 256;

/// Faults of one run.
pub(crate) struct Faults {
    home: Home,
    run: String,
    pub(crate) epoch: u64,
    journal: Journal,
    daemons: Arc<Daemons>,
    control: Vec<SocketAddr>,
    firewall: Option<Firewall>,
    /// Of faults renewed here; the file keeps the first deadline.
    deadlines: BTreeMap<u32, u64>,
    flapping: BTreeMap<u32, Toggle>,
    beating: BTreeMap<u32, Beat>,
    /// Packets that the sets of a fault's kind had met when it was first measured.
    met: BTreeMap<u32, u64>,
    /// Told of every deadline before the fault it is for.
    reaper: Option<Arc<Link>>,
}

/// A fault that goes on by itself, by our timer.
#[derive(Clone, Copy, Debug)]
struct Beat {
    period_ms: u64,
    next_ns: u64,
}

impl Faults {
    pub(crate) fn new(home: &Home, run: &str, epoch: u64, daemons: Arc<Daemons>) -> Faults {
        Faults {
            home: home.clone(),
            run: run.into(),
            epoch,
            journal: Journal::new(home, run),
            daemons,
            control: Vec::new(),
            firewall: None,
            deadlines: BTreeMap::new(),
            flapping: BTreeMap::new(),
            beating: BTreeMap::new(),
            met: BTreeMap::new(),
            reaper: None,
        }
    }

    /// Faults that this agent will arm: exempt addresses, and the reaper that backs every lease.
    pub(crate) fn armed_with(mut self, control: Vec<SocketAddr>, reaper: Arc<Link>) -> Faults {
        self.control = control;
        self.reaper = Some(reaper);
        self
    }

    pub(crate) fn set_reaper(&mut self, reaper: Arc<Link>) {
        self.reaper = Some(reaper);
    }

    /// Makes the record durable, brings the fault about, measures it. A fault that is armed
    /// already is only measured.
    pub(crate) fn inject(
        &mut self,
        held: &Lock,
        fault: &Fault,
        mechanism: impl FnOnce() -> Outcome<Mechanism>,
    ) -> Outcome<Measured> {
        if self.find(fault.id)?.is_some() {
            return self.verify(fault.id);
        }
        if self.records()?.len() >= ARMED {
            return Err(Failure::refused(format!("{ARMED} faults are armed; heal some first")));
        }
        if fault.lease_ms == 0 {
            return Err(Failure::refused(format!("fault {}: a lease of 0 ms", fault.id)));
        }
        let undo = self.plan(fault, mechanism)?;
        let deadline = in_ms(fault.lease_ms);
        self.tell(Message::Deadline { fault: fault.id, at_boottime_ns: deadline })?;
        self.deadlines.insert(fault.id, deadline);
        self.journal
            .arm(fault.id, self.epoch, undo.clone(), [boottime_ns(), deadline])
            .during(format_args!("arm fault {}", fault.id))?;
        match self.act(fault.id, &undo, fault.lease_ms) {
            Ok(at) => self.measure(fault.id, &undo, at),
            Err(failed) => {
                // Half a fault is a fault: undo it now; if that fails the record stays armed.
                let undone = self.heal(held, fault.id);
                let after = match undone {
                    Ok(_) => "undone".to_string(),
                    Err(error) => format!("NOT undone: {}", error.message),
                };
                Err(Failure::new(&failed.code, format!("{}; {after}", failed.message)))
            }
        }
    }

    /// Measures whether the fault is in force.
    pub(crate) fn verify(&mut self, fault: u32) -> Outcome<Measured> {
        match self.find(fault)? {
            Some(record) => self.measure(fault, &record.undo, boottime_ns()),
            None => Ok(Measured {
                effective: false,
                evidence: "no undo record: healed, its lease ended, or never injected".into(),
                at_boottime_ns: boottime_ns(),
            }),
        }
    }

    /// Undoes the fault, measures that it is gone, drops the record.
    pub(crate) fn heal(&mut self, held: &Lock, fault: u32) -> Outcome<Measured> {
        let evidence = match self.find(fault)? {
            Some(record) => self.undo(held, &record)?,
            None => "no undo record: nothing to heal".into(),
        };
        Ok(Measured { effective: true, evidence, at_boottime_ns: boottime_ns() })
    }

    /// Undoes every fault of the run, last first, and takes our table away. Goes on after a
    /// failure; the failures come back in the error.
    pub(crate) fn heal_all(&mut self, held: &Lock) -> Outcome<Vec<String>> {
        let (mut undone, mut failed) = (Vec::new(), Vec::new());
        for record in self.records()?.iter().rev() {
            match self.undo(held, record) {
                Ok(what) => {
                    undone.push(format!("run {}, fault {}: {what}", self.run, record.fault))
                }
                Err(error) => failed.push(error.message),
            }
        }
        match self.unload() {
            Ok(seen) => undone.extend(seen),
            Err(error) => failed.push(error.message),
        }
        if failed.is_empty() { Ok(undone) } else { Err(Failure::io(failed.join("; "))) }
    }

    /// Undoes one record, measures, drops it. Works without any memory of the fault.
    pub(crate) fn undo(&mut self, _held: &Lock, record: &Record) -> Outcome<String> {
        self.deadlines.remove(&record.fault);
        self.flapping.remove(&record.fault);
        self.beating.remove(&record.fault);
        self.met.remove(&record.fault);
        // Another boot: packets, processes and their limits went with it.
        let what = if record.boot_id == boot_id() {
            self.reverse(record)?
        } else {
            format!("{} went with an earlier boot", record.kind)
        };
        self.journal.remove(record).during(format_args!("drop record {}", record.id))?;
        // The reaper finds no record at the old deadline; a failure here changes nothing.
        let _ = self.tell(Message::Forget { fault: record.fault });
        Ok(what)
    }

    /// New life, from now, for every armed fault.
    pub(crate) fn renew(&mut self, lease_ms: u64) -> Outcome<()> {
        let records = self.records()?;
        let deadline = in_ms(lease_ms);
        for record in &records {
            self.tell(Message::Deadline { fault: record.fault, at_boottime_ns: deadline })?;
            self.deadlines.insert(record.fault, deadline);
        }
        self.renew_links(&records)
    }

    /// Brings every deadline forward; the latest of them.
    pub(crate) fn shorten(&mut self, to_boottime_ns: u64) -> Outcome<Option<u64>> {
        let mut latest = None;
        for record in self.records()? {
            let at = self.deadline(&record).min(to_boottime_ns);
            self.deadlines.insert(record.fault, at);
            let _ = self.tell(Message::Deadline { fault: record.fault, at_boottime_ns: at });
            latest = latest.max(Some(at));
        }
        Ok(latest)
    }

    /// Takes over what an earlier agent of the same run armed.
    pub(crate) fn adopt(&mut self, lease_ms: u64) -> Outcome<()> {
        for record in self.records()? {
            let toggle = record.undo.as_link().and_then(Toggle::of);
            self.flapping.extend(toggle.map(|toggle| (record.fault, toggle)));
            self.begin_beats(record.fault, &record.undo)?;
        }
        self.renew(lease_ms)
    }

    /// Records, oldest first.
    pub(crate) fn records(&self) -> Outcome<Vec<Record>> {
        self.journal.list().during(format_args!("read journal of run {}", self.run))
    }

    /// When a fault ends without renewal.
    pub(crate) fn deadline(&self, record: &Record) -> u64 {
        let renewed = self.deadlines.get(&record.fault);
        renewed.copied().unwrap_or(record.deadline_boottime_ns)
    }

    /// Does what goes on by itself and whose time has come; when to come again.
    pub(crate) fn pulse(&mut self) -> Outcome<Option<u64>> {
        let now = boottime_ns();
        let deadlines = &self.deadlines;
        let lives = |fault: &u32| deadlines.get(fault).is_some_and(|at| *at > now);
        self.flapping.retain(|fault, _| lives(fault));
        self.beating.retain(|fault, _| lives(fault));
        if !self.pulses() {
            return Ok(None);
        }
        let records = self.records()?;
        let (next, mut failed) = (self.pulse_links(&records)?, None);
        for record in &records {
            let (Some(beat), Undo::Daemon { kind, state }) =
                (self.beating.get_mut(&record.fault), &record.undo)
            else {
                continue;
            };
            if beat.next_ns <= now {
                beat.next_ns = now + beat.period_ms * 1_000_000;
                let place = place(&self.daemons, state);
                let beaten = place.and_then(|at| kinds::find(kind)?.beat(at, state));
                failed = failed.or(beaten.err());
            }
        }
        let beats = self.beating.values().map(|beat| beat.next_ns);
        failed.map_or(Ok(beats.chain(next).min()), Err)
    }

    /// Whether anything goes on by itself.
    pub(crate) fn pulses(&self) -> bool {
        !self.flapping.is_empty() || !self.beating.is_empty()
    }

    fn plan(&self, fault: &Fault, choose: impl FnOnce() -> Outcome<Mechanism>) -> Outcome<Undo> {
        match &fault.kind {
            kind @ FaultKind::Link { .. } => self.plan_link(kind, choose).map(Undo::Link),
            FaultKind::Daemon { kind, daemon, parameters } => {
                let at = Place { daemons: &self.daemons, daemon };
                let state = kinds::find(kind)?.before(at, parameters)?;
                Ok(Undo::Daemon { kind: kind.clone(), state })
            }
        }
    }

    /// Brings it about; the instant of the change.
    fn act(&mut self, fault: u32, undo: &Undo, lease_ms: u64) -> Outcome<u64> {
        match undo {
            Undo::Link(undo) => self.hold(fault, undo, lease_ms)?,
            Undo::Daemon { kind, state } => {
                kinds::find(kind)?.act(place(&self.daemons, state)?, state)?;
                self.begin_beats(fault, undo)?;
            }
        }
        Ok(boottime_ns())
    }

    fn begin_beats(&mut self, fault: u32, undo: &Undo) -> Outcome<()> {
        let Undo::Daemon { kind, state } = undo else { return Ok(()) };
        if let Some(period_ms) = kinds::find(kind)?.period_ms(state) {
            let next_ns = boottime_ns() + period_ms * 1_000_000;
            self.beating.insert(fault, Beat { period_ms, next_ns });
        }
        Ok(())
    }

    fn measure(&mut self, fault: u32, undo: &Undo, at_boottime_ns: u64) -> Outcome<Measured> {
        let (effective, evidence) = match undo {
            Undo::Link(undo) => self.measure_link(fault, undo)?,
            Undo::Daemon { kind, state } => {
                kinds::find(kind)?.measure(place(&self.daemons, state)?, state)?
            }
        };
        Ok(Measured { effective, evidence, at_boottime_ns })
    }

    /// Makes undone what the record says; in words, what was done and measured.
    fn reverse(&mut self, record: &Record) -> Outcome<String> {
        match &record.undo {
            Undo::Link(undo) => self.open(record, undo),
            Undo::Daemon { kind, state } => {
                kinds::find(kind)?.undo(place(&self.daemons, state)?, state)
            }
        }
    }

    fn find(&self, fault: u32) -> Outcome<Option<Record>> {
        self.journal.find(fault).during(format_args!("read journal of run {}", self.run))
    }

    fn tell(&self, message: Message) -> Outcome<()> {
        match &self.reaper {
            Some(link) => link.send(&message).during("tell the reaper"),
            None => Ok(()),
        }
    }
}

/// Where a fault of a daemon is: every state names its daemon.
fn place<'a>(daemons: &'a Daemons, state: &'a Value) -> Outcome<Place<'a>> {
    let daemon = state.get("daemon").and_then(Value::as_str);
    let daemon = daemon.ok_or_else(|| Failure::io("an undo record that names no daemon"))?;
    Ok(Place { daemons, daemon })
}
