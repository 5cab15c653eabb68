//! What is legal in no state, and is shown alone.

use tribunal_history::{IdOp, Mop, Observed, Op, SetOp as Recorded, TxnOp, Value};

use super::super::generate::Random;
use super::super::histories;
use super::lists::Lists;
use super::locks::semaphore;
use super::registers::Several;
use super::sets::Elements;
use super::suspects::{Told, judged_by};
use super::{World, history};
use crate::linearizable::models::ListMop;
use crate::linearizable::{
    Dialect, Grip, List, ListOp, LockOp, Model, MultiRegister, MultiRegisterOp, MultiRegisterStep,
    Options, Set, SetOp, Steps, UniqueIds, judge,
};
use crate::{Budget, Verdict};

/// What is called impossible is legal in no state that random operations lead to; and of what is
/// illegal wherever they lead, most is called so.
fn is_in_no_state<M: Model>(model: &M, draw: impl Fn(&mut Random) -> M::Op) {
    let mut random = Random(61);
    let (mut impossible, mut nowhere) = (0, 0);
    for _ in 0..histories(5_000) {
        let ops: Vec<M::Op> = (0..8).map(|_| draw(&mut random)).collect();
        let mut legal = vec![false; ops.len()];
        for _ in 0..20 {
            let mut state = model.initial();
            for _ in 0..12 {
                for (op, legal) in ops.iter().zip(&mut legal) {
                    *legal |= !matches!(model.step(&state, op), Steps::None);
                }
                if let Steps::One(next) = model.step(&state, &draw(&mut random)) {
                    state = next;
                }
            }
        }
        for (op, legal) in ops.iter().zip(legal) {
            let called = model.impossible(op).is_some();
            assert!(!(called && legal), "{op:?} is legal somewhere");
            impossible += u64::from(called);
            nowhere += u64::from(!legal);
        }
    }
    assert!(impossible > 100 && 2 * impossible > nowhere, "{impossible} of {nowhere}");
}

fn some(random: &mut Random, below: u64) -> Value {
    Value::Int(random.below(below) as i64)
}

#[test]
fn what_is_impossible_is_legal_in_no_state() {
    is_in_no_state(&MultiRegister { initial: Value::Int(0) }, |random| {
        let steps = (0..1 + random.below(4)).map(|_| {
            let (key, value) = (some(random, 2), some(random, 2));
            match random.below(2) {
                0 => MultiRegisterStep::Read(key, value),
                _ => MultiRegisterStep::Write(key, value),
            }
        });
        MultiRegisterOp(steps.collect())
    });
    is_in_no_state(&List, |random| {
        let mops = (0..1 + random.below(4)).map(|_| match random.below(5) {
            0 => {
                let elements = (0..random.below(3)).map(|_| some(random, 2)).collect();
                ListMop::Read { key: some(random, 2), elements }
            }
            _ => ListMop::Append { key: some(random, 2), element: some(random, 2) },
        });
        ListOp(mops.collect())
    });
    is_in_no_state(&Set { shrinks: true }, |random| match random.below(3) {
        0 => SetOp::Add(some(random, 3), None),
        1 => SetOp::Remove(some(random, 3), None),
        _ => {
            let mut seen: Vec<Value> = (0..random.below(4)).map(|_| some(random, 3)).collect();
            seen.sort();
            SetOp::Read(seen.into())
        }
    });
    is_in_no_state(&semaphore().model(), |random| {
        let grip = Grip { owner: None, permits: random.below(6) as i64, token: None };
        match random.below(2) {
            0 => LockOp::Acquire(grip),
            _ => LockOp::Release(grip),
        }
    });
}

fn read(key: i64, value: i64) -> Mop {
    let value = Observed::Present(Value::Int(value));
    Mop::Read { key: Value::Int(key), value }
}

fn list(elements: &[i64]) -> Mop {
    let elements = elements.iter().copied().map(Value::Int).collect();
    Mop::ReadList { key: Value::Int(0), elements: Observed::Present(elements) }
}

fn append(element: i64) -> Mop {
    Mop::Append { key: Value::Int(0), element: Value::Int(element) }
}

