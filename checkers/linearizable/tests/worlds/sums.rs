//! What sums are said to prove is so: of counters, and of locks that nobody owns.

use std::collections::{BTreeSet, VecDeque};

use tribunal_history::{
    Builder, CounterOp, History, LockOp, Nanos, Observed, Op, Outcome, Process, Value,
};

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::locks::{mutex, semaphore};
use super::minimal::wide;
use super::numbers::Sum;
use super::oracle::is_linearizable;
use super::{Act, World, history, settle, small};
use crate::linearizable::certificate::{Accepted, verify_counterexample};
use crate::linearizable::partition::components;
use crate::linearizable::sums::{Base, Bug, HintSlips, Slips, beyond, fewest, find, proves};
use crate::linearizable::{
    Counter, Dialect, Entry, Exclusive, FromHistory, Lock, Mutex, Number, Options, Permits,
    Semaphore, judge,
};
use crate::{Budget, Evidence, Verdict};

pub(super) fn drawn<W: World>(world: &W, random: &mut Random) -> Vec<Act> {
    let mut acts = small(world, random);
    settle(&mut acts);
    acts
}

/// How many returns some sum is found against; every one is proved, by no more than it needs.
fn claims<W: World>(world: &W, acts: &[Act]) -> u64 {
    let (model, history) = (world.model(), history(acts));
    let mut claimed = 0;
    for component in &components(&model, &history) {
        let problem = prepare(&model, &history, component, Dialect::TRIBUNAL).expect("its family");
        let number = model_number(&model);
        if let Some(rank) = beyond(&number, &problem) {
            assert!(find(&number, &problem, rank).is_some(), "{rank} of {acts:#?}");
        }
        let mut returned: Vec<&Entry> =
            problem.entries.iter().filter(|entry| entry.ret != u32::MAX).collect();
        returned.sort_by_key(|entry| entry.ret);
        let before = claimed;
        // Of those that are counted since a call: the first return, and the fewest operations.
        let mut recent: Option<(u32, usize)> = None;
        for entry in returned {
            let Some(sum) = find(&number, &problem, entry.ret) else { continue };
            claimed += 1;
            if matches!(sum.from, Base::Call(_)) {
                let (first, few) = recent.unwrap_or((entry.ret, usize::MAX));
                recent = Some((first, few.min(sum.kept.len())));
            }
            let verify = |kept: &[u32]| {
                verify_counterexample(&model, &problem, kept, entry.ret, 1 << 20, &|| false)
            };
            assert_eq!(verify(&sum.kept), Ok(Accepted::Proved), "{sum:?} of {acts:#?}");
            let is_sum = |kept: &[u32]| {
                let keep = kept_of(problem.entries.len(), kept);
                proves(&model, &problem, &keep, entry.ret, Slips::default())
            };
            assert!(is_sum(&sum.kept), "{sum:?} of {acts:#?}");
            // Later ones may be refuted from both sides.
            let first = claimed == before + 1;
            for at in (0..sum.kept.len()).filter(|_| sum.minimal && first) {
                let less = [&sum.kept[..at], &sum.kept[at + 1..]].concat();
                assert!(!is_sum(&less), "{less:?} of {sum:?} of {acts:#?}");
            }
        }
        let shortest = fewest(&number, &problem, HintSlips::default())
            .map(|rank| find(&number, &problem, rank));
        let shortest = shortest.map(|sum| sum.expect("what is named is refuted").kept.len());
        if let Some((first, few)) = recent {
            assert!(beyond(&number, &problem) <= Some(first), "{acts:#?}");
            assert!(shortest.is_some_and(|shortest| shortest <= few), "{shortest:?} of {acts:#?}");
        }
    }
    claimed
}

pub(super) fn model_number<M: FromHistory>(model: &M) -> Number<'_, M::Op> {
    model.number().expect("it is a number")
}

pub(super) fn kept_of(entries: usize, kept: &[u32]) -> Vec<bool> {
    (0..entries as u32).map(|at| kept.contains(&at)).collect()
}

