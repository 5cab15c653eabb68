//! Cuts of one run: which stand, which flap, and whether packets are held back.

use std::io;
use std::net::{IpAddr, UdpSocket};

use super::Faults;
use crate::clock::{boottime_ns, remaining_ms};
use crate::failure::{Outcome, While};
use crate::journal::{CutUndo, Record};
use crate::net::{Cuts, Firewall, Mechanism, foreign};
use crate::protocol::{Failure, Flap};

/// Why there are no cuts where nodes are plain processes.
pub(crate) const NO_NETWORK: &str = "this node shares its host's network: no cuts; use nodes with \
                                     a network of their own (--nodes local:N)";

/// Most addresses of one cut.
const ADDRESSES: usize = 1024;

/// A cut that opens and closes by our timer; each closing ends in the kernel.
#[derive(Clone, Debug)]
pub(super) struct Toggle {
    from: Vec<IpAddr>,
    to: Vec<IpAddr>,
    flap: Flap,
    next_ns: u64,
}

impl Toggle {
    /// Closes at once, where a cut flaps at all.
    pub(super) fn of(cut: &CutUndo) -> Option<Toggle> {
        let flap = cut.flap?;
        Some(Toggle { from: cut.from.clone(), to: cut.to.clone(), flap, next_ns: boottime_ns() })
    }
}

impl Faults {
    /// What is asked for, if it can be done here.
    pub(super) fn plan_cut(
        &self,
        from: &[IpAddr],
        to: &[IpAddr],
        flap: Option<Flap>,
        choose: impl FnOnce() -> Outcome<Mechanism>,
    ) -> Outcome<CutUndo> {
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
        let name = mechanism.name().to_string();
        if flap.is_some() && mechanism != Mechanism::Nft {
            let text = format!("flapping by {name}: its times are too coarse; install nftables");
            return Err(Failure::new("unsupported", text));
        }
        Ok(CutUndo { from: from.into(), to: to.into(), flap, mechanism: name })
    }

    /// Drops packets from now on.
    pub(super) fn cut(&mut self, fault: u32, cut: &CutUndo, lease_ms: u64) -> Outcome<()> {
        if let Some(toggle) = Toggle::of(cut) {
            self.flapping.insert(fault, toggle);
            return self.pulse().map(drop);
        }
        let records = self.records()?;
        let standing = self.standing(&records);
        let mut cuts = Cuts::default();
        cuts.add(&cut.from, &cut.to, lease_ms);
        keep_longer(&mut cuts, &standing);
        self.firewall(&records)?.cut(&cuts, &standing).during("cut")
    }

    /// New life for what stands.
    pub(super) fn renew_cuts(&mut self, records: &[Record]) -> Outcome<()> {
        let standing = self.standing(records);
        if standing.len() > 0 {
            self.firewall(records)?.cut(&standing, &standing).during("renew cuts")?;
        }
        Ok(())
    }

    /// Closes the flapping cuts whose time has come; when to come again.
    pub(super) fn pulse_cuts(&mut self, records: &[Record]) -> Outcome<Option<u64>> {
        if self.flapping.is_empty() {
            return Ok(None);
        }
        let (now, standing) = (boottime_ns(), self.standing(records));
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
        keep_longer(&mut cuts, &standing);
        if cuts.len() > 0 {
            self.firewall(records)?.cut(&cuts, &cuts).during("flap")?;
        }
        Ok(self.flapping.values().map(|toggle| toggle.next_ns).min())
    }

    /// The firewall's word, and our own packets towards those that must not get any: the kernel
    /// answers EPERM for a datagram that its output hook drops.
    pub(super) fn measure_cut(&mut self, fault: u32, cut: &CutUndo) -> Outcome<(bool, String)> {
        let mut cuts = Cuts::default();
        cuts.add(&cut.from, &cut.to, 0);
        let records = self.records()?;
        let firewall = self.firewall(&records)?;
        let name = firewall.mechanism.name();
        let passed: Vec<&IpAddr> = cuts.to.keys().filter(|peer| passes(**peer)).collect();
        let seen = firewall.look(&cuts).during("look at the firewall")?;
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
        if cut.flap.is_none() {
            return Ok((seen.present == cuts.len() && passed.is_empty(), text));
        }
        // Half of the time a flapping cut is rightly open; then it must be alive and have bitten.
        let toggling = self.flapping.contains_key(&fault);
        let bites = seen.present == cuts.len() || dropped_in + dropped_out > 0;
        Ok((toggling && bites, format!("{text}; flapping")))
    }

    /// Lets packets through that no other cut holds back; in words, what was done and measured.
    pub(super) fn open(&mut self, record: &Record, cut: &CutUndo) -> Outcome<String> {
        let mut rest = self.records()?;
        rest.retain(|other| other.id != record.id);
        let standing = self.standing(&rest);
        let mut cuts = Cuts::default();
        cuts.add(&cut.from, &cut.to, 0);
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
        let kept = if shared > 0 { format!(", {shared} held by others") } else { "".into() };
        Ok(format!("{text}{kept}; {foreign}"))
    }

    /// Takes our table away, if there is one; in words, what was measured.
    pub(super) fn unload(&mut self) -> Outcome<Option<String>> {
        let Some(mut firewall) = self.firewall.take() else { return Ok(None) };
        firewall.unload().during("remove firewall table")?;
        Ok(Some(foreign::compare(&self.home, &self.run, firewall.mechanism)))
    }

    /// Steady cuts of these records, each for what is left of its lease.
    fn standing(&self, records: &[Record]) -> Cuts {
        let mut cuts = Cuts::default();
        for record in records {
            if let Some(CutUndo { from, to, flap: None, .. }) = record.undo.as_cut() {
                cuts.add(from, to, remaining_ms(self.deadline(record)).max(1));
            }
        }
        cuts
    }

    /// By the mechanism of the records; the rules of others are remembered before it is used.
    fn firewall(&mut self, records: &[Record]) -> Outcome<&mut Firewall> {
        if self.firewall.is_none() {
            let cuts = records.iter().filter_map(|record| record.undo.as_cut());
            let mechanism = cuts
                .filter_map(|cut| Mechanism::named(&cut.mechanism))
                .next_back()
                .ok_or_else(|| Failure::refused("no cut of this run is in the journal"))?;
            foreign::remember(&self.home, &self.run, mechanism).during("remember foreign rules")?;
            self.firewall = Some(Firewall::new(&self.run, mechanism, &self.control));
        }
        self.firewall.as_mut().ok_or_else(|| Failure::refused("no firewall"))
    }
}

/// An address that another cut holds is not opened by the shorter time of this one.
fn keep_longer(cuts: &mut Cuts, standing: &Cuts) {
    for (map, held) in [(&mut cuts.from, &standing.from), (&mut cuts.to, &standing.to)] {
        for (address, ms) in map {
            *ms = held.get(address).map_or(*ms, |longer| *longer.max(ms));
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
