//! Every engine against the definition on random histories, and proof that this finds mistakes.

use tribunal_history::Code;

use super::brute;
use super::generate::{Act, Random, crashing, history, overtaken, small, two_ways};
use super::{check, histories};
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::plain;
use crate::linearizable::portfolio::Order;
use crate::linearizable::portfolio::decide_by;
use crate::linearizable::rules::{Bug, Rules};
use crate::linearizable::tests::prepare;
use crate::linearizable::{CasRegister, Dialect};
use crate::{Budget, Verdict};

const HISTORIES: u64 = 100_000;

/// Whether every key is linearizable by the bare search.
fn by_search(acts: &[Act], order: Option<Order>, rules: Rules) -> bool {
    let model = CasRegister { initial: 0.into() };
    let history = history(acts);
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    components(&model, &history).iter().all(|component| {
        let problem =
            prepare(&model, &history, component, Dialect::TRIBUNAL).expect("a register history");
        match decide_by(&model, &problem, &ledger, u64::MAX, rules, order).found {
            Found::Linearization(_) => true,
            Found::Dead(_) => false,
            Found::Spent(..) | Found::Impure(..) => panic!("undecided: {acts:?}"),
        }
    })
}

fn by_plain_search(acts: &[Act]) -> bool {
    let model = CasRegister { initial: 0.into() };
    let history = history(acts);
    components(&model, &history).iter().all(|component| {
        let problem =
            prepare(&model, &history, component, Dialect::TRIBUNAL).expect("a register history");
        let (entries, ops) = (&problem.entries, &problem.ops);
        let found = plain::is_linearizable(&model, entries, ops, u64::MAX, &|| false);
        found.expect("no limit")
    })
}

/// The checker verifies its own certificates here, valid and invalid ones.
#[test]
fn search_agrees_with_the_definition() {
    let mut random = Random(1);
    let (mut valid, mut minimal, mut invalid) = (0, 0, 0);
    let all = histories(HISTORIES);
    for number in 0..all {
        let acts = small(&mut random);
        let expected = brute::is_linearizable(&acts);
        let history = history(&acts);
        let report = check(&history);
        let verdict = if expected { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(report.verdict, verdict, "history {number}: {acts:?}");
        valid += u64::from(expected);
        invalid += u64::from(!expected);
        let keys: std::collections::BTreeSet<Code> =
            history.operations().map(|operation| operation.key()).collect();
        assert_eq!(report.cost.certificates_verified, keys.len() as u64, "{acts:?}");
        minimal += report.anomalies.iter().filter(|anomaly| anomaly.minimal).count() as u64;
    }
    println!("{valid} valid, {invalid} invalid, {minimal} minimal counterexamples, 0 mismatches");
    assert!(valid > all / 4 && invalid > all / 4, "{valid} valid, {invalid} invalid");
    assert!(minimal >= invalid, "{minimal} of {invalid} counterexamples are minimal");
}

#[test]
fn each_engine_agrees_with_the_definition() {
    let mut random = Random(2);
    for _ in 0..histories(HISTORIES) / 4 {
        let acts = small(&mut random);
        let expected = brute::is_linearizable(&acts);
        let rules = Rules::default();
        assert_eq!(by_search(&acts, Some(Order::Depth), rules), expected, "depth: {acts:?}");
        assert_eq!(by_search(&acts, Some(Order::Breadth), rules), expected, "breadth: {acts:?}");
        assert_eq!(by_plain_search(&acts), expected, "plain: {acts:?}");
    }
}

/// Most operations crashed: every way of counting them matters.
#[test]
fn crashed_operations_are_counted_right() {
    let mut random = Random(3);
    let (mut valid, all) = (0, histories(HISTORIES) / 5);
    for number in 0..all {
        let acts = match number {
            0 | 1 => two_ways(number == 1),
            2 => overtaken(),
            _ => crashing(&mut random),
        };
        let expected = brute::is_linearizable(&acts);
        valid += u64::from(expected);
        for order in [None, Some(Order::Depth), Some(Order::Breadth)] {
            assert_eq!(by_search(&acts, order, Rules::default()), expected, "{order:?}: {acts:?}");
        }
    }
    println!("{valid} of {all} are valid");
    assert!(valid > all / 4 && valid < all * 7 / 8);
}

/// The negative proof: every mistake one could make in a pruning rule shows within the
/// histories that the test above looks at.
#[test]
fn planted_mistakes_are_caught() {
    let bugs = [
        Bug::CrashedMustHappen,
        Bug::RealTimeIgnored,
        Bug::WriteOfSameIsPure,
        Bug::CountersSaturate,
        Bug::DominanceReversed,
        Bug::LanesAsOneNumber,
        Bug::ReplacedNotExpanded,
        Bug::MaskForgotten,
        Bug::CrashedHelpsAtOnce,
        Bug::RelevanceForgetsObservers,
        Bug::RelevanceEndsEarly,
        Bug::LanesDropped,
        Bug::CoversSomewhere,
        Bug::LaterTwinFirst,
        Bug::DoneTwinInTheWay,
        Bug::IllegalIsLost,
        Bug::CrashedSeeNothing,
    ];
    for bug in bugs {
        let mut random = Random(1);
        let rules = Rules { trap: Some(bug) };
        let caught = (0..HISTORIES).find_map(|number| {
            let acts = match number {
                0 | 1 => two_ways(number == 1),
                2 => overtaken(),
                _ if number % 2 == 0 => small(&mut random),
                _ => crashing(&mut random),
            };
            let expected = brute::is_linearizable(&acts);
            let orders = [Some(Order::Depth), Some(Order::Breadth)];
            let wrong = |order: &Option<Order>| by_search(&acts, *order, rules) != expected;
            orders.into_iter().find(wrong).map(|order| (number, order))
        });
        let (number, order) = caught.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        println!("{bug:?} caught by history {number}, {order:?}");
    }
}