fn sums_are_right<W: World>(name: &str, world: &W) {
    let mut random = Random(59);
    let (mut bad, mut invalid) = (0, 0);
    for _ in 0..histories(20_000) {
        let acts = drawn(world, &mut random);
        let claimed = claims(world, &acts) > 0;
        let expected = is_linearizable(world, &acts);
        assert!(!claimed || !expected, "{acts:#?}");
        invalid += u64::from(!expected);
        bad += u64::from(claimed);
    }
    println!("{name}: sums refute {bad} of {invalid} invalid histories");
    assert!(4 * bad > invalid);
}

#[test]
fn sums_of_counters_are_right() {
    sums_are_right("counter", &Sum { shrinks: true });
    sums_are_right("counter that grows", &Sum { shrinks: false });
}

#[test]
fn sums_of_locks_are_right() {
    sums_are_right("mutex", &mutex());
    sums_are_right("semaphore", &semaphore());
}

/// What takes more than eight operations takes them because no sum of half as many says it.
fn no_sum_is_much_shorter<W: World>(name: &str, world: &W) {
    let mut random = Random(67);
    let (model, budget) = (world.model(), Budget::unlimited().with_configurations(100_000));
    let (mut long, mut summed) = (0, 0);
    for _ in 0..histories(20_000).div_ceil(4) {
        let history = history(&wide(world, &mut random));
        let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, Options::default());
        for anomaly in &report.expect("its family").anomalies {
            let Evidence::Counterexample { operations, failed, .. } = &anomaly.evidence else {
                continue;
            };
            let components = components(&model, &history);
            let own = components.iter().find(|it| it.operations.contains(&operations[0]));
            let own = own.expect("a component of its own");
            let problem = prepare(&model, &history, own, Dialect::TRIBUNAL).expect("its family");
            let sum = find(&model_number(&model), &problem, failed.0);
            let Some(sum) = sum.filter(|sum| sum.minimal) else { continue };
            long += u64::from(operations.len() > 8);
            summed += u64::from(operations.len() == sum.kept.len());
            let fits = operations.len() <= 8 || operations.len() < 2 * sum.kept.len();
            assert!(fits, "{} of {}: {history:?}", sum.kept.len(), operations.len());
        }
    }
    println!("{name}: {summed} as short as a sum, {long} longer than eight");
    assert!(summed > 0);
}

#[test]
fn no_sum_is_much_shorter_than_what_is_shown() {
    no_sum_is_much_shorter("counter", &Sum { shrinks: true });
    no_sum_is_much_shorter("counter that grows", &Sum { shrinks: false });
    no_sum_is_much_shorter("mutex", &mutex());
    no_sum_is_much_shorter("semaphore", &semaphore());
}

/// Whether the verifier, with a mistake, takes some operations for a proof.
fn misled<W: World>(world: &W, random: &mut Random, acts: &[Act], slips: Slips) -> bool {
    let (model, history) = (world.model(), history(acts));
    components(&model, &history).iter().any(|component| {
        let problem = prepare(&model, &history, component, Dialect::TRIBUNAL).expect("its family");
        let percent = 30 + random.below(71);
        let keep: Vec<bool> = problem.entries.iter().map(|_| random.percent(percent)).collect();
        let ranks = problem.entries.iter().map(|entry| entry.ret).filter(|ret| *ret != u32::MAX);
        ranks
            .collect::<Vec<u32>>()
            .into_iter()
            .any(|rank| proves(&model, &problem, &keep, rank, slips))
    })
}

/// The first history that is refuted by mistake.
fn caught<W: World>(world: &W, slips: Slips, of: u64) -> Option<u64> {
    let mut random = Random(61);
    (0..of).find(|_| {
        let acts = drawn(world, &mut random);
        misled(world, &mut random, &acts, slips) && is_linearizable(world, &acts)
    })
}

#[test]
fn planted_mistakes_of_sums_are_caught() {
    let bugs = [
        Bug::PendingIsDone,
        Bug::OverlapIsLater,
        Bug::PendingForgotten,
        Bug::CrashedForgotten,
        Bug::LeftOut,
        Bug::AlwaysInitial,
        Bug::InAnyOrder,
    ];
    for bug in bugs {
        let slips = Slips { trap: Some(bug) };
        let counter = caught(&Sum { shrinks: true }, slips, 100_000);
        let lock = caught(&semaphore(), slips, 10_000);
        assert!(counter.or(lock).is_some(), "{bug:?} was not caught");
        println!("{bug:?} caught by history {counter:?} of a counter, {lock:?} of a semaphore");
    }
    let (none, all) = (Slips::default(), histories(10_000));
    assert_eq!(caught(&Sum { shrinks: true }, none, all), None, "without a mistake");
    assert_eq!(caught(&semaphore(), none, all), None, "without a mistake");
}

