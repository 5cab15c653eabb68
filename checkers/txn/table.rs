//! Transactions as numbers: dense keys, versions by number, micro-operations in one array.
//!
//! A version is one write of one value to one key. Histories must be differentiated: a value that
//! is written twice to a key makes that key undecidable, and it is said so.

use rustc_hash::FxHashMap;
use tribunal_history::{Code, F, History, MopView, Observed, OpIndex, Outcome, brief};

use crate::CheckError;

/// The version of a key before every write.
pub(super) const INITIAL: u32 = u32::MAX;
/// The writer of a version that nobody wrote.
pub(super) const NOBODY: u32 = u32::MAX;

/// What came of a transaction, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Committed,
    /// Nobody knows, but a committed transaction saw a write of it: it happened.
    Observed,
    /// Nobody knows, and nobody saw it: leaving it out removes only constraints.
    Unobserved,
    Aborted,
}

/// One transaction; its number is that of its operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Txn {
    /// Its micro-operations, as a range of [`Table::mops`].
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) status: Status,
}

/// What a micro-operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Does {
    Write,
    /// Reads before every own write of the key: what it sees is another's.
    Read,
    /// Reads after an own write.
    ReadOwn,
}

/// One micro-operation. Reads without an answer have none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mop {
    pub(super) key: u32,
    /// Written or seen; of a list, that of its last element.
    pub(super) version: u32,
    pub(super) does: Does,
}

/// One write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) key: u32,
    pub(super) value: Code,
    pub(super) writer: u32,
    /// Whether it is its transaction's last write of the key.
    pub(super) last: bool,
}

/// The history as numbers.
#[derive(Debug)]
pub(super) struct Table<'h> {
    pub(super) history: &'h History,
    pub(super) keys: Vec<Code>,
    pub(super) txns: Vec<Txn>,
    pub(super) mops: Vec<Mop>,
    pub(super) versions: Vec<Version>,
    /// By key: two writers of one value, where there are.
    pub(super) ambiguous: FxHashMap<u32, (u32, u32)>,
    numbers: FxHashMap<Code, u32>,
    written: FxHashMap<(u32, Code), u32>,
}

impl<'h> Table<'h> {
    /// Every write of the history. Reads are added by [`Table::number`].
    pub(super) fn of_writes(history: &'h History, checker: &str) -> Result<Table<'h>, CheckError> {
        let mut table = Table {
            history,
            keys: Vec::new(),
            txns: Vec::with_capacity(history.len()),
            mops: Vec::new(),
            versions: Vec::new(),
            ambiguous: FxHashMap::default(),
            numbers: FxHashMap::default(),
            written: FxHashMap::default(),
        };
        let mut last: Vec<(u32, u32)> = Vec::new();
        for operation in history.operations() {
            let t = operation.index().0;
            if operation.f() != F::Txn {
                let what = format!("{}, which is no transaction", brief(&operation.op()));
                return Err(unsupported(checker, what, operation.call()));
            }
            let status = match operation.outcome() {
                Outcome::Ok => Status::Committed,
                Outcome::Fail => Status::Aborted,
                Outcome::Info | Outcome::Open => Status::Unobserved,
            };
            table.txns.push(Txn { from: 0, to: 0, status });
            last.clear();
            for mop in operation.mops() {
                match mop {
                    MopView::Append { key, element: value } | MopView::Write { key, value } => {
                        let key = table.key(key);
                        let version = table.write(t, key, value);
                        last.push((key, version));
                    }
                    MopView::Read { key, .. } | MopView::ReadList { key, .. } => {
                        table.key(key);
                    }
                    MopView::ReadPredicate { .. } => {
                        let what = "a read by predicate".to_string();
                        return Err(unsupported(checker, what, operation.call()));
                    }
                    MopView::Add { .. } => {
                        let what = "an addition to a balance".to_string();
                        return Err(unsupported(checker, what, operation.call()));
                    }
                }
            }
            // Stable: among writes of one key the last stays last.
            last.sort_by_key(|(key, _)| *key);
            for (at, (key, version)) in last.iter().enumerate() {
                let last = last.get(at + 1).is_none_or(|(next, _)| next != key);
                table.versions[*version as usize].last = last;
            }
        }
        Ok(table)
    }

    /// Numbers every micro-operation; `seen` says which version a read of a key saw, if it says
    /// anything.
    pub(super) fn number(&mut self, mut seen: impl FnMut(&Table<'h>, u32, MopView<'h>) -> Seen) {
        let mut own = vec![u32::MAX; self.keys.len()];
        let mut next = 0;
        for t in 0..self.txns.len() as u32 {
            let operation = self.history.operation(OpIndex(t));
            self.txns[t as usize].from = self.mops.len() as u32;
            for mop in operation.mops() {
                let (key, version, does) = match mop {
                    MopView::Append { key, .. } | MopView::Write { key, .. } => {
                        let key = self.numbers[&key];
                        own[key as usize] = t;
                        next += 1;
                        (key, next - 1, Does::Write)
                    }
                    MopView::Read { key, .. } | MopView::ReadList { key, .. } => {
                        let key = self.numbers[&key];
                        let Seen::Version(version) = seen(self, key, mop) else { continue };
                        let mine = own[key as usize] == t;
                        (key, version, if mine { Does::ReadOwn } else { Does::Read })
                    }
                    MopView::Add { .. } | MopView::ReadPredicate { .. } => continue,
                };
                self.mops.push(Mop { key, version, does });
            }
            self.txns[t as usize].to = self.mops.len() as u32;
        }
    }

    fn key(&mut self, code: Code) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.numbers.entry(code).or_insert(next);
        if number == next {
            self.keys.push(code);
        }
        number
    }

