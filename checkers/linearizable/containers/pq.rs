//! A priority queue in which every value is inserted at most once and removed at most once; the
//! greatest priority comes out first. O(n), as bit sets of gaps make every step O(1) in practice.
//!
//! A remove or a peek needs a gap in which nothing greater is surely inside, and that is enough
//! (section 3.13). Such a gap cuts the history for all greater values: each is wholly before, if
//! its last call is, or wholly behind. So the order is made from the least priority up: every value
//! stays between the cuts next to its last call, and then cuts itself. Nothing greater covers the
//! cuts it is moved to, as lesser values made them.

use super::bits::Bits;
use super::gaps::{covered, first_in, place_empties};
use super::prep::{Acts, Conflict, Life, NONE, Peeks, Solved, Watch};
use super::tricks::{Bug, Tricks};
use super::witness::{nested, never_happened};
use crate::Spent;

/// Decides a priority queue with the priorities of its values, greater first.
pub(super) fn solve(
    acts: &Acts,
    priorities: &[u32],
    watch: Watch<'_>,
    tricks: Tricks,
) -> Result<Solved, Spent> {
    let lives = match acts.lives(watch, tricks)? {
        Ok(lives) => lives,
        Err(conflict) => return Ok(Solved::Conflict(conflict)),
    };
    let peeks = acts.peeks_by_value();
    let ranked = by_priority(&lives, priorities);
    let mut gap_of = vec![NONE; acts.acts.len()];
    let by = (&ranked[..], priorities);
    let free = match find_gaps(acts, &lives, &peeks, by, &mut gap_of, (watch, tricks))? {
        Ok(free) => free,
        Err(conflict) => return Ok(Solved::Conflict(conflict)),
    };
    watch.poll(0)?;
    let mut empties = Vec::new();
    if !tricks.has(Bug::EmptiesIgnored) {
        match place_empties(acts, &lives, &free, &mut gap_of) {
            Ok(placed) => empties = placed,
            Err(conflict) => return Ok(Solved::Conflict(conflict)),
        }
    }
    let mut cuts = free;
    cuts.clear();
    empties.iter().for_each(|at| cuts.insert(gap_of[*at as usize]));
    let same = |one: &u32, other: &u32| priorities[*one as usize] == priorities[*other as usize];
    for (step, group) in ranked.chunk_by(same).enumerate() {
        watch.poll(step)?;
        for value in group {
            place(&lives[*value as usize], peeks.of(*value as usize), &cuts, &mut gap_of);
        }
        for value in group {
            for peek in peeks.of(*value as usize) {
                cuts.insert(gap_of[*peek as usize]);
            }
            let remove = lives[*value as usize].remove;
            if remove != NONE {
                cuts.insert(gap_of[remove as usize]);
            }
        }
    }
    watch.poll(0)?;
    drop(cuts);
    never_happened(acts, &lives, &mut gap_of);
    let gaps = (&gap_of[..], acts.events as usize + 1);
    Ok(Solved::Order(nested(&lives, &peeks, &ranked, &empties, gaps, watch)?))
}

/// Values that were inside, least priority first.
fn by_priority(lives: &[Life], priorities: &[u32]) -> Vec<u32> {
    let exist = (0u32..).zip(lives).filter(|(_, life)| life.exists());
    let mut keys: Vec<u64> = exist
        .map(|(value, _)| u64::from(priorities[value as usize]) << 32 | u64::from(value))
        .collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| key as u32).collect()
}

/// A gap for every remove and every peek, and the gaps that nothing covers in the end.
fn find_gaps(
    acts: &Acts,
    lives: &[Life],
    peeks: &Peeks,
    (ranked, priorities): (&[u32], &[u32]),
    gap_of: &mut [u32],
    (watch, tricks): (Watch<'_>, Tricks),
) -> Result<Result<Bits, Conflict>, Spent> {
    let priority = |value: &u32| priorities[*value as usize];
    let mut free = Bits::full(acts.events as usize + 1);
    let equal_block = tricks.has(Bug::EqualPrioritiesBlock);
    let group = |one: &u32, other: &u32| priority(one) == priority(other) && !equal_block;
    for (step, group) in ranked.chunk_by(group).rev().enumerate() {
        watch.poll(step)?;
        for value in group {
            let life = &lives[*value as usize];
            let remove = (life.remove != NONE).then_some(life.remove);
            for at in peeks.of(*value as usize).iter().copied().chain(remove) {
                let (call, ret) = match Some(at) == remove {
                    true => (life.last_call, life.rem_ret),
                    false => life.clip(&acts.acts[at as usize]),
                };
                match first_in(&free, call, ret) {
                    Some(gap) => gap_of[at as usize] = gap,
                    None => {
                        let greater = |other: u32| {
                            priority(&other) > priority(value) || (equal_block && other != *value)
                        };
                        return Ok(Err(covered(acts, lives, at, (call, ret), greater)));
                    }
                }
            }
        }
        for life in group.iter().map(|value| &lives[*value as usize]) {
            if life.is_critical() {
                free.remove_range(life.first_ret, life.last_call);
            }
        }
    }
    Ok(Ok(free))
}

/// Moves the instants of a value between the cuts next to its last call.
fn place(life: &Life, peeks: &[u32], cuts: &Bits, gap_of: &mut [u32]) {
    let before = cuts.previous(life.last_call - 1).unwrap_or(0);
    let behind = cuts.next(life.last_call).unwrap_or(u32::MAX);
    let start = life.add_call.max(before);
    gap_of[life.insert as usize] = start;
    let mut end = u32::MAX;
    if life.remove != NONE {
        end = gap_of[life.remove as usize].clamp(before, behind);
        gap_of[life.remove as usize] = end;
    }
    for peek in peeks {
        let gap = &mut gap_of[*peek as usize];
        *gap = (*gap).clamp(before, behind).clamp(start, end);
    }
}
