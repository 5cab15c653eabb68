//! Cuts: packets from and to peers are dropped in the node's own firewall.
//!
//! Three mechanisms, best first. With nft and with ipset the kernel itself ends the cut when its
//! time is over, whatever became of us; with plain iptables the reaper must. Rules of others are
//! never touched, and that is measured: their ruleset is compared before and after.

pub(crate) mod foreign;
pub(crate) mod iptables;
pub(crate) mod nft;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// How cuts are made on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mechanism {
    /// Own table, timed set elements.
    Nft,
    /// Own chains, timed ipset entries.
    Ipset,
    /// Own chains, a rule per address; ended by the reaper only.
    Iptables,
}

impl Mechanism {
    /// Best first.
    pub(crate) const ALL: [Mechanism; 3] = [Mechanism::Nft, Mechanism::Ipset, Mechanism::Iptables];

    /// As `doctor` and the records call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Nft => "nft",
            Mechanism::Ipset => "iptables+ipset",
            Mechanism::Iptables => "iptables",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// Addresses and how long each is to stay cut, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Sources whose packets are dropped on input.
    pub(crate) from: BTreeMap<IpAddr, u64>,
    /// Destinations to which packets are dropped on output.
    pub(crate) to: BTreeMap<IpAddr, u64>,
}

impl Cuts {
    /// Adds addresses; the longer time wins where two cuts share one.
    pub(crate) fn add(&mut self, from: &[IpAddr], to: &[IpAddr], ms: u64) {
        for (map, addresses) in [(&mut self.from, from), (&mut self.to, to)] {
            for address in addresses {
                let longest = map.entry(plain(*address)).or_default();
                *longest = ms.max(*longest);
            }
        }
    }

    /// What is here and not there: what may be opened when a cut ends and others stay.
    pub(crate) fn without(&self, other: &Cuts) -> Cuts {
        let keep = |mine: &BTreeMap<IpAddr, u64>, other: &BTreeMap<IpAddr, u64>| {
            let left = mine.iter().filter(|(address, _)| !other.contains_key(address));
            left.map(|(address, ms)| (*address, *ms)).collect()
        };
        Cuts { from: keep(&self.from, &other.from), to: keep(&self.to, &other.to) }
    }

    /// Number of directed cuts.
    pub(crate) fn len(&self) -> usize {
        self.from.len() + self.to.len()
    }
}

/// On the wire an IPv4-mapped address is an IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

/// The firewall of one run.
#[derive(Clone, Debug)]
pub(crate) struct Firewall {
    pub(crate) run: String,
    pub(crate) mechanism: Mechanism,
    /// (Controller, ssh port): never cut.
    pub(crate) control: Vec<SocketAddr>,
    loaded: bool,
}

/// What the firewall says about the cuts wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Directed cuts of those asked for that are in force.
    pub(crate) present: usize,
    /// Packets dropped so far by all cuts of the run: in, out.
    pub(crate) dropped: [u64; 2],
}

impl Firewall {
    pub(crate) fn new(run: &str, mechanism: Mechanism, control: &[SocketAddr]) -> Firewall {
        let control = control.iter().map(|at| SocketAddr::new(plain(at.ip()), at.port()));
        Firewall { run: run.into(), mechanism, control: control.collect(), loaded: false }
    }

    /// Brings cuts about or renews them. `all`: every cut that stands, should the table have to
    /// be loaded anew.
    pub(crate) fn cut(&mut self, cuts: &Cuts, all: &Cuts) -> io::Result<()> {
        let first = if self.loaded { self.change(cuts, all) } else { self.load(all) };
        // The table may have been removed by a reaper whose deadline came first.
        let result = first.or_else(|_| self.load(all));
        self.loaded = result.is_ok();
        result
    }

    /// Ends cuts; others stand. Idempotent.
    pub(crate) fn open(&mut self, cuts: &Cuts, rest: &Cuts) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::open(&self.run, cuts),
            Mechanism::Ipset => iptables::set_open(&self.run, cuts),
            Mechanism::Iptables => iptables::rewrite(&self.control, rest),
        }
    }

    /// Which of the cuts are in force.
    pub(crate) fn look(&self, cuts: &Cuts) -> io::Result<Seen> {
        match self.mechanism {
            Mechanism::Nft => nft::look(&self.run, cuts),
            Mechanism::Ipset => iptables::set_look(&self.run, cuts),
            Mechanism::Iptables => iptables::look(cuts),
        }
    }

    /// Removes everything that is ours. Idempotent.
    pub(crate) fn unload(&mut self) -> io::Result<()> {
        self.loaded = false;
        match self.mechanism {
            Mechanism::Nft => nft::remove(&self.run),
            Mechanism::Ipset | Mechanism::Iptables => iptables::remove().map(drop),
        }
    }

    fn load(&self, all: &Cuts) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::load(&self.run, &self.control, all),
            Mechanism::Ipset => iptables::set_load(&self.run, &self.control, all),
            Mechanism::Iptables => iptables::rewrite(&self.control, all),
        }
    }

    fn change(&self, cuts: &Cuts, all: &Cuts) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::change(&self.run, cuts),
            Mechanism::Ipset => iptables::set_change(&self.run, cuts),
            Mechanism::Iptables => iptables::rewrite(&self.control, all),
        }
    }
}

/// Whether this process may look at and change a firewall (CAP_NET_ADMIN).
pub(crate) fn allowed() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    bits.is_some_and(|bits| bits & 1 << 12 != 0)
}

/// Removes what any run left in the firewall, except the table of the run to keep.
pub(crate) fn sweep(keep: Option<&str>) -> io::Result<Vec<String>> {
    let mut removed = Vec::new();
    // A tool that is not installed has left nothing; one that fails is an error.
    for run in tolerate_missing(nft::runs())?.unwrap_or_default() {
        if keep != Some(run.as_str()) {
            nft::remove(&run)?;
            removed.push(format!("removed nft table tribunal_{run}"));
        }
    }
    if keep.is_none() && tolerate_missing(iptables::remove())? == Some(true) {
        removed.push("removed iptables chains TRB_IN and TRB_OUT with their sets".into());
    }
    Ok(removed)
}

fn tolerate_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_addresses_stay_cut_until_the_last_cut_ends() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (a, b) = (address("10.0.0.1"), address("fd00::1"));
        let (mut first, mut second) = (Cuts::default(), Cuts::default());
        first.add(&[a, b], &[a], 1000);
        second.add(&[a], &[], 500);
        let opened = first.without(&second);
        assert_eq!(opened.from.keys().collect::<Vec<_>>(), [&b]);
        assert_eq!(opened.to.keys().collect::<Vec<_>>(), [&a]);
        second.add(&[address("::ffff:10.0.0.1")], &[], 900);
        assert_eq!(second.from, BTreeMap::from([(a, 900)]));
    }
}
