//! What causality forces: every write that a transaction has seen comes before the one it read.
//!
//! Bouajjani, Enea, Guerraoui & Hamza, "On Verifying Causal Consistency" (POPL 2017), causal
//! convergence; Biswas & Enea (OOPSLA 2019), the axiom of causal consistency: if `t2` wrote a key,
//! happened before `t3` and `t3` read the key from another `t1`, then `t2` comes before `t1`. The
//! levels that see less (PRAM, monotonic reads with monotonic writes) are the same loop with
//! clocks that hold less.
//!
//! Vector clocks, one number per session: all of a session up to there was seen. Of one session
//! only its last visible writer of a key counts, as the earlier ones come before that one.
//! O(transactions x sessions + sum over reads of the key's writers or of sessions, whichever is
//! fewer).

use super::order::{Forced, pair};
use super::planted::{Bug, Planted};
use super::table::{INITIAL, Registers};
use crate::{Budget, Spent};

/// What a transaction has seen when it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum View {
    /// Everything that happened before it: whom it and those before it in its session read from,
    /// what those had seen, and so on.
    Past,
    /// Earlier ones of its session; whom it and they read from, and those before these in their
    /// sessions.
    Session,
    /// Whom it and those before it in its session read from, and those before these in their
    /// sessions: not what its own session wrote.
    Reads,
}

/// A read of the initial version after a write of the key was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stale {
    pub(super) writer: u32,
    pub(super) reader: u32,
    pub(super) key: u32,
}

/// What must come before what.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// As [`pair`] makes them.
    pub(super) pairs: Vec<u64>,
    /// The first few.
    pub(super) stale: Vec<Stale>,
    pub(super) peak_bytes: u64,
}

/// Stale reads that are spelled out.
const EACH: usize = 16;

/// Most numbers of clocks that are gone through: transactions x sessions.
const MOST: u64 = 1 << 38;

/// Transactions between two looks at the budget.
const ROUND: usize = 1024;

/// Everything forced, going through the transactions in `order`, which keeps sessions and reads.
///
/// # Errors
/// Which budget ended.
pub(super) fn forced(
    registers: &Registers<'_>,
    order: &[u32],
    view: View,
    planted: Planted,
    budget: &Budget,
) -> Result<Found, Spent> {
    let none = Forced::default();
    all(Pass::new(registers, view, &none, planted), order, |_| true, budget)
}

/// The same where `known` comes before, for the reads that `look` says; what follows from the
/// clocks is not told again.
///
/// # Errors
/// Which budget ended.
pub(super) fn more(
    registers: &Registers<'_>,
    order: &[u32],
    known: &Forced,
    look: impl Fn(u32) -> bool,
    budget: &Budget,
) -> Result<Found, Spent> {
    let pass = Pass::new(registers, View::Past, known, Planted::default());
    all(pass, order, look, budget)
}

fn all(
    mut pass: Pass<'_, '_>,
    order: &[u32],
    look: impl Fn(u32) -> bool,
    budget: &Budget,
) -> Result<Found, Spent> {
    let registers = pass.registers;
    if order.len() as u64 * pass.seen.len() as u64 > MOST {
        return Err(Spent::Configurations);
    }
    for round in order.chunks(ROUND) {
        for vertex in round {
            pass.take(*vertex, look(*vertex));
        }
        if pass.pairs.list.len() > pass.pairs.limit {
            pass.pairs.compact(registers);
        }
        if budget.is_cancelled() {
            return Err(Spent::Time);
        }
        if pass.bytes() > budget.bytes {
            return Err(Spent::Memory);
        }
    }
    pass.pairs.compact(registers);
    let peak_bytes = pass.bytes();
    Ok(Found { pairs: pass.pairs.list, stale: pass.stale, peak_bytes })
}

/// Forced pairs of which the later transaction happened before the earlier one: the earlier one,
/// and the later one.
///
/// # Errors
/// Which budget ended.
pub(super) fn backwards(
    registers: &Registers<'_>,
    order: &[u32],
    forced: &Forced,
    budget: &Budget,
) -> Result<Vec<(u32, u32)>, Spent> {
    let mut pairs: Vec<(u32, u32)> = forced.pairs().collect();
    pairs.sort_unstable();
    let mut found = Vec::new();
    let none = Forced::default();
    let mut pass = Pass::new(registers, View::Past, &none, Planted::default());
    for round in order.chunks(ROUND) {
        for vertex in round {
            pass.take(*vertex, false);
            let from = pairs.partition_point(|(earlier, _)| earlier < vertex);
            let of_it = pairs[from..].iter().take_while(|(earlier, _)| earlier == vertex);
            let seen = |later: u32| pass.seen[registers.session[later as usize] as usize];
            found.extend(of_it.filter(|(_, later)| *later < seen(*later)));
        }
        if budget.is_cancelled() {
            return Err(Spent::Time);
        }
    }
    Ok(found)
}

