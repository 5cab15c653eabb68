//! What is suspected of whole reads of sets and lists is so, whatever the rest does, and is shown
//! small.

use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, SetOp, TxnOp, Value,
};

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::oracle::is_linearizable;
use super::sets::Elements;
use super::{Act, World, history, settle, small};
use crate::linearizable::certificate::{Accepted, verify_counterexample};
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::models::whole::{Bug, Slips, suspects};
use crate::linearizable::partition::components;
use crate::linearizable::rules::Rules;
use crate::linearizable::{Dialect, List, Options, Set, judge, portfolio, shrink};
use crate::{Budget, Evidence, Verdict};

const WORLDS: [Elements; 2] =
    [Elements { shrinks: false, whole: true }, Elements { shrinks: true, whole: true }];

/// Whether some key is claimed to be bad. Every claim is proved, unless a mistake was planted.
fn claims(world: &Elements, acts: &[Act], slips: Slips) -> bool {
    let (model, history) = (world.model(), history(acts));
    let budget = Budget::unlimited();
    let mut claimed = false;
    for component in components(&model, &history) {
        let problem =
            prepare(&model, &history, &component, Dialect::TRIBUNAL).expect("a history of sets");
        let Some(elements) = suspects(&problem.entries, &problem.ops, slips) else { continue };
        claimed = true;
        if slips.trap.is_none() {
            let part = problem.about(&model, &elements, &|| false).expect("nobody stops it");
            let ledger = Ledger::new(&budget);
            let decision = portfolio::decide(&model, &part, &ledger, u64::MAX, Rules::default());
            let Found::Dead(dead) = decision.found else { panic!("{elements:?} of {acts:#?}") };
            let kept = shrink::before(&part, dead.rank);
            let proof = verify_counterexample(&model, &part, &kept, dead.rank, 1 << 20, &|| false);
            assert_eq!(proof, Ok(Accepted::Proved), "{acts:#?}");
        }
    }
    claimed
}

fn drawn(world: &Elements, random: &mut Random) -> Vec<Act> {
    let mut acts = small(world, random);
    settle(&mut acts);
    acts
}

#[test]
fn suspects_are_guilty() {
    for world in WORLDS {
        let mut random = Random(47);
        let (mut claimed, mut invalid) = (0, 0);
        for _ in 0..histories(20_000) {
            let acts = drawn(&world, &mut random);
            let claim = claims(&world, &acts, Slips::default());
            let expected = is_linearizable(&world, &acts);
            assert!(!claim || !expected, "{acts:#?}");
            invalid += u64::from(!expected);
            claimed += u64::from(claim);
        }
        println!("{claimed} of {invalid} invalid histories are refuted by one or two elements");
        assert!(8 * claimed > invalid);
    }
}

#[test]
fn planted_mistakes_of_suspicion_are_caught() {
    let bugs = [
        Bug::AddedBeforeCall,
        Bug::ThereFromCall,
        Bug::OverlapIsLater,
        Bug::RemovesForgotten,
        Bug::CrashedRemovesForgotten,
        Bug::RemovedMayCross,
    ];
    let world = Elements { shrinks: true, whole: true };
    for bug in bugs {
        let mut random = Random(47);
        let slips = Slips { trap: Some(bug) };
        let caught = (0..200_000).find(|_| {
            let acts = drawn(&world, &mut random);
            claims(&world, &acts, slips) && is_linearizable(&world, &acts)
        });
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        println!("{bug:?} caught by history {caught}");
    }
}

#[test]
fn a_transaction_that_contradicts_itself_is_shown_alone() {
    let key = || Value::Int(1);
    let append = |element| Mop::Append { key: key(), element: Value::Int(element) };
    let read = |elements: Vec<i64>| {
        let elements = Observed::Present(elements.into_iter().map(Value::Int).collect());
        Mop::ReadList { key: key(), elements }
    };
    let judged = |last: Vec<Mop>| {
        let mut told = Told { builder: Builder::as_given(), events: 0, process: 0 };
        for element in 0..40 {
            let mops = vec![append(element), read((0..=element).collect())];
            told.one(Op::Txn(TxnOp { mops }), Outcome::Ok);
        }
        told.one(Op::Txn(TxnOp { mops: last }), Outcome::Ok);
        let (history, budget) = (told.builder.finish(), Budget::unlimited());
        let (dialect, options) = (Dialect::TRIBUNAL, Options::default());
        let report = judge(&List, &history, dialect, &budget, options).expect("lists");
        let Evidence::Counterexample { operations, .. } = &report.anomalies[0].evidence else {
            panic!("{report:?}")
        };
        (operations.len(), report.anomalies[0].summary.clone())
    };
    let (operations, summary) = judged(vec![append(40), read((0..40).collect())]);
    assert!(summary.ends_with(" without 40, which was there"), "{summary}");
    assert_eq!(operations, 1);
    let (operations, summary) = judged(vec![append(40), read((0..=41).collect())]);
    assert!(summary.ends_with(" with 41 after what it had appended"), "{summary}");
    assert_eq!(operations, 1);
}

