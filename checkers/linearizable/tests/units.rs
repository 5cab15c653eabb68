//! Certificates that are none, models that break their word, and data types of others.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use tribunal_history::OpIndex;

use super::generate::Random;
use crate::linearizable::certificate::{Accepted, verify_counterexample, verify_linearization};
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::portfolio::decide;
use crate::linearizable::rules::Rules;
use crate::linearizable::{CasRegister, CasRegisterOp, Entry, Model, NEVER, Problem, Steps, plain};
use crate::{Budget, Spent};

fn problem(operations: &[(CasRegisterOp, u32, u32)]) -> (CasRegister, Problem<CasRegisterOp>) {
    let model = CasRegister { initial: 0.into() };
    let operations = operations.iter().enumerate();
    let operations =
        operations.map(|(at, (op, call, ret))| (OpIndex(at as u32), op.clone(), *call, *ret));
    let problem = Problem::new(&model, operations);
    (model, problem)
}

fn found<M: Model>(model: &M, problem: &Problem<M::Op>) -> Found {
    let budget = Budget::unlimited();
    decide(model, problem, &Ledger::new(&budget), u64::MAX, Rules::default()).found
}

fn read(value: i64) -> CasRegisterOp {
    CasRegisterOp::Read(value.into())
}

fn write(value: i64) -> CasRegisterOp {
    CasRegisterOp::Write(value.into())
}

#[test]
fn orders_that_prove_nothing_are_refused() {
    let (model, problem) =
        problem(&[(write(1), 0, 1), (write(2), 2, NEVER), (read(1), 3, 4), (read(2), 5, 6)]);
    let verify = |order: &[u32]| verify_linearization(&model, &problem, order);
    assert_eq!(verify(&[0, 2, 1, 3]), Ok(()));
    let refused = |order: &[u32]| verify(order).expect_err("no proof");
    assert_eq!(refused(&[0, 2, 3]), "operation 3 is illegal where it stands");
    assert_eq!(refused(&[0, 2]), "operation 3 is missing");
    assert_eq!(refused(&[0, 2, 2]), "operation 2 stands twice");
    assert_eq!(refused(&[9]), "9 is no operation");
    let late = "operation 0 stands after one invoked after it had returned";
    assert_eq!(refused(&[1, 0, 2, 3]), late);
}

/// Every order with two operations exchanged, that is not an order, is refused; nothing else is.
#[test]
fn corrupted_orders_are_refused() {
    let mut random = Random(21);
    let mut refused = 0;
    let writes: Vec<(CasRegisterOp, u32, u32)> = (0..20)
        .flat_map(|at| {
            [
                (write(i64::from(at)), 4 * at, 4 * at + 1),
                (read(i64::from(at)), 4 * at + 2, 4 * at + 3),
            ]
        })
        .collect();
    let (model, problem) = problem(&writes);
    let right: Vec<u32> = (0..40).collect();
    assert_eq!(verify_linearization(&model, &problem, &right), Ok(()));
    for _ in 0..10_000 {
        let (one, other) = (random.below(40) as usize, random.below(40) as usize);
        let mut order = right.clone();
        order.swap(one, other);
        let verified = verify_linearization(&model, &problem, &order);
        assert_eq!(verified.is_ok(), one == other, "{one} {other}");
        refused += u64::from(verified.is_err());
    }
    assert!(refused > 9_000);
}

/// Where every order is legal, real time alone decides: between any two, not only neighbours.
#[test]
fn orders_against_real_time_are_refused() {
    let mut random = Random(22);
    let (mut refused, mut not_by_neighbours) = (0, 0);
    for _ in 0..10_000 {
        let mut ranks: Vec<u32> = (0..12).collect();
        random.shuffle(&mut ranks);
        let reads: Vec<(CasRegisterOp, u32, u32)> =
            ranks.chunks(2).map(|at| (read(0), at[0].min(at[1]), at[0].max(at[1]))).collect();
        let mut sorted = reads.clone();
        sorted.sort_by_key(|(_, call, _)| *call);
        let (model, problem) = problem(&sorted);
        let mut order: Vec<u32> = (0..6).collect();
        random.shuffle(&mut order);
        let entry = |at: u32| &problem.entries[at as usize];
        let against = |one: u32, later: u32| entry(later).ret < entry(one).call;
        let mut pairs = (0..6).flat_map(|one| (one + 1..6).map(move |later| (one, later)));
        let wrong = pairs.any(|(one, later)| against(order[one], order[later]));
        let verified = verify_linearization(&model, &problem, &order);
        assert_eq!(verified.is_ok(), !wrong, "{order:?}: {sorted:?}");
        refused += u64::from(wrong);
        not_by_neighbours += u64::from(wrong && !order.windows(2).any(|it| against(it[0], it[1])));
    }
    assert!(refused > 3_000 && not_by_neighbours > 300, "{refused}, {not_by_neighbours}");
}