struct Pass<'r, 'h> {
    registers: &'r Registers<'h>,
    view: View,
    /// What comes before beside sessions and reads.
    known: &'r Forced,
    planted: Planted,
    /// Of the transaction at hand, by session: the first vertex that it has not seen.
    seen: Vec<u32>,
    clocks: Clocks,
    /// Beside [`Registers::writers`]: their sessions.
    pairs: Pairs,
    stale: Vec<Stale>,
}

impl<'r, 'h> Pass<'r, 'h> {
    fn new(
        registers: &'r Registers<'h>,
        view: View,
        known: &'r Forced,
        planted: Planted,
    ) -> Pass<'r, 'h> {
        let seen = registers.sessions[..registers.sessions.len() - 1].to_vec();
        let mut clocks = Clocks::new(seen.len(), registers.len());
        for vertex in 0..registers.len() {
            if let Some(before) = registers.before(vertex) {
                clocks.used_by(before);
            }
            known.before(vertex).iter().for_each(|before| clocks.used_by(*before));
            if view == View::Past {
                registers.reads(vertex).for_each(|(_, source)| clocks.used_by(source));
            }
        }
        let pairs = Pairs { list: Vec::new(), limit: 1 << 20 };
        Pass { registers, view, known, planted, seen, clocks, pairs, stale: Vec::new() }
    }

    /// Takes the next transaction in, whose reads are looked at or not.
    fn take(&mut self, vertex: u32, look: bool) {
        let registers = self.registers;
        self.begin(vertex);
        self.known.before(vertex).iter().for_each(|before| self.join(*before));
        if self.view == View::Past {
            registers.reads(vertex).for_each(|(_, source)| self.join(source));
        }
        for (key, source) in registers.reads(vertex).filter(|_| look) {
            if self.view != View::Past {
                self.join(source);
            }
            match source {
                INITIAL => self.read_initial(vertex, key),
                source => self.read(key, source),
            }
        }
        self.end(vertex);
    }

    fn begin(&mut self, vertex: u32) {
        let registers = self.registers;
        match registers.before(vertex) {
            Some(before) => {
                self.seen.copy_from_slice(self.clocks.of(before));
                self.clocks.done_with(before);
            }
            None => {
                let nothing = &registers.sessions[..registers.sessions.len() - 1];
                self.seen.copy_from_slice(nothing);
            }
        }
    }

    fn end(&mut self, vertex: u32) {
        let registers = self.registers;
        self.known.before(vertex).iter().for_each(|before| self.clocks.done_with(*before));
        if self.view == View::Past {
            registers.reads(vertex).for_each(|(_, source)| self.clocks.done_with(source));
        }
        // What its session does next has seen it, or at least what it saw.
        if self.view != View::Reads && !self.planted.has(Bug::OwnWritesNotSeen) {
            // It may have read of a later one: that is seen too.
            let own = &mut self.seen[registers.session[vertex as usize] as usize];
            *own = (*own).max(vertex + 1);
        }
        self.clocks.keep(vertex, &self.seen);
    }

    /// Sees whom it reads from.
    fn join(&mut self, source: u32) {
        let Some(of) = self.registers.session.get(source as usize) else { return };
        if self.seen[*of as usize] > source {
            return;
        }
        self.seen[*of as usize] = source + 1;
        if self.view == View::Past && !self.planted.has(Bug::ClocksNotJoined) {
            let theirs = self.clocks.of(source);
            self.seen.iter_mut().zip(theirs).for_each(|(seen, its)| *seen = (*seen).max(*its));
        }
    }

    fn read(&mut self, key: u32, source: u32) {
        let registers = self.registers;
        let writers = registers.writers(key);
        let known = match self.view {
            View::Past => self.clocks.of(source),
            View::Session | View::Reads => &[],
        };
        // What the source itself had seen comes before it anyway.
        let known = |session: usize| known.get(session).copied().unwrap_or(0);
        let mut last = Last { pairs: &mut self.pairs, source, session: usize::MAX, writer: 0 };
        if writers.len() <= 8 * self.seen.len() {
            for writer in writers {
                let session = registers.session[*writer as usize] as usize;
                let new = *writer >= known(session) && *writer < self.seen[session];
                if new {
                    last.is(session, *writer);
                }
            }
        } else {
            for (session, seen) in self.seen.iter().enumerate() {
                let from = registers.sessions[session].max(known(session));
                if from >= *seen {
                    continue;
                }
                let visible = &writers[..writers.partition_point(|writer| writer < seen)];
                if let Some(writer) = visible.last().filter(|writer| **writer >= from) {
                    last.is(session, *writer);
                }
            }
        }
        last.told();
    }

