//! The separate verifier of orders: no read misses what its promise calls visible.
//!
//! An order of all that happened, and for every read whom it is said to have read from. Both are
//! checked against the raw history, with tables of its own: O(history x sessions) for causality,
//! O(n^1.5) otherwise.

use rustc_hash::{FxHashMap, FxHashSet};
use tribunal_history::{Code, F, MopView, Observed, OpIndex, Operation, Outcome};

use super::certificate::Claim;
use super::rule::Rule;

const NOBODY: u32 = u32::MAX;

/// A write that its transaction did not overwrite.
#[derive(Clone, Copy)]
struct Write {
    op: u32,
    value: Code,
}

/// A read of the transaction at hand: number of its key, and its source.
type Read = (u32, Option<u32>);

struct Replay<'c, 'h> {
    claim: &'c Claim<'h>,
    /// By operation: its place in the order, the number of its session and its own number there,
    /// from 1.
    place: Vec<u32>,
    session: Vec<u32>,
    rank: Vec<u32>,
    keys: FxHashMap<Code, u32>,
    /// By key: its writers, by session and in its order.
    writers: Vec<Vec<Write>>,
    sessions: usize,
}

impl Claim<'_> {
    /// Accepts an order. `sources` says of an operation what its reads that no own write precedes
    /// read from, in program order; the initial transaction is `u32::MAX`.
    pub(super) fn order<S: Iterator<Item = u32>>(
        &self,
        order: &[u32],
        sources: impl Fn(u32) -> S,
    ) -> Result<(), String> {
        let replay = Replay::new(self, order)?;
        if self.sessions {
            replay.keeps_sessions(order)?;
        }
        let mut reads = Vec::new();
        let mut clocks = Clocks::new(&replay, order, &sources);
        let mut scratch = Scratch::default();
        for op in order {
            replay.reads(*op, sources(*op), &mut reads)?;
            match self.rule {
                Rule::Causal => clocks.take(&replay, *op, &reads)?,
                Rule::Atomic | Rule::Monotonic => replay.saw(*op, &reads, &mut scratch)?,
                _ => return Err(format!("no order proves {:?} by itself", self.rule)),
            }
        }
        Ok(())
    }
}

impl<'c, 'h> Replay<'c, 'h> {
    fn new(claim: &'c Claim<'h>, order: &[u32]) -> Result<Replay<'c, 'h>, String> {
        let history = claim.history;
        let mut replay = Replay {
            claim,
            place: vec![NOBODY; history.len()],
            session: Vec::with_capacity(history.len()),
            rank: Vec::with_capacity(history.len()),
            keys: FxHashMap::default(),
            writers: Vec::new(),
            sessions: 0,
        };
        for (at, op) in (0..).zip(order) {
            let failed = history.operation(OpIndex(*op)).outcome() == Outcome::Fail;
            if failed || std::mem::replace(&mut replay.place[*op as usize], at) != NOBODY {
                return Err(format!("T{op} has no place in an order, or two"));
            }
        }
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        let mut last = Vec::new();
        for operation in history.operations() {
            let (op, next) = (operation.index().0, last.len() as u32);
            if operation.outcome() == Outcome::Ok && replay.place[op as usize] == NOBODY {
                return Err(format!("T{op} is missing"));
            }
            let session = *numbers.entry(operation.session().0).or_insert(next);
            if session == next {
                last.push(0);
            }
            last[session as usize] += 1;
            replay.session.push(session);
            replay.rank.push(last[session as usize]);
        }
        replay.sessions = last.len();
        replay.writes();
        Ok(replay)
    }

    fn writes(&mut self) {
        for operation in self.claim.history.operations() {
            let op = operation.index().0;
            if self.place[op as usize] == NOBODY {
                continue;
            }
            mops(operation, |mop| {
                let MopView::Write { key, value } = mop else { return };
                let next = self.writers.len() as u32;
                let key = *self.keys.entry(key).or_insert(next);
                if key == next {
                    self.writers.push(Vec::new());
                }
                let writers = &mut self.writers[key as usize];
                match writers.last_mut().filter(|last| last.op == op) {
                    Some(last) => last.value = value,
                    None => writers.push(Write { op, value }),
                }
            });
        }
        let (session, rank) = (&self.session, &self.rank);
        for writers in &mut self.writers {
            writers.sort_unstable_by_key(|it| (session[it.op as usize], rank[it.op as usize]));
        }
    }