#[test]
fn counterexamples_that_prove_nothing_are_refused() {
    let (model, problem) =
        problem(&[(write(1), 0, 1), (write(2), 2, 3), (read(2), 4, 5), (read(1), 6, 7)]);
    let verify = |kept: &[u32], failed| {
        verify_counterexample(&model, &problem, kept, failed, 1 << 20, &|| false)
    };
    assert_eq!(verify(&[0, 1, 2, 3], 7), Ok(Accepted::Proved));
    // The first write is behind the second, and the first read changes nothing.
    assert_eq!(verify(&[1, 3], 7), Ok(Accepted::Proved));
    let left_out = "operation 3 may have seen operation 0, which was left out";
    assert_eq!(verify(&[3], 7).expect_err("no proof"), left_out);
    assert_eq!(verify(&[0, 1], 7).expect_err("no proof"), "some order of it is legal");
    assert_eq!(verify(&[0, 1, 2, 3], 5).expect_err("no proof"), "operation 3 was invoked too late");
    assert_eq!(verify(&[7], 7).expect_err("no proof"), "7 is no operation");
}

/// Of 2^16 orders of crashed writes none helps; to see that takes memory and time.
#[test]
fn a_counterexample_is_not_confirmed_beyond_a_limit() {
    let crashed = (0..16).map(|at| (write(i64::from(at)), at, NEVER));
    let mut operations: Vec<(CasRegisterOp, u32, u32)> = crashed.collect();
    operations.push((read(99), 16, 17));
    let (model, problem) = problem(&operations);
    let kept: Vec<u32> = (0..17).collect();
    let verify = |limit, stop: &dyn Fn() -> bool| {
        verify_counterexample(&model, &problem, &kept, 17, limit, stop)
    };
    assert_eq!(verify(u64::MAX, &|| false), Ok(Accepted::Proved));
    assert_eq!(verify(100_000, &|| false), Ok(Accepted::Undecided(Spent::Memory)));
    let looks = Cell::new(0);
    let later = || looks.replace(looks.get() + 1) == 9;
    assert_eq!(verify(u64::MAX, &later), Ok(Accepted::Undecided(Spent::Time)));
    assert_eq!(looks.get(), 10, "it goes on after it was told to stop");
}

/// Eleven crashed writes have more orders than anybody waits for, and no more subsets.
#[test]
fn few_operations_of_many_orders_are_confirmed_soon() {
    let crashed = (0..11).map(|at| (write(i64::from(at)), at, NEVER));
    let mut operations: Vec<(CasRegisterOp, u32, u32)> = crashed.collect();
    operations.push((read(99), 11, 12));
    let (model, problem) = problem(&operations);
    let kept: Vec<u32> = (0..12).collect();
    let looks = Cell::new(0_u64);
    let verify = |end: u64| {
        looks.set(0);
        let stop = || looks.replace(looks.get() + 1) >= end;
        verify_counterexample(&model, &problem, &kept, 12, u64::MAX, &stop)
    };
    assert_eq!(verify(u64::MAX), Ok(Accepted::Proved));
    assert!(looks.get() < 1 << 21, "{} steps", looks.get());
    assert_eq!(verify(100), Ok(Accepted::Undecided(Spent::Time)));
    assert!(looks.get() < 110, "it goes on after it was told to stop");
}

thread_local! {
    /// States that were hashed and that were freed on this thread.
    static HASHED: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Watched(u32);

impl Hash for Watched {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        HASHED.set(HASHED.get() + 1);
        self.0.hash(hasher);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        FREED.set(FREED.get() + 1);
    }
}

/// Bits that are set, by who never says when, and asked for by who cannot have them.
struct Bits(AtomicU64);

impl Model for Bits {
    type State = Watched;
    type Op = Option<u32>;

    fn initial(&self) -> Watched {
        Watched(0)
    }

    fn step(&self, state: &Watched, op: &Option<u32>) -> Steps<Watched> {
        let Some(bit) = op else { return Steps::None };
        self.0.fetch_add(1, Ordering::Relaxed);
        Steps::One(Watched(state.0 | 1 << bit))
    }

    fn is_pure(&self, op: &Option<u32>) -> bool {
        op.is_none()
    }

