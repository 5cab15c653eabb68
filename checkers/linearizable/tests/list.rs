//! Append lists: the sweep against the definition, the search, and its own planted mistakes.

use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value,
};

use super::generate::Random;
use super::histories;
use crate::linearizable::append::{Planted, Trap, decide_with};
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::{
    Allowance, Dialect, Engines, Fast, List, Options, Partition, Proof, judge,
};
use crate::testing::drawn;
use crate::{Budget, Evidence, Report, Verdict};

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Append(i64),
    /// What was seen; nothing, if it crashed.
    Read(Vec<i64>),
}

/// `to` is `u32::MAX` where it crashed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Act {
    process: u32,
    action: Action,
    from: u32,
    to: u32,
}

/// A client is idle, or its operation waits for its effect, or for its return.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Sent(usize),
    Done(usize),
}

/// Valid by construction; one list.
fn valid(random: &mut Random, ops: usize, clients: u64, crash_percent: u64) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut stage = vec![Client::Idle; clients as usize];
    let mut process: Vec<u32> = (0..clients as u32).collect();
    let (mut list, mut fresh, mut time) = (Vec::new(), 0, 0);
    while acts.len() < ops || stage.iter().any(|client| !matches!(client, Client::Idle)) {
        let at = random.below(clients) as usize;
        time += 1;
        match stage[at] {
            Client::Idle if acts.len() < ops => {
                let action = if random.percent(50) {
                    fresh += 1;
                    Action::Append(fresh)
                } else {
                    Action::Read(Vec::new())
                };
                stage[at] = Client::Sent(acts.len());
                acts.push(Act { process: process[at], action, from: time, to: u32::MAX });
            }
            Client::Idle => {}
            Client::Sent(act) => {
                let crashes = random.percent(crash_percent);
                match &mut acts[act].action {
                    Action::Append(element) if !(crashes && random.percent(50)) => {
                        list.push(*element);
                    }
                    Action::Append(_) => {}
                    Action::Read(seen) => seen.clone_from(&list),
                }
                stage[at] = Client::Done(act);
                if crashes {
                    stage[at] = Client::Idle;
                    process[at] += clients as u32;
                }
            }
            Client::Done(act) => {
                acts[act].to = time;
                stage[at] = Client::Idle;
            }
        }
    }
    acts
}

/// What two reads saw swapped, an element dropped, doubled, invented or exchanged with another, or
/// an earlier or later list.
fn corrupt(random: &mut Random, acts: &mut [Act]) {
    let reads: Vec<usize> = (0..acts.len())
        .filter(|at| acts[*at].to != u32::MAX && matches!(acts[*at].action, Action::Read(_)))
        .collect();
    if reads.is_empty() {
        return;
    }
    for _ in 0..=random.below(2) {
        let mut any = || reads[random.below(reads.len() as u64) as usize];
        let (one, other) = (any(), any());
        let (also, most) = (acts[other].action.clone(), acts.len() as u64 + 2);
        let Action::Read(seen) = &mut acts[one].action else { continue };
        let places = seen.len() as u64;
        match random.below(6) {
            0 => {
                if let Action::Read(also) = also {
                    let seen = std::mem::replace(seen, also);
                    acts[other].action = Action::Read(seen);
                }
            }
            1 if places > 0 => {
                seen.remove(random.below(places) as usize);
            }
            2 if places > 0 => seen.push(seen[random.below(places) as usize]),
            3 => seen.push(random.below(most) as i64),
            4 if places > 1 => {
                seen.swap(random.below(places) as usize, random.below(places) as usize);
            }
            _ => seen.truncate(random.below(places + 1) as usize),
        }
    }
}

fn small(random: &mut Random) -> Vec<Act> {
    let (ops, clients) = (2 + random.below(7) as usize, 1 + random.below(5));
    let crash_percent = random.below(41);
    let mut acts = valid(random, ops, clients, crash_percent);
    if random.percent(60) {
        corrupt(random, &mut acts);
    }
    acts
}

/// From the definition: some choice of crashed appends, some order, legal, in real time.
fn is_linearizable(acts: &[Act]) -> bool {
    let asserts = |act: &&Act| act.to != u32::MAX || matches!(act.action, Action::Append(_));
    let acts: Vec<&Act> = acts.iter().filter(asserts).collect();
    some_order(&acts, &mut vec![false; acts.len()], &mut Vec::new())
}

