//! Corruptions: answers swapped, stale, from the future or out of thin air, elements dropped or
//! turned round, operations lost, changed, or done by somebody else, intervals cut short.

use tribunal_history::{
    CounterOp, IdOp, LockOp, Mop, Observed, Op, QueueOp, RegisterOp, SetOp, TxnOp, Value,
};

use super::super::generate::Random;
use super::{Act, Ended, settle};

/// One to three lies.
pub(super) fn corrupt(random: &mut Random, acts: &mut Vec<Act>) {
    for _ in 0..=random.below(3) {
        let at = random.below(acts.len() as u64) as usize;
        let other = random.below(acts.len() as u64) as usize;
        match random.below(8) {
            0 | 1 if acts[at].op.f() == acts[other].op.f() => {
                let (one, another) = (acts[at].op.clone(), acts[other].op.clone());
                acts[at].op = answered_as(&one, &another);
                acts[other].op = answered_as(&another, &one);
            }
            2 if acts.len() > 1 => {
                acts.remove(at);
            }
            3 if acts[at].to != u32::MAX => acts[at].to = acts[at].from,
            4 if acts[at].to != u32::MAX => acts[at].from = acts[at].to,
            5 => match &acts[at].op {
                Op::Lock(_) => acts[at].process += 10_000,
                op if acts[at].ended == Ended::Ok => acts[at].op = another_question(random, op),
                _ => {}
            },
            _ => acts[at].op = another_answer(random, &acts[at].op),
        }
        settle(acts);
    }
    // Nobody was told what became of these.
    for act in acts.iter_mut().filter(|act| act.ended != Ended::Ok) {
        act.op = act.op.pending();
    }
}

/// `op` with the answer of `other`, an operation of the same kind.
fn answered_as(op: &Op, other: &Op) -> Op {
    match (op.clone(), other.clone()) {
        (
            Op::Register(RegisterOp::Read { key, .. }),
            Op::Register(RegisterOp::Read { value, .. }),
        ) => Op::Register(RegisterOp::Read { key, value }),
        (Op::Set(SetOp::Add { key, element, .. }), Op::Set(SetOp::Add { added, .. })) => {
            Op::Set(SetOp::Add { key, element, added })
        }
        (Op::Set(SetOp::Remove { key, element, .. }), Op::Set(SetOp::Remove { removed, .. })) => {
            Op::Set(SetOp::Remove { key, element, removed })
        }
        (Op::Set(SetOp::Contains { key, element, .. }), Op::Set(SetOp::Contains { found, .. })) => {
            Op::Set(SetOp::Contains { key, element, found })
        }
        (Op::Set(SetOp::Read { key, .. }), Op::Set(SetOp::Read { elements, .. })) => {
            Op::Set(SetOp::Read { key, elements })
        }
        (
            Op::Counter(CounterOp::Add { key, delta, .. }),
            Op::Counter(CounterOp::Add { value, .. }),
        ) => Op::Counter(CounterOp::Add { key, delta, value }),
        (Op::Counter(CounterOp::Read { key, .. }), Op::Counter(CounterOp::Read { value, .. })) => {
            Op::Counter(CounterOp::Read { key, value })
        }
        (Op::Queue(QueueOp::Dequeue { key, .. }), Op::Queue(QueueOp::Dequeue { value, .. })) => {
            Op::Queue(QueueOp::Dequeue { key, value })
        }
        (Op::Queue(QueueOp::Peek { key, .. }), Op::Queue(QueueOp::Peek { value, .. })) => {
            Op::Queue(QueueOp::Peek { key, value })
        }
        (
            Op::Lock(LockOp::Acquire { key, permits, .. }),
            Op::Lock(LockOp::Acquire { token, .. }),
        ) => Op::Lock(LockOp::Acquire { key, permits, token }),
        (Op::Id(IdOp::Generate { key, .. }), Op::Id(IdOp::Generate { id, .. })) => {
            Op::Id(IdOp::Generate { key, id })
        }
        (op, _) => op,
    }
}

fn value(random: &mut Random) -> Value {
    // 9 is never written.
    Value::Int(if random.percent(15) { 9 } else { random.below(4) as i64 })
}

fn seen(random: &mut Random) -> Observed<Value> {
    if random.percent(15) { Observed::Absent } else { Observed::Present(value(random)) }
}

fn turned(told: Observed<bool>) -> Observed<bool> {
    match told {
        Observed::Present(told) => Observed::Present(!told),
        Observed::Pending | Observed::Absent => Observed::Present(true),
    }
}

