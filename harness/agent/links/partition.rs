//! Partition: packets of every protocol are dropped, at the receiver or at the sender.

use super::{Hit, Link, Met, Rule};
use crate::kinds::{About, Parameters};
use crate::protocol::{Line, Look};

pub(super) static PARTITION: Link = Link {
    about: About { name: "partition", parameters: &[] },
    met: Met::Peers,
    differs,
    takes_down: true,
    flaps: true,
    holds: false,
    numbered: 0,
    from: "in",
    to: Some("out"),
    by_iptables: true,
    rules: &[
        drops("t_in", "saddr", "in"),
        drops("t_out", "daddr", "out"),
        drops("t_fwd", "saddr", "in"),
        drops("t_fwd", "daddr", "out"),
    ],
};

const fn drops(chain: &'static str, side: &'static str, set: &'static str) -> Rule {
    Rule { chain, side, set, condition: "", verdict: "drop" }
}

/// A round trip works iff neither direction is cut. Who is refused was heard, so that is no cut,
/// and what could not be looked at is no proof of one.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    if !hit.out && !hit.back {
        let open = seen.fresh == Line::Open && seen.small;
        return (!open).then(|| "is cut".into());
    }
    let how = match seen.fresh {
        Line::Silent if !seen.small => return None,
        Line::Silent => "carries datagrams",
        Line::Open => "is open",
        Line::Reset => "is refused, not cut",
        Line::Untried => "could not be looked at",
    };
    Some(how.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_is_a_cut() {
        let says = |cut, fresh, small| {
            let look = Look { fresh, small, ..Look::default() };
            differs(Hit { out: cut, back: false }, &look, &Parameters::new())
        };
        assert_eq!(says(true, Line::Silent, false), None);
        assert!(says(true, Line::Silent, true).is_some());
        for fresh in [Line::Open, Line::Reset, Line::Untried] {
            assert!(says(true, fresh, false).is_some(), "{fresh:?}");
            assert!(says(true, fresh, true).is_some(), "{fresh:?}");
        }
        assert_eq!(says(false, Line::Open, true), None);
        for (fresh, small) in
            [(Line::Open, false), (Line::Silent, true), (Line::Reset, true), (Line::Untried, true)]
        {
            assert!(says(false, fresh, small).is_some(), "{fresh:?}");
        }
    }
}
