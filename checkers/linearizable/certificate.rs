//! Verifies what a search claims, without trusting it: an order for *valid*, a sub-history for
//! *invalid*. Shares no code with the search.

use fixedbitset::FixedBitSet;
use tribunal_history::{History, OpIndex};

use super::plain;
use super::{Dialect, FromHistory, Interpreted, Model, NEVER, Problem, Steps};

/// Sub-histories up to this size are re-decided by trying every order.
const ENUMERATED: usize = 12;

/// Accepts `order` (positions in `problem.entries`) iff it proves that `problem` is linearizable:
/// every completed operation once, crashed ones at most once, each legal where it stands, and none
/// after an operation that was invoked after it had returned. O(n).
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_linearization<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    order: &[u32],
) -> Result<(), String> {
    let mut seen = vec![false; problem.entries.len()];
    let mut states = vec![model.initial()];
    let mut latest_call = 0;
    for position in order {
        let Some(entry) = problem.entries.get(*position as usize) else {
            return Err(format!("{position} is no operation"));
        };
        if std::mem::replace(&mut seen[*position as usize], true) {
            return Err(format!("operation {} stands twice", entry.origin.0));
        }
        if entry.ret < latest_call {
            return Err(format!(
                "operation {} stands after one invoked after it had returned",
                entry.origin.0
            ));
        }
        latest_call = latest_call.max(entry.call);
        if !step_all(model, &mut states, problem.op(entry)) {
            return Err(format!("operation {} is illegal where it stands", entry.origin.0));
        }
    }
    match problem.entries.iter().zip(&seen).find(|(entry, seen)| entry.ret != NEVER && !**seen) {
        Some((missing, _)) => Err(format!("operation {} is missing", missing.origin.0)),
        None => Ok(()),
    }
}

/// Accepts `order` iff it proves that these operations of `history` are linearizable, as
/// [`verify_linearization`] does, without interning them. O(n), one bit per operation.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_order<M: FromHistory>(
    model: &M,
    history: &History,
    operations: &[OpIndex],
    dialect: Dialect,
    order: &[OpIndex],
) -> Result<(), String> {
    let mut missing = FixedBitSet::with_capacity(history.len());
    missing.extend(operations.iter().map(|index| index.0 as usize));
    let mut states = vec![model.initial()];
    let mut latest_call = 0;
    for index in order {
        if !missing.contains(index.0 as usize) {
            return Err(format!("operation {} stands twice, or elsewhere", index.0));
        }
        missing.remove(index.0 as usize);
        let operation = history.operation(*index);
        let (op, ret) = match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => (op, operation.ret().map_or(NEVER, |ret| ret.0)),
            Interpreted::Crashed(op) => (op, NEVER),
            Interpreted::Nothing => return Err(format!("operation {} asserts nothing", index.0)),
        };
        if ret < latest_call {
            let index = index.0;
            return Err(format!("operation {index} stands after one invoked after its return"));
        }
        latest_call = latest_call.max(operation.call().0);
        if !step_all(model, &mut states, &op) {
            return Err(format!("operation {} is illegal where it stands", index.0));
        }
    }
    for left in missing.ones() {
        let operation = history.operation(OpIndex(left as u32));
        if let Interpreted::Completed(_) = model.interpret(&operation, dialect)? {
            return Err(format!("operation {left} is missing"));
        }
    }
    Ok(())
}

/// Accepts `kept` iff no operation of the partition that is not in it, and was invoked before the
/// event of rank `failed`, may be the reason why `kept` has no legal order: the rule of
/// [`verify_counterexample`], for a sub-history that was never part of a [`Problem`]. O(n * kept).
///
/// # Errors
/// What may have been seen and was left out.
pub fn verify_closed<M: FromHistory>(
    model: &M,
    history: &History,
    operations: &[OpIndex],
    dialect: Dialect,
    kept: &[OpIndex],
    failed: u32,
) -> Result<(), String> {
    let mut part = Vec::new();
    for index in kept {
        let operation = history.operation(*index);
        match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => {
                let ret = operation.ret().map(|ret| ret.0).filter(|ret| *ret <= failed);
                part.push((*index, op, operation.call().0, ret.unwrap_or(NEVER)));
            }
            Interpreted::Crashed(op) => part.push((*index, op, operation.call().0, NEVER)),
            Interpreted::Nothing => return Err(format!("operation {} asserts nothing", index.0)),
        }
    }
    let barriers: Vec<(u32, u32)> = part
        .iter()
        .filter(|(_, op, _, ret)| *ret != NEVER && model.is_blind(op))
        .map(|(_, _, call, ret)| (*call, *ret))
        .collect();
    for index in operations {
        let operation = history.operation(*index);
        let call = operation.call().0;
        if call > failed || kept.contains(index) {
            continue;
        }
        let (op, dropped_ret) = match model.interpret(&operation, dialect)? {
            Interpreted::Completed(op) => (op, operation.ret().map_or(NEVER, |ret| ret.0)),
            Interpreted::Crashed(op) => (op, NEVER),
            Interpreted::Nothing => continue,
        };
        if model.is_pure(&op) {
            continue;
        }
        let after = barriers.iter().filter(|(call, _)| *call > dropped_ret).map(|(_, ret)| *ret);
        let hidden_from = after.min().unwrap_or(NEVER);
        for (kept, observer, kept_call, kept_ret) in &part {
            if *kept_ret >= call && *kept_call < hidden_from && model.observes(observer, &op) {
                let (kept, index) = (kept.0, index.0);
                return Err(format!(
                    "operation {kept} may have seen operation {index}, which was left out"
                ));
            }
        }
    }
    Ok(())
}

