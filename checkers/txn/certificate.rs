//! The separate verifier: accepts a proof from the raw history alone.
//!
//! It shares no tables with what it verifies. A cycle is checked edge by edge, O(history) for each;
//! an order by running every transaction in it, O(elements read).

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{Code, History, MopView, Observed, OpIndex, Operation, Outcome};

use super::explain::{Reason, Why};

/// Accepts a cycle of dependencies.
pub(super) fn verify_cycle(history: &History, cycle: &[Reason]) -> Result<(), String> {
    if cycle.len() < 2 {
        return Err("a cycle has two edges at least".into());
    }
    for (at, reason) in cycle.iter().enumerate() {
        let next = cycle[(at + 1) % cycle.len()];
        if reason.to != next.from || reason.from == reason.to {
            return Err(format!("edge {at} does not lead to the next"));
        }
        verify_edge(history, reason).map_err(|why| format!("edge {at}: {why}"))?;
    }
    Ok(())
}

fn verify_edge(history: &History, reason: &Reason) -> Result<(), String> {
    let (from, to) = (history.operation(reason.from), history.operation(reason.to));
    for one in [from, to] {
        if !happened(history, one) {
            return Err(format!("transaction {} may not have happened", one.index().0));
        }
    }
    let holds = match reason.why {
        Why::Session => from.session() == to.session() && from.index() < to.index(),
        Why::RealTime => {
            let done = (from.outcome() == Outcome::Ok).then(|| from.ret()).flatten();
            done.is_some_and(|done| done < to.call())
        }
        Why::Wr { key, element } => {
            let reads = reads(to, key);
            let seen = reads.iter().any(|(list, own)| !own && list.last() == Some(&element));
            seen && appends(from, key).contains(&element)
        }
        Why::Rw { key, last, missed } => {
            let reads = reads(from, key);
            let without = reads
                .iter()
                .any(|(list, own)| !own && list.last().copied() == last && !list.contains(&missed));
            without && appends(to, key).contains(&missed)
        }
        Why::Ww { key, before, after, seen } => {
            appends(from, key).contains(&before)
                && appends(to, key).contains(&after)
                && ordered(history, key, before, after, seen)
        }
    };
    if holds { Ok(()) } else { Err(format!("{:?} does not follow", reason.why)) }
}

/// Whether the read `seen` shows `before`, and `after` later or in no committed read at all.
fn ordered(history: &History, key: Code, before: Code, after: Code, seen: OpIndex) -> bool {
    let seen = history.operation(seen);
    if seen.outcome() != Outcome::Ok {
        return false;
    }
    reads(seen, key).iter().any(|(list, _)| {
        let place = |wanted: Code| list.iter().position(|element| *element == wanted);
        match (place(before), place(after)) {
            (Some(before), Some(after)) => before < after,
            (Some(_), None) => {
                let mut committed = history.operations().filter(|o| o.outcome() == Outcome::Ok);
                !committed.any(|o| reads(o, key).iter().any(|(list, _)| list.contains(&after)))
            }
            (None, _) => false,
        }
    })
}

/// Committed, or seen by a committed transaction.
fn happened(history: &History, txn: Operation<'_>) -> bool {
    match txn.outcome() {
        Outcome::Ok => true,
        Outcome::Fail => false,
        Outcome::Info | Outcome::Open => {
            let written: BTreeSet<(Code, Code)> = txn
                .mops()
                .filter_map(|mop| match mop {
                    MopView::Append { key, element } => Some((key, element)),
                    _ => None,
                })
                .collect();
            let mut committed = history.operations().filter(|o| o.outcome() == Outcome::Ok);
            committed.any(|other| {
                other.mops().any(|mop| match mop {
                    MopView::ReadList { key, elements: Observed::Present(list) } => {
                        list.iter().any(|element| written.contains(&(key, *element)))
                    }
                    _ => false,
                })
            })
        }
    }
}

fn appends(txn: Operation<'_>, wanted: Code) -> Vec<Code> {
    let of_key = |mop| match mop {
        MopView::Append { key, element } if key == wanted => Some(element),
        _ => None,
    };
    txn.mops().filter_map(of_key).collect()
}

/// What a transaction read of a key, and whether it had appended to it before.
fn reads(txn: Operation<'_>, wanted: Code) -> Vec<(Vec<Code>, bool)> {
    let mut own = false;
    let mut reads = Vec::new();
    for mop in txn.mops() {
        match mop {
            MopView::Append { key, .. } if key == wanted => own = true,
            MopView::ReadList { key, elements } if key == wanted => match elements {
                Observed::Present(list) => reads.push((list.to_vec(), own)),
                Observed::Absent => reads.push((Vec::new(), own)),
                Observed::Pending => {}
            },
            _ => {}
        }
    }
    reads
}

/// What an order of transactions must keep besides what they read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Keeps {
    pub(super) sessions: bool,
    pub(super) real_time: bool,
    /// Whether reads after an own append are checked.
    pub(super) own_writes: bool,
}

/// Accepts a serial order: every committed transaction once, those whose outcome is unknown at
/// most once, none that failed, each reading what those before it appended.
pub(super) fn verify_order(history: &History, order: &[u32], keeps: Keeps) -> Result<(), String> {
    let mut lists: BTreeMap<Code, Vec<Code>> = BTreeMap::new();
    let mut done = vec![false; history.len()];
    let mut sessions: BTreeMap<u32, u32> = BTreeMap::new();
    let mut latest_call = None;
    for t in order {
        let txn = history.operation(OpIndex(*t));
        if std::mem::replace(&mut done[*t as usize], true) || txn.outcome() == Outcome::Fail {
            return Err(format!("T{t} has no place in an order, or two"));
        }
        if keeps.sessions && sessions.insert(txn.session().0, *t).is_some_and(|last| last > *t) {
            return Err(format!("T{t} is after a later one of its session"));
        }
        if keeps.real_time {
            let ok = txn.outcome() == Outcome::Ok;
            if ok && latest_call.is_some_and(|call| txn.ret().is_some_and(|ret| ret < call)) {
                return Err(format!("T{t} is after one that was invoked when it was completed"));
            }
            latest_call = latest_call.max(Some(txn.call()));
        }
        let mut own = BTreeSet::new();
        for mop in txn.mops() {
            match mop {
                MopView::Append { key, element } => {
                    lists.entry(key).or_default().push(element);
                    own.insert(key);
                }
                MopView::ReadList { key, .. } if !keeps.own_writes && own.contains(&key) => {}
                MopView::ReadList { key, elements } => {
                    let seen = match elements {
                        Observed::Pending => continue,
                        Observed::Absent => &[][..],
                        Observed::Present(list) => list,
                    };
                    let holds = lists.get(&key).map_or(&[][..], Vec::as_slice);
                    if seen != holds {
                        return Err(format!("T{t} reads another list than is there"));
                    }
                }
                MopView::Read { .. }
                | MopView::Write { .. }
                | MopView::Add { .. }
                | MopView::ReadPredicate { .. } => {
                    return Err(format!("T{t} is about registers"));
                }
            }
        }
    }
    let committed = |op: &Operation<'_>| op.outcome() == Outcome::Ok;
    match history.operations().find(|op| committed(op) && !done[op.index().0 as usize]) {
        Some(missing) => Err(format!("T{} is missing", missing.index().0)),
        None => Ok(()),
    }
}