    fn read_initial(&mut self, reader: u32, key: u32) {
        let registers = self.registers;
        if self.stale.len() == EACH || self.planted.has(Bug::InitialIsOneSession) {
            return;
        }
        let visible = |writer: &&u32| {
            let session = registers.session[**writer as usize];
            **writer < self.seen[session as usize]
        };
        if let Some(writer) = registers.writers(key).iter().find(visible) {
            self.stale.push(Stale { writer: *writer, reader, key });
        }
    }

    fn bytes(&self) -> u64 {
        self.clocks.bytes() + 8 * self.pairs.list.capacity() as u64
    }
}

/// The same clocks for whoever asks read by read what was seen: transactions in an order that
/// keeps sessions and reads.
pub(super) struct Walk<'r, 'h>(Pass<'r, 'h>, bool);

impl<'r, 'h> Walk<'r, 'h> {
    /// `alone`: what others had seen is not joined.
    pub(super) fn new(registers: &'r Registers<'h>, none: &'r Forced, alone: bool) -> Walk<'r, 'h> {
        Walk(Pass::new(registers, View::Past, none, Planted::default()), alone)
    }

    /// What its session had seen before.
    pub(super) fn begin(&mut self, vertex: u32) {
        self.0.begin(vertex);
    }

    /// And what `source` has seen.
    pub(super) fn join(&mut self, source: u32) {
        if !self.1 {
            self.0.join(source);
        }
    }

    /// By session: what the transaction at hand has seen so far and `source` had not, as its first
    /// vertex and the one after its last. The initial transaction had seen nothing.
    pub(super) fn unseen_by(&self, source: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let Pass { registers, seen, clocks, .. } = &self.0;
        let nothing = &registers.sessions[..seen.len()];
        let known = if source == INITIAL { nothing } else { clocks.of(source) };
        let ranges = known.iter().copied().zip(seen.iter().copied());
        ranges.filter(|(known, seen)| known < seen)
    }

    /// Its session goes on.
    pub(super) fn end(&mut self, vertex: u32) {
        self.0.end(vertex);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

/// The last visible writer of each session, as they come.
struct Last<'p> {
    pairs: &'p mut Pairs,
    source: u32,
    session: usize,
    writer: u32,
}

impl Last<'_> {
    #[inline]
    fn is(&mut self, session: usize, writer: u32) {
        if session != self.session {
            self.tell();
        }
        (self.session, self.writer) = (session, writer);
    }

    fn told(mut self) {
        self.tell();
    }

    #[inline]
    fn tell(&mut self) {
        if self.session != usize::MAX && self.writer != self.source {
            self.pairs.list.push(pair(self.writer, self.source));
        }
    }
}

/// Pairs, from time to time freed of what others say already.
struct Pairs {
    list: Vec<u64>,
    limit: usize,
}

impl Pairs {
    /// Keeps the last of each session before each.
    fn compact(&mut self, registers: &Registers<'_>) {
        self.list.sort_unstable();
        let session = |pair: u64| registers.session[pair as u32 as usize];
        self.list.dedup_by(|later, kept| {
            let same = *later >> 32 == *kept >> 32 && session(*later) == session(*kept);
            if same {
                *kept = *later;
            }
            same
        });
        self.limit = (2 * self.list.len()).max(1 << 20);
    }
}

/// Clocks of those whose readers are still to come.
struct Clocks {
    sessions: usize,
    /// By vertex: how many reads of it are to come.
    uses: Vec<u32>,
    /// By vertex: where its clock is.
    slot: Vec<u32>,
    free: Vec<u32>,
    pool: Vec<u32>,
}

impl Clocks {
    fn new(sessions: usize, vertices: u32) -> Clocks {
        let none = vec![0; vertices as usize];
        Clocks { sessions, slot: none.clone(), uses: none, free: Vec::new(), pool: Vec::new() }
    }

    fn used_by(&mut self, source: u32) {
        if let Some(uses) = self.uses.get_mut(source as usize) {
            *uses += 1;
        }
    }

    fn keep(&mut self, vertex: u32, clock: &[u32]) {
        if self.uses[vertex as usize] == 0 {
            return;
        }
        let slot = self.free.pop().unwrap_or((self.pool.len() / self.sessions) as u32);
        self.slot[vertex as usize] = slot;
        let from = slot as usize * self.sessions;
        if from == self.pool.len() {
            self.pool.extend_from_slice(clock);
        } else {
            self.pool[from..from + self.sessions].copy_from_slice(clock);
        }
    }

    #[inline]
    fn of(&self, vertex: u32) -> &[u32] {
        let from = self.slot[vertex as usize] as usize * self.sessions;
        &self.pool[from..from + self.sessions]
    }

    fn done_with(&mut self, source: u32) {
        if let Some(uses) = self.uses.get_mut(source as usize) {
            *uses -= 1;
            if *uses == 0 {
                self.free.push(self.slot[source as usize]);
            }
        }
    }

    fn bytes(&self) -> u64 {
        let words = self.uses.len() + self.slot.len() + self.free.capacity() + self.pool.capacity();
        4 * words as u64
    }
}
