//! Faults on links of one run: which stand, which flap, and whether packets are met.

use std::io;
use std::net::{IpAddr, UdpSocket};

use super::Faults;
use crate::clock::{boottime_ns, remaining_ms};
use crate::failure::{Outcome, While};
use crate::journal::{LinkUndo, Record};
use crate::kinds::Parameters;
use crate::links::{self, Link};
use crate::net::{Elements, Firewall, Mechanism, Seen, foreign};
use crate::protocol::{Failure, FaultKind, Flap};

/// Why there are none where nodes are plain processes.
pub(crate) const NO_NETWORK: &str = "this node shares its host's network: no cuts; use nodes with \
                                     a network of their own (--nodes local:N)";

/// What only nft does.
pub(crate) const NEEDS_NFT: &str = "needs nft, of whose rules each ends by itself; iptables is \
                                    used for partitions alone; install nftables";

/// Most addresses of one fault.
const ADDRESSES: usize = 1024;

/// A fault that comes and goes by our timer; each time of it ends in the kernel.
#[derive(Clone, Debug)]
pub(super) struct Toggle {
    undo: LinkUndo,
    flap: Flap,
    next_ns: u64,
}

impl Toggle {
    /// In force at once, where it flaps at all.
    pub(super) fn of(undo: &LinkUndo) -> Option<Toggle> {
        let flap = undo.flap?;
        Some(Toggle { undo: undo.clone(), flap, next_ns: boottime_ns() })
    }
}

impl LinkUndo {
    fn link(&self) -> Outcome<&'static Link> {
        links::find(&self.kind)
    }

    /// Its elements, each for `ms`.
    fn elements(&self, ms: u64) -> Outcome<Elements> {
        let mut elements = Elements::default();
        self.add_to(&mut elements, ms)?;
        Ok(elements)
    }

    fn add_to(&self, elements: &mut Elements, ms: u64) -> Outcome<()> {
        let link = self.link()?;
        let met = ([&self.from[..], &self.to[..]], &self.ports[..]);
        elements.add(link, link.value(&self.parameters), met, ms);
        Ok(())
    }
}

