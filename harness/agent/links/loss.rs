//! Loss: packets are lost at the receiver, each by itself, with one probability.

use super::{Hit, Link, Met, Rule};
use crate::kinds::{About, Parameter, Parameters};
use crate::protocol::Look;

/// Numbered datagrams of one look. Of as many, none lost is not taken for the least possible loss.
const NUMBERED: u32 = 400;

/// Standard deviations to either side: the measured rate lies within in 99.9 % of all looks.
const Z: f64 = 3.29;

pub(super) static LOSS: Link = Link {
    about: About {
        name: "loss",
        parameters: &[Parameter { name: "percent", possible: (5, 95), usual: (10, 40) }],
    },
    met: Met::Peers,
    differs,
    takes_down: false,
    flaps: false,
    holds: false,
    numbered: NUMBERED,
    from: "lost",
    to: None,
    by_iptables: false,
    rules: &[drops("t_in"), drops("t_fwd")],
};

const fn drops(chain: &'static str) -> Rule {
    let condition = "numgen random mod 100 < {}";
    Rule { chain, side: "saddr", set: "lost", condition, verdict: "drop" }
}

/// A datagram is answered if it and its answer get through. How many of [`NUMBERED`] are not must
/// agree with that; where no direction is hit, none is lost.
fn differs(hit: Hit, seen: &Look, parameters: &Parameters) -> Option<String> {
    let Look { numbered, lost, .. } = *seen;
    let ways = i32::from(hit.out) + i32::from(hit.back);
    let percent = parameters.get("percent").copied().unwrap_or(0) as f64;
    let wanted = 1.0 - (1.0 - percent / 100.0).powi(ways);
    if ways == 0 {
        return (lost > 0 || numbered == 0).then(|| format!("lost {lost} of {numbered}"));
    }
    let (least, most) = interval(lost, numbered);
    let agrees = numbered > 0 && lost > 0 && least <= wanted && wanted <= most;
    let [wanted, least, most] = [wanted, least, most].map(|rate| 100.0 * rate);
    (!agrees).then(|| {
        format!(
            "lost {lost} of {numbered}: {least:.0} to {most:.0} percent, where {wanted:.0} should be"
        )
    })
}

/// Wilson's score interval of a rate (E. B. Wilson, JASA 22, 1927), at [`Z`].
fn interval(lost: u32, of: u32) -> (f64, f64) {
    let n = f64::from(of.max(1));
    let rate = f64::from(lost) / n;
    let middle = rate + Z * Z / (2.0 * n);
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    ((middle - half) / scale, (middle + half) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(ways: i32, percent: i64, lost: u32) -> Option<String> {
        let hit = Hit { out: ways > 0, back: ways > 1 };
        let parameters = Parameters::from([("percent".into(), percent)]);
        differs(hit, &Look { numbered: NUMBERED, lost, ..Look::default() }, &parameters)
    }

    #[test]
    fn what_is_lost_agrees_with_what_was_asked_for() {
        assert_eq!(says(1, 20, 80), None);
        assert_eq!(says(1, 20, 60), None, "two and a half standard deviations");
        assert_eq!(says(2, 20, 144), None, "0.8 of 0.8 come back");
        let words = "lost 144 of 400: 29 to 44 percent, where 20 should be";
        assert_eq!(says(1, 20, 144).as_deref(), Some(words));
        assert_eq!(says(0, 20, 0), None);
        assert_eq!(says(0, 20, 1).as_deref(), Some("lost 1 of 400"));
    }

    #[test]
    fn no_loss_is_never_taken_for_some() {
        let Parameter { possible: (least, most), .. } = LOSS.about.parameters[0];
        for percent in least..=most {
            for ways in [1, 2] {
                assert!(says(ways, percent, 0).is_some(), "{percent}");
            }
        }
        let (_, none) = interval(0, NUMBERED);
        assert!(none < least as f64 / 100.0, "the interval says so by itself: {none}");
    }

    #[test]
    fn both_ends_of_the_interval_are_as_many_deviations_away() {
        let (of, rate) = (300.0, 263.0 / 300.0);
        let (least, most) = interval(263, 300);
        for p in [least, most] {
            let error = (p - rate).powi(2) - Z * Z * p * (1.0 - p) / of;
            assert!(error.abs() < 1e-12, "{p}");
        }
    }
}
