//! Reset: TCP segments between two ends are answered with a reset, so that connections end, and
//! new ones are refused. Every other protocol goes on.

use super::{Hit, Link, Met, Rule, whole};
use crate::kinds::{About, Parameters};
use crate::protocol::{Line, Look};

/// Resets pass: the kernel answers a segment with one of its own, which meets the rules on its way
/// out, and, where a program on this node sent the segment, on its way in. Without that whoever
/// sent it would see silence.
pub(super) static RESET: Link = Link {
    about: About { name: "reset", parameters: &[] },
    met: Met::Peers,
    differs,
    takes_down: true,
    flaps: false,
    holds: true,
    numbered: 0,
    from: "rst",
    to: None,
    by_iptables: false,
    rules: &[
        resets("t_in", "saddr"),
        resets("t_out", "daddr"),
        resets("t_fwd", "saddr"),
        resets("t_fwd", "daddr"),
    ],
};

const fn resets(chain: &'static str, side: &'static str) -> Rule {
    let condition = "meta l4proto tcp tcp flags & rst == 0";
    Rule { chain, side, set: "rst", condition, verdict: "reject with tcp reset" }
}

/// Both directions are met by one end, so one direction is as good as two.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    if !hit.out && !hit.back {
        return whole(seen);
    }
    let how = match (seen.fresh, seen.held) {
        (Line::Reset, Line::Reset | Line::Untried) if seen.small => return None,
        (Line::Reset, Line::Reset | Line::Untried) => "carries no datagrams either",
        (Line::Reset, Line::Open) => "keeps a connection that was made before",
        (Line::Reset, Line::Silent) => "is silent to a connection that was made before",
        (Line::Open, _) => "makes connections",
        (Line::Silent | Line::Untried, _) => "is silent to new connections",
    };
    Some(how.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_reset_and_a_kept_connection_counts() {
        let reset = Look { fresh: Line::Reset, held: Line::Reset, small: true, ..Look::default() };
        let says = |back, look| differs(Hit { out: false, back }, &look, &Parameters::new());
        assert_eq!(says(true, reset), None);
        assert_eq!(says(true, Look { held: Line::Untried, ..reset }), None);
        for fresh in [Line::Open, Line::Silent, Line::Untried] {
            assert!(says(true, Look { fresh, ..reset }).is_some(), "{fresh:?}");
        }
        for held in [Line::Open, Line::Silent] {
            assert!(says(true, Look { held, ..reset }).is_some(), "{held:?}");
        }
        assert!(says(true, Look { small: false, ..reset }).is_some());
        assert_eq!(says(false, reset).as_deref(), Some("is reset"));
        assert_eq!(says(false, Look { fresh: Line::Open, ..reset }), None);
    }
}
