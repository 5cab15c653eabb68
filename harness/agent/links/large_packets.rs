//! Large packets: packets of more than 1 000 bytes are dropped at the receiver, and nobody says so:
//! a black hole for whoever believed in the path's MTU.

use super::{Hit, Link, Met, Rule, whole};
use crate::kinds::{About, Parameters};
use crate::protocol::Look;

pub(super) static LARGE_PACKETS: Link = Link {
    about: About { name: "large-packets", parameters: &[] },
    met: Met::Peers,
    differs,
    takes_down: true,
    flaps: false,
    holds: false,
    numbered: 0,
    from: "big",
    to: None,
    by_iptables: false,
    rules: &[drops("t_in"), drops("t_fwd")],
};

const fn drops(chain: &'static str) -> Rule {
    let condition = "meta length > 1000";
    Rule { chain, side: "saddr", set: "big", condition, verdict: "drop" }
}

/// What is large is lost on its way out; its answer is small, whatever becomes of the way back.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    let how = match (hit.out, seen.large) {
        (true, true) => "carries large packets",
        (false, false) => "carries no large packets",
        (true, false) | (false, true) => return whole(seen),
    };
    Some(whole(seen).unwrap_or(how.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Line;

    #[test]
    fn what_is_small_goes_through_and_what_is_large_does_not() {
        let small = Look { fresh: Line::Open, small: true, ..Look::default() };
        let says = |out, look| differs(Hit { out, back: !out }, &look, &Parameters::new());
        assert_eq!(says(true, small), None);
        assert_eq!(says(false, Look { large: true, ..small }), None);
        assert!(says(true, Look { large: true, ..small }).is_some(), "nothing is lost");
        assert!(says(false, small).is_some(), "the way back is open");
        assert!(says(true, Look { small: false, ..small }).is_some(), "that is a partition");
    }
}
