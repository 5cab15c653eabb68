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

/// A round trip works iff neither direction is cut.
fn differs(hit: Hit, seen: &Look, _: &Parameters) -> Option<String> {
    let (open, cut) = (seen.fresh == Line::Open && seen.small, hit.out || hit.back);
    (open == cut).then(|| if open { "is open" } else { "is cut" }.into())
}
