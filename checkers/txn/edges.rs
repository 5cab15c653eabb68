//! Dependencies between transactions, as edges that are never stored twice.
//!
//! Adya (1999), section 3.1: write, read and anti-dependencies. Sessions and real time are edges
//! too; real time goes through a chain of virtual nodes, one per completion, so that it costs three
//! edges per transaction whatever the concurrency: a path from `a` over nodes to `b` exists iff `a`
//! was completed before `b` was invoked.

use rustc_hash::FxHashMap;
use tribunal_history::{OpIndex, Session};

use super::orders::{Orders, happened};
use super::table::{Does, INITIAL, Status, Table};

/// Why one transaction comes before another; stronger evidence first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// It overwrote the other's version.
    Ww = 0,
    /// It read the other's version.
    Wr = 1,
    /// It read a version that the other overwrote.
    Rw = 2,
    /// It came before the other in their session.
    Session = 3,
    /// It was completed before the other was invoked.
    RealTime = 4,
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kinds(u8);

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Ww, Kind::Wr, Kind::Rw, Kind::Session, Kind::RealTime];

    /// The kind with this number.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Kind {
        Kind::ALL[bits as usize]
    }
}

impl Kinds {
    pub(crate) const NONE: Kinds = Kinds(0);
    pub(crate) const WW: Kinds = Kinds(1);
    pub(crate) const WW_WR: Kinds = Kinds(0b11);
    pub(crate) const RW: Kinds = Kinds(0b100);
    pub(crate) const SESSION: Kinds = Kinds(0b1000);
    pub(crate) const REAL_TIME: Kinds = Kinds(0b1_0000);

    /// One kind.
    pub(crate) const fn of(kind: Kind) -> Kinds {
        Kinds(1 << kind as u8)
    }

    pub(crate) const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 >> (kind as u8) & 1 == 1
    }
}

/// The chain of completions.
#[derive(Debug)]
pub(super) struct Chain {
    /// By node: whose completion it is.
    completed: Vec<u32>,
    /// Number of transactions: where the nodes' numbers begin.
    first: u32,
}

impl Chain {
    /// Of the committed transactions, in the order of their completions.
    pub(super) fn of(table: &Table<'_>) -> Chain {
        let ret = |t: u32| table.history.operation(OpIndex(t)).ret().map_or(0, |ret| ret.0);
        let timed = table.history.has_real_time();
        let committed = |t: &u32| timed && table.txns[*t as usize].status == Status::Committed;
        let mut completed: Vec<u32> = (0..table.txns.len() as u32).filter(committed).collect();
        completed.sort_unstable_by_key(|t| ret(*t));
        Chain { completed, first: table.txns.len() as u32 }
    }

    /// Number of transactions and nodes.
    pub(super) fn vertices(&self) -> u32 {
        self.first + self.completed.len() as u32
    }

    fn edges(&self, table: &Table<'_>, edge: &mut impl FnMut(u32, u32, Kind)) {
        let history = table.history;
        let mut before = 0;
        for operation in history.operations() {
            let t = operation.index().0;
            while let Some(done) = self.completed.get(before)
                && history.operation(OpIndex(*done)).ret().is_some_and(|r| r < operation.call())
            {
                before += 1;
            }
            if before > 0 && happened(table, t) {
                edge(self.first + before as u32 - 1, t, Kind::RealTime);
            }
        }
        for (at, t) in (self.first..).zip(&self.completed) {
            edge(*t, at, Kind::RealTime);
            if at + 1 < self.vertices() {
                edge(at, at + 1, Kind::RealTime);
            }
        }
    }
}

/// Everything that orders transactions.
pub(super) struct Dependencies<'t, 'h> {
    pub(super) table: &'t Table<'h>,
    pub(super) orders: &'t Orders,
    /// Keys of which nothing is concluded.
    pub(super) left_out: &'t [bool],
    pub(super) chain: Chain,
}

impl Dependencies<'_, '_> {
    /// Calls `edge` for each, in the same order each time; an edge may come twice.
    pub(super) fn each(&self, mut edge: impl FnMut(u32, u32, Kind)) {
        for key in 0..self.table.keys.len() as u32 {
            if !self.left_out[key as usize] {
                self.writes(key, &mut edge);
            }
        }
        for t in 0..self.table.txns.len() as u32 {
            if self.table.txns[t as usize].status == Status::Committed {
                self.reads(t, &mut edge);
            }
        }
        self.sessions(&mut edge);
        self.chain.edges(self.table, &mut edge);
    }

    /// At least as many as [`Dependencies::each`] calls, without calling them: a key that is read
    /// often before appends which nobody saw has an edge for each pair. O(micro-operations).
    pub(super) fn at_most(&self) -> u64 {
        let table = self.table;
        let reads = table.mops.iter().filter(|mop| mop.does == Does::Read);
        let missed = |key: u32| 2 + self.orders.tail(key).len() as u64;
        let reads: u64 = reads.map(|mop| missed(mop.key)).fold(0, u64::saturating_add);
        reads.saturating_add((table.versions.len() + 4 * table.txns.len()) as u64)
    }

    fn writes(&self, key: u32, edge: &mut impl FnMut(u32, u32, Kind)) {
        let mut before = None;
        for version in self.orders.known(key) {
            let writer = self.table.writer(*version);
            if let (Some(before), Some(writer)) = (before, writer)
                && before != writer
            {
                edge(before, writer, Kind::Ww);
            }
            before = writer.or(before);
        }
        for version in self.orders.tail(key) {
            let writer = self.table.versions[*version as usize].writer;
            if let Some(before) = before.filter(|before| *before != writer) {
                edge(before, writer, Kind::Ww);
            }
        }
    }

    fn reads(&self, t: u32, edge: &mut impl FnMut(u32, u32, Kind)) {
        for mop in self.table.mops(t) {
            if mop.does != Does::Read || self.left_out[mop.key as usize] {
                continue;
            }
            let place = self.orders.place(mop.version);
            if mop.version != INITIAL {
                if let Some(writer) = self.table.writer(mop.version).filter(|writer| *writer != t) {
                    edge(writer, t, Kind::Wr);
                }
                if place == 0 {
                    continue;
                }
            }
            match self.orders.writer_after(mop.key, place) {
                Some(writer) if writer != t => edge(t, writer, Kind::Rw),
                Some(_) => {}
                None => {
                    for version in self.orders.tail(mop.key) {
                        let writer = self.table.versions[*version as usize].writer;
                        if writer != t {
                            edge(t, writer, Kind::Rw);
                        }
                    }
                }
            }
        }
    }

    fn sessions(&self, edge: &mut impl FnMut(u32, u32, Kind)) {
        let mut last: FxHashMap<Session, u32> = FxHashMap::default();
        for operation in self.table.history.operations() {
            let t = operation.index().0;
            if !happened(self.table, t) {
                continue;
            }
            if let Some(before) = last.insert(operation.session(), t) {
                edge(before, t, Kind::Session);
            }
        }
    }
}
