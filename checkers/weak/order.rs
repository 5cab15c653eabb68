//! An order of transactions that keeps sessions, reads and what is forced; or a circle.
//!
//! Depth first over what must come before, without recursion: a session may have millions of
//! transactions.

use super::table::{INITIAL, Registers};
use crate::txn::edges::{Kind, Kinds};

/// What must come before what, beside sessions and reads: pairs in compressed rows.
#[derive(Debug, Default)]
pub(super) struct Forced {
    /// By the later one: where its row begins. Empty if there is no pair at all.
    start: Vec<u32>,
    before: Vec<u32>,
}

impl Forced {
    /// From pairs, the later one in the upper half. Numbers from `vertices` on are virtual. They
    /// are sorted and freed of repetitions.
    pub(super) fn new(vertices: u32, mut pairs: Vec<u64>) -> Forced {
        if pairs.is_empty() {
            return Forced::default();
        }
        pairs.sort_unstable();
        pairs.dedup();
        let last = pairs.last().map_or(0, |pair| (pair >> 32) as u32 + 1);
        let mut start = vec![0_u32; vertices.max(last) as usize + 1];
        pairs.iter().for_each(|pair| start[(pair >> 32) as usize + 1] += 1);
        for at in 1..start.len() {
            start[at] += start[at - 1];
        }
        Forced { start, before: pairs.into_iter().map(|pair| pair as u32).collect() }
    }

    /// How many vertices it knows of.
    pub(super) fn vertices(&self) -> u32 {
        (self.start.len() as u32).saturating_sub(1)
    }

    /// What is forced before `vertex`.
    #[inline]
    pub(super) fn before(&self, vertex: u32) -> &[u32] {
        match self.start.get(vertex as usize..vertex as usize + 2) {
            Some(row) => &self.before[row[0] as usize..row[1] as usize],
            None => &[],
        }
    }

    /// Earlier and later one of each pair.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..self.vertices())
            .flat_map(|later| self.before(later).iter().map(move |earlier| (*earlier, later)))
    }

    pub(super) fn bytes(&self) -> u64 {
        4 * (self.start.capacity() + self.before.capacity()) as u64
    }
}

/// `earlier` before `later`, as [`Forced::new`] takes it.
#[inline]
pub(super) fn pair(earlier: u32, later: u32) -> u64 {
    u64::from(later) << 32 | u64::from(earlier)
}

const NEW: u8 = 0;
const OPEN: u8 = 1;
const DONE: u8 = 2;

/// Every vertex after all that must come before it: what is forced, and sessions and reads as
/// `base` says. O(vertices + steps + pairs).
///
/// # Errors
/// Vertices of which each must come before the next, and the last before the first.
pub(super) fn order(
    registers: &Registers<'_>,
    forced: &Forced,
    base: Kinds,
) -> Result<Vec<u32>, Vec<u32>> {
    let mut marks = vec![NEW; registers.len() as usize];
    let mut order = Vec::with_capacity(registers.len() as usize);
    let mut path: Vec<(u32, u32)> = Vec::new();
    for root in Roots::of(registers) {
        if marks[root as usize] != NEW {
            continue;
        }
        marks[root as usize] = OPEN;
        path.push((root, 0));
        while let Some((vertex, cursor)) = path.last_mut() {
            let vertex = *vertex;
            let Some(before) = next(registers, forced, base, vertex, cursor) else {
                marks[vertex as usize] = DONE;
                order.push(vertex);
                path.pop();
                continue;
            };
            match marks[before as usize] {
                NEW => {
                    marks[before as usize] = OPEN;
                    path.push((before, 0));
                }
                OPEN => {
                    // The path leads from later to earlier ones.
                    let from = path.iter().position(|(on, _)| *on == before).unwrap_or(0);
                    return Err(path[from..].iter().rev().map(|(on, _)| *on).collect());
                }
                _ => {}
            }
        }
    }
    Ok(order)
}

/// The next of those that must come before `vertex`: the one in its session, those it read from,
/// and those that are forced.
#[inline]
fn next(
    registers: &Registers<'_>,
    forced: &Forced,
    base: Kinds,
    vertex: u32,
    cursor: &mut u32,
) -> Option<u32> {
    if *cursor == 0 {
        *cursor = 1;
        if base.has(Kind::Session)
            && let Some(before) = registers.before(vertex)
        {
            return Some(before);
        }
    }
    let steps = registers.span(vertex);
    while let Some(step) = steps.get(*cursor as usize - 1) {
        *cursor += 1;
        let source = step.source().filter(|source| *source != INITIAL && base.has(Kind::Wr));
        if let Some(source) = source {
            return Some(source);
        }
    }
    let before = forced.before(vertex).get(*cursor as usize - 1 - steps.len()).copied();
    *cursor += u32::from(before.is_some());
    before
}

/// Vertices, the first of every session, the second of every session, and so on: that way those
/// who read each other are near each other.
struct Roots {
    /// Of the sessions that go on: the next vertex, and the end.
    sessions: Vec<(u32, u32)>,
    at: usize,
}

impl Roots {
    fn of(registers: &Registers<'_>) -> Roots {
        let sessions = registers.sessions.windows(2).map(|pair| (pair[0], pair[1]));
        Roots { sessions: sessions.filter(|(from, to)| from < to).collect(), at: 0 }
    }
}

impl Iterator for Roots {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.at >= self.sessions.len() {
            self.sessions.retain(|(from, to)| from < to);
            self.at = 0;
        }
        let (from, _) = self.sessions.get_mut(self.at)?;
        self.at += 1;
        *from += 1;
        Some(*from - 1)
    }
}
