//! The same through histories: what is read of an operation, and what becomes of numbers.

use tribunal_history::{
    Builder, History, Nanos, Observed, Op, OpIndex, Outcome, Process, QueueOp, SetOp, Value,
};

use super::generate::{Shape, small, valid};
use super::{KINDS, Kind, Random, World, oracle};
use crate::Budget;
use crate::linearizable::containers::{Next, What, fast_queue, fast_set};
use crate::linearizable::meter::Ledger;
use crate::linearizable::{Allowance, Dialect, Fast, NEVER, Partition, Proof};

/// How values are called: numbers apart, words, or what is also a number here.
#[derive(Clone, Copy)]
enum Names {
    Plain,
    Sparse,
    Words,
}

fn name(world: &World, names: Names, value: u32) -> Value {
    // In a priority queue a value is its own priority.
    let ranked = || {
        let own = |value: u32| (world.priorities[value as usize], value);
        (0..world.priorities.len() as u32).filter(|other| own(*other) < own(value)).count()
    };
    let number = match world.kind {
        Kind::PriorityQueue => ranked() as i64,
        Kind::Set | Kind::Queue | Kind::Stack => i64::from(value),
    };
    match names {
        Names::Plain => Value::Int(number),
        Names::Sparse => Value::Int(number * 1_000_000 - 3_000_000),
        Names::Words => Value::text(format!("v{number:04}")),
    }
}

/// `world` as a history, with as many operations of another key between as `noise` says.
fn history(world: &World, names: Names, noise: usize) -> History {
    let mut events: Vec<(u32, usize)> = Vec::new();
    for (at, act) in world.acts.iter().enumerate() {
        events.push((act.call, at));
        if act.ret != NEVER {
            events.push((act.ret, at));
        }
    }
    events.sort_unstable();
    let mut builder = Builder::as_given();
    let mut time = 0;
    let mut seen = vec![false; world.acts.len()];
    for (_, at) in events {
        for _ in 0..noise {
            let (key, value) = (Value::Int(2), Value::Int(time));
            let op = Op::Queue(QueueOp::Enqueue { key, value });
            time += 1;
            let (now, process) = (Nanos::from_millis(time as u64), Process(999));
            builder.invoke(now, process, None, None, &op).expect("well-formed");
            builder.complete(now, process, Outcome::Ok, Some(&op), None).expect("well-formed");
        }
        time += 1;
        let (now, process) = (Nanos::from_millis(time as u64), Process(at as u32));
        let op = op(world, names, at);
        if std::mem::replace(&mut seen[at], true) {
            builder.complete(now, process, Outcome::Ok, Some(&op), None).expect("well-formed");
        } else {
            builder.invoke(now, process, None, None, &op.pending()).expect("well-formed");
        }
    }
    builder.finish()
}

fn op(world: &World, names: Names, at: usize) -> Op {
    let act = &world.acts[at];
    let key = Value::Int(1);
    let there = |value: bool| Observed::Present(value);
    let set = world.kind == Kind::Set;
    let value = || name(world, names, act.value);
    match (act.what, set) {
        (What::Insert, true) => Op::Set(SetOp::Add { key, element: value(), added: there(true) }),
        (What::Remove, true) => {
            Op::Set(SetOp::Remove { key, element: value(), removed: there(true) })
        }
        (What::Peek, true) if at.is_multiple_of(2) => {
            Op::Set(SetOp::Add { key, element: value(), added: there(false) })
        }
        (What::Peek, true) => {
            Op::Set(SetOp::Contains { key, element: value(), found: there(true) })
        }
        (What::Absent, true) if at.is_multiple_of(2) => {
            Op::Set(SetOp::Remove { key, element: value(), removed: there(false) })
        }
        (_, true) => Op::Set(SetOp::Contains { key, element: value(), found: there(false) }),
        (What::Insert, false) => Op::Queue(QueueOp::Enqueue { key, value: value() }),
        (What::Peek, false) => Op::Queue(QueueOp::Peek { key, value: Observed::Present(value()) }),
        (What::Empty, false) if at.is_multiple_of(2) => {
            Op::Queue(QueueOp::Peek { key, value: Observed::Absent })
        }
        (What::Empty | What::Unknown | What::Absent, false) => {
            Op::Queue(QueueOp::Dequeue { key, value: Observed::Absent })
        }
        (What::Remove, false) => {
            Op::Queue(QueueOp::Dequeue { key, value: Observed::Present(value()) })
        }
    }
}