fn some_order(acts: &[&Act], placed: &mut Vec<bool>, list: &mut Vec<i64>) -> bool {
    let left = |at: usize, placed: &[bool]| !placed[at] && acts[at].to != u32::MAX;
    if (0..acts.len()).all(|at| !left(at, placed)) {
        return true;
    }
    for at in 0..acts.len() {
        let precedes = |other: usize| left(other, placed) && acts[other].to < acts[at].from;
        if placed[at] || (0..acts.len()).any(precedes) {
            continue;
        }
        let length = list.len();
        match &acts[at].action {
            Action::Append(element) => list.push(*element),
            Action::Read(seen) if seen == list => {}
            Action::Read(_) => continue,
        }
        placed[at] = true;
        let found = some_order(acts, placed, list);
        placed[at] = false;
        list.truncate(length);
        if found {
            return true;
        }
    }
    false
}

fn history(acts: &[Act]) -> History {
    let mut events: Vec<(u32, &Act, bool)> = Vec::new();
    for act in acts {
        events.push((act.from, act, false));
        if act.to != u32::MAX {
            events.push((act.to, act, true));
        }
    }
    events.sort_by_key(|(time, _, _)| *time);
    let mut builder = Builder::as_given();
    for (time, act, ends) in events {
        let (time, process, key) = (Nanos(u64::from(time)), Process(act.process), Value::text("x"));
        let mop = match &act.action {
            Action::Append(element) => Mop::Append { key, element: Value::Int(*element) },
            Action::Read(seen) => {
                let elements = seen.iter().map(|element| Value::Int(*element)).collect();
                Mop::ReadList { key, elements: Observed::Present(elements) }
            }
        };
        let op = Op::Txn(TxnOp { mops: vec![mop] });
        if ends {
            builder.complete(time, process, Outcome::Ok, Some(&op), None).expect("well-formed");
        } else {
            builder.invoke(time, process, None, None, &op.pending()).expect("well-formed");
        }
    }
    builder.finish()
}

fn judged(history: &History, engines: Engines) -> Report {
    judged_within(history, engines, 20_000)
}

fn judged_within(history: &History, engines: Engines, configurations: u64) -> Report {
    let options = Options { engines, ..Options::default() };
    // The search remembers every list it saw.
    let budget = Budget::unlimited().with_configurations(configurations).with_bytes(256 << 20);
    let report = judge(&List, history, Dialect::TRIBUNAL, &budget, options);
    report.unwrap_or_else(|error| panic!("{error}"))
}

fn engine(report: &Report) -> &'static str {
    report.cost.engines.first().expect("a decided key").0
}

/// What the sweep alone says.
fn by_sweep(acts: &[Act], planted: Planted) -> Option<bool> {
    let (history, budget) = (history(acts), Budget::unlimited());
    let ledger = Ledger::new(&budget);
    let component = components(&List, &history).pop()?;
    let (operations, dialect) = (&component.operations, Dialect::TRIBUNAL);
    let partition = Partition { history: &history, operations, dialect };
    match decide_with(&partition, Allowance::new(&ledger), planted) {
        Fast::HandOver(_) => None,
        Fast::Spent(..) => panic!("nothing bounds it"),
        Fast::Decided(decided) => Some(matches!(decided.proof, Proof::Order(_))),
    }
}

#[test]
fn the_sweep_agrees_with_the_definition() {
    let mut random = Random(51);
    let (mut valid, mut invalid) = (0, 0);
    let all = histories(100_000);
    for number in 0..all {
        let acts = small(&mut random);
        let expected = is_linearizable(&acts);
        let report = judged(&history(&acts), Engines::Auto);
        let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(report.verdict, wanted, "{number}: {acts:?}");
        assert_eq!(report.cost.certificates_verified, 1, "{acts:?}");
        assert_eq!(engine(&report), "append", "{acts:?}");
        valid += u64::from(expected);
        invalid += u64::from(!expected);
    }
    println!("{valid} valid, {invalid} invalid, 0 mismatches");
    assert!(valid > all / 5 && invalid > all / 5, "{valid} valid, {invalid} invalid");
}

#[test]
fn the_sweep_agrees_with_the_search_on_medium_histories() {
    let mut random = Random(52);
    let (all, mut decided) = (histories(100_000).div_ceil(400), 0);
    for number in 0..all {
        let (ops, clients) = (20 + random.below(40) as usize, 2 + random.below(3));
        let mut acts = valid(&mut random, ops, clients, 2);
        if number % 2 == 0 {
            corrupt(&mut random, &mut acts);
        }
        let history = history(&acts);
        let (auto, search) = (judged(&history, Engines::Auto), judged(&history, Engines::Search));
        if search.verdict != Verdict::Unknown {
            assert_eq!(auto.verdict, search.verdict, "{acts:?}");
            decided += 1;
        }
    }
    println!("{decided} of {all} decided by the search, 0 mismatches");
    assert!(decided > all * 3 / 4, "{decided} of {all} decided");
}