    fn refusal(&self, state: &Watched, _op: &Option<u32>) -> String {
        format!("nobody has {state:?}")
    }
}

/// What the plain search holds may be gigabytes: it is hashed once, and nobody waits until it is
/// free.
#[test]
fn a_verifier_that_is_stopped_leaves_at_once() {
    const BITS: u32 = 14;
    let bits = (0..BITS).map(|at| (Some(at), at, NEVER));
    let all: Vec<(Option<u32>, u32, u32)> = bits.chain([(None, BITS, BITS + 1)]).collect();
    let entry = |at: u32| {
        let (_, call, ret) = all[at as usize];
        Entry { origin: OpIndex(at), call, ret, class: at }
    };
    let entries: Vec<Entry> = (0..=BITS).map(entry).collect();
    let ops: Vec<Option<u32>> = all.iter().map(|(op, ..)| *op).collect();
    let (model, looks, freed) = (Bits(AtomicU64::new(0)), Cell::new(0), Cell::new(0));
    let stop = || {
        freed.set(FREED.get());
        looks.set(looks.get() + 1);
        looks.get() == 100
    };
    let found = plain::is_linearizable(&model, &entries, &ops, u64::MAX, &stop);
    assert_eq!(found, Err(Spent::Time));
    let late = FREED.get() - freed.get();
    assert!(late < 10, "{late} states were freed after it was told to stop");
    // Of each it asks for another way to step when it comes back, which there is not.
    let (hashed, steps) = (HASHED.get(), model.0.into_inner());
    assert!(2 * hashed <= steps + 2 * u64::from(BITS), "{hashed} hashed in {steps} steps");
    assert!(hashed > 10_000, "{hashed}");
}

/// Nor does it compare all of what is kept with all of what was left out.
#[test]
fn a_verifier_looks_at_the_flag_before_it_searches() {
    let (model, problem) = problem(&[(write(1), 0, 1), (write(3), 2, 3), (read(2), 4, 5)]);
    let stopped = verify_counterexample(&model, &problem, &[0, 2], 5, 1 << 20, &|| true);
    assert_eq!(stopped, Ok(Accepted::Undecided(Spent::Time)));
}

/// A counter whose read may lag by one: nondeterministic, and nobody's register.
struct Dice;

impl Model for Dice {
    type State = u32;
    type Op = Option<u32>;

    fn initial(&self) -> u32 {
        0
    }

    /// `None` throws: one or two more. `Some` reads.
    fn step(&self, state: &u32, op: &Option<u32>) -> Steps<u32> {
        match op {
            None => Steps::Many(vec![state + 1, state + 2]),
            Some(seen) if seen == state => Steps::One(*state),
            Some(_) => Steps::None,
        }
    }

    fn is_pure(&self, op: &Option<u32>) -> bool {
        op.is_some()
    }

    fn refusal(&self, state: &u32, _: &Option<u32>) -> String {
        format!("it showed {state}")
    }
}

#[test]
fn nondeterministic_models_need_no_powerset() {
    let dice = |reads: &[u32]| {
        let mut operations = Vec::new();
        for (at, seen) in reads.iter().enumerate() {
            let from = 4 * at as u32;
            operations.push((OpIndex(2 * at as u32), None, from, from + 1));
            operations.push((OpIndex(2 * at as u32 + 1), Some(*seen), from + 2, from + 3));
        }
        let problem = Problem::new(&Dice, operations);
        (found(&Dice, &problem), problem)
    };
    let (Found::Linearization(order), problem) = dice(&[2, 3, 5, 6, 8]) else {
        panic!("each throw adds one or two")
    };
    assert_eq!(verify_linearization(&Dice, &problem, &order), Ok(()));
    assert!(matches!(dice(&[2, 5]).0, Found::Dead(_)), "three at once");
}

/// Calls a write pure.
struct Liar;

impl Model for Liar {
    type State = u32;
    type Op = u32;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, _: &u32, op: &u32) -> Steps<u32> {
        Steps::One(*op)
    }

    fn is_pure(&self, _: &u32) -> bool {
        true
    }

    fn refusal(&self, _: &u32, _: &u32) -> String {
        unreachable!("every operation is legal")
    }
}

#[test]
fn a_model_that_calls_a_write_pure_is_a_defect_and_no_verdict() {
    let problem = Problem::new(&Liar, [(OpIndex(0), 7, 0, 1), (OpIndex(1), 8, 2, 3)]);
    assert_eq!(found(&Liar, &problem), Found::Impure("0".into(), "did 7".into()));
}
