//! What this node can do: each family is tried in a scratch place, never read from configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::failure::Outcome;
use crate::faults::{NEEDS_NFT, NO_NETWORK};
use crate::kinds;
use crate::links::{self, Link};
use crate::net::{Elements, Firewall, Mechanism};
use crate::protocol::{Failure, Probed};

/// Run id of scratch tables: in a network namespace that nobody else sees.
const SCRATCH: &str = "00000000";

static MECHANISM: OnceLock<Mechanism> = OnceLock::new();

/// Best mechanism for cuts that works here; tried once per process.
pub(crate) fn mechanism(forced: Option<Mechanism>) -> Outcome<Mechanism> {
    if let Some(known) = MECHANISM.get() {
        return Ok(*known);
    }
    let candidates = forced.map_or(Mechanism::ALL.to_vec(), |forced| vec![forced]);
    let mut reasons = Vec::new();
    for candidate in candidates {
        match try_mechanism(candidate) {
            Ok(()) => return Ok(*MECHANISM.get_or_init(|| candidate)),
            Err(reason) => reasons.push(format!("{}: {reason}", candidate.name())),
        }
    }
    Err(Failure::new("unsupported", format!("no way to cut: {}", reasons.join("; "))))
}

/// Each family, tried.
pub(crate) fn families(network: bool, forced: Option<Mechanism>) -> Vec<Probed> {
    let mechanism = mechanism(forced);
    let links = links::all().map(|link| {
        let unavailable = match &mechanism {
            _ if !network => Some(NO_NETWORK.into()),
            Err(failure) => {
                let advice = "; needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and nftables or iptables";
                Some(format!("{}{advice}", failure.message))
            }
            // That the mechanism was chosen is because it does partitions.
            Ok(_) if link.by_iptables => None,
            Ok(Mechanism::Nft) => try_link(Mechanism::Nft, link).err(),
            Ok(Mechanism::Ipset | Mechanism::Iptables) => Some(NEEDS_NFT.into()),
        };
        let name = mechanism.as_ref().map_or("", |mechanism| mechanism.name());
        let mechanism = if unavailable.is_none() { name } else { "" };
        Probed { family: link.about.name.into(), unavailable, mechanism: mechanism.into() }
    });
    links.chain(kinds::probe()).collect()
}

/// Whether partitions work by it.
fn try_mechanism(mechanism: Mechanism) -> Result<(), String> {
    try_link(mechanism, links::find("partition").map_err(|failure| failure.message)?)
}

/// Loads, looks and removes in a network namespace of its own: a thread that enters one takes its
/// children with it, and with the thread the namespace goes.
fn try_link(mechanism: Mechanism, link: &'static Link) -> Result<(), String> {
    let trial = thread::spawn(move || -> Result<(), String> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| format!("no right to make a network namespace ({})", error.desc()))?;
        let mut elements = Elements::default();
        let (four, six) = (Ipv4Addr::new(198, 18, 0, 1), Ipv6Addr::LOCALHOST);
        let peers = [IpAddr::from(four), IpAddr::from(six)];
        let parameters = link.about.parameters.iter();
        let usual = parameters.map(|known| (known.name.to_string(), known.usual.0)).collect();
        let ports: &[u16] = if link.at_ports() { &[9] } else { &[] };
        elements.add(link, link.value(&usual), ([&peers, &peers], ports), 5_000);
        let control = ["198.18.0.2:22".parse().map_err(|error| format!("{error}"))?];
        let mut firewall = Firewall::new(SCRATCH, mechanism, &control);
        let mut steps = || -> std::io::Result<usize> {
            firewall.hold(&elements, &elements)?;
            let present = firewall.look(&elements)?.present;
            firewall.open(&elements, &Elements::default())?;
            let left = firewall.look(&elements)?.present;
            firewall.unload()?;
            Ok(present.saturating_sub(left))
        };
        match steps() {
            Ok(count) if count == elements.len() => Ok(()),
            Ok(count) => Err(format!("{count} of {} cuts took effect", elements.len())),
            Err(error) => Err(error.to_string()),
        }
    });
    trial.join().unwrap_or_else(|_| Err("the trial panicked".into()))
}
