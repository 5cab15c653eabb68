//! What session guarantees force that see less than whole sessions.
//!
//! For a read of a key, every other transaction that is visible and wrote the key comes before the
//! one it read from. Nothing orders the writes of one session here, so that each visible one counts
//! by itself.

use super::causal::{Found, Stale, Walk};
use super::order::{Forced, order, pair};
use super::planted::{Bug, Planted};
use super::rule::Rule;
use super::table::{INITIAL, Registers};
use crate::{Budget, Spent};

/// Stale reads that are spelled out.
const EACH: usize = 16;

/// What was found, as long as the budget lasts.
struct Told<'b> {
    found: Found,
    budget: &'b Budget,
    /// Pairs and comparisons since the last look at the budget.
    work: usize,
    limit: usize,
}

impl<'b> Told<'b> {
    fn new(budget: &'b Budget) -> Told<'b> {
        Told { found: Found::default(), budget, work: 0, limit: 1 << 20 }
    }

    fn add(&mut self, writer: u32, reader: u32, key: u32, source: u32) {
        if writer == source {
            return;
        }
        match source {
            INITIAL if self.found.stale.len() < EACH => {
                self.found.stale.push(Stale { writer, reader, key });
            }
            INITIAL => {}
            source => self.found.pairs.push(pair(writer, source)),
        }
    }

    /// After `work` comparisons more.
    fn look(&mut self, work: usize) -> Result<(), Spent> {
        let pairs = &mut self.found.pairs;
        if pairs.len() > self.limit {
            pairs.sort_unstable();
            pairs.dedup();
            self.limit = 2 * pairs.len().max(1 << 19);
            if 16 * pairs.len() as u64 > self.budget.bytes {
                return Err(Spent::Memory);
            }
        }
        self.work += work;
        if self.work > 1 << 20 {
            self.work = 0;
            if self.budget.is_cancelled() {
                return Err(Spent::Time);
            }
        }
        Ok(())
    }
}

/// Own earlier writes are seen. Those of a key make a chain of virtual vertices, numbered after the
/// transactions, so that a read of another's version needs one edge: O(steps) where no session goes
/// back to a version of its own, and a pair for each one that it goes back over otherwise.
///
/// # Errors
/// Which budget ended.
pub(super) fn read_your_writes(
    registers: &Registers<'_>,
    planted: Planted,
    budget: &Budget,
) -> Result<Found, Spent> {
    let mut told = Told::new(budget);
    let mut next = registers.len();
    // By key: the session at hand, and what it wrote, each with the virtual vertex after it.
    let mut keys: Vec<(u32, Vec<(u32, u32)>)> = vec![(u32::MAX, Vec::new()); registers.keys.len()];
    for vertex in 0..registers.len() {
        let session = registers.session[vertex as usize];
        for (key, source) in registers.reads(vertex) {
            let own = seen_of(&mut keys[key as usize], session);
            let Some((last, chain)) = own.last().copied() else { continue };
            match own.binary_search_by_key(&source, |own| own.0) {
                _ if source == INITIAL => told.add(last, vertex, key, source),
                Err(_) => told.found.pairs.push(pair(chain, source)),
                Ok(at) => {
                    let before = at.checked_sub(1).map(|before| own[before].1);
                    told.found.pairs.extend(before.map(|before| pair(before, source)));
                    let later = &own[at + 1..];
                    later.iter().for_each(|(own, _)| told.add(*own, vertex, key, source));
                    told.look(later.len())?;
                }
            }
            told.look(1)?;
        }
        for key in registers.writes(vertex) {
            let own = seen_of(&mut keys[key as usize], session);
            if planted.has(Bug::OwnWritesNotSeen) && own.is_empty() && vertex % 2 == 0 {
                continue;
            }
            let before = own.last().map(|(_, chain)| pair(*chain, next));
            told.found.pairs.extend(before);
            told.found.pairs.push(pair(vertex, next));
            own.push((vertex, next));
            next += 1;
        }
    }
    Ok(told.found)
}

/// Whatever the session read from is seen. O(sum over sessions of the writes of whom they read
/// from): what was seen before a read of the key comes before what that returned, and so need not
/// be looked at again.
///
/// # Errors
/// Which budget ended.
pub(super) fn monotonic_reads(
    registers: &Registers<'_>,
    planted: Planted,
    budget: &Budget,
) -> Result<Found, Spent> {
    let mut told = Told::new(budget);
    // By transaction and by key: the session that met it last.
    let mut met = vec![u32::MAX; registers.len() as usize];
    let mut keys = vec![(u32::MAX, Vec::new()); registers.keys.len()];
    for (number, session) in (0..).zip(registers.sessions.windows(2)) {
        for reader in session[0]..session[1] {
            for (key, source) in registers.reads(reader) {
                let new = met.get_mut(source as usize).filter(|met| **met != number);
                if let Some(met) = new {
                    *met = number;
                    for wrote in registers.writes(source) {
                        if wrote != key && planted.has(Bug::OtherKeysForgotten) {
                            continue;
                        }
                        seen_of(&mut keys[wrote as usize], number).push(source);
                    }
                }
                let seen = seen_of(&mut keys[key as usize], number);
                seen.iter().for_each(|writer| told.add(*writer, reader, key, source));
                let work = seen.len();
                if source != INITIAL {
                    seen.clear();
                    seen.push(source);
                }
                told.look(work)?;
            }
        }
    }
    Ok(told.found)
}

fn seen_of<T>(key: &mut (u32, Vec<T>), session: u32) -> &mut Vec<T> {
    if key.0 != session {
        key.0 = session;
        key.1.clear();
    }
    &mut key.1
}

/// Whatever the session read from is seen, and what the sessions of those had read from when they
/// wrote. O(reads x sessions + what was seen between a version and its reader): what the writer of
/// the version had seen comes before it anyway, and so does what anybody had seen of the key when
/// reading it last.
///
/// # Errors
/// Which budget ended.
pub(super) fn writes_follow_reads(
    registers: &Registers<'_>,
    past: &[u32],
    planted: Planted,
    budget: &Budget,
) -> Result<Found, Spent> {
    let mut told = Told::new(budget);
    let sightings = Sightings::of(registers);
    let none = Forced::default();
    let mut clocks = Walk::new(registers, &none, planted.has(Bug::ReadsNotFollowed));
    for reader in past {
        clocks.begin(*reader);
        let reads: Vec<(u32, u32)> = registers.reads(*reader).collect();
        for (at, (key, source)) in reads.iter().enumerate() {
            clocks.join(*source);
            let mut work = registers.sessions.len();
            for (from, to) in clocks.unseen_by(*source) {
                let seen = sightings.between(*key, from, to);
                for sighting in seen.iter().rev() {
                    told.add(sighting.writer, *reader, *key, *source);
                    work += 1;
                    if sighting.of_key && *source != INITIAL {
                        break;
                    }
                }
            }
            for (_, from) in &reads[..at] {
                if *from != INITIAL && registers.wrote(*from, *key) {
                    told.add(*from, *reader, *key, *source);
                }
            }
            told.look(work + at)?;
        }
        clocks.end(*reader);
        if clocks.bytes() > budget.bytes {
            return Err(Spent::Memory);
        }
    }
    Ok(told.found)
}

/// Somebody has seen a transaction that wrote a key.
#[derive(Clone, Copy)]
struct Sighting {
    reader: u32,
    writer: u32,
    /// Whether it was by reading that key.
    of_key: bool,
}

/// By key: who saw a writer of it, session by session, each in its order. Of a writer that is seen
/// by another key only the first time in a session counts.
struct Sightings {
    start: Vec<u32>,
    list: Vec<Sighting>,
}

impl Sightings {
    fn of(registers: &Registers<'_>) -> Sightings {
        let keys = registers.keys.len();
        let mut start = vec![0_u32; keys + 1];
        each_sighting(registers, &mut |key, _| start[key as usize + 1] += 1);
        for key in 1..start.len() {
            start[key] += start[key - 1];
        }
        let nobody = Sighting { reader: 0, writer: 0, of_key: false };
        let mut list = vec![nobody; start[keys] as usize];
        let mut next = start.clone();
        each_sighting(registers, &mut |key, sighting| {
            list[next[key as usize] as usize] = sighting;
            next[key as usize] += 1;
        });
        Sightings { start, list }
    }