/// Takes `op` from every state; whether it is legal in one.
fn step_all<M: Model>(model: &M, states: &mut Vec<M::State>, op: &M::Op) -> bool {
    let mut next: Vec<M::State> = Vec::new();
    for state in states.iter() {
        match model.step(state, op) {
            Steps::None => {}
            Steps::One(one) => push_new(&mut next, one),
            Steps::Many(all) => all.into_iter().for_each(|one| push_new(&mut next, one)),
        }
    }
    *states = next;
    !states.is_empty()
}

fn push_new<S: PartialEq>(states: &mut Vec<S>, state: S) {
    if !states.contains(&state) {
        states.push(state);
    }
}

/// What became of an attempt to verify a counterexample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// It is a proof.
    Proved,
    /// Too large for the plain search within its limit.
    TooLarge,
}

/// Accepts `kept` (positions in `problem.entries`) iff the history of these operations up to the
/// event of rank `failed` has no legal order, and nothing was left out whose absence could be
/// the reason.
///
/// What may be left out: events after `failed` (a prefix of a linearizable history is
/// linearizable); pure operations (no order needs them); another operation `d` if no kept one can
/// have seen its effect, because none observes it, or it returned before `d` was called, or a kept
/// blind operation certainly stands between the two. Why that suffices: walk a legal order of the
/// whole, and beside it the order of what is kept. Their states differ only while the last
/// operation that is not pure was left out, and then what comes next and is kept must be blind.
///
/// # Errors
/// Why it is no proof.
pub fn verify_counterexample<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    kept: &[u32],
    failed: u32,
    limit: usize,
) -> Result<Accepted, String> {
    let mut keep = vec![false; problem.entries.len()];
    for position in kept {
        let slot = keep.get_mut(*position as usize);
        *slot.ok_or_else(|| format!("{position} is no operation"))? = true;
    }
    let mut part = Problem { entries: Vec::new(), ops: problem.ops.clone() };
    for (entry, _) in problem.entries.iter().zip(&keep).filter(|(_, keep)| **keep) {
        if entry.call > failed {
            return Err(format!("operation {} was invoked too late", entry.origin.0));
        }
        let ret = if entry.ret > failed { NEVER } else { entry.ret };
        part.entries.push(super::Entry { ret, ..*entry });
    }
    let barriers: Vec<(u32, u32)> = part
        .entries
        .iter()
        .filter(|entry| entry.ret != NEVER && model.is_blind(problem.op(entry)))
        .map(|entry| (entry.call, entry.ret))
        .collect();
    for (dropped, _) in problem.entries.iter().zip(&keep).filter(|(_, keep)| !**keep) {
        if dropped.call > failed || model.is_pure(problem.op(dropped)) {
            continue;
        }
        let after = barriers.iter().filter(|(call, _)| *call > dropped.ret).map(|(_, ret)| *ret);
        let hidden_from = after.min().unwrap_or(NEVER);
        for entry in &part.entries {
            if entry.ret >= dropped.call
                && entry.call < hidden_from
                && model.observes(problem.op(entry), problem.op(dropped))
            {
                return Err(format!(
                    "operation {} may have seen operation {}, which was left out",
                    entry.origin.0, dropped.origin.0
                ));
            }
        }
    }
    if part.entries.len() <= ENUMERATED {
        if some_order(model, &part, &model.initial(), &mut vec![false; part.entries.len()]) {
            return Err("some order of it is legal".into());
        }
        return Ok(Accepted::Proved);
    }
    match plain::is_linearizable(model, &part, limit) {
        Some(true) => Err("some order of it is legal".into()),
        Some(false) => Ok(Accepted::Proved),
        None => Ok(Accepted::TooLarge),
    }
}

/// Every order, one after the other. Depth is at most [`ENUMERATED`].
fn some_order<M: Model>(
    model: &M,
    part: &Problem<M::Op>,
    state: &M::State,
    done: &mut Vec<bool>,
) -> bool {
    let open = || part.entries.iter().zip(done.iter()).filter(|(_, done)| !**done);
    let Some(first_return) = open().map(|(entry, _)| entry.ret).min() else { return true };
    if first_return == NEVER {
        return true;
    }
    for (at, entry) in part.entries.iter().enumerate() {
        if done[at] || entry.call > first_return {
            continue;
        }
        let next = match model.step(state, part.op(entry)) {
            Steps::None => Vec::new(),
            Steps::One(one) => vec![one],
            Steps::Many(all) => all,
        };
        done[at] = true;
        let found = next.iter().any(|next| some_order(model, part, next, done));
        done[at] = false;
        if found {
            return true;
        }
    }
    false
}
