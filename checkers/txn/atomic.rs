//! Atomic visibility, transaction by transaction: whoever sees one write of another sees all.
//!
//! Bailis et al., "Scalable Atomic Visibility with RAMP Transactions" (SIGMOD 2014), fractured
//! reads; Biswas & Enea, "On the Complexity of Checking Transactional Consistency" (OOPSLA 2019),
//! the axioms of read atomic and, where only later reads count, of read committed, which is
//! Bailis' monotonic atomic view. With known version orders both are comparisons: no graph.

use rustc_hash::FxHashMap;
use tribunal_history::{OpIndex, Session};

use super::direct::{Findings, event};
use super::explain::Words;
use super::orders::{Orders, happened};
use super::table::{Does, INITIAL, Mop, Status, Table};
use crate::{AnomalyKind, Step};

/// Where a version stands: after every known one if nobody saw it.
const UNSEEN: u32 = u32::MAX;

/// Looks at every committed transaction. O(sum over reads of the writes of whom they read from).
pub(super) fn scan(table: &Table<'_>, orders: &Orders, left_out: &[bool], findings: &mut Findings) {
    let mut scan = Scan {
        table,
        orders,
        left_out,
        words: Words(table),
        reads: FxHashMap::default(),
        last: FxHashMap::default(),
    };
    for t in 0..table.txns.len() as u32 {
        if table.txns[t as usize].status == Status::Committed {
            scan.others(t, findings);
            scan.own_session(t, findings);
        }
        if happened(table, t) {
            scan.written(t);
        }
    }
}

struct Scan<'t, 'h> {
    table: &'t Table<'h>,
    orders: &'t Orders,
    left_out: &'t [bool],
    words: Words<'t, 'h>,
    /// Of the current transaction, by key: steps at which it read, and the places it saw.
    reads: FxHashMap<u32, Vec<(usize, u32)>>,
    /// By session and key: the latest place written, and by whom.
    last: FxHashMap<(Session, u32), (u32, u32)>,
}

impl Scan<'_, '_> {
    /// What a read saw of its key, if that is known.
    fn seen(&self, mop: &Mop) -> Option<u32> {
        let clear = mop.does == Does::Read && !self.left_out[mop.key as usize];
        let place = self.orders.place(mop.version);
        (clear && (mop.version == INITIAL || place > 0)).then_some(place)
    }

    fn place(&self, version: u32) -> u32 {
        match self.orders.place(version) {
            0 => UNSEEN,
            place => place,
        }
    }

    /// Whoever it read from: does it miss another write of theirs?
    fn others(&mut self, t: u32, findings: &mut Findings) {
        let mops = self.table.mops(t);
        self.reads.clear();
        for (step, mop) in mops.iter().enumerate() {
            if let Some(place) = self.seen(mop) {
                self.reads.entry(mop.key).or_default().push((step, place));
            }
        }
        // One read alone misses nothing.
        if self.reads.values().map(Vec::len).sum::<usize>() < 2 {
            return;
        }
        for (step, mop) in mops.iter().enumerate() {
            let from = self.seen(mop).and_then(|_| self.table.writer(mop.version));
            let Some(from) = from.filter(|from| *from != t) else { continue };
            for write in self.table.mops(from).iter().filter(|it| it.does == Does::Write) {
                let Some(reads) = self.reads.get(&write.key) else { continue };
                let last = self.table.versions[write.version as usize].last;
                let place = self.place(write.version);
                let missed = reads.iter().filter(|(_, seen)| last && *seen < place);
                let Some((at, _)) = missed.max_by_key(|(at, _)| *at) else { continue };
                let kind = match *at > step {
                    true => AnomalyKind::NON_MONOTONIC_VIEW,
                    false => AnomalyKind::FRACTURED_READ,
                };
                self.tell(kind, t, from, Some(mop), write, findings);
            }
        }
    }

    /// Does it miss a write of its own session?
    fn own_session(&self, t: u32, findings: &mut Findings) {
        let session = self.session(t);
        for mop in self.table.mops(t) {
            let Some(seen) = self.seen(mop) else { continue };
            let Some((place, by)) = self.last.get(&(session, mop.key)) else { continue };
            if seen < *place {
                let writes = self.table.mops(*by).iter();
                let mut writes = writes.filter(|it| it.does == Does::Write && it.key == mop.key);
                if let Some(write) = writes.next_back() {
                    let kind = AnomalyKind::FRACTURED_READ.process();
                    self.tell(kind, t, *by, None, write, findings);
                }
            }
        }
    }

    fn written(&mut self, t: u32) {
        let session = self.session(t);
        for mop in self.table.mops(t).iter().filter(|mop| mop.does == Does::Write) {
            if !self.left_out[mop.key as usize] {
                let place = self.place(mop.version);
                let last = self.last.entry((session, mop.key)).or_insert((place, t));
                *last = (*last).max((place, t));
            }
        }
    }

    fn session(&self, t: u32) -> Session {
        self.table.history.operation(OpIndex(t)).session()
    }

    fn tell(
        &self,
        kind: AnomalyKind,
        t: u32,
        from: u32,
        saw: Option<&Mop>,
        missed: &Mop,
        findings: &mut Findings,
    ) {
        let (words, table) = (&self.words, self.table);
        let value = |mop: &Mop| words.value(table.versions[mop.version as usize].value);
        let key = words.key(missed.key);
        findings.add(kind, Some(key.clone()), || {
            let (who, whose, lost) = (words.txn(t), words.txn(from), value(missed));
            let miss = format!("{who} did not observe {whose}'s append of {lost} to {key}");
            let but = match saw {
                Some(saw) => {
                    let (seen, of) = (value(saw), words.key(saw.key));
                    format!("{who} observed {whose}'s append of {seen} to {of}")
                }
                None => {
                    let session = self.session(t).0;
                    format!("{whose} came before {who} in session {session}")
                }
            };
            let step = |t, because: &str| Step { event: event(table, t), because: because.into() };
            let steps = vec![step(from, &but), step(t, &miss)];
            (format!("{but}, yet {miss}"), steps)
        });
    }
}
