//! Locks with owners have one order that is worth a look, and the definition agrees.

use std::time::Instant;

use tribunal_history::{Builder, History, LockOp, Nanos, Observed, Op, Outcome, Process, Value};

use super::super::generate::Random;
use super::super::histories;
use super::locks::{Held, fenced_mutex, owner_mutex, reentrant_mutex};
use super::oracle::is_linearizable;
use super::{Act, Shape, World, history, lies, small, valid};
use crate::linearizable::fast::{Allowance, Fast, Partition, Proof};
use crate::linearizable::holds::{Bug, Slips, decide_with};
use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::components;
use crate::linearizable::{
    Dialect, Engines, FencedMutex, FromHistory, Locking, Options, Owned, OwnerMutex, judge,
};
use crate::linearizable::{Fenced, Lock};
use crate::{Budget, Evidence, Verdict};

/// What the one order says of all objects.
fn by_holds<L: Locking>(world: &Held<L>, acts: &[Act], slips: Slips) -> bool {
    let (model, history) = (world.model(), history(acts));
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    components(&model, &history).iter().all(|component| {
        let (operations, dialect) = (&component.operations, Dialect::TRIBUNAL);
        let partition = Partition { history: &history, operations, dialect };
        match decide_with(&model, &partition, Allowance::new(&ledger), slips) {
            Fast::Decided(decided) => matches!(decided.proof, Proof::Order(_)),
            Fast::HandOver(why) => panic!("handed over: {why}"),
            Fast::Spent(..) => panic!("nothing bounds it"),
        }
    })
}

/// Most operations crash, or few; some histories have more operations than a brute force likes.
fn drawn<L: Locking>(world: &Held<L>, random: &mut Random, number: u64) -> Vec<Act> {
    if number.is_multiple_of(2) {
        return small(world, random);
    }
    let shape = Shape {
        ops: 4 + random.below(6) as usize,
        clients: 2 + random.below(3),
        keys: 1,
        crash_percent: 20 + random.below(40),
        untold_percent: 8,
    };
    let mut acts = valid(world, random, shape);
    if random.percent(50) {
        lies::corrupt(random, &mut acts);
    }
    acts
}

fn agree<L: Locking>(world: &Held<L>) {
    let mut random = Random(61);
    let (mut invalid, all) = (0, histories(5_000));
    for number in 0..all {
        let acts = drawn(world, &mut random, number);
        let expected = is_linearizable(world, &acts);
        assert_eq!(by_holds(world, &acts, Slips::default()), expected, "{acts:#?}");
        let budget = Budget::unlimited();
        let report =
            judge(&world.model(), &history(&acts), Dialect::TRIBUNAL, &budget, Options::default());
        let report = report.unwrap_or_else(|error| panic!("{error}: {acts:#?}"));
        let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(report.verdict, wanted, "{acts:#?}");
        assert!(report.cost.engines.iter().all(|(engine, _)| *engine == "holds"));
        let verified = report.cost.certificates_verified;
        assert_eq!(verified, report.cost.engines.iter().map(|(_, objects)| objects).sum::<u64>());
        invalid += u64::from(!expected);
    }
    println!("{:?}: {invalid} of {all} invalid, 0 mismatches", world.kind);
    assert!(invalid > all / 20, "{invalid} of {all} are invalid");
}

#[test]
fn one_order_decides() {
    agree(&owner_mutex());
    agree(&reentrant_mutex());
    agree(&fenced_mutex());
}

fn caught<L: Locking>(world: &Held<L>, bug: Bug) -> Option<u64> {
    let mut random = Random(61);
    let slips = Slips { trap: Some(bug) };
    (0..20_000).find(|number| {
        let acts = drawn(world, &mut random, *number);
        by_holds(world, &acts, slips) != is_linearizable(world, &acts)
    })
}

#[test]
fn planted_mistakes_are_caught() {
    let bugs = [
        Bug::AcquiredAtCall,
        Bug::ReleasedAtReturn,
        Bug::CrashedAcquires,
        Bug::CrashedKeeps,
        Bug::CrashedMustRelease,
    ];
    for bug in bugs {
        let found = caught(&owner_mutex(), bug).or_else(|| caught(&fenced_mutex(), bug));
        let number = found.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        println!("{bug:?} caught by history {number}");
    }
}

