//! Causal memory: what a session read has an order of all it had seen, one for each session.
//!
//! Ahamad et al., "Causal Memory" (1995); Bouajjani, Enea, Guerraoui & Hamza (POPL 2017), the
//! smallest relation for which a write that happened before a read of another write of its key
//! comes before that one. It is found for all sessions at once first: where that is no circle, no
//! part of it is one. Otherwise session by session, each to a fixed point: every round is a pass of
//! clocks, O(transactions x sessions).

use std::collections::BTreeMap;

use super::causal;
use super::explain::Reason;
use super::order::{Forced, order, pair};
use super::planted::{Bug, Planted};
use super::rule::Rule;
use super::table::{INITIAL, Registers};
use super::witness::{Circles, Edge};
use crate::txn::edges::Kind;
use crate::{Budget, Spent};

/// Steps of clocks that are made at most: rounds x transactions x sessions.
const WORK: u64 = 1 << 34;

/// Edges that a proof shows at most.
const SHOWN: usize = 1 << 10;

/// What came of it.
pub(super) enum Memory {
    Held,
    /// What is shown, one by the other; then a circle, or nothing if the last one shown leads to
    /// the initial transaction.
    Broken(Vec<Reason>, Vec<Edge>),
    /// It is broken, but the proof is too long to be shown.
    Long,
}

/// How a relation grew: the round in which each pair came in.
struct Grown {
    rounds: Vec<Vec<u64>>,
    forced: Forced,
    end: End,
}

enum End {
    /// Nothing more follows.
    Fixed,
    Circle,
    /// The initial version was read too late: whom it misses.
    Stale(u32),
}

/// Whether every session has an order. `past` keeps sessions and reads.
///
/// # Errors
/// Which budget ended.
pub(super) fn memory(
    registers: &Registers<'_>,
    past: &[u32],
    planted: Planted,
    budget: &Budget,
) -> Result<Memory, Spent> {
    let mut growing = Growing { registers, past, planted, budget, work: 0 };
    let all = growing.grow(|_| true)?;
    if let End::Fixed = all.end {
        return Ok(Memory::Held);
    }
    for session in 0..registers.sessions.len() as u32 - 1 {
        let of_it = |vertex: u32| registers.session[vertex as usize] == session;
        let grown = growing.grow(of_it)?;
        if !matches!(grown.end, End::Fixed) {
            return Ok(proof(registers, session, &grown).unwrap_or(Memory::Long));
        }
    }
    Ok(Memory::Held)
}

struct Growing<'g, 'h> {
    registers: &'g Registers<'h>,
    past: &'g [u32],
    planted: Planted,
    budget: &'g Budget,
    work: u64,
}

impl Growing<'_, '_> {
    /// The relation for the reads that `look` says.
    fn grow(&mut self, look: impl Fn(u32) -> bool) -> Result<Grown, Spent> {
        let (registers, past) = (self.registers, self.past);
        let mut grown = Grown { rounds: Vec::new(), forced: Forced::default(), end: End::Fixed };
        let mut now = past.to_vec();
        loop {
            if self.planted.has(Bug::MemoryOfOneRound) && !grown.rounds.is_empty() {
                return Ok(grown);
            }
            let found = causal::more(registers, &now, &grown.forced, &look, self.budget)?;
            self.work += past.len() as u64 * registers.sessions.len() as u64;
            if self.work > WORK.min(self.budget.configurations) {
                return Err(Spent::Configurations);
            }
            if let Some(stale) = found.stale.first() {
                grown.end = End::Stale(stale.writer);
                return Ok(grown);
            }
            if found.pairs.is_empty() {
                return Ok(grown);
            }
            let known = grown.forced.pairs().map(|(earlier, later)| pair(earlier, later));
            let pairs = known.chain(found.pairs.iter().copied()).collect();
            grown.rounds.push(found.pairs);
            grown.forced = Forced::new(registers.len(), pairs);
            match order(registers, &grown.forced, Rule::steps(true)) {
                Ok(next) => now = next,
                Err(_) => {
                    grown.end = End::Circle;
                    return Ok(grown);
                }
            }
        }
    }
}

/// Every pair that the contradiction needs, by those of earlier rounds.
fn proof(registers: &Registers<'_>, session: u32, grown: &Grown) -> Option<Memory> {
    let mut round: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (number, pairs) in grown.rounds.iter().enumerate() {
        for pair in pairs {
            round.entry((*pair as u32, (pair >> 32) as u32)).or_insert(number);
        }
    }
    let mut laid: BTreeMap<usize, Circles<'_, '_>> = BTreeMap::new();
    let mut wanted: Vec<((u32, u32), usize)> = Vec::new();
    let mut shown: BTreeMap<(usize, (u32, u32)), Reason> = BTreeMap::new();
    let circle = match grown.end {
        End::Fixed => return None,
        End::Stale(writer) => {
            wanted.push(((writer, INITIAL), grown.rounds.len()));
            Vec::new()
        }
        End::Circle => {
            let circles = Circles::new(registers, &grown.forced, true);
            let base = Rule::steps(true);
            let circle = circles.with(Kind::Ww, base.and(Rule::forced()), base)?;
            wanted.extend(forced(&circle).map(|edge| (edge, round[&edge])));
            circle
        }
    };
    while let Some((edge, number)) = wanted.pop() {
        if shown.contains_key(&(number, edge)) {
            continue;
        }
        if shown.len() == SHOWN {
            return None;
        }
        let circles = laid.entry(number).or_insert_with(|| {
            let earlier = grown.rounds[..number].concat();
            Circles::new(registers, &Forced::new(registers.len(), earlier), true)
        });
        let (reason, path) = circles.by_session(edge, session)?;
        shown.insert((number, edge), reason);
        wanted.extend(forced(&path).map(|edge| (edge, round[&edge])));
    }
    Some(Memory::Broken(shown.into_values().collect(), circle))
}

fn forced(edges: &[Edge]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let forced = edges.iter().filter(|edge| edge.kind == Kind::Ww);
    forced.map(|edge| (edge.from, edge.to))
}
