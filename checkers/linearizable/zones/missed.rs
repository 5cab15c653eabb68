//! Compare-and-sets that failed: each saw another value at some instant.
//!
//! One is refuted where the value it missed was held throughout; else it is placed in the order
//! that explains all the others, where that order has an instant for it. Another order might have
//! one where this has none, so what is neither refuted nor placed is undecided.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tribunal_history::{Code, OpIndex};

use super::chains::Chains;
use super::clusters::{Clusters, INITIAL};
use super::decide::Stop;
use super::evidence::Refuted;
use super::rows::{Reader, Row, Values};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// Operations looked at for one instant.
const LOOKED_AT: usize = 1 << 10;

/// Whether one of `missed` lies where its value was surely held.
///
/// A cluster's value is there when its first operation returns, and still when its last is called;
/// the compare-and-set that replaced it is one of these operations.
pub(super) fn refute(
    reader: &Reader<'_>,
    missed: &[u32],
    repeated: &[Code],
    (values, clusters, chains): (&Values, &Clusters, &Chains),
    planted: Planted,
) -> Result<(), Stop> {
    for op in missed {
        let Row::Missed(code) = reader.at(OpIndex(*op)) else { continue };
        let value = if code == reader.initial { 0 } else { values.plain(code) };
        if value == NONE || repeated.binary_search(&code).is_ok() {
            continue;
        }
        let cluster = &clusters.of[value as usize];
        if !cluster.is_written() && cluster.producer != INITIAL {
            continue;
        }
        let (mut first, mut last) = (cluster.first_ret, cluster.last_call);
        if let Some(cas) = chains.successor(clusters, value) {
            last = last.max(reader.call(cas.op));
            first = if cas.completed { first.min(reader.ret(cas.op)) } else { first };
        }
        let (call, ret) = (reader.call(*op), reader.ret(*op));
        let held = if planted.has(Trap::MissedOverlaps) {
            first < ret && call < last
        } else {
            first < call && ret < last
        };
        if held {
            return Err(Stop::Refuted(Refuted::events(&[call, first, last])));
        }
    }
    Ok(())
}

/// `order` with `missed` placed in it, which are in the order of their calls.
///
/// A place is possible if all before it were called before the return and all after it return
/// after the call. One that returned before another was called has no later place. Each takes the
/// first place it can have, which leaves the most to those that come after.
pub(super) fn place(
    reader: &Reader<'_>,
    missed: &[u32],
    order: Vec<OpIndex>,
) -> Result<Vec<OpIndex>, Stop> {
    let (called, returns) = bounds(reader, &order);
    let mut places: Vec<(usize, u32)> = Vec::with_capacity(missed.len());
    let mut pending: BinaryHeap<Reverse<(u32, usize)>> = BinaryHeap::new();
    let mut after_returned = 0;
    for op in missed {
        let Row::Missed(code) = reader.at(OpIndex(*op)) else { continue };
        let (call, ret) = (reader.call(*op), reader.ret(*op));
        while let Some(Reverse((returned, place))) = pending.peek().copied()
            && returned < call
        {
            after_returned = after_returned.max(place);
            pending.pop();
        }
        let first = returns.partition_point(|ret| *ret < call).max(after_returned);
        let found = (first..=order.len())
            .take(LOOKED_AT)
            .take_while(|place| *place == 0 || called[*place - 1] < ret)
            .find(|place| {
                let before = place.checked_sub(1).map(|before| order[before]);
                before.map_or(reader.initial, |before| state_after(reader, before)) != code
            });
        let Some(place) = found else {
            return Err(Stop::HandOver("a failed compare-and-set has no place in the order found"));
        };
        places.push((place, *op));
        pending.push(Reverse((ret, place)));
    }
    // Stable: at one place in the order of their calls.
    places.sort_by_key(|(place, _)| *place);
    let mut merged = Vec::with_capacity(order.len() + places.len());
    let mut next = places.iter().peekable();
    for place in 0..=order.len() {
        while let Some((_, op)) = next.next_if(|(at, _)| *at == place) {
            merged.push(OpIndex(*op));
        }
        merged.extend(order.get(place));
    }
    Ok(merged)
}

/// By position: the latest call up to it, and the earliest return from it on.
fn bounds(reader: &Reader<'_>, order: &[OpIndex]) -> (Vec<u32>, Vec<u32>) {
    let mut latest = 0;
    let mut called = Vec::with_capacity(order.len());
    let mut returns = vec![NEVER; order.len()];
    for index in order {
        latest = latest.max(reader.call(index.0));
        called.push(latest);
    }
    let mut earliest = NEVER;
    for (index, slot) in order.iter().zip(&mut returns).rev() {
        if let Row::Read(_)
        | Row::Write { completed: true, .. }
        | Row::Cas { completed: true, .. } = reader.at(*index)
        {
            earliest = earliest.min(reader.ret(index.0));
        }
        *slot = earliest;
    }
    (called, returns)
}

/// What the register holds after an operation of a legal order.
fn state_after(reader: &Reader<'_>, index: OpIndex) -> Code {
    match reader.at(index) {
        Row::Read(value) | Row::Write { value, .. } | Row::Cas { to: value, .. } => value,
        Row::Missed(_) | Row::Nothing | Row::Foreign => {
            unreachable!("the order holds operations that saw or changed the register")
        }
    }
}

/// Rank until which a compare-and-set that missed may have seen things.
pub(super) fn end(reader: &Reader<'_>, op: u32, completed: bool) -> u32 {
    if completed { reader.ret(op) } else { NEVER }
}