#[test]
fn long_valid_lists_are_never_called_invalid() {
    let mut random = Random(53);
    for _ in 0..histories(100_000).div_ceil(50) {
        let (ops, clients) = (100 + random.below(300) as usize, 2 + random.below(19));
        let acts = valid(&mut random, ops, clients, 2);
        assert_eq!(by_sweep(&acts, Planted::default()), Some(true), "{acts:?}");
    }
}

/// Their proofs are searched for, so they must not need much of a search.
#[test]
fn long_invalid_lists_are_decided_within_a_small_budget() {
    let mut random = Random(54);
    let (mut invalid, all) = (0, 20);
    for _ in 0..all {
        let mut acts = valid(&mut random, 300, 5, 1);
        corrupt(&mut random, &mut acts);
        let report = judged_within(&history(&acts), Engines::Auto, 200_000);
        assert_ne!(report.verdict, Verdict::Unknown, "{:?}", report.reason);
        invalid += u64::from(report.verdict == Verdict::Invalid);
    }
    assert!(invalid > all / 2, "{invalid} of {all} invalid");
}

/// The negative proof: every mistake one could make in a rule shows within these histories.
#[test]
fn planted_mistakes_are_caught() {
    let traps = [
        Trap::AnyOrder,
        Trap::UnknownIsFine,
        Trap::TwiceIsFine,
        Trap::SweepForgets,
        Trap::ReadsDoNotBound,
        Trap::UnseenAnyTime,
        Trap::CrashedMustHappen,
    ];
    for trap in traps {
        let mut random = Random(51);
        let planted = Planted { trap: Some(trap) };
        let caught = (0..100_000).find(|_| {
            let acts = small(&mut random);
            by_sweep(&acts, planted).is_some_and(|said| said != is_linearizable(&acts))
        });
        let caught = caught.unwrap_or_else(|| panic!("{trap:?} was not caught"));
        println!("{trap:?} caught by history {caught}");
    }
}

/// Verdict and engine, and of a finding how many operations show it.
#[track_caller]
fn check(expected: (Verdict, &str, usize), drawing: &str) {
    let report = judged(&drawn(drawing), Engines::Auto);
    let named = report.anomalies.first().map_or(0, |anomaly| match &anomaly.evidence {
        Evidence::Counterexample { operations, .. } => operations.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!((report.verdict, engine(&report), named), expected, "{drawing}");
}

#[test]
fn a_read_goes_back() {
    check(
        (Verdict::Invalid, "append", 3),
        "
        p0 |--[a(x)=1]--| |--[a(x)=2]--|
        p1                               |--[r(x)=[1 2]]--| |--[r(x)=[1]]--|
        ",
    );
}

#[test]
fn two_reads_disagree_about_the_order() {
    check(
        (Verdict::Invalid, "append", 4),
        "
        p0 |--[a(x)=1]--|
        p1 |--[a(x)=2]--|
        p2                |--[r(x)=[1 2]]--|
        p3                |--[r(x)=[2 1]]--|
        ",
    );
}

#[test]
fn a_completed_append_is_lost() {
    check(
        (Verdict::Invalid, "append", 2),
        "
        p0 |--[a(x)=1]--|
        p1                |--[r(x)=nil]--|
        ",
    );
}

#[test]
fn a_crashed_append_may_show_late_or_never() {
    check(
        (Verdict::Valid, "append", 0),
        "
        p0 |--[a(x)=1]--…
        p1 |--[a(x)=3]--…
        p2 |--[a(x)=2]--|
        p3                |--[r(x)=[2]]--| |--[r(x)=[2 1]]--|
        ",
    );
}

#[test]
fn transactions_of_several_parts_are_searched() {
    let valid = "
        p0 |--[a(x)=1 a(y)=1]--|
        p1      |--[r(x)=[1] r(y)=[1]]--|
    ";
    let report = judged(&drawn(valid), Engines::Auto);
    assert_eq!(report.verdict, Verdict::Valid);
    assert_ne!(engine(&report), "append");
    let torn = "
        p0 |--[a(x)=1 a(y)=1]--|
        p1      |--[r(x)=[1] r(y)=nil]--|
    ";
    let report = judged(&drawn(torn), Engines::Auto);
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.cost.certificates_verified, 1);
}

#[test]
fn an_element_appended_twice_is_searched() {
    let report = judged(
        &drawn(
            "
            p0 |--[a(x)=1]--| |--[a(x)=1]--|
            p1                               |--[r(x)=[1 1]]--|
            ",
        ),
        Engines::Auto,
    );
    assert_eq!(report.verdict, Verdict::Valid);
    assert_ne!(engine(&report), "append");
}