/// One operation that many others surround, some of which crashed.
#[test]
fn what_is_impossible_is_shown_alone() {
    let txn = |mops: &[Mop]| Op::Txn(TxnOp { mops: mops.to_vec() });
    let write = |key, value| Mop::Write { key: Value::Int(key), value: Value::Int(value) };
    for others in [0, 8, 12, 3_000] {
        let mut told = Told::default();
        for at in 0..others {
            told.at_once(txn(&[write(0, at)]));
            if at % 100 == 0 {
                told.ask(txn(&[write(0, -at)]));
            }
        }
        told.at_once(txn(&[read(0, 1), read(0, 2)]));
        let words = "read 0 = 1, read 0 = 2";
        judged_by(&Several.model(), &told, words, ", which no state of its registers allows");
    }
    let add = |element: i64| {
        Op::Set(Recorded::Add {
            key: Value::Nil,
            element: Value::Int(element),
            added: Observed::Pending,
        })
    };
    let twice = Observed::Present(vec![Value::Int(1), Value::Int(1)]);
    let mut told = Told::default();
    (0..20).for_each(|at| told.at_once(add(at % 3)));
    told.at_once(Op::Set(Recorded::Read { key: Value::Nil, elements: twice }));
    let model = Elements { shrinks: true, whole: true }.model();
    judged_by(&model, &told, "read [1 1]", " with 1 twice");
    // Crashed appends could be anywhere, and explain nothing.
    for (last, end) in [
        (
            vec![list(&[0, 1, 2, 3, 0, 1, 2]), list(&[0, 1, 2, 3, 0, 1, 3])],
            ", which no list at 0 allows",
        ),
        (vec![append(5), list(&[0, 5, 1])], " with 1 after what it had appended"),
        (vec![append(5), append(6), list(&[6, 5])], " although 5 was appended before 6"),
        (vec![append(5), list(&[0, 5]), list(&[1, 5])], ", which no list at 0 allows"),
        (vec![append(5), list(&[0, 1])], " without 5, which was there"),
        (vec![list(&[0]), append(5), list(&[5])], ", which no list at 0 allows"),
    ] {
        let mut told = Told::default();
        for at in 0..8 {
            told.ask(txn(&[append(at % 4)]));
        }
        told.at_once(txn(&last));
        let model = Lists { single: false }.model();
        judged_by(&model, &told, "read", end);
    }
}

/// Of two error pages with the same bytes nobody says that one identifier was given twice.
#[test]
fn a_reply_that_nobody_could_read_is_no_identifier() {
    let given = |id: Value| Op::Id(IdOp::Generate { key: Value::Nil, id: Observed::Present(id) });
    for replies in [1, 2] {
        let mut told = Told::default();
        (0..5).for_each(|at| told.at_once(given(Value::Int(at))));
        (0..replies).for_each(|_| told.at_once(given(Value::Unparsed([255, 0].into()))));
        judged_by(&UniqueIds, &told, "was given", ", which is no identifier");
    }
}

#[test]
fn a_read_of_nil_in_a_transaction_means_what_the_dialect_says() {
    let write = Mop::Write { key: Value::Int(0), value: Value::Int(1) };
    for value in [Observed::Absent, Observed::Present(Value::Nil)] {
        let mut told = Told::default();
        told.at_once(Op::Txn(TxnOp { mops: vec![write.clone()] }));
        let read = Mop::Read { key: Value::Int(0), value };
        told.at_once(Op::Txn(TxnOp { mops: vec![read] }));
        let history = history(&told.acts);
        for (dialect, wanted) in
            [(Dialect::KNOSSOS, Verdict::Valid), (Dialect::TRIBUNAL, Verdict::Invalid)]
        {
            let model = MultiRegister { initial: Value::Nil };
            let report = judge(&model, &history, dialect, &Budget::unlimited(), Options::default());
            assert_eq!(report.expect("transactions").verdict, wanted, "{}", dialect.name());
        }
    }
}

/// Of a transaction of many steps each is looked at once: in the cube of them nobody would see the
/// end of this.
#[test]
fn a_transaction_of_many_steps_is_looked_at_in_one_pass() {
    let many = 50_000;
    let model = MultiRegister { initial: Value::Nil };
    let (key, value) = (|at: i64| Value::Int(at), Value::Int(7));
    let reads = (0..many).map(|at| MultiRegisterStep::Read(key(at), value.clone()));
    let writes = (0..many).map(|at| MultiRegisterStep::Write(key(at), value.clone()));
    let whole = MultiRegisterOp(reads.chain(writes).collect());
    assert_eq!(model.impossible(&whole), None);
    assert!(model.is_pure(&whole) && model.observes(&whole, &whole));
    let wrong = MultiRegisterStep::Read(key(many - 1), Value::Int(8));
    let wrong = MultiRegisterOp(whole.0.iter().cloned().chain([wrong]).collect());
    assert!(model.impossible(&wrong).is_some() && model.is_pure(&wrong));
    // Appended, then read whole, again and again: as long as what was read.
    let element = |at: i64| ListMop::Append { key: key(0), element: Value::Int(at) };
    let all: Vec<Value> = (0..many).map(Value::Int).collect();
    let reads = (0..100).map(|_| ListMop::Read { key: key(0), elements: all.clone() });
    let list = ListOp((0..many).map(element).chain(reads).collect());
    assert_eq!(List.impossible(&list), None);
    assert!(List.observes(&list, &list));
    let other =
        ListOp((0..many).map(|at| ListMop::Append { key: key(1), element: key(at) }).collect());
    assert!(!List.observes(&list, &other));
}