/// A history that is told step by step.
struct Told {
    builder: Builder,
    time: u64,
    open: BTreeSet<u32>,
}

impl Told {
    fn new() -> Told {
        Told { builder: Builder::as_given(), time: 0, open: BTreeSet::new() }
    }

    fn now(&mut self) -> Nanos {
        self.time += 1_000_000;
        Nanos(self.time)
    }

    fn ask(&mut self, process: u32, op: &Op) {
        let time = self.now();
        self.open.insert(process);
        self.builder.invoke(time, Process(process), None, None, &op.pending()).expect("in order");
    }

    fn answer(&mut self, process: u32, op: &Op, outcome: Outcome) {
        let time = self.now();
        self.open.remove(&process);
        let done = self.builder.complete(time, Process(process), outcome, Some(op), None);
        done.expect("in order");
    }

    fn crashed(&mut self, process: u32, op: &Op) {
        self.ask(process, op);
        self.answer(process, op, Outcome::Info);
    }

    fn at_once(&mut self, process: u32, op: &Op) {
        self.ask(process, op);
        self.answer(process, op, Outcome::Ok);
    }
}

fn add(delta: i64) -> Op {
    Op::Counter(CounterOp::Add { key: Value::Nil, delta, value: Observed::Pending })
}

fn read(value: i64) -> Op {
    Op::Counter(CounterOp::Read { key: Value::Nil, value: Observed::Present(value) })
}

fn acquire() -> Op {
    acquire_of(1)
}

fn release() -> Op {
    release_of(1)
}

fn acquire_of(permits: i64) -> Op {
    Op::Lock(LockOp::Acquire { key: Value::Nil, permits, token: Observed::Pending })
}

fn release_of(permits: i64) -> Op {
    Op::Lock(LockOp::Release { key: Value::Nil, permits, token: Observed::Pending })
}

/// The summary, and how many operations prove it.
fn told<M: FromHistory>(model: &M, history: &History) -> (String, usize, bool) {
    let budget = Budget::unlimited().with_configurations(1_000_000);
    let (dialect, options) = (Dialect::TRIBUNAL, Options::default());
    let report = judge(model, history, dialect, &budget, options).expect("its family");
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.cost.certificates_verified, 1);
    let anomaly = &report.anomalies[0];
    let Evidence::Counterexample { operations, states, .. } = &anomaly.evidence else { panic!() };
    println!("{}\n{states:?}", anomaly.summary);
    (anomaly.summary.clone(), operations.len(), anomaly.minimal)
}

const GROWS: Counter = Counter { initial: 0, shrinks: false };

/// Of twenty-five crashed additions a search has 2^25 subsets.
#[test]
fn more_than_was_ever_added_is_refuted_at_once() {
    let mut it = Told::new();
    for at in 1..=25_u32 {
        it.crashed(at, &add(i64::from(at)));
    }
    it.at_once(0, &read(1_000));
    let (summary, operations, minimal) = told(&GROWS, &it.builder.finish());
    let expected = "p0 read 1000 at 0.052 s while the counter showed at most 325";
    assert_eq!((summary.as_str(), operations, minimal), (expected, 26, false));
}

/// Whatever else was added: two reads, or one and what had been added before it.
#[test]
fn a_stale_read_of_a_counter_is_shown_by_few_operations() {
    for (reads, adds, expected, operations) in [
        (true, 0, "p9 read 19990 at 40.004 s after p8 had read 20000", 2),
        (true, 4, "p9 read 20002 at 40.012 s after p8 had read 20000 and 3 more had been added", 5),
        (false, 0, "p9 read 3 at 40.002 s while the counter showed at least 4", 5),
    ] {
        let mut it = Told::new();
        for at in 0..20_000 {
            it.at_once(at % 7, &add(1));
        }
        if reads {
            it.at_once(8, &read(20_000));
        }
        for _ in 0..adds {
            it.at_once(0, &add(1));
        }
        let stale = match (reads, adds) {
            (true, 0) => 19_990,
            (true, _) => 20_002,
            (false, _) => 3,
        };
        it.at_once(9, &read(stale));
        let (summary, number, minimal) = told(&GROWS, &it.builder.finish());
        assert_eq!((summary.as_str(), number, minimal), (expected, operations, true));
    }
}

