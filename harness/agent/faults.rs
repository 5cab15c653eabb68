//! Faults of one run on this node: armed, brought about, measured, undone.
//!
//! The journal on the disk is the truth about what is armed; agent and reaper both act from it,
//! one at a time (the lock), so either may undo what the other armed.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use crate::claim::Lock;
use crate::clock::{boottime_ns, in_ms, remaining_ms};
use crate::daemons::Daemons;
use crate::failure::{Outcome, While};
use crate::home::{Home, boot_id};
use crate::journal::{Journal, Record, Undo};
use crate::net::{Cuts, Firewall, Mechanism, foreign};
use crate::protocol::{Failure, Fault, FaultKind, Flap, Measured};
use crate::reaper::{Link, Message};

/// Why there are no cuts where nodes are plain processes.
pub(crate) const NO_NETWORK: &str = "this node shares its host's network: no cuts; use nodes with \
                                     a network of their own (--nodes local:N)";

/// Most faults armed at once.
const ARMED: usize = 256;

/// Most addresses of one cut.
const ADDRESSES: usize = 1024;

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
    /// Told of every deadline before the fault it is for.
    reaper: Option<Arc<Link>>,
}

/// A cut that opens and closes by our timer; each closing ends in the kernel.
#[derive(Clone, Debug)]
struct Toggle {
    from: Vec<IpAddr>,
    to: Vec<IpAddr>,
    flap: Flap,
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
        if let Some(firewall) = &mut self.firewall {
            match firewall.unload() {
                Ok(()) => {
                    let mechanism = firewall.mechanism;
                    undone.push(foreign::compare(&self.home, &self.run, mechanism));
                }
                Err(error) => failed.push(format!("remove firewall table: {error}")),
            }
        }
        self.firewall = None;
        if failed.is_empty() { Ok(undone) } else { Err(Failure::io(failed.join("; "))) }
    }

    /// Undoes one record, measures, drops it. Works without any memory of the fault.
    pub(crate) fn undo(&mut self, _held: &Lock, record: &Record) -> Outcome<String> {
        self.deadlines.remove(&record.fault);
        self.flapping.remove(&record.fault);
        // Another boot: cut, pause and kill went with it.
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
        let standing = self.standing(&records, None);
        if standing.len() > 0 {
            self.firewall(&records)?.cut(&standing, &standing).during("renew cuts")?;
        }
        Ok(())
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
            if let Undo::Cut { from, to, flap: Some(flap), .. } = record.undo {
                let toggle = Toggle { from, to, flap, next_ns: boottime_ns() };
                self.flapping.insert(record.fault, toggle);
            }
        }
        self.renew(lease_ms)
    }

    /// Closes the flapping cuts whose time has come; when to come again.
    pub(crate) fn pulse(&mut self) -> Outcome<Option<u64>> {
        let now = boottime_ns();
        let over = |fault: &u32| self.deadlines.get(fault).is_none_or(|at| *at <= now);
        let ended: Vec<u32> = self.flapping.keys().copied().filter(over).collect();
        for fault in ended {
            self.flapping.remove(&fault);
        }
        if self.flapping.is_empty() {
            return Ok(None);
        }
        let records = self.records()?;
        let standing = self.standing(&records, None);
        let mut cuts = Cuts::default();
        for (fault, toggle) in &mut self.flapping {
            if toggle.next_ns > now || !records.iter().any(|record| record.fault == *fault) {
                continue;
            }
            let closed_ms = toggle.flap.period_ms * u64::from(toggle.flap.duty_pct) / 100;
            let left = self.deadlines.get(fault).map_or(0, |at| remaining_ms(*at));
            cuts.add(&toggle.from, &toggle.to, closed_ms.min(left));
            while toggle.next_ns <= now {
                toggle.next_ns += toggle.flap.period_ms * 1_000_000;
            }
        }
        // An address that another cut holds must not be opened by the shorter time of this one.
        for (map, held) in [(&mut cuts.from, &standing.from), (&mut cuts.to, &standing.to)] {
            for (address, ms) in map {
                *ms = held.get(address).map_or(*ms, |longer| *longer.max(ms));
            }
        }
        if cuts.len() > 0 {
            self.firewall(&records)?.cut(&cuts, &cuts).during("flap")?;
        }
        Ok(self.flapping.values().map(|toggle| toggle.next_ns).min())
    }

    /// Whether any cut flaps.
    pub(crate) fn flaps(&self) -> bool {
        !self.flapping.is_empty()
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

    fn plan(&self, fault: &Fault, choose: impl FnOnce() -> Outcome<Mechanism>) -> Outcome<Undo> {
        match &fault.kind {
            FaultKind::Cut { from, to, flap } => {
                let count = from.len() + to.len();
                if count == 0 || count > ADDRESSES {
                    let text = format!("cut of {count} addresses; 1 to {ADDRESSES} are possible");
                    return Err(Failure::refused(text));
                }
                if let Some(bad) = flap.filter(|flap| {
                    !(20..=600_000).contains(&flap.period_ms) || !(1..=99).contains(&flap.duty_pct)
                }) {
                    let text = format!("{bad:?}: period 20 ms to 10 min, duty 1 to 99 percent");
                    return Err(Failure::refused(text));
                }
                if !self.home.network {
                    return Err(Failure::new("unsupported", NO_NETWORK));
                }
                let mechanism = choose()?;
                if flap.is_some() && mechanism != Mechanism::Nft {
                    return Err(Failure::new(
                        "unsupported",
                        format!(
                            "flapping by {}: its times are too coarse; install nftables",
                            mechanism.name()
                        ),
                    ));
                }
                let mechanism = mechanism.name().to_string();
                Ok(Undo::Cut { from: from.clone(), to: to.clone(), flap: *flap, mechanism })
            }
            FaultKind::Kill { daemon } => {
                let was = self.daemons.identity(daemon)?;
                if self.daemons.living(daemon)?.is_empty() {
                    return Err(Failure::refused(format!("kill {daemon}: it is not running")));
                }
                Ok(Undo::Kill { daemon: daemon.clone(), was })
            }
            FaultKind::Pause { daemon } => {
                let living = self.daemons.living(daemon)?;
                let processes = living.iter().map(|stat| stat.identity).collect();
                Ok(Undo::Pause { daemon: daemon.clone(), processes })
            }
        }
    }

    /// Brings it about; the instant of the change.
    fn act(&mut self, fault: u32, undo: &Undo, lease_ms: u64) -> Outcome<u64> {
        match undo {
            Undo::Cut { from, to, flap: None, .. } => {
                let records = self.records()?;
                let standing = self.standing(&records, None);
                let mut cuts = Cuts::default();
                cuts.add(from, to, lease_ms);
                for (map, all) in [(&mut cuts.from, &standing.from), (&mut cuts.to, &standing.to)] {
                    for (address, ms) in map {
                        *ms = all.get(address).map_or(*ms, |longer| *longer.max(ms));
                    }
                }
                self.firewall(&records)?.cut(&cuts, &standing).during("cut")?;
            }
            Undo::Cut { from, to, flap: Some(flap), .. } => {
                let (from, to, next_ns) = (from.clone(), to.clone(), boottime_ns());
                self.flapping.insert(fault, Toggle { from, to, flap: *flap, next_ns });
                self.pulse()?;
            }
            Undo::Kill { daemon, .. } => drop(self.daemons.kill(daemon)?),
            Undo::Pause { daemon, .. } => drop(self.daemons.pause(daemon)?),
        }
        Ok(boottime_ns())
    }

    fn measure(&mut self, fault: u32, undo: &Undo, at_boottime_ns: u64) -> Outcome<Measured> {
        let (effective, evidence) = match undo {
            Undo::Cut { from, to, flap, .. } => {
                let mut cuts = Cuts::default();
                cuts.add(from, to, 0);
                self.measure_cut(fault, &cuts, flap.is_some())?
            }
            Undo::Kill { daemon, was } => {
                let identity = self.daemons.identity(daemon)?;
                let left = self.daemons.living(daemon)?.len();
                let text =
                    format!("pid {} (start {}) gone, {left} processes left", was.pid, was.start);
                (left == 0 && identity == *was, text)
            }
            Undo::Pause { daemon, .. } => {
                let living = self.daemons.living(daemon)?;
                let stopped = living.iter().filter(|stat| stat.state == 'T').count();
                let text = format!("{stopped} of {} processes in state T", living.len());
                (stopped > 0 && stopped == living.len(), text)
            }
        };
        Ok(Measured { effective, evidence, at_boottime_ns })
    }

    /// The firewall's word, and our own packets towards those that must not get any: the kernel
    /// answers EPERM for a datagram that its output hook drops.
    fn measure_cut(&mut self, fault: u32, cuts: &Cuts, flapping: bool) -> Outcome<(bool, String)> {
        let records = self.records()?;
        let firewall = self.firewall(&records)?;
        let name = firewall.mechanism.name();
        let passed: Vec<&IpAddr> = cuts.to.keys().filter(|peer| passes(**peer)).collect();
        let seen = firewall.look(cuts).during("look at the firewall")?;
        let [dropped_in, dropped_out] = seen.dropped;
        let mut text = format!(
            "{name}: {} of {} directed cuts in force, dropped {dropped_in} packets in and \
             {dropped_out} out",
            seen.present,
            cuts.len()
        );
        if !passed.is_empty() {
            text += &format!("; our own probes got out to {passed:?}");
        }
        if !flapping {
            return Ok((seen.present == cuts.len() && passed.is_empty(), text));
        }
        // Half of the time a flapping cut is rightly open; then it must be alive and have bitten.
        let toggling = self.flapping.contains_key(&fault);
        let bites = seen.present == cuts.len() || dropped_in + dropped_out > 0;
        Ok((toggling && bites, format!("{text}; flapping")))
    }

    /// Makes undone what the record says; in words, what was done and measured.
    fn reverse(&mut self, record: &Record) -> Outcome<String> {
        match &record.undo {
            Undo::Cut { from, to, .. } => {
                let mut rest = self.records()?;
                rest.retain(|other| other.id != record.id);
                let standing = self.standing(&rest, None);
                let mut cuts = Cuts::default();
                cuts.add(from, to, 0);
                let opened = cuts.without(&standing);
                let all = [rest, vec![record.clone()]].concat();
                let firewall = self.firewall(&all)?;
                firewall.open(&opened, &standing).during("open cut")?;
                let left = firewall.look(&opened).during("look at the firewall")?.present;
                if left > 0 {
                    return Err(Failure::io(format!("open cut: {left} still in force")));
                }
                let shared = cuts.len() - opened.len();
                let mechanism = firewall.mechanism;
                let name = mechanism.name();
                let foreign = foreign::compare(&self.home, &self.run, mechanism);
                let text = format!("{name}: opened {} directed cuts", opened.len());
                let kept =
                    if shared > 0 { format!(", {shared} held by others") } else { "".into() };
                Ok(format!("{text}{kept}; {foreign}"))
            }
            Undo::Kill { daemon, was } => Ok(match self.daemons.restart(daemon, *was)? {
                Some(now) => {
                    format!("started {daemon} again as pid {} (start {})", now.pid, now.start)
                }
                None => format!("{daemon} runs, or was stopped on purpose: not started"),
            }),
            Undo::Pause { daemon, processes } => {
                let continued = self.daemons.resume(daemon, processes)?;
                Ok(format!("continued {continued} processes of {daemon}, none in state T"))
            }
        }
    }

    /// Steady cuts of these records, each for what is left of its lease.
    fn standing(&self, records: &[Record], except: Option<u32>) -> Cuts {
        let mut cuts = Cuts::default();
        for record in records.iter().filter(|record| Some(record.fault) != except) {
            if let Undo::Cut { from, to, flap: None, .. } = &record.undo {
                cuts.add(from, to, remaining_ms(self.deadline(record)).max(1));
            }
        }
        cuts
    }

    /// By the mechanism of the records; the rules of others are remembered before it is used.
    fn firewall(&mut self, records: &[Record]) -> Outcome<&mut Firewall> {
        if self.firewall.is_none() {
            let mut names = records.iter().filter_map(|record| match &record.undo {
                Undo::Cut { mechanism, .. } => Mechanism::named(mechanism),
                Undo::Kill { .. } | Undo::Pause { .. } => None,
            });
            let mechanism = names
                .next_back()
                .ok_or_else(|| Failure::refused("no cut of this run is in the journal"))?;
            foreign::remember(&self.home, &self.run, mechanism).during("remember foreign rules")?;
            self.firewall = Some(Firewall::new(&self.run, mechanism, &self.control));
        }
        self.firewall.as_mut().ok_or_else(|| Failure::refused("no firewall"))
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

/// Whether a datagram to the peer leaves this node. Port 9 discards.
fn passes(peer: IpAddr) -> bool {
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let sent = UdpSocket::bind(any).and_then(|socket| socket.send_to(b"tribunal", (peer, 9)));
    // No route, no such family: nothing leaves either.
    sent.map_or_else(|error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused, |_| true)
}
