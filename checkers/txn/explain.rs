//! Why an edge is there: the values behind it, and a sentence that names them.

use tribunal_history::{Code, MopView, Observed, OpIndex};

use super::edges::{Dependencies, Kind};
use super::table::{Does, INITIAL};
use super::witness::Edge;
use crate::anomaly::{Dependency, DependencyKind};

/// The facts behind one edge, by operation and code of the judged history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reason {
    pub(super) from: OpIndex,
    pub(super) to: OpIndex,
    pub(super) why: Why,
}

/// What orders two transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// Both appended to `key`, `before` first; `seen` is a read that has it and shows the order.
    Ww {
        key: Code,
        before: Code,
        after: Code,
        seen: OpIndex,
    },
    /// The second read `key` up to `element`, which the first appended.
    Wr {
        key: Code,
        element: Code,
    },
    /// The first read `key` without `missed`, which the second appended. `last` is the last element
    /// it saw.
    Rw {
        key: Code,
        last: Option<Code>,
        missed: Code,
    },
    Session,
    RealTime,
}

/// Finds the facts behind `edge`; `longest` says whose read of a key shows its order.
pub(super) fn reason(
    deps: &Dependencies<'_, '_>,
    longest: &[Option<OpIndex>],
    edge: Edge,
) -> Option<Reason> {
    let why = match edge.kind {
        Kind::Ww => overwritten(deps, longest, edge),
        Kind::Wr => read(deps, edge),
        Kind::Rw => missed(deps, edge),
        Kind::Session => Some(Why::Session),
        Kind::RealTime => Some(Why::RealTime),
    };
    Some(Reason { from: OpIndex(edge.from), to: OpIndex(edge.to), why: why? })
}

fn overwritten(
    deps: &Dependencies<'_, '_>,
    longest: &[Option<OpIndex>],
    edge: Edge,
) -> Option<Why> {
    let Dependencies { table, orders, left_out, .. } = deps;
    let writes = table.mops(edge.to).iter().filter(|mop| mop.does == Does::Write);
    writes.filter(|mop| !left_out[mop.key as usize]).find_map(|mop| {
        let known = orders.known(mop.key);
        let place = match orders.place(mop.version) {
            0 => known.len(),
            place => place as usize - 1,
        };
        let mut earlier = known[..place].iter().rev();
        let before = *earlier.find(|version| table.writer(**version).is_some())?;
        (table.writer(before) == Some(edge.from)).then_some(Why::Ww {
            key: table.keys[mop.key as usize],
            before: table.versions[before as usize].value,
            after: table.versions[mop.version as usize].value,
            seen: longest[mop.key as usize]?,
        })
    })
}

fn read(deps: &Dependencies<'_, '_>, edge: Edge) -> Option<Why> {
    let Dependencies { table, left_out, .. } = deps;
    let mut reads = table.mops(edge.to).iter().filter(|mop| mop.does == Does::Read);
    let mop = reads.find(|mop| {
        let seen = mop.version != INITIAL && !left_out[mop.key as usize];
        seen && table.writer(mop.version) == Some(edge.from)
    })?;
    let (key, element) = (table.keys[mop.key as usize], table.versions[mop.version as usize].value);
    Some(Why::Wr { key, element })
}

fn missed(deps: &Dependencies<'_, '_>, edge: Edge) -> Option<Why> {
    let Dependencies { table, orders, left_out, .. } = deps;
    let reads = table.mops(edge.from).iter().filter(|mop| mop.does == Does::Read);
    reads.filter(|mop| !left_out[mop.key as usize]).find_map(|mop| {
        let place = orders.place(mop.version);
        if mop.version != INITIAL && place == 0 {
            return None;
        }
        let after = &orders.known(mop.key)[place as usize..];
        let next = after.iter().find(|version| table.writer(**version).is_some());
        let missed = match next {
            Some(next) => Some(*next).filter(|next| table.writer(*next) == Some(edge.to)),
            None => {
                let mut tail = orders.tail(mop.key).iter();
                tail.find(|version| table.writer(**version) == Some(edge.to)).copied()
            }
        }?;
        let value = |version: u32| table.versions[version as usize].value;
        Some(Why::Rw {
            key: table.keys[mop.key as usize],
            last: (mop.version != INITIAL).then(|| value(mop.version)),
            missed: value(missed),
        })
    })
}