/// Clients wait for the lock all the time, so that no part of it is quiet.
fn contended(permits: usize, rounds: u32) -> Told {
    let mut it = Told::new();
    let clients = 6 + permits as u32;
    (0..clients).for_each(|client| it.ask(client, &acquire()));
    let mut holders = VecDeque::new();
    for round in 0..rounds {
        if holders.len() == permits {
            let holder: u32 = holders.pop_front().expect("somebody");
            it.at_once(holder, &release());
            it.ask(holder, &acquire());
        }
        let next = (round * 5 + 1) % clients;
        let mut next = (0..clients).map(|more| (next + more) % clients);
        let next = next.find(|client| !holders.contains(client)).expect("somebody");
        it.answer(next, &acquire(), Outcome::Ok);
        holders.push_back(next);
    }
    it
}

#[test]
fn a_lock_that_too_many_have_says_how_many() {
    let mut it = contended(1, 1_000);
    let waits = *it.open.first().expect("somebody waits");
    it.answer(waits, &acquire(), Outcome::Ok);
    let (summary, ..) = told::<Mutex>(&Lock(Exclusive), &it.builder.finish());
    let expected = "when 1001 acquires had returned and at most 999 releases had been invoked";
    assert!(summary.ends_with(expected), "{summary}");

    let mut it = contended(3, 1_000);
    let waits = *it.open.first().expect("somebody waits");
    it.answer(waits, &acquire(), Outcome::Ok);
    let semaphore = Lock(Permits { total: 3 });
    let (summary, ..) = told::<Semaphore>(&semaphore, &it.builder.finish());
    let expected = "when 1001 acquires had returned and at most 997 releases had been invoked";
    assert!(summary.ends_with(expected), "{summary}");
}

/// Each of eight crashed releases was needed long ago, which only those who look at all of it know.
/// Ten acquires in a row are too many even if none was.
#[test]
fn a_short_proof_that_ends_later_is_shown_instead_of_a_long_one() {
    let mut it = Told::new();
    for at in 0..2 {
        it.crashed(200 + at, &acquire());
        it.at_once(0, &release());
    }
    it.at_once(0, &acquire());
    for at in 0..8 {
        it.crashed(100 + at, &release());
        it.at_once(1 + at, &acquire());
    }
    // Whoever is next waits already.
    for round in 0..300 {
        it.ask(20 + round % 2, &acquire());
        it.at_once(if round == 0 { 8 } else { 21 - round % 2 }, &release());
        it.answer(20 + round % 2, &acquire(), Outcome::Ok);
    }
    for client in 30..40 {
        it.at_once(client, &acquire());
    }
    let (summary, operations, _) = told::<Mutex>(&Lock(Exclusive), &it.builder.finish());
    let since = "p39 acquired the lock at 1.262 s when 10 acquires had been invoked and had \
                 returned since 1.243 s, and at most 8 releases can have happened";
    assert_eq!((summary.as_str(), operations), (since, 18));
}

/// Crashed operations of three sizes have more sums than a search cares to look at. What was taken
/// before by who crashed helps nobody who counts from the start.
#[test]
fn more_than_a_semaphore_has_since_some_call_needs_no_search() {
    let mut it = Told::new();
    for at in 0..12 {
        it.crashed(300 + at, &acquire_of(3));
        it.at_once(0, &release_of(3));
    }
    it.at_once(0, &acquire());
    for at in 0..36 {
        let permits = i64::from(1 + at % 3);
        it.crashed(100 + 2 * at, &acquire_of(permits));
        it.crashed(101 + 2 * at, &release_of(permits));
        if at % 3 == 2 {
            it.at_once(0, &release());
            it.at_once(0, &acquire());
        }
    }
    for _ in 0..77 {
        it.at_once(1, &acquire());
    }
    let (history, budget) = (it.builder.finish(), Budget::unlimited());
    let (semaphore, dialect) = (Lock(Permits { total: 3 }), Dialect::TRIBUNAL);
    let report = judge::<Semaphore>(&semaphore, &history, dialect, &budget, Options::default());
    let report = report.expect("a semaphore");
    assert_eq!((report.verdict, report.cost.certificates_verified), (Verdict::Invalid, 1));
    assert!(report.cost.configurations < 1_000, "{} configurations", report.cost.configurations);
    let counted = "when 76 acquires (76 permits) had been invoked and had returned since 0.241 s, \
                   and at most 36 releases (72 permits) can have happened";
    assert!(report.anomalies[0].summary.ends_with(counted), "{}", report.anomalies[0].summary);
}