    fn keeps_sessions(&self, order: &[u32]) -> Result<(), String> {
        let mut last = vec![0; self.sessions];
        for op in order {
            let (session, rank) = (self.session[*op as usize], self.rank[*op as usize]);
            if std::mem::replace(&mut last[session as usize], rank) > rank {
                return Err(format!("T{op} is after a later one of its session"));
            }
        }
        Ok(())
    }

    /// What a transaction read of others, each source with what it says; own reads are checked.
    fn reads(
        &self,
        op: u32,
        mut sources: impl Iterator<Item = u32>,
        reads: &mut Vec<Read>,
    ) -> Result<(), String> {
        reads.clear();
        let operation = self.claim.history.operation(OpIndex(op));
        if operation.outcome() != Outcome::Ok {
            return Ok(());
        }
        let mut own: Vec<(Code, Code)> = Vec::new();
        let mut wrong = None;
        mops(operation, |mop| match mop {
            MopView::Write { key, value } => own.push((key, value)),
            MopView::Read { key, value } => {
                let Some(seen) = self.claim.seen(value) else { return };
                if let Some((_, mine)) = own.iter().rev().find(|(written, _)| *written == key) {
                    if self.claim.own_writes && seen != Some(*mine) {
                        wrong = Some("does not see its own write");
                    }
                    return;
                }
                let source = sources.next().filter(|source| *source != NOBODY);
                let key = self.keys.get(&key).copied();
                let wrote = key.zip(source).and_then(|(key, source)| self.wrote(source, key));
                let holds = match (source, seen) {
                    (None, None) => true,
                    (Some(source), Some(seen)) => {
                        let before = self.place[source as usize] < self.place[op as usize];
                        before && wrote.is_some_and(|write| write.value == seen)
                    }
                    (None, Some(_)) | (Some(_), None) => false,
                };
                if !holds {
                    wrong = Some("read something else, or of a later one");
                }
                // A key that nobody writes has one version.
                reads.extend(key.map(|key| (key, source)));
            }
            MopView::Append { .. }
            | MopView::ReadList { .. }
            | MopView::Add { .. }
            | MopView::ReadPredicate { .. } => {
                wrong = Some("is not about registers");
            }
        });
        match wrong {
            Some(wrong) => Err(format!("T{op} {wrong}")),
            None => Ok(()),
        }
    }

    fn wrote(&self, op: u32, key: u32) -> Option<Write> {
        let place = |op: u32| (self.session[op as usize], self.rank[op as usize]);
        let writers = &self.writers[key as usize];
        let at = writers.binary_search_by_key(&place(op), |write| place(write.op)).ok()?;
        Some(writers[at])
    }

    /// `writer` is visible to `op`, which read `key` from `source`.
    fn comes_before(&self, writer: u32, op: u32, source: Option<u32>) -> Result<(), String> {
        let place = |op: u32| self.place[op as usize];
        if source.is_some_and(|source| place(writer) <= place(source)) {
            return Ok(());
        }
        Err(format!("T{op} misses a write of T{writer}"))
    }

    /// Whoever it read from comes before whoever it read another version from; of read atomic the
    /// last one of its session too.
    fn saw(&self, op: u32, reads: &[Read], scratch: &mut Scratch) -> Result<(), String> {
        let atomic = self.claim.rule == Rule::Atomic;
        if atomic && self.claim.sessions {
            let (session, rank) = (self.session[op as usize], self.rank[op as usize]);
            for (key, source) in reads {
                let writers = &self.writers[*key as usize];
                let earlier = writers.partition_point(|write| {
                    let at = write.op as usize;
                    (self.session[at], self.rank[at]) < (session, rank)
                });
                let last = writers[..earlier].last();
                if let Some(last) = last.filter(|it| self.session[it.op as usize] == session) {
                    self.comes_before(last.op, op, *source)?;
                }
            }
        }
        scratch.clear();
        if atomic {
            let sources = reads.iter().filter_map(|read| read.1);
            sources.for_each(|from| self.meet(from, reads.len(), scratch));
        }
        for (key, source) in reads {
            if let Some(writer) = scratch.top.get(key) {
                self.comes_before(*writer, op, *source)?;
            }
            let large = scratch.large.iter().filter(|from| self.wrote(**from, *key).is_some());
            large.into_iter().try_for_each(|from| self.comes_before(*from, op, *source))?;
            if let Some(from) = source.filter(|_| !atomic) {
                self.meet(from, reads.len(), scratch);
            }
        }
        Ok(())
    }