fn near(random: &mut Random, told: Observed<i64>) -> Observed<i64> {
    let off = [-2, -1, 1, 2][random.below(4) as usize];
    Observed::Present(told.present().copied().unwrap_or(1) + off)
}

fn other_elements(random: &mut Random, told: &Observed<Vec<Value>>) -> Vec<Value> {
    let mut elements = told.present().cloned().unwrap_or_default();
    match random.below(3) {
        0 => drop(elements.pop()),
        1 => elements.push(value(random)),
        _ => elements.reverse(),
    }
    elements
}

fn another_answer(random: &mut Random, op: &Op) -> Op {
    match op.clone() {
        Op::Register(RegisterOp::Read { key, value: Observed::Present(Value::Text(text)) }) => {
            let text = match random.below(3) {
                0 => text.chars().rev().collect::<String>(),
                1 => text.chars().skip(1).collect(),
                _ => format!("{text}a"),
            };
            Op::Register(RegisterOp::Read { key, value: Observed::Present(Value::text(text)) })
        }
        Op::Register(RegisterOp::Read { key, .. }) => {
            Op::Register(RegisterOp::Read { key, value: Observed::Present(value(random)) })
        }
        Op::Txn(TxnOp { mut mops }) => {
            let at = random.below(mops.len() as u64) as usize;
            match &mut mops[at] {
                Mop::Read { value, .. } => *value = seen(random),
                Mop::Write { value: written, .. } => *written = value(random),
                Mop::Append { element, .. } => *element = value(random),
                Mop::ReadList { elements, .. } => {
                    *elements = Observed::Present(other_elements(random, elements));
                }
                other => panic!("{other}"),
            }
            Op::Txn(TxnOp { mops })
        }
        Op::Set(SetOp::Add { key, element, added }) => {
            Op::Set(SetOp::Add { key, element, added: turned(added) })
        }
        Op::Set(SetOp::Remove { key, element, removed }) => {
            Op::Set(SetOp::Remove { key, element, removed: turned(removed) })
        }
        Op::Set(SetOp::Contains { key, element, found }) => {
            Op::Set(SetOp::Contains { key, element, found: turned(found) })
        }
        Op::Set(SetOp::Read { key, elements }) => {
            let elements = Observed::Present(other_elements(random, &elements));
            Op::Set(SetOp::Read { key, elements })
        }
        Op::Counter(CounterOp::Add { key, delta, value }) => {
            Op::Counter(CounterOp::Add { key, delta, value: near(random, value) })
        }
        Op::Counter(CounterOp::Read { key, value }) => {
            Op::Counter(CounterOp::Read { key, value: near(random, value) })
        }
        Op::Queue(QueueOp::Dequeue { key, .. }) => {
            Op::Queue(QueueOp::Dequeue { key, value: seen(random) })
        }
        Op::Queue(QueueOp::Peek { key, .. }) => {
            Op::Queue(QueueOp::Peek { key, value: seen(random) })
        }
        Op::Lock(LockOp::Acquire { key, permits, token }) => {
            Op::Lock(LockOp::Acquire { key, permits, token: near(random, token) })
        }
        Op::Id(IdOp::Generate { key, .. }) => {
            Op::Id(IdOp::Generate { key, id: Observed::Present(value(random)) })
        }
        other => another_question(random, &other),
    }
}

fn another_question(random: &mut Random, op: &Op) -> Op {
    match op.clone() {
        Op::Register(RegisterOp::Write { key, value: Value::Int(_) }) => {
            Op::Register(RegisterOp::Write { key, value: value(random) })
        }
        Op::Register(RegisterOp::Append { key, .. }) => {
            Op::Register(RegisterOp::Append { key, value: Value::text("b") })
        }
        Op::Set(SetOp::Add { key, added, .. }) => {
            Op::Set(SetOp::Add { key, element: value(random), added })
        }
        Op::Set(SetOp::Remove { key, removed, .. }) => {
            Op::Set(SetOp::Remove { key, element: value(random), removed })
        }
        Op::Counter(CounterOp::Add { key, delta, value }) => {
            Op::Counter(CounterOp::Add { key, delta: delta + 1, value })
        }
        Op::Queue(QueueOp::Enqueue { key, .. }) => {
            Op::Queue(QueueOp::Enqueue { key, value: value(random) })
        }
        Op::Lock(LockOp::Acquire { key, permits, .. }) => {
            Op::Lock(LockOp::Release { key, permits, token: Observed::Pending })
        }
        Op::Lock(LockOp::Release { key, permits, .. }) => {
            Op::Lock(LockOp::Acquire { key, permits, token: Observed::Pending })
        }
        other => other,
    }
}
