//! What atomic visibility forces: whoever sees one write of a transaction sees all of it.
//!
//! Biswas & Enea (OOPSLA 2019), the axioms of read committed and read atomic; Møldrup &
//! Pavlogiannis, "AWDIT: An Optimal Weak Database Isolation Tester" (PLDI 2025), what of them must
//! be looked at.
//! If `t2` wrote a key that `t3` read from another `t1`, then `t2` comes before `t1` where `t3`
//! read from `t2` (read atomic), did so before it read the key (read committed), or followed `t2`
//! in their session (read atomic). O(n^1.5): of what one wrote and the other read the smaller is
//! gone through.

use super::causal::{Found, Stale};
use super::order::pair;
use super::planted::{Bug, Planted};
use super::table::{INITIAL, Registers, Status};

/// No transaction, and not [`INITIAL`] either.
const NOBODY: u32 = u32::MAX - 1;

/// Stale reads that are spelled out.
const EACH: usize = 16;

impl Found {
    /// `writer` was visible to `reader`, which read `key` from `source`.
    fn add(&mut self, writer: u32, reader: u32, key: u32, source: u32, planted: Planted) {
        match source {
            INITIAL if planted.has(Bug::InitialIsOneSession) => {}
            INITIAL if self.stale.len() < EACH => self.stale.push(Stale { writer, reader, key }),
            INITIAL => {}
            source => self.pairs.push(pair(writer, source)),
        }
    }
}

/// Of a key that the transaction at hand reads.
#[derive(Clone, Copy)]
struct Pending {
    reader: u32,
    /// The two earliest distinct sources among the reads that follow.
    sources: [u32; 2],
}

/// What read committed forces, as Biswas & Enea define it: a transaction that has seen another one
/// does not go back behind it.
pub(super) fn monotonic(registers: &Registers<'_>, planted: Planted) -> Found {
    let mut found = Found::default();
    let nothing = Pending { reader: NOBODY, sources: [NOBODY; 2] };
    let mut pending = vec![nothing; registers.keys.len()];
    // By transaction: who read from it last, and at which of its reads first.
    let mut first = vec![(NOBODY, 0); registers.len() as usize];
    let (mut reads, mut keys) = (Vec::new(), Vec::new());
    for t in committed(registers) {
        reads.clear();
        reads.extend(registers.reads(t));
        if reads.len() < 2 {
            continue;
        }
        for (at, (_, source)) in reads.iter().enumerate() {
            if let Some(first) = first.get_mut(*source as usize).filter(|first| first.0 != t) {
                *first = (t, at);
            }
        }
        keys.clear();
        for (at, (key, source)) in reads.iter().enumerate().rev() {
            if first.get(*source as usize).is_some_and(|(_, first)| *first == at) {
                let mut seen = |key: u32| {
                    let Pending { reader, sources: [one, other] } = pending[key as usize];
                    let from = if one == *source { other } else { one };
                    if reader == t && from != NOBODY && from != *source {
                        found.add(*source, t, key, from, planted);
                    }
                };
                if registers.span(*source).len() <= keys.len() {
                    registers.writes(*source).for_each(&mut seen);
                } else {
                    keys.iter()
                        .filter(|key| registers.wrote(*source, **key))
                        .for_each(|k| seen(*k));
                }
            }
            let earliest = &mut pending[*key as usize];
            if earliest.reader != t {
                keys.push(*key);
                *earliest = Pending { reader: t, sources: [*source, NOBODY] };
            } else if earliest.sources[0] != *source || planted.has(Bug::LastTwoReads) {
                earliest.sources = [*source, earliest.sources[0]];
            }
        }
    }
    found
}

/// What read atomic forces through reads: whoever read from a transaction saw all of it.
pub(super) fn whole(registers: &Registers<'_>, planted: Planted) -> Found {
    let mut found = Found::default();
    // By key: who read it last, and of whom.
    let mut from = vec![(NOBODY, NOBODY); registers.keys.len()];
    // By transaction: who read from it last.
    let mut seen_by = vec![NOBODY; registers.len() as usize];
    let (mut keys, mut sources) = (Vec::new(), Vec::new());
    for t in committed(registers) {
        keys.clear();
        sources.clear();
        for (key, source) in registers.reads(t) {
            if from[key as usize].0 != t {
                from[key as usize] = (t, source);
                keys.push(key);
            }
            if let Some(by) = seen_by.get_mut(source as usize).filter(|by| **by != t) {
                *by = t;
                sources.push(source);
            }
        }
        if planted.has(Bug::FirstReadOnly) {
            sources.truncate(1);
        }
        for writer in &sources {
            let mut wrote = |key: u32| {
                let (reader, source) = from[key as usize];
                if reader == t && source != *writer {
                    found.add(*writer, t, key, source, planted);
                }
            };
            if registers.span(*writer).len() <= keys.len() {
                registers.writes(*writer).for_each(&mut wrote);
            } else {
                keys.iter().filter(|key| registers.wrote(*writer, **key)).for_each(|k| wrote(*k));
            }
        }
    }
    found
}

/// What read atomic forces through sessions: whoever followed a transaction saw all of it.
pub(super) fn followed(registers: &Registers<'_>, planted: Planted) -> Found {
    let mut found = Found::default();
    if planted.has(Bug::SessionNotSeen) {
        return found;
    }
    // By key: the last vertex so far that wrote it. Those of a session follow each other.
    let mut last = vec![NOBODY; registers.keys.len()];
    for t in 0..registers.len() {
        let first = registers.sessions[registers.session[t as usize] as usize];
        if registers.status[t as usize] == Status::Committed {
            for (key, source) in registers.reads(t) {
                let writer = last[key as usize];
                if writer != NOBODY && writer >= first && writer != source {
                    found.add(writer, t, key, source, planted);
                }
            }
        }
        registers.writes(t).for_each(|key| last[key as usize] = t);
    }
    found
}

fn committed<'r>(registers: &'r Registers<'_>) -> impl Iterator<Item = u32> + 'r {
    (0..registers.len()).filter(|t| registers.status[*t as usize] == Status::Committed)
}
