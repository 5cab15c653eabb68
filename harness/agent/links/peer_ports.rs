//! Peer ports: TCP segments to the ports at which nodes serve each other are dropped at the
//! receiver. Clients, other ports and other protocols go on.

use super::{Hit, Link, Met, Rule, whole};
use crate::kinds::{About, Parameters};
use crate::protocol::{Line, Look};

pub(super) static PEER_PORTS: Link = Link {
    about: About { name: "peer-ports", parameters: &[] },
    met: Met::PeersAtPorts,
    differs,
    takes_down: true,
    flaps: false,
    holds: false,
    numbered: 0,
    from: "prt",
    to: None,
    by_iptables: false,
    rules: &[Rule {
        chain: "t_in",
        side: "saddr . meta l4proto . th dport",
        set: "prt",
        condition: "",
        verdict: "drop",
    }],
};

/// Who is not heard at the port gets no connection there, and is heard at every other one.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    let how = match (hit.out, seen.service) {
        (true, Line::Silent) | (false, Line::Open) => return whole(seen),
        (true, Line::Open) => "serves peers",
        (_, Line::Reset) => "refuses peers",
        (_, Line::Untried) => "was not tried as a peer",
        (false, Line::Silent) => "serves no peers",
    };
    Some(how.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_is_silent() {
        let cut = Look { fresh: Line::Open, small: true, service: Line::Silent, ..Look::default() };
        let says = |out, look| differs(Hit { out, back: !out }, &look, &Parameters::new());
        assert_eq!(says(true, cut), None);
        assert_eq!(says(false, Look { service: Line::Open, ..cut }), None);
        assert!(says(false, cut).is_some(), "the way back is open");
        for service in [Line::Open, Line::Reset, Line::Untried] {
            assert!(says(true, Look { service, ..cut }).is_some(), "{service:?}");
        }
        assert!(says(true, Look { fresh: Line::Silent, ..cut }).is_some(), "that is a partition");
        assert!(says(true, Look { small: false, ..cut }).is_some());
    }
}