    /// The transaction at hand, of `many` reads, has seen `from`.
    fn meet(&self, from: u32, many: usize, scratch: &mut Scratch) {
        if !scratch.met.insert(from) {
            return;
        }
        let operation = self.claim.history.operation(OpIndex(from));
        if operation.mops().len() > many {
            return scratch.large.push(from);
        }
        mops(operation, |mop| {
            let MopView::Write { key, .. } = mop else { return };
            let Some(key) = self.keys.get(&key) else { return };
            let top = scratch.top.entry(*key).or_insert(from);
            if self.place[*top as usize] < self.place[from as usize] {
                *top = from;
            }
        });
    }
}

/// Whom a transaction has seen.
#[derive(Default)]
struct Scratch {
    met: FxHashSet<u32>,
    /// By key: the last of them in the order that wrote it.
    top: FxHashMap<u32, u32>,
    /// Those with more writes than the reader has reads: looked up instead.
    large: Vec<u32>,
}

impl Scratch {
    fn clear(&mut self) {
        self.met.clear();
        self.top.clear();
        self.large.clear();
    }
}

/// What every session, and everybody who is still to be read, has seen: by session a rank.
struct Clocks {
    now: Vec<Vec<u32>>,
    kept: FxHashMap<u32, Vec<u32>>,
    uses: Vec<u32>,
}

impl Clocks {
    fn new<S: Iterator<Item = u32>>(
        replay: &Replay<'_, '_>,
        order: &[u32],
        sources: &impl Fn(u32) -> S,
    ) -> Clocks {
        let causal = replay.claim.rule == Rule::Causal;
        let sessions = if causal { replay.sessions } else { 0 };
        let mut uses = vec![0; if causal { replay.place.len() } else { 0 }];
        if causal {
            for source in order.iter().flat_map(|op| sources(*op)) {
                if let Some(uses) = uses.get_mut(source as usize) {
                    *uses += 1;
                }
            }
        }
        Clocks { now: vec![vec![0; sessions]; sessions], kept: FxHashMap::default(), uses }
    }

    fn take(&mut self, replay: &Replay<'_, '_>, op: u32, reads: &[Read]) -> Result<(), String> {
        let session = replay.session[op as usize] as usize;
        let mut seen = std::mem::take(&mut self.now[session]);
        for source in reads.iter().filter_map(|read| read.1) {
            let theirs = self.kept.get(&source).ok_or("a source without a clock")?;
            seen.iter_mut().zip(theirs).for_each(|(seen, its)| *seen = (*seen).max(*its));
        }
        for (key, source) in reads {
            // What the source had seen is before it: the order keeps reads and sessions.
            let known = source.and_then(|source| self.kept.get(&source));
            let writers = &replay.writers[*key as usize];
            for (of, seen) in (0..).zip(&seen) {
                let known = known.map_or(0, |known| known[of as usize]);
                if known >= *seen {
                    continue;
                }
                let visible = writers.partition_point(|write| {
                    let at = write.op as usize;
                    (replay.session[at], replay.rank[at]) <= (of, *seen)
                });
                let last = writers[..visible].last();
                if let Some(last) = last.filter(|it| replay.session[it.op as usize] == of) {
                    replay.comes_before(last.op, op, *source)?;
                }
            }
        }
        for source in reads.iter().filter_map(|read| read.1) {
            let uses = &mut self.uses[source as usize];
            *uses -= 1;
            if *uses == 0 {
                self.kept.remove(&source);
            }
        }
        seen[session] = replay.rank[op as usize];
        if self.uses[op as usize] > 0 {
            self.kept.insert(op, seen.clone());
        }
        self.now[session] = seen;
        Ok(())
    }
}

/// The micro-operations of a transaction; an operation on a register is one of its own.
fn mops<'h>(operation: Operation<'h>, mut one: impl FnMut(MopView<'h>)) {
    let (key, ok) = (operation.key(), operation.outcome() == Outcome::Ok);
    match operation.f() {
        F::Read => one(MopView::Read { key, value: operation.a().observed() }),
        F::Write => one(MopView::Write { key, value: operation.a() }),
        F::Cas => {
            let seen = if ok { Observed::Present(operation.a()) } else { Observed::Pending };
            one(MopView::Read { key, value: seen });
            one(MopView::Write { key, value: operation.b() });
        }
        _ => operation.mops().for_each(one),
    }
}