fn judge(world: &World, names: Names, noise: usize) -> (Fast, Vec<OpIndex>) {
    let history = history(world, names, noise);
    let own =
        history.operations().filter(|operation| history.value(operation.key()) == Value::Int(1));
    let operations: Vec<OpIndex> = own.map(|operation| operation.index()).collect();
    let partition =
        Partition { history: &history, operations: &operations, dialect: Dialect::TRIBUNAL };
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let allowance = Allowance::new(&ledger);
    let fast = match world.kind {
        Kind::Set => fast_set(&partition, allowance),
        Kind::Queue => fast_queue(&partition, allowance, Next::First),
        Kind::Stack => fast_queue(&partition, allowance, Next::Last),
        Kind::PriorityQueue => fast_queue(&partition, allowance, Next::Greatest),
    };
    (fast, operations)
}

#[test]
fn histories_are_judged_like_their_acts() {
    let mut random = Random(11);
    let (mut decided, count) = (0, super::histories(20_000) / 5);
    for number in 0..count {
        let kind = KINDS[random.below(4) as usize];
        let mut world = small(&mut random, kind);
        // Values are priorities: none is another's.
        for (value, priority) in (0u32..).zip(&mut world.priorities) {
            *priority = *priority % 8 * 64 + value;
        }
        let names = [Names::Plain, Names::Sparse, Names::Words][random.below(3) as usize];
        let (fast, operations) = judge(&world, names, random.below(3) as usize);
        let Fast::Decided(fast) = fast else { continue };
        decided += 1;
        let back =
            |index: &OpIndex| operations.binary_search(index).expect("one of the partition") as u32;
        let valid = oracle::is_linearizable(&world);
        match fast.proof {
            Proof::Order(order) => {
                let order: Vec<u32> = order.iter().map(back).collect();
                assert!(valid && oracle::is_legal(&world, &order), "{number}: {world:#?}");
            }
            Proof::Contradiction(few) => {
                let few: Vec<u32> = few.iter().map(back).collect();
                let part = world.part(&few);
                assert!(!valid && !oracle::is_linearizable(&part), "{number}: {world:#?}");
            }
        }
        let crashed = world.acts.iter().filter(|act| act.ret == NEVER).count() as u64;
        assert_eq!((fast.crashed, fast.completed + crashed), (crashed, world.acts.len() as u64));
    }
    assert!(decided > count * 4 / 5, "{decided} of {count} were decided");
}

/// Limits are asked for before anything is held, and while deciding.
#[test]
fn budgets_are_honoured() {
    let mut random = Random(12);
    let shape = Shape { ops: 500, clients: 5, crash_percent: 0, peek_percent: 0, priorities: 0 };
    for kind in KINDS {
        let world = valid(&mut random, kind, shape);
        let input = world.input().expect("well-formed");
        let small = Budget::unlimited().with_bytes(1_000);
        let stopped = Budget::unlimited();
        stopped.cancel();
        for budget in [small, stopped] {
            let ledger = Ledger::new(&budget);
            let tricks = super::Tricks::default();
            let answer = super::decide(&input, kind, Allowance::new(&ledger), tricks);
            assert!(answer.is_err(), "{kind:?}: {answer:?}");
        }
    }
}

#[test]
fn what_cannot_be_represented_is_handed_over() {
    let element = || Value::Int(3);
    let key = || Value::Int(1);
    let whole = SetOp::Read { key: key(), elements: Observed::Present(vec![element()]) };
    let untold = SetOp::Remove { key: key(), element: element(), removed: Observed::Pending };
    let nothing = QueueOp::Dequeue { key: key(), value: Observed::Pending };
    for op in [Op::Set(whole), Op::Set(untold), Op::Queue(nothing)] {
        let mut builder = Builder::as_given();
        let (time, process) = (Nanos::from_millis(1), Process(1));
        builder.invoke(time, process, None, None, &op.pending()).expect("well-formed");
        builder.complete(time, process, Outcome::Ok, Some(&op), None).expect("well-formed");
        let history = builder.finish();
        let partition =
            Partition { history: &history, operations: &[OpIndex(0)], dialect: Dialect::TRIBUNAL };
        let budget = Budget::unlimited();
        let ledger = Ledger::new(&budget);
        let set = fast_set(&partition, Allowance::new(&ledger));
        assert!(matches!(set, Fast::HandOver(_)), "{set:?}");
        let queue = fast_queue(&partition, Allowance::new(&ledger), Next::First);
        assert!(matches!(queue, Fast::HandOver(_)), "{queue:?}");
    }
}
