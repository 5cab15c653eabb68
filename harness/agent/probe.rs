//! What this node can do: each family is tried in a scratch place, never read from configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::failure::Outcome;
use crate::faults::NO_NETWORK;
use crate::kinds;
use crate::net::{Cuts, Firewall, Mechanism};
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
    let partition = match mechanism(forced) {
        _ if !network => row("partition", Some(NO_NETWORK.into()), ""),
        Ok(mechanism) => row("partition", None, mechanism.name()),
        Err(failure) => {
            let advice = "; needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and nftables or iptables";
            row("partition", Some(failure.message + advice), "")
        }
    };
    [vec![partition], kinds::probe()].concat()
}

fn row(family: &str, unavailable: Option<String>, mechanism: &str) -> Probed {
    Probed { family: family.into(), unavailable, mechanism: mechanism.into() }
}

/// Loads, looks and removes in a network namespace of its own: a thread that enters one takes its
/// children with it, and with the thread the namespace goes.
fn try_mechanism(mechanism: Mechanism) -> Result<(), String> {
    let trial = thread::spawn(move || -> Result<(), String> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| format!("no right to make a network namespace ({})", error.desc()))?;
        let mut cuts = Cuts::default();
        let (four, six) = (Ipv4Addr::new(198, 18, 0, 1), Ipv6Addr::LOCALHOST);
        let peers = [IpAddr::from(four), IpAddr::from(six)];
        cuts.add(&peers, &peers, 5_000);
        let control = ["198.18.0.2:22".parse().map_err(|error| format!("{error}"))?];
        let mut firewall = Firewall::new(SCRATCH, mechanism, &control);
        let mut steps = || -> std::io::Result<usize> {
            firewall.cut(&cuts, &cuts)?;
            let present = firewall.look(&cuts)?.present;
            firewall.open(&cuts, &Cuts::default())?;
            let left = firewall.look(&cuts)?.present;
            firewall.unload()?;
            Ok(present.saturating_sub(left))
        };
        match steps() {
            Ok(count) if count == cuts.len() => Ok(()),
            Ok(count) => Err(format!("{count} of {} cuts took effect", cuts.len())),
            Err(error) => Err(error.to_string()),
        }
    });
    trial.join().unwrap_or_else(|_| Err("the trial panicked".into()))
}