/// Operations one after the other, those that crash pending for ever.
struct Told {
    builder: Builder,
    events: u64,
    process: u32,
}

impl Told {
    fn one(&mut self, op: Op, outcome: Outcome) {
        self.process += 1;
        let process = Process(self.process);
        let (time, later) = (Nanos(self.events), Nanos(self.events + 1));
        self.events += 2;
        self.builder.invoke(time, process, None, None, &op.pending()).expect("in order");
        self.builder.complete(later, process, outcome, Some(&op), None).expect("in order");
    }

    fn add(&mut self, element: i64, outcome: Outcome) {
        let (key, element) = (Value::Nil, Value::Int(element));
        self.one(Op::Set(SetOp::Add { key, element, added: Observed::Pending }), outcome);
    }

    fn remove(&mut self, element: i64, outcome: Outcome) {
        let (key, element) = (Value::Nil, Value::Int(element));
        self.one(Op::Set(SetOp::Remove { key, element, removed: Observed::Pending }), outcome);
    }

    fn read(&mut self, elements: impl Iterator<Item = i64>) {
        let elements = Observed::Present(elements.map(Value::Int).collect());
        self.one(Op::Set(SetOp::Read { key: Value::Nil, elements }), Outcome::Ok);
    }
}

/// Forty that were acknowledged, and thirty that crashed.
fn many(rest: impl FnOnce(&mut Told)) -> History {
    let mut told = Told { builder: Builder::as_given(), events: 0, process: 0 };
    (0..40).for_each(|element| told.add(element, Outcome::Ok));
    (100..130).for_each(|element| told.add(element, Outcome::Info));
    rest(&mut told);
    told.builder.finish()
}

/// The verdict, how many operations prove it, and the sentence.
fn judged(shrinks: bool, history: &History) -> (Verdict, usize, String) {
    let (dialect, options) = (Dialect::TRIBUNAL, Options::default());
    let budget = Budget::unlimited().with_configurations(200_000);
    let report = judge(&Set { shrinks }, history, dialect, &budget, options).expect("sets");
    let Some(anomaly) = report.anomalies.first() else { return (report.verdict, 0, String::new()) };
    let Evidence::Counterexample { operations, .. } = &anomaly.evidence else {
        panic!("{anomaly:?}")
    };
    (report.verdict, operations.len(), anomaly.summary.clone())
}

#[test]
fn a_lost_element_is_shown_by_two_operations() {
    let lost = many(|told| told.read((0..40).filter(|element| *element != 7)));
    let expected = "p71 read [0 1 2 3 4 5 6 8 9 10 11 12 and 27 more] at 0.000 s without 7, \
                    which was there";
    for shrinks in [false, true] {
        assert_eq!(judged(shrinks, &lost), (Verdict::Invalid, 2, expected.into()));
    }
    let later = many(|told| {
        told.read(0..40);
        told.read((0..40).chain([129]));
        told.read(0..40);
    });
    let (verdict, operations, words) = judged(false, &later);
    assert_eq!((verdict, operations), (Verdict::Invalid, 3), "{words}");
}

#[test]
fn what_nobody_added_is_shown_by_one_operation() {
    let never = many(|told| told.read((0..40).chain([500])));
    let (verdict, operations, words) = judged(false, &never);
    assert_eq!((verdict, operations), (Verdict::Invalid, 1), "{words}");
    assert!(words.ends_with(" with 500, which was not there"), "{words}");
    let twice = many(|told| told.read((0..40).chain([39])));
    let (verdict, operations, words) = judged(false, &twice);
    assert_eq!((verdict, operations), (Verdict::Invalid, 1), "{words}");
    assert!(words.ends_with(" with 39 twice"), "{words}");
}

#[test]
fn what_was_removed_may_be_missing() {
    let without = || (0..40).filter(|element| *element != 7);
    for outcome in [Outcome::Ok, Outcome::Info] {
        let removed = many(|told| {
            told.remove(7, outcome);
            told.read(without());
        });
        // Which of the crashed ones happened may be too much to be searched here.
        assert_ne!(judged(true, &removed).0, Verdict::Invalid);
        let back = many(|told| {
            told.remove(7, Outcome::Ok);
            told.add(7, Outcome::Ok);
            told.read(without());
        });
        // Without the remove its absence would be the reason.
        let (verdict, operations, words) = judged(true, &back);
        assert_eq!((verdict, operations), (Verdict::Invalid, 3), "{words}");
    }
}