/// What the search says of longer histories, which no brute force reaches.
#[test]
fn the_search_agrees_on_longer_histories() {
    let mut random = Random(62);
    let (mut invalid, all) = (0, histories(5_000).div_ceil(20));
    for _ in 0..all {
        let shape = Shape {
            ops: 20 + random.below(80) as usize,
            clients: 2 + random.below(4),
            keys: 1,
            crash_percent: random.below(6),
            untold_percent: 4,
        };
        let world = fenced_mutex();
        let mut acts = valid(&world, &mut random, shape);
        lies::corrupt(&mut random, &mut acts);
        let history = history(&acts);
        let verdict = |engines| {
            let options = Options { engines, ..Options::default() };
            let budget = Budget::unlimited().with_configurations(200_000);
            let report = judge(&world.model(), &history, Dialect::TRIBUNAL, &budget, options);
            report.unwrap_or_else(|error| panic!("{error}: {acts:#?}")).verdict
        };
        let (ours, searched) = (verdict(Engines::Auto), verdict(Engines::Search));
        assert!(ours == searched || searched == Verdict::Unknown, "{ours:?}, {searched:?}");
        invalid += u64::from(ours == Verdict::Invalid);
    }
    println!("{invalid} of {all} invalid");
    assert!(invalid > all / 10, "{invalid} of {all}");
}

/// Clients take the lock by turns, all others wait; every hundredth is lost while it waits.
/// `twice`: in the end somebody has it who cannot. `token`: the last one is given again.
fn queue(holds: u32, twice: bool, fenced: bool, token: bool) -> History {
    let mut builder = Builder::as_given();
    let (mut time, clients) = (0, 10);
    let mut tick = || {
        time += 1;
        Nanos(time)
    };
    let acquire = |token: Observed<i64>| LockOp::Acquire { key: Value::Nil, permits: 1, token };
    let release = LockOp::Release { key: Value::Nil, permits: 1, token: Observed::Pending };
    let asked = Op::Lock(acquire(Observed::Pending));
    for process in 0..clients {
        builder.invoke(tick(), Process(process), None, None, &asked).expect("in order");
    }
    for hold in 0..holds {
        let process = Process(hold % clients);
        let told = if fenced { Observed::Present(i64::from(hold)) } else { Observed::Pending };
        let (got, given) = (Op::Lock(acquire(told)), Op::Lock(release.clone()));
        builder.complete(tick(), process, Outcome::Ok, Some(&got), None).expect("in order");
        if twice && hold + 1 == holds {
            let other = Process((hold + 1) % clients);
            builder.complete(tick(), other, Outcome::Ok, Some(&got), None).expect("in order");
            break;
        }
        builder.invoke(tick(), process, None, None, &given).expect("in order");
        builder.complete(tick(), process, Outcome::Ok, Some(&given), None).expect("in order");
        builder.invoke(tick(), process, None, None, &asked).expect("in order");
        if hold % 100 == 7 {
            let lost = Process(1_000 + hold);
            builder.invoke(tick(), lost, None, None, &asked).expect("in order");
            builder.complete(tick(), lost, Outcome::Info, Some(&asked), None).expect("in order");
        }
    }
    if token {
        let process = Process(holds % clients);
        let got = Op::Lock(acquire(Observed::Present(i64::from(holds) - 1)));
        builder.complete(tick(), process, Outcome::Ok, Some(&got), None).expect("in order");
    }
    builder.finish()
}

/// Of each lost client's acquire a search tells all others apart.
#[test]
fn lost_clients_cost_nothing_and_evidence_is_small() {
    fn run<M: FromHistory>(model: &M, history: &History, expected: Verdict, most: usize) {
        let start = Instant::now();
        let budget = Budget::unlimited().with_configurations(10_000);
        let report = judge(model, history, Dialect::TRIBUNAL, &budget, Options::default());
        let report = report.expect("a lock's history");
        let took = start.elapsed();
        assert_eq!(report.verdict, expected);
        assert_eq!(report.cost.certificates_verified, 1);
        for anomaly in &report.anomalies {
            let Evidence::Counterexample { operations, .. } = &anomaly.evidence else { panic!() };
            println!("{} operations in {took:?}: {}", history.len(), anomaly.summary);
            assert!(operations.len() <= most, "{} operations", operations.len());
        }
    }
    let (mutex, fenced): (OwnerMutex, FencedMutex) = (Lock(Owned), Lock(Fenced));
    for holds in [1_000, 50_000] {
        run(&mutex, &queue(holds, false, false, false), Verdict::Valid, 0);
        run(&mutex, &queue(holds, true, false, false), Verdict::Invalid, 2);
        run(&fenced, &queue(holds, false, true, false), Verdict::Valid, 0);
        run(&fenced, &queue(holds, true, true, false), Verdict::Invalid, 2);
        run(&fenced, &queue(holds, false, true, true), Verdict::Invalid, 8);
    }
}