    fn write(&mut self, writer: u32, key: u32, value: Code) -> u32 {
        let version = self.versions.len() as u32;
        self.versions.push(Version { key, value, writer, last: false });
        let first = *self.written.entry((key, value)).or_insert(version);
        if first != version {
            let first = self.versions[first as usize].writer;
            self.ambiguous.entry(key).or_insert((first, writer));
        }
        version
    }

    /// The version of a value of a key; `None` if nobody wrote it.
    #[inline]
    pub(super) fn version(&self, key: u32, value: Code) -> Option<u32> {
        self.written.get(&(key, value)).copied()
    }

    /// The number of a key that occurs.
    #[inline]
    pub(super) fn number_of(&self, key: Code) -> u32 {
        self.numbers[&key]
    }

    /// Takes in a value that was seen and that nobody wrote, so that it has a number.
    pub(super) fn out_of_thin_air(&mut self, key: u32, value: Code) -> u32 {
        let version = self.versions.len() as u32;
        self.versions.push(Version { key, value, writer: NOBODY, last: true });
        self.written.insert((key, value), version);
        version
    }

    /// A committed transaction saw the version: whoever wrote it did.
    pub(super) fn observe(&mut self, version: u32) {
        let writer = self.versions[version as usize].writer;
        if let Some(txn) = self.txns.get_mut(writer as usize)
            && txn.status == Status::Unobserved
        {
            txn.status = Status::Observed;
        }
    }

    /// What a transaction did.
    #[inline]
    pub(super) fn mops(&self, t: u32) -> &[Mop] {
        let txn = self.txns[t as usize];
        &self.mops[txn.from as usize..txn.to as usize]
    }

    /// The writer of a version, if it is a transaction that happened.
    #[inline]
    pub(super) fn writer(&self, version: u32) -> Option<u32> {
        let writer = self.versions.get(version as usize)?.writer;
        let txn = self.txns.get(writer as usize)?;
        matches!(txn.status, Status::Committed | Status::Observed).then_some(writer)
    }

    /// Whether the key's versions can be told apart.
    #[inline]
    pub(super) fn is_clear(&self, key: u32) -> bool {
        self.ambiguous.is_empty() || !self.ambiguous.contains_key(&key)
    }

    /// Bytes held beside the history.
    pub(super) fn bytes(&self) -> u64 {
        let maps = (self.written.capacity() * 17 + self.numbers.capacity() * 9) as u64;
        let rows = self.txns.capacity() * size_of::<Txn>()
            + self.mops.capacity() * size_of::<Mop>()
            + self.versions.capacity() * size_of::<Version>();
        maps + rows as u64
    }
}

/// What a read says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It was not answered, or its answer counts for nothing.
    Nothing,
    /// This version, or [`INITIAL`].
    Version(u32),
}

/// The elements of a read of a list, if it was answered: an absent list is empty.
pub(super) fn elements<'h>(mop: MopView<'h>) -> Option<&'h [Code]> {
    match mop {
        MopView::ReadList { elements: Observed::Present(elements), .. } => Some(elements),
        MopView::ReadList { elements: Observed::Absent, .. } => Some(&[]),
        MopView::ReadList { elements: Observed::Pending, .. }
        | MopView::Read { .. }
        | MopView::Write { .. }
        | MopView::Append { .. }
        | MopView::Add { .. }
        | MopView::ReadPredicate { .. } => None,
    }
}

pub(super) fn unsupported(
    checker: &str,
    what: String,
    event: tribunal_history::EventId,
) -> CheckError {
    CheckError::Unsupported { checker: checker.into(), what, event: format!("event {}", event.0) }
}