impl Faults {
    /// What is asked for, if it can be done here.
    pub(super) fn plan_link(
        &self,
        kind: &FaultKind,
        choose: impl FnOnce() -> Outcome<Mechanism>,
    ) -> Outcome<LinkUndo> {
        let FaultKind::Link { kind, from, to, ports, flap, parameters } = kind else {
            return Err(Failure::refused("no fault on links"));
        };
        let (link, flap) = (links::find(kind)?, *flap);
        link.check(to, ports, parameters)?;
        let count = (from.len() + to.len()) * ports.len().max(1);
        if count == 0 || count > ADDRESSES {
            let text = format!("{kind} of {count} addresses; 1 to {ADDRESSES} are possible");
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
        let name = mechanism.name().to_string();
        if mechanism != Mechanism::Nft && !link.by_iptables {
            return Err(Failure::new("unsupported", format!("{kind} {NEEDS_NFT}")));
        }
        if flap.is_some() && mechanism != Mechanism::Nft {
            let text = format!("flapping by {name}: its times are too coarse; install nftables");
            return Err(Failure::new("unsupported", text));
        }
        self.told_once(link, from, parameters)?;
        let (kind, from, to, ports) = (kind.clone(), from.clone(), to.clone(), ports.clone());
        Ok(LinkUndo {
            kind,
            from,
            to,
            ports,
            flap,
            parameters: parameters.clone(),
            mechanism: name,
        })
    }

    /// The rule of a peer has one value at a time.
    fn told_once(&self, link: &Link, from: &[IpAddr], parameters: &Parameters) -> Outcome<()> {
        let records = if link.is_told() { self.records()? } else { Vec::new() };
        for other in records.iter().filter_map(|record| record.undo.as_link()) {
            let shared = other.from.iter().find(|peer| from.contains(peer));
            if let Some(peer) = shared.filter(|_| other.kind == link.about.name)
                && other.parameters != *parameters
            {
                let (kind, told) = (&other.kind, &other.parameters);
                let text = format!("{kind} of packets from {peer} is under way with {told:?}");
                return Err(Failure::refused(text));
            }
        }
        Ok(())
    }

    /// Puts it in force.
    pub(super) fn hold(&mut self, fault: u32, undo: &LinkUndo, lease_ms: u64) -> Outcome<()> {
        if let Some(toggle) = Toggle::of(undo) {
            self.flapping.insert(fault, toggle);
            return self.pulse().map(drop);
        }
        let records = self.records()?;
        let standing = self.standing(&records);
        let mut elements = undo.elements(lease_ms)?;
        elements.keep_longer(&standing);
        self.firewall(&records)?.hold(&elements, &standing).during("cut")
    }

    /// New life for what stands.
    pub(super) fn renew_links(&mut self, records: &[Record]) -> Outcome<()> {
        let standing = self.standing(records);
        if standing.len() > 0 {
            self.firewall(records)?.hold(&standing, &standing).during("renew cuts")?;
        }
        Ok(())
    }

    /// Puts the flapping ones in force whose time has come; when to come again.
    pub(super) fn pulse_links(&mut self, records: &[Record]) -> Outcome<Option<u64>> {
        if self.flapping.is_empty() {
            return Ok(None);
        }
        let (now, standing) = (boottime_ns(), self.standing(records));
        let mut elements = Elements::default();
        for (fault, toggle) in &mut self.flapping {
            if toggle.next_ns > now || !records.iter().any(|record| record.fault == *fault) {
                continue;
            }
            let closed_ms = toggle.flap.period_ms * u64::from(toggle.flap.duty_pct) / 100;
            let left = self.deadlines.get(fault).map_or(0, |at| remaining_ms(*at));
            toggle.undo.add_to(&mut elements, closed_ms.min(left))?;
            while toggle.next_ns <= now {
                toggle.next_ns += toggle.flap.period_ms * 1_000_000;
            }
        }
        elements.keep_longer(&standing);
        if elements.len() > 0 {
            self.firewall(records)?.hold(&elements, &elements).during("flap")?;
        }
        Ok(self.flapping.values().map(|toggle| toggle.next_ns).min())
    }

    /// The firewall's word, and our own packets towards those that must not get any: the kernel
    /// answers EPERM for a datagram that its output hook drops.
    pub(super) fn measure_link(&mut self, fault: u32, undo: &LinkUndo) -> Outcome<(bool, String)> {
        let (link, elements) = (undo.link()?, undo.elements(0)?);
        let records = self.records()?;
        let firewall = self.firewall(&records)?;
        let name = firewall.mechanism.name();
        let passed: Vec<&IpAddr> = match link.to {
            Some(set) => elements.peers(set).filter(|peer| passes(**peer)).collect(),
            None => Vec::new(),
        };
        let seen = firewall.look(&elements).during("look at the firewall")?;
        let first = !self.met.contains_key(&fault);
        let all = elements.len();
        let mut text = format!("{name}: {} of {all} {} in force", seen.present, what(undo));
        text += &met(link, &seen);
        if !passed.is_empty() {
            text += &format!("; our own probes got out to {passed:?}");
        }
        if undo.flap.is_none() {
            let met = seen.met(link.from);
            let before = *self.met.entry(fault).or_insert(met);
            // Nothing is held back for good, so only the counter shows here that it bites.
            let idle = link.to.is_none() && !first && met == before;
            return Ok((seen.present == all && passed.is_empty() && !idle, text));
        }
        // Half of the time a flapping cut is rightly open; then it must be alive and have bitten.
        let toggling = self.flapping.contains_key(&fault);
        let bites = seen.present == all || link.sets().any(|set| seen.met(set) > 0);
        Ok((toggling && bites, format!("{text}; flapping")))
    }

    /// Lets packets through that no other fault meets; in words, what was done and measured.
    pub(super) fn open(&mut self, record: &Record, undo: &LinkUndo) -> Outcome<String> {
        let mut rest = self.records()?;
        rest.retain(|other| other.id != record.id);
        let standing = self.standing(&rest);
        let elements = undo.elements(0)?;
        let opened = elements.without(&standing);
        let all = [rest, vec![record.clone()]].concat();
        let firewall = self.firewall(&all)?;
        firewall.open(&opened, &standing).during("open cut")?;
        let left = firewall.look(&opened).during("look at the firewall")?.present;
        if left > 0 {
            return Err(Failure::io(format!("open cut: {left} still in force")));
        }
        let shared = elements.len() - opened.len();
        let mechanism = firewall.mechanism;
        let name = mechanism.name();
        let foreign = foreign::compare(&self.home, &self.run, mechanism);
        let text = format!("{name}: opened {} {}", opened.len(), what(undo));
        let kept = if shared > 0 { format!(", {shared} held by others") } else { "".into() };
        Ok(format!("{text}{kept}; {foreign}"))
    }

    /// Takes our table away, if there is one; in words, what was measured.
    pub(super) fn unload(&mut self) -> Outcome<Option<String>> {
        let Some(mut firewall) = self.firewall.take() else { return Ok(None) };
        firewall.unload().during("remove firewall table")?;
        Ok(Some(foreign::compare(&self.home, &self.run, firewall.mechanism)))
    }

    /// Steady elements of these records, each for what is left of its lease.
    fn standing(&self, records: &[Record]) -> Elements {
        let mut elements = Elements::default();
        for record in records {
            if let Some(undo) = record.undo.as_link().filter(|undo| undo.flap.is_none()) {
                let ms = remaining_ms(self.deadline(record)).max(1);
                // A kind of another release is no reason to leave the others in force.
                let _ = undo.add_to(&mut elements, ms);
            }
        }
        elements
    }

    /// By the mechanism of the records; the rules of others are remembered before it is used.
    fn firewall(&mut self, records: &[Record]) -> Outcome<&mut Firewall> {
        if self.firewall.is_none() {
            let links = records.iter().filter_map(|record| record.undo.as_link());
            let mechanism = links
                .filter_map(|link| Mechanism::named(&link.mechanism))
                .next_back()
                .ok_or_else(|| Failure::refused("no cut of this run is in the journal"))?;
            foreign::remember(&self.home, &self.run, mechanism).during("remember foreign rules")?;
            self.firewall = Some(Firewall::new(&self.run, mechanism, &self.control));
        }
        self.firewall.as_mut().ok_or_else(|| Failure::refused("no firewall"))
    }
}

/// What is counted.
fn what(undo: &LinkUndo) -> String {
    match undo.kind.as_str() {
        "partition" => "directed cuts".into(),
        kind => {
            let told = undo.parameters.iter().map(|(name, value)| format!(" at {name} {value}"));
            format!("links of {kind}{}", told.collect::<String>())
        }
    }
}

/// What the counters say.
fn met(link: &Link, seen: &Seen) -> String {
    match link.to {
        Some(to) => {
            let (inward, outward) = (seen.met(link.from), seen.met(to));
            format!(", dropped {inward} packets in and {outward} out")
        }
        None => format!(", met {} packets", seen.met(link.from)),
    }
}

/// Whether a datagram to the peer leaves this node. Port 9 discards.
fn passes(peer: IpAddr) -> bool {
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let sent = UdpSocket::bind(any).and_then(|socket| socket.send_to(b"tribunal", (peer, 9)));
    // No route, no such family: nothing leaves either.
    sent.map_or_else(|error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused, |_| true)
}
