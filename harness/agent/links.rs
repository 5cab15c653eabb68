//! Kinds of faults on links: what the firewall of one end does with packets of the other. A new
//! one is a file below `links/` and a line in `LINKS`: what draws, arms, renews, verifies and
//! heals them knows none by name.
//!
//! All are elements of nft sets that end by themselves (`crate::net`), so a kind is data: names of
//! sets, the rules that read them, and what a look from one end must see of the other.

mod clients;
mod large_packets;
mod loss;
mod new_connections;
mod partition;
mod peer_ports;
mod reset;

use std::net::IpAddr;

use crate::failure::Outcome;
use crate::kinds::{About, Parameters};
use crate::protocol::{Failure, Line, Look};

/// In the order `doctor` and `tribunal list faults` name them.
static LINKS: &[&Link] = &[
    &partition::PARTITION,
    &reset::RESET,
    &new_connections::NEW_CONNECTIONS,
    &large_packets::LARGE_PACKETS,
    &loss::LOSS,
    &clients::CLIENTS,
    &peer_ports::PEER_PORTS,
];

/// Which directions between two ends a fault concerns, seen from one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hit {
    /// Packets to the other end.
    pub out: bool,
    /// Packets from the other end.
    pub back: bool,
}

/// Whose packets are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Those of other nodes.
    Peers,
    /// Those of other nodes to the ports at which nodes serve each other.
    PeersAtPorts,
    /// Those of the controller's clients to the ports at which nodes serve clients.
    Clients,
}

/// One kind.
#[derive(Debug)]
pub struct Link {
    /// Its name: of the fault and of the family that nodes must have. Its parameters.
    pub about: About,
    /// Whose packets.
    pub met: Met,
    /// How what one end sees of the other differs from what this fault makes of it; `None` where
    /// it is as it must be. Where neither direction is hit, what it must be without the fault.
    pub differs: fn(Hit, &Look, &Parameters) -> Option<String>,
    /// Whether nodes that reach no majority over other links are down.
    pub takes_down: bool,
    /// Whether it is worth anything where it comes and goes.
    pub flaps: bool,
    /// Whether connections are kept from before it, to see what becomes of them.
    pub holds: bool,
    /// Datagrams that a look has to count.
    pub numbered: u32,
    /// Set of the peers whose packets are met, without the digit of the family.
    pub(crate) from: &'static str,
    /// Set of those to whom packets are met, where that is another one.
    pub(crate) to: Option<&'static str>,
    /// Whether iptables does it, too, where there is no nft.
    pub(crate) by_iptables: bool,
    /// What is done with them.
    pub(crate) rules: &'static [Rule],
}

/// A rule over a set: `ip SIDE @SET4 CONDITION counter name c_SET VERDICT`, and for IPv6. Where the
/// condition has a place `{}` for the kind's one parameter, the set is a map that sends each peer
/// to the rule with its value.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) chain: &'static str,
    /// `saddr` or `daddr`.
    pub(crate) side: &'static str,
    pub(crate) set: &'static str,
    pub(crate) condition: &'static str,
    /// `drop`, or `reject with ..`.
    pub(crate) verdict: &'static str,
}

/// Every kind.
pub fn all() -> impl Iterator<Item = &'static Link> {
    LINKS.iter().copied()
}

/// By name.
pub(crate) fn find(name: &str) -> Outcome<&'static Link> {
    all().find(|link| link.about.name == name).ok_or_else(|| {
        let known: Vec<&str> = all().map(|link| link.about.name).collect();
        let text = format!("no fault {name:?} on links; there are {}", known.join(", "));
        Failure::new("unsupported", text)
    })
}

impl Link {
    /// Refuses what this kind cannot do.
    pub(crate) fn check(
        &self,
        to: &[IpAddr],
        ports: &[u16],
        parameters: &Parameters,
    ) -> Outcome<()> {
        if self.at_ports() == ports.is_empty() {
            let needs = if ports.is_empty() { "needs ports" } else { "has no ports" };
            return Err(Failure::refused(format!("{} {needs}", self.about.name)));
        }
        if self.to.is_none() && !to.is_empty() {
            let text = format!("{} meets packets where they are received", self.about.name);
            return Err(Failure::refused(text));
        }
        self.about.check(parameters)
    }

    /// Whether only packets to certain ports are met.
    pub(crate) fn at_ports(&self) -> bool {
        match self.met {
            Met::Peers => false,
            Met::PeersAtPorts | Met::Clients => true,
        }
    }

    /// What its rules are to be told.
    pub(crate) fn value(&self, parameters: &Parameters) -> Option<i64> {
        self.is_told().then(|| parameters.values().next().copied()).flatten()
    }

    /// Whether its rules have a place for the parameter.
    pub(crate) fn is_told(&self) -> bool {
        self.rules.iter().any(Rule::is_told)
    }

    /// Its sets, without the digit of the family.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &'static str> {
        [self.from].into_iter().chain(self.to)
    }
}

/// How a way differs from one that nothing is done to.
fn whole(seen: &Look) -> Option<String> {
    let how = match seen.fresh {
        Line::Open if seen.small => return None,
        Line::Open => "carries no datagrams",
        Line::Reset => "is reset",
        Line::Silent | Line::Untried => "is cut",
    };
    Some(how.into())
}

impl Rule {
    /// Whether it has a place for the parameter.
    pub(crate) fn is_told(&self) -> bool {
        self.condition.contains("{}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_share_no_names_and_rules_read_sets_of_their_kind() {
        let mut names = BTreeSet::new();
        for link in all() {
            assert!(names.insert(link.about.name));
            assert!(crate::kinds::all().all(|kind| kind.name != link.about.name));
            for set in link.sets() {
                assert!(names.insert(set), "{set}");
                assert!(link.rules.iter().any(|rule| rule.set == set), "{set}");
            }
            assert!(link.rules.iter().all(|rule| link.sets().any(|set| set == rule.set)));
            assert!(link.rules.iter().all(|rule| rule.is_told() == link.is_told()));
            assert_eq!(link.about.parameters.len(), usize::from(link.is_told()));
            assert!(!link.is_told() || link.to.is_none(), "one set, and a value for each peer");
            let ports = link.rules.iter().map(|rule| rule.side.contains("dport"));
            assert!(ports.into_iter().all(|at_port| at_port == link.at_ports()));
        }
    }
}
