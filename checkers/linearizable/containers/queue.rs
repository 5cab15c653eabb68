//! A FIFO queue in which every value is enqueued at most once and dequeued at most once: O(n).
//!
//! A legal order is a sequence of the values: one that is enqueued before another in real time
//! stands before it, and so does one that was at the front before the other's time at the front
//! was over. So `v` may be next iff it was called before any other returned, at both ends; two
//! cursors over the two ends find every such value (section 3.13). A value that *returned* at the
//! front before it was called there for the last time owns the front in between: nothing else is
//! next, but its own last call.
//!
//! Instants, with the values in sequence: an enqueue at the latest call so far of an enqueue; the
//! dequeue at the latest call so far at the front; a peek at its call, but not before the dequeue
//! of the value before. Where the queue was seen empty in a gap, values whose last call lies before
//! the gap stand before those whose does not, and nothing of these happens before the gap.

use super::gaps::{place_empties, uncovered};
use super::prep::{Acts, Conflict, Life, NONE, Peeks, Solved, Watch};
use super::tricks::{Bug, Tricks};
use super::witness::{Placing, never_happened};
use crate::Spent;
use crate::linearizable::NEVER;

/// Decides a queue.
pub(super) fn solve(acts: &Acts, watch: Watch<'_>, tricks: Tricks) -> Result<Solved, Spent> {
    let lives = match acts.lives(watch, tricks)? {
        Ok(lives) => lives,
        Err(conflict) => return Ok(Solved::Conflict(conflict)),
    };
    let mut gap_of = vec![NONE; acts.acts.len()];
    let mut empties = Vec::new();
    if acts.empties > 0 && !tricks.has(Bug::EmptiesIgnored) {
        let free = uncovered(&lives, acts.events);
        match place_empties(acts, &lives, &free, &mut gap_of) {
            Ok(placed) => empties = placed,
            Err(conflict) => return Ok(Solved::Conflict(conflict)),
        }
    }
    let peeks = acts.peeks_by_value();
    let fronts = fronts(acts, &lives, &peeks, tricks);
    let sequence = match Cursors::new(acts, &lives, &fronts, tricks).run(watch)? {
        Ok(sequence) => sequence,
        Err(stuck) => {
            let conflict = match pair(&lives, &fronts, &stuck) {
                Some(pair) if peeks.is_empty() => Conflict::Acts(acts.extremes(&pair)),
                Some(pair) => Conflict::Values(pair.to_vec()),
                None => Conflict::Values(stuck),
            };
            return Ok(Solved::Conflict(conflict));
        }
    };
    drop(fronts);
    Ok(Solved::Order(order(acts, &lives, &peeks, sequence, empties, gap_of)))
}

/// The first return of an operation at the front, by value.
fn fronts(acts: &Acts, lives: &[Life], peeks: &Peeks, tricks: Tricks) -> Vec<u32> {
    let ignored = tricks.has(Bug::PeeksIgnored);
    let first = |(value, life): (usize, &Life)| {
        let peeks = if ignored { &[][..] } else { peeks.of(value) };
        let rets = peeks.iter().map(|peek| acts.acts[*peek as usize].ret);
        rets.fold(life.rem_ret, u32::min)
    };
    lives.iter().enumerate().map(first).collect()
}

/// One end of the queue: what happens to which value, by rank.
#[derive(Debug)]
struct End {
    /// `value * 2 + 1` for a return, `value * 2` for a call, by rank; [`NONE`] for neither.
    items: Vec<u32>,
    /// Values that are called here at the end, all at once.
    late: Vec<u32>,
    at: usize,
}

struct Cursors<'a> {
    lives: &'a [Life],
    tricks: Tricks,
    enqueues: End,
    front: End,
    /// How many ends have called a value; with 2 it is free: it is next in the sequence.
    calls: Vec<u8>,
    sequence: Vec<u32>,
    owner: Option<u32>,
    delayed: Vec<u32>,
}

