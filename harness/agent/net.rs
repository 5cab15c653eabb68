//! What is done with packets from and to peers, in the node's own firewall.
//!
//! Three mechanisms, best first. With nft and with ipset the kernel itself ends an element when
//! its time is over, whatever became of us; with plain iptables the reaper must. nft does every
//! kind of [`crate::links`], the others partitions alone. Rules of others are never touched, and
//! that is measured: their ruleset is compared before and after.

pub(crate) mod foreign;
pub(crate) mod iptables;
pub(crate) mod nft;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::links::Link;

/// How packets are met on this node.
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

/// One element of a set of ours: a peer whose packets are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    /// Which set, without the digit of the family: see [`Link`].
    pub(crate) set: &'static str,
    pub(crate) peer: IpAddr,
    /// Of TCP, where only packets to it are met.
    pub(crate) port: Option<u16>,
    /// What the rule is told, where it wants to be.
    pub(crate) value: Option<i64>,
}

impl Element {
    /// The set's name in its family.
    pub(crate) fn family_set(&self) -> String {
        format!("{}{}", self.set, if self.peer.is_ipv4() { 4 } else { 6 })
    }
}

/// Elements, and how many milliseconds each is to stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elements(BTreeMap<Element, u64>);

impl Elements {
    /// Adds peers, each with every port if there are any; the longer time wins where two faults
    /// share an element.
    pub(crate) fn add(
        &mut self,
        link: &Link,
        value: Option<i64>,
        ([from, to], ports): ([&[IpAddr]; 2], &[u16]),
        ms: u64,
    ) {
        for (set, peers) in [(Some(link.from), from), (link.to, to)] {
            let Some(set) = set else { continue };
            let all = ports.iter().copied().map(Some);
            let all: Vec<_> = if ports.is_empty() { vec![None] } else { all.collect() };
            for (peer, port) in
                peers.iter().flat_map(|peer| all.iter().map(move |port| (peer, *port)))
            {
                let element = Element { set, peer: plain(*peer), port, value };
                let longest = self.0.entry(element).or_default();
                *longest = ms.max(*longest);
            }
        }
    }

    /// What is here and not there: what may end with a fault while others stay.
    pub(crate) fn without(&self, other: &Elements) -> Elements {
        let left = self.0.iter().filter(|(element, _)| !other.0.contains_key(element));
        Elements(left.map(|(element, ms)| (*element, *ms)).collect())
    }

    /// What another fault holds as well is not shortened by this one.
    pub(crate) fn keep_longer(&mut self, standing: &Elements) {
        for (element, ms) in &mut self.0 {
            *ms = standing.0.get(element).map_or(*ms, |longer| *longer.max(ms));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Each, with its time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Element, u64)> {
        self.0.iter().map(|(element, ms)| (element, *ms))
    }

    /// Peers in a set.
    pub(crate) fn peers(&self, set: &str) -> impl Iterator<Item = &IpAddr> {
        self.0.keys().filter(move |element| element.set == set).map(|element| &element.peer)
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

/// What the firewall says about the elements wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How many of those asked for are in force.
    pub(crate) present: usize,
    /// Packets that the sets of the run have met so far, by set without the digit of the family.
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Packets that a set has met.
    pub(crate) fn met(&self, set: &str) -> u64 {
        self.met.get(set).copied().unwrap_or(0)
    }
}

impl Firewall {
    pub(crate) fn new(run: &str, mechanism: Mechanism, control: &[SocketAddr]) -> Firewall {
        let control = control.iter().map(|at| SocketAddr::new(plain(at.ip()), at.port()));
        Firewall { run: run.into(), mechanism, control: control.collect(), loaded: false }
    }

    /// Puts elements in force or renews them. `all`: every one that stands, should the table have
    /// to be loaded anew.
    pub(crate) fn hold(&mut self, elements: &Elements, all: &Elements) -> io::Result<()> {
        let first = if self.loaded { self.change(elements, all) } else { self.load(all) };
        // The table may have been removed by a reaper whose deadline came first.
        let result = first.or_else(|_| self.load(all));
        self.loaded = result.is_ok();
        result
    }

    /// Ends elements; `rest` stands. Idempotent.
    pub(crate) fn open(&mut self, elements: &Elements, rest: &Elements) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::open(&self.run, elements),
            Mechanism::Ipset => iptables::set_open(&self.run, elements),
            Mechanism::Iptables => iptables::rewrite(&self.control, rest),
        }
    }

    /// Which of the elements are in force.
    pub(crate) fn look(&self, elements: &Elements) -> io::Result<Seen> {
        match self.mechanism {
            Mechanism::Nft => nft::look(&self.run, elements),
            Mechanism::Ipset => iptables::set_look(&self.run, elements),
            Mechanism::Iptables => iptables::look(elements),
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

    fn load(&self, all: &Elements) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::load(&self.run, &self.control, all),
            Mechanism::Ipset => iptables::set_load(&self.run, &self.control, all),
            Mechanism::Iptables => iptables::rewrite(&self.control, all),
        }
    }

    fn change(&self, elements: &Elements, all: &Elements) -> io::Result<()> {
        match self.mechanism {
            Mechanism::Nft => nft::change(&self.run, elements),
            Mechanism::Ipset => iptables::set_change(&self.run, elements),
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
        let link = crate::links::find("partition").unwrap();
        let (mut first, mut second) = (Elements::default(), Elements::default());
        first.add(link, None, ([&[a, b], &[a]], &[]), 1000);
        second.add(link, None, ([&[a], &[]], &[]), 500);
        let opened = first.without(&second);
        assert_eq!(opened.peers("in").collect::<Vec<_>>(), [&b]);
        assert_eq!(opened.peers("out").collect::<Vec<_>>(), [&a]);
        second.add(link, None, ([&[address("::ffff:10.0.0.1")], &[]], &[]), 900);
        let kept: Vec<_> = second.iter().collect();
        assert_eq!(kept, [(&Element { set: "in", peer: a, port: None, value: None }, 900)]);
    }
}
