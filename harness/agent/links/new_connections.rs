//! New connections: the first segment of a TCP connection (SYN without ACK) is dropped at the
//! receiver. Connections that there are go on, and so does every other protocol.

use super::{Hit, Link, Met, Rule, whole};
use crate::kinds::{About, Parameters};
use crate::protocol::{Line, Look};

pub(super) static NEW_CONNECTIONS: Link = Link {
    about: About { name: "new-connections", parameters: &[] },
    met: Met::Peers,
    differs,
    takes_down: true,
    flaps: false,
    holds: true,
    numbered: 0,
    from: "syn",
    to: None,
    by_iptables: false,
    rules: &[drops("t_in"), drops("t_fwd")],
};

const fn drops(chain: &'static str) -> Rule {
    let condition = "tcp flags & (syn | ack) == syn";
    Rule { chain, side: "saddr", set: "syn", condition, verdict: "drop" }
}

/// Who is not heard cannot connect; the other way round it can.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    if !hit.out {
        return whole(seen);
    }
    let how = match (seen.fresh, seen.held) {
        (Line::Silent, Line::Open | Line::Untried) if seen.small => return None,
        (Line::Silent, Line::Open | Line::Untried) => "carries no datagrams either",
        (Line::Silent, Line::Reset) => "resets a connection that was made before",
        (Line::Silent, Line::Silent) => "is silent to a connection that was made before, too",
        (Line::Open, _) => "makes connections",
        (Line::Reset | Line::Untried, _) => "refuses new connections",
    };
    Some(how.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_not_answered_and_what_was_open_stays_so() {
        let (fresh, held) = (Line::Silent, Line::Open);
        let bitten = Look { fresh, held, small: true, ..Look::default() };
        let says = |out, look| differs(Hit { out, back: !out }, &look, &Parameters::new());
        assert_eq!(says(true, bitten), None);
        assert_eq!(says(true, Look { held: Line::Untried, ..bitten }), None);
        for fresh in [Line::Open, Line::Reset, Line::Untried] {
            assert!(says(true, Look { fresh, ..bitten }).is_some(), "{fresh:?}");
        }
        for held in [Line::Reset, Line::Silent] {
            assert!(says(true, Look { held, ..bitten }).is_some(), "{held:?}");
        }
        assert!(says(true, Look { small: false, ..bitten }).is_some(), "that is a partition");
        assert_eq!(says(false, bitten).as_deref(), Some("is cut"), "the way back is open");
    }
}
