//! Why one transaction comes before another: the values behind it, and a sentence that names them.

use std::collections::BTreeSet;

use tribunal_history::{Code, History, MopView, Observed, OpIndex};

use crate::anomaly::{Dependency, DependencyKind};

/// The facts behind one edge, by operation and code of the judged history. `None` stands for the
/// initial transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reason {
    pub(super) from: Option<OpIndex>,
    pub(super) to: Option<OpIndex>,
    pub(super) why: Why,
}

/// What orders two transactions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// The first is the initial transaction.
    First,
    /// They are of one session.
    Session,
    /// The second read `value` in `key`, which the first wrote.
    Read { key: Code, value: Code },
    /// It was shown before.
    Shown,
    /// The first wrote `key` and `reader` had seen it, but `reader` read `key` from the second.
    Missed { key: Code, wrote: Code, reader: OpIndex, seen: Option<Code>, how: Saw },
}

/// How a reader had seen a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Saw {
    /// It read `value` in `key` from it, before it read the key that is spoken of.
    Before { key: Code, value: Code },
    /// By these steps from the one to the other.
    Path(Vec<Reason>),
}

/// How transactions and values are called in sentences.
pub(super) struct Words<'h>(pub(super) &'h History);

impl Words<'_> {
    /// A transaction.
    pub(super) fn txn(&self, op: OpIndex) -> String {
        format!("T{}", op.0)
    }

    /// A key or a value.
    pub(super) fn value(&self, code: Code) -> String {
        self.0.value(code).to_string()
    }

    fn node(&self, node: Option<OpIndex>) -> String {
        node.map_or("the initial state".into(), |op| self.txn(op))
    }

    /// An edge as evidence.
    pub(super) fn dependency(&self, reason: &Reason) -> Dependency {
        let Reason { from, to, why } = reason;
        let writes = |op: &Option<OpIndex>, key: Code, value: Code| {
            self.place(
                *op,
                &|mop| matches!(mop, MopView::Write { key: k, value: v } if (k, v) == (key, value)),
            )
        };
        let reads = |op: &Option<OpIndex>, key: Code, value: Code| {
            self.place(*op, &|mop| {
                let seen = Observed::Present(value);
                matches!(mop, MopView::Read { key: k, value: v } if k == key && v == seen)
            })
        };
        let (kind, from_mop, to_mop) = match why {
            Why::First => (DependencyKind::Initial, None, None),
            Why::Session => (DependencyKind::Process, None, None),
            Why::Shown => (DependencyKind::Derived, None, None),
            Why::Read { key, value } => {
                (DependencyKind::Wr, writes(from, *key, *value), reads(to, *key, *value))
            }
            Why::Missed { key, wrote, seen, .. } => {
                let after = seen.and_then(|seen| writes(to, *key, seen));
                (DependencyKind::Ww, writes(from, *key, *wrote), after)
            }
        };
        let witnesses = witnesses(reason);
        let because = self.because(reason);
        Dependency { from: *from, to: *to, kind, from_mop, to_mop, witnesses, because }
    }

    /// The first micro-operation that shows something. Operations on one register have none.
    fn place(&self, op: Option<OpIndex>, shows: &dyn Fn(MopView<'_>) -> bool) -> Option<usize> {
        self.0.operation(op?).mops().position(shows)
    }

    /// One sentence for an edge.
    fn because(&self, reason: &Reason) -> String {
        let (from, to) = (self.node(reason.from), self.node(reason.to));
        match &reason.why {
            Why::First => format!("{from} is before {to}, as it is before everything"),
            Why::Session => {
                let session = reason.from.map_or(0, |op| self.0.operation(op).session().0);
                format!("{from} came before {to} in session {session}")
            }
            Why::Shown => format!("{from} comes before {to}, as was shown"),
            Why::Read { key, value } => {
                let (key, value) = (self.value(*key), self.value(*value));
                format!("{to} read {value} in {key}, which {from} wrote")
            }
            Why::Missed { key, wrote, reader, seen, how } => {
                let (key, wrote) = (self.value(*key), self.value(*wrote));
                let reader = self.txn(*reader);
                let read = match seen {
                    Some(seen) => {
                        format!("{reader} read {} in {key}, which {to} wrote", self.value(*seen))
                    }
                    None => format!("{reader} read {key} as nobody had written it"),
                };
                let how = self.how(how);
                format!("{from} wrote {wrote} to {key} before {to}: {read}, although {how}")
            }
        }
    }

    fn how(&self, how: &Saw) -> String {
        match how {
            Saw::Before { key, value } => {
                let (key, value) = (self.value(*key), self.value(*value));
                format!("it had read its {value} in {key}")
            }
            Saw::Path(path) => {
                let steps: Vec<String> = path.iter().map(|step| self.because(step)).collect();
                steps.join(", and ")
            }
        }
    }
}

/// Who shows an edge beside its two ends.
fn witnesses(reason: &Reason) -> Vec<OpIndex> {
    let mut seen = BTreeSet::new();
    let mut open = vec![reason];
    while let Some(Reason { from, to, why }) = open.pop() {
        seen.extend(from.iter().chain(to));
        if let Why::Missed { reader, how, .. } = why {
            seen.insert(*reader);
            if let Saw::Path(path) = how {
                open.extend(path);
            }
        }
    }
    let ends = [reason.from, reason.to];
    seen.into_iter().filter(|op| !ends.contains(&Some(*op))).collect()
}