/// How transactions and values are called in sentences.
pub(super) struct Words<'t, 'h>(pub(super) &'t super::table::Table<'h>);

impl Words<'_, '_> {
    /// A transaction by the number of its operation.
    pub(super) fn txn(&self, t: u32) -> String {
        format!("T{t}")
    }

    /// A key or a value.
    pub(super) fn value(&self, code: Code) -> String {
        self.0.history.value(code).to_string()
    }

    /// A key by its number.
    pub(super) fn key(&self, key: u32) -> String {
        self.value(self.0.keys[key as usize])
    }

    /// An edge as evidence.
    pub(super) fn dependency(&self, reason: &Reason) -> Dependency {
        let place = |op: OpIndex, shows: &dyn Fn(MopView<'_>) -> bool| {
            self.0.history.operation(op).mops().position(shows)
        };
        let appends = |op, wanted: Code, appended: Code| {
            place(op, &|mop| match mop {
                MopView::Append { key, element } => (key, element) == (wanted, appended),
                _ => false,
            })
        };
        let reads = |op, key, last: Option<Code>| {
            place(op, &|mop| match mop {
                MopView::ReadList { key: k, elements } => {
                    k == key && last_of(elements) == Some(last)
                }
                _ => false,
            })
        };
        let Reason { from, to, why } = *reason;
        let (kind, from_mop, to_mop, seen) = match why {
            Why::Ww { key, before, after, seen } => (
                DependencyKind::Ww,
                appends(from, key, before),
                appends(to, key, after),
                Some(seen),
            ),
            Why::Wr { key, element } => (
                DependencyKind::Wr,
                appends(from, key, element),
                reads(to, key, Some(element)),
                None,
            ),
            Why::Rw { key, last, missed } => {
                (DependencyKind::Rw, reads(from, key, last), appends(to, key, missed), None)
            }
            Why::Session => (DependencyKind::Process, None, None, None),
            Why::RealTime => (DependencyKind::Realtime, None, None, None),
        };
        let witnesses = seen.into_iter().filter(|seen| ![from, to].contains(seen)).collect();
        let because = self.because(reason);
        Dependency { from: Some(from), to: Some(to), kind, from_mop, to_mop, witnesses, because }
    }

    /// One sentence for an edge.
    fn because(&self, reason: &Reason) -> String {
        let (from, to) = (self.txn(reason.from.0), self.txn(reason.to.0));
        match reason.why {
            Why::Ww { key, before, after, .. } => {
                let (key, before, after) = (self.value(key), self.value(before), self.value(after));
                format!("{to} appended {after} to {key} after {from} appended {before}")
            }
            Why::Wr { key, element } => {
                let (key, element) = (self.value(key), self.value(element));
                format!("{to} observed {from}'s append of {element} to {key}")
            }
            Why::Rw { key, missed, .. } => {
                let (key, missed) = (self.value(key), self.value(missed));
                format!("{from} did not observe {to}'s append of {missed} to {key}")
            }
            Why::Session => {
                let session = self.0.history.operation(reason.from).session().0;
                format!("{from} came before {to} in session {session}")
            }
            Why::RealTime => format!("{from} was completed before {to} was invoked"),
        }
    }
}

/// The last element of a list that was read, if any; `None` where the answer is not known.
fn last_of(elements: Observed<&[Code]>) -> Option<Option<Code>> {
    match elements {
        Observed::Pending => None,
        Observed::Absent => Some(None),
        Observed::Present(list) => Some(list.last().copied()),
    }
}
