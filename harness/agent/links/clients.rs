//! Clients: TCP segments from clients to the ports at which a node serves them are dropped there.
//! Peers, other ports and other protocols go on.

use super::{Hit, Link, Met, Rule};
use crate::kinds::{About, Parameters};
use crate::protocol::{Line, Look};

pub(super) static CLIENTS: Link = Link {
    about: About { name: "clients", parameters: &[] },
    met: Met::Clients,
    differs,
    takes_down: true,
    flaps: false,
    holds: false,
    numbered: 0,
    from: "cli",
    to: None,
    by_iptables: false,
    rules: &[Rule {
        chain: "t_in",
        side: "saddr . meta l4proto . th dport",
        set: "cli",
        condition: "",
        verdict: "drop",
    }],
};

/// What a client, whose packets are met, sees of a node.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    match (hit.out, seen.service) {
        (true, Line::Silent) | (false, Line::Open) => None,
        (true, Line::Open) => Some("serves clients".into()),
        (_, Line::Reset) => Some("refuses clients".into()),
        (_, Line::Untried) => Some("was not tried as a client".into()),
        (false, Line::Silent) => Some("serves no clients".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_refused_is_not_cut() {
        let says = |out, service| {
            let look = Look { service, ..Look::default() };
            differs(Hit { out, back: false }, &look, &Parameters::new())
        };
        assert_eq!(says(true, Line::Silent), None);
        assert_eq!(says(false, Line::Open), None);
        for (out, service) in [
            (true, Line::Open),
            (true, Line::Reset),
            (true, Line::Untried),
            (false, Line::Silent),
            (false, Line::Reset),
            (false, Line::Untried),
        ] {
            assert!(says(out, service).is_some(), "{out} {service:?}");
        }
    }
}