impl<'a> Cursors<'a> {
    fn new(acts: &Acts, lives: &'a [Life], fronts: &[u32], tricks: Tricks) -> Cursors<'a> {
        let events = acts.events as usize;
        let end = || End { items: vec![NONE; events], late: Vec::new(), at: 0 };
        let (mut enqueues, mut front) = (end(), end());
        let successive = tricks.has(Bug::VirtualRemovesSuccessive);
        let mut exist = 0;
        for (value, life) in (0u32..).zip(lives).filter(|(_, life)| life.exists()) {
            exist += 1;
            enqueues.items[life.add_call as usize] = value * 2;
            enqueues.items[life.first_ret as usize] = value * 2 + 1;
            match front.items.get_mut(life.last_call as usize) {
                Some(item) => *item = value * 2,
                None => front.late.push(value * 2),
            }
            if successive && front.late.last() == Some(&(value * 2)) {
                front.late.push(value * 2 + 1);
            }
            if fronts[value as usize] != NEVER {
                front.items[fronts[value as usize] as usize] = value * 2 + 1;
            }
        }
        let sequence = Vec::with_capacity(exist);
        let calls = vec![0; lives.len()];
        let (owner, delayed) = (None, Vec::new());
        Cursors { lives, tricks, enqueues, front, calls, sequence, owner, delayed }
    }

    /// The sequence, or the values that have no place in one.
    fn run(mut self, watch: Watch<'_>) -> Result<Result<Vec<u32>, Vec<u32>>, Spent> {
        let mut round = 0;
        loop {
            watch.poll(round)?;
            round += 1;
            let before = (self.enqueues.at, self.front.at, self.sequence.len());
            self.move_enqueues(watch)?;
            self.move_front(watch)?;
            if before == (self.enqueues.at, self.front.at, self.sequence.len()) {
                break;
            }
        }
        let stuck: Vec<u32> = (0u32..)
            .zip(self.lives)
            .filter(|(value, life)| life.exists() && self.calls[*value as usize] < 2)
            .map(|(value, _)| value)
            .collect();
        Ok(if stuck.is_empty() { Ok(self.sequence) } else { Err(stuck) })
    }

    fn call(&mut self, value: u32) {
        let calls = &mut self.calls[value as usize];
        *calls += 1;
        if *calls == 2 {
            self.sequence.push(value);
        }
    }

    fn is_free(&self, value: u32) -> bool {
        self.calls[value as usize] == 2
    }

    fn move_enqueues(&mut self, watch: Watch<'_>) -> Result<(), Spent> {
        while let Some(item) = self.enqueues.item() {
            watch.poll(self.enqueues.at)?;
            if item != NONE && !self.is_free(item / 2) {
                if item % 2 == 1 {
                    return Ok(());
                }
                self.call(item / 2);
            }
            self.enqueues.at += 1;
        }
        Ok(())
    }

    fn move_front(&mut self, watch: Watch<'_>) -> Result<(), Spent> {
        loop {
            if let Some(owner) = self.owner
                && self.is_free(owner)
            {
                self.owner = None;
                let delayed = std::mem::take(&mut self.delayed);
                if !self.tricks.has(Bug::DelayedForgotten) {
                    delayed.into_iter().for_each(|value| self.call(value));
                }
                continue;
            }
            let Some(item) = self.front.item() else { return Ok(()) };
            watch.poll(self.front.at)?;
            let value = item / 2;
            if item != NONE && !self.is_free(value) {
                let called = (self.lives[value as usize].last_call as usize) < self.front.at;
                match (item % 2 == 1, self.owner) {
                    (false, None) => self.call(value),
                    (false, Some(owner)) if owner == value => self.call(value),
                    (false, Some(_)) => self.delayed.push(value),
                    (true, None) if !called => self.owner = Some(value),
                    (true, _) => return Ok(()),
                }
            }
            self.front.at += 1;
        }
    }
}

impl End {
    fn item(&self) -> Option<u32> {
        let late = || self.late.get(self.at - self.items.len());
        self.items.get(self.at).or_else(late).copied()
    }
}

/// Two of `stuck` that each must stand before the other, if there are such; without peeks there
/// are. O(v log v).
///
/// `a` before `b` by the enqueues or by the front, and `b` before `a` by the front. Over values by
/// the return that puts them before others, it is enough to know the one that is called last at
/// the front.
fn pair(lives: &[Life], fronts: &[u32], stuck: &[u32]) -> Option<[u32; 2]> {
    let life = |value: &u32| &lives[*value as usize];
    let front = |value: &u32| fronts[*value as usize];
    for by_front in [false, true] {
        let ret = |value: &u32| if by_front { front(value) } else { life(value).first_ret };
        let call = |value: &u32| {
            if by_front { life(value).last_call } else { life(value).add_call }
        };
        let mut before = stuck.to_vec();
        before.sort_unstable_by_key(ret);
        let mut behind = stuck.to_vec();
        behind.sort_unstable_by_key(call);
        let mut before = before.into_iter().peekable();
        // The two latest, as a value is not before itself.
        let mut latest: [Option<(u32, u32)>; 2] = [None; 2];
        for other in behind {
            while let Some(value) = before.next_if(|value| ret(value) < call(&other)) {
                let entry = Some((life(&value).last_call, value));
                if entry > latest[0] {
                    latest = [entry, latest[0]];
                } else if entry > latest[1] {
                    latest[1] = entry;
                }
            }
            let found = latest.iter().flatten().find(|(_, value)| *value != other);
            if let Some((last_call, value)) = found
                && front(&other) < *last_call
            {
                let mut pair = [*value, other];
                pair.sort_unstable();
                return Some(pair);
            }
        }
    }
    None
}

/// The order that `sequence` means.
fn order(
    acts: &Acts,
    lives: &[Life],
    peeks: &Peeks,
    sequence: Vec<u32>,
    empties: Vec<u32>,
    mut gap_of: Vec<u32>,
) -> Vec<u32> {
    let mut cuts: Vec<u32> = empties.iter().map(|at| gap_of[*at as usize]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let sequence = in_segments(lives, sequence, &cuts);
    let (mut enqueued, mut dequeued) = (0, 0);
    for value in &sequence {
        let life = &lives[*value as usize];
        let cut = cuts.partition_point(|cut| *cut < life.last_call);
        let from = if cut == 0 { 0 } else { cuts[cut - 1] };
        enqueued = life.add_call.max(enqueued).max(from);
        gap_of[life.insert as usize] = enqueued;
        for peek in peeks.of(*value as usize) {
            gap_of[*peek as usize] = acts.acts[*peek as usize].call.max(dequeued).max(enqueued);
        }
        dequeued = life.last_call.max(dequeued).max(enqueued);
        if life.remove != NONE {
            gap_of[life.remove as usize] = dequeued;
        }
    }
    never_happened(acts, lives, &mut gap_of);
    let gap = |at: u32| if at == NONE { NONE } else { gap_of[at as usize] };
    let of = |value: &u32| (*value as usize, &lives[*value as usize]);
    let mut placing = Placing::new(&gap_of, acts.events as usize + 1);
    for (_, life) in sequence.iter().map(of) {
        if gap(life.insert) == gap(life.remove) {
            placing.put(life.insert);
        }
    }
    for (value, life) in sequence.iter().map(of) {
        let end = gap(life.remove);
        if end == NONE {
            continue;
        }
        let last = peeks.of(value).iter().filter(|peek| gap(**peek) == end);
        last.for_each(|peek| placing.put(*peek));
        placing.put(life.remove);
    }
    empties.iter().for_each(|at| placing.put(*at));
    for (value, life) in sequence.iter().map(of) {
        let end = gap(life.remove);
        if gap(life.insert) != end {
            placing.put(life.insert);
        }
        let others = peeks.of(value).iter().filter(|peek| gap(**peek) != end);
        others.for_each(|peek| placing.put(*peek));
    }
    placing.finish()
}

/// `sequence`, with what lies before a cut before what does not; otherwise as it was.
fn in_segments(lives: &[Life], sequence: Vec<u32>, cuts: &[u32]) -> Vec<u32> {
    if cuts.is_empty() {
        return sequence;
    }
    let segment = |value: &u32| {
        let last_call = lives[*value as usize].last_call;
        cuts.partition_point(|cut| *cut < last_call)
    };
    let mut sequence = sequence;
    sequence.sort_by_key(segment);
    sequence
}