/// Counted from an operation after which nothing was given back, or taken: that operation is named,
/// for the numbers since then say nothing by themselves.
#[test]
fn a_lock_that_is_counted_from_an_operation_names_it() {
    let quiet = |permits: u32, last: &[(u32, Op)]| {
        let mut it = Told::new();
        for round in 0..6_000 {
            it.at_once(round % 5, &acquire());
            it.at_once(round % 5, &release());
        }
        for (client, op) in last {
            it.at_once(*client, op);
        }
        let semaphore = Lock(Permits { total: permits });
        told::<Semaphore>(&semaphore, &it.builder.finish()).0
    };
    let taken = [(1, acquire()), (2, acquire()), (3, acquire()), (4, acquire())];
    let one = quiet(1, &taken[..2]);
    let since = "after p1 had acquired a permit and no release had been invoked since";
    assert!(one.starts_with("p2 acquired a permit at ") && one.ends_with(since), "{one}");
    let three = quiet(3, &taken);
    let since = ", 2 more acquires had returned and no release had been invoked since";
    assert!(three.ends_with(since), "{three}");
    assert!(three.contains(" after p1 had acquired a permit,"), "{three}");
    let twice = quiet(1, &[(2, release())]);
    let since = "released a permit and no acquire had been invoked since";
    assert!(twice.starts_with("p2 released a permit at ") && twice.ends_with(since), "{twice}");
}

/// What was taken away was not added.
#[test]
fn what_is_taken_from_a_counter_is_said_to_be_taken() {
    let mut it = Told::new();
    for at in 0..1_000 {
        it.at_once(at % 7, &add(1));
    }
    it.at_once(8, &read(1_000));
    for _ in 0..4 {
        it.at_once(0, &add(-10));
    }
    it.at_once(9, &read(995));
    let counter = Counter { initial: 0, shrinks: true };
    let (summary, ..) = told(&counter, &it.builder.finish());
    let since = " after p8 had read 1000, 10 had been taken away and nothing added since";
    assert!(summary.starts_with("p9 read 995 at ") && summary.ends_with(since), "{summary}");
}

/// Two reads contradict each other because nothing happened in between.
#[test]
fn two_reads_of_a_counter_say_what_did_not_happen_in_between() {
    for (shrinks, later, since) in [
        (true, 1_001, " after p8 had read 1000 and nothing had been added since"),
        (true, 999, " after p8 had read 1000 and nothing had been taken away since"),
        (false, 1_001, " after p8 had read 1000 and nothing had been added since"),
        (false, 999, " after p8 had read 1000"),
    ] {
        let mut it = Told::new();
        for at in 0..1_000 {
            it.at_once(at % 7, &add(1));
        }
        it.at_once(8, &read(1_000));
        it.at_once(9, &read(later));
        let (summary, operations, _) = told(&Counter { initial: 0, shrinks }, &it.builder.finish());
        assert!(summary.ends_with(since), "{summary}");
        assert_eq!(operations, 2);
    }
}

/// A search of what only grows turns back where it is too much; people are told every state.
#[test]
fn every_state_of_a_counter_is_told() {
    let mut it = Told::new();
    for (client, delta) in [(0, 2), (1, 4), (2, 8)] {
        it.ask(client, &add(delta));
    }
    it.at_once(9, &read(3));
    let budget = Budget::unlimited();
    let history = it.builder.finish();
    let report = judge(&GROWS, &history, Dialect::TRIBUNAL, &budget, Options::default());
    let report = report.expect("a counter");
    let Evidence::Counterexample { states, .. } = &report.anomalies[0].evidence else { panic!() };
    let mut states: Vec<i64> =
        states.iter().map(|it| it.state.parse().expect("a number")).collect();
    states.sort_unstable();
    assert_eq!(states, [0, 2, 4, 6, 8, 10, 12, 14]);
}