    /// Those by readers from `from` up to `to`, which are of one session.
    fn between(&self, key: u32, from: u32, to: u32) -> &[Sighting] {
        let of_key = self.start[key as usize] as usize..self.start[key as usize + 1] as usize;
        let of_key = &self.list[of_key];
        let first = of_key.partition_point(|sighting| sighting.reader < from);
        let many = of_key[first..].partition_point(|sighting| sighting.reader < to);
        &of_key[first..first + many]
    }
}

fn each_sighting(registers: &Registers<'_>, each: &mut dyn FnMut(u32, Sighting)) {
    let mut met = vec![u32::MAX; registers.len() as usize];
    for reader in 0..registers.len() {
        let session = registers.session[reader as usize];
        for (key, writer) in registers.reads(reader).filter(|(_, writer)| *writer != INITIAL) {
            if std::mem::replace(&mut met[writer as usize], session) != session {
                for other in registers.writes(writer).filter(|other| *other != key) {
                    each(other, Sighting { reader, writer, of_key: false });
                }
            }
            each(key, Sighting { reader, writer, of_key: true });
        }
    }
}

/// An order of the transactions that keeps sessions and reads, if there is one.
pub(super) fn past(registers: &Registers<'_>) -> Option<Vec<u32>> {
    order(registers, &Forced::default(), Rule::steps(true)).ok()
}
