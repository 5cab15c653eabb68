//! Quick refutations claim nothing that an order explains, and say who contradicts whom.

use super::brute;
use super::generate::{Act, Random, history, small};
use super::histories;
use crate::linearizable::certificate::{Accepted, verify_counterexample};
use crate::linearizable::partition::components;
use crate::linearizable::quick::refute;
use crate::linearizable::rules::{Bug, Rules};
use crate::linearizable::tests::prepare;
use crate::linearizable::{CasRegister, Dialect};

/// Whether some key is claimed to be bad. Every claim is proved, unless a mistake was planted.
fn claims(acts: &[Act], rules: Rules) -> bool {
    let model = CasRegister { initial: 0.into() };
    let history = history(acts);
    let mut claimed = false;
    for component in components(&model, &history) {
        let problem =
            prepare(&model, &history, &component, Dialect::TRIBUNAL).expect("a register history");
        let Some(refutation) = refute(&model, &problem, rules, u64::MAX, &|| false) else {
            continue;
        };
        claimed = true;
        if rules.trap.is_none() {
            let (kept, rank) = (&refutation.kept, refutation.rank);
            let proof = verify_counterexample(&model, &problem, kept, rank, 1 << 20, &|| false);
            assert_eq!(proof, Ok(Accepted::Proved), "{acts:?}");
        }
    }
    claimed
}

#[test]
fn quick_refutations_are_right() {
    let mut random = Random(41);
    let (mut claimed, mut invalid) = (0, 0);
    for _ in 0..histories(50_000) {
        let acts = small(&mut random);
        let claim = claims(&acts, Rules::default());
        let expected = brute::is_linearizable(&acts);
        assert!(!claim || !expected, "{acts:?}");
        invalid += u64::from(!expected);
        claimed += u64::from(claim);
    }
    println!("{claimed} of {invalid} invalid histories are refuted without a search");
    assert!(2 * claimed > invalid);
}

#[test]
fn planted_mistakes_of_quick_rules_are_caught() {
    for bug in [Bug::ProducedBeforeCall, Bug::InitialForgotten, Bug::ZoneNotClosed] {
        let mut random = Random(41);
        let rules = Rules { trap: Some(bug) };
        let caught = (0..100_000).find(|_| {
            let acts = small(&mut random);
            claims(&acts, rules) && brute::is_linearizable(&acts)
        });
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        println!("{bug:?} caught by history {caught}");
    }
}
