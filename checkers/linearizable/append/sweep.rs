//! The sweep itself, a pure function over ranks. O(total length of the reads).

use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// An append; `ret` is [`NEVER`] if it crashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Append {
    pub(super) op: u32,
    pub(super) element: u32,
    pub(super) call: u32,
    pub(super) ret: u32,
}

/// A completed read: `len` elements of [`Input::lists`] from `from` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Read {
    pub(super) op: u32,
    pub(super) from: u32,
    pub(super) len: u32,
    pub(super) call: u32,
    pub(super) ret: u32,
}

/// One list. Elements are numbers below `elements`, each appended at most once.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// By call.
    pub(super) appends: Vec<Append>,
    /// By call.
    pub(super) reads: Vec<Read>,
    pub(super) lists: Vec<u32>,
    pub(super) elements: u32,
}

/// What is wrong: operations that contradict each other, and the reads without which they do not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refuted {
    pub(super) operations: Vec<u32>,
    /// Positions in [`Input::reads`].
    pub(super) shown_by: Vec<usize>,
}

/// A rank, and the operation it belongs to.
#[derive(Clone, Copy)]
struct Bound {
    rank: u32,
    op: u32,
}

/// What bounds one version from both sides, by its reads.
#[derive(Clone, Copy)]
struct Version {
    latest_call: Bound,
    first_ret: Bound,
    reads: u32,
}

impl Input {
    /// What a read saw.
    pub(super) fn seen(&self, read: &Read) -> &[u32] {
        &self.lists[read.from as usize..(read.from + read.len) as usize]
    }

    /// By element: its position in `appends`, or [`NONE`].
    pub(super) fn appended(&self) -> Vec<u32> {
        let mut appended = vec![NONE; self.elements as usize];
        for (at, append) in self.appends.iter().enumerate() {
            appended[append.element as usize] = at as u32;
        }
        appended
    }
}

/// The operations in a legal order, or why there is none.
pub(super) fn sweep(input: &Input, planted: Planted) -> Result<Vec<u32>, Refuted> {
    let appended = input.appended();
    let longest = (0..input.reads.len()).max_by_key(|at| input.reads[*at].len);
    let shown = longest.map_or(&[][..], |at| input.seen(&input.reads[at]));
    if let Some(longest) = longest {
        same_order(input, longest, &appended, planted)?;
    }
    let versions = versions(input, shown.len());
    let last = ascend(input, shown, &versions, &appended, planted)?;
    unseen(input, shown, last, planted)?;
    Ok(order(input, shown, &versions, &appended))
}

/// Every read is a prefix of the longest, which shows appended elements once each.
fn same_order(
    input: &Input,
    longest: usize,
    appended: &[u32],
    planted: Planted,
) -> Result<(), Refuted> {
    let shown = input.seen(&input.reads[longest]);
    let refuted = |shown_by: Vec<usize>| Err(Refuted { operations: Vec::new(), shown_by });
    let mut seen = vec![false; appended.len()];
    for element in shown {
        let again = std::mem::replace(&mut seen[*element as usize], true);
        let unknown = appended[*element as usize] == NONE;
        if (again && !planted.has(Trap::TwiceIsFine))
            || (unknown && !planted.has(Trap::UnknownIsFine))
        {
            return refuted(vec![longest]);
        }
    }
    for (at, read) in input.reads.iter().enumerate() {
        let prefix = shown.starts_with(input.seen(read));
        if !prefix && !planted.has(Trap::AnyOrder) {
            return refuted(vec![longest, at]);
        }
    }
    Ok(())
}

fn versions(input: &Input, longest: usize) -> Vec<Version> {
    let nothing = Version {
        latest_call: Bound { rank: 0, op: NONE },
        first_ret: Bound { rank: NEVER, op: NONE },
        reads: 0,
    };
    let mut versions = vec![nothing; longest + 1];
    for read in &input.reads {
        let version = &mut versions[read.len as usize];
        if read.call >= version.latest_call.rank {
            version.latest_call = Bound { rank: read.call, op: read.op };
        }
        if read.ret < version.first_ret.rank {
            version.first_ret = Bound { rank: read.ret, op: read.op };
        }
        version.reads += 1;
    }
    versions
}

/// From the empty list up: the latest call of what must have come before each version precedes the
/// earliest return of what shows it. The bound after the last one.
fn ascend(
    input: &Input,
    shown: &[u32],
    versions: &[Version],
    appended: &[u32],
    planted: Planted,
) -> Result<Bound, Refuted> {
    let mut latest = Bound { rank: 0, op: NONE };
    for (length, element) in shown.iter().enumerate() {
        let Some(append) = input.appends.get(appended[*element as usize] as usize) else {
            continue;
        };
        let before = versions[length].latest_call;
        if planted.has(Trap::SweepForgets) {
            latest = Bound { rank: 0, op: NONE };
        }
        for bound in [before, Bound { rank: append.call, op: append.op }] {
            let ignored = bound.op == before.op && planted.has(Trap::ReadsDoNotBound);
            if bound.rank > latest.rank && !ignored {
                latest = bound;
            }
        }
        let shows = versions[length + 1].first_ret;
        let own = Bound { rank: append.ret, op: append.op };
        let earliest = if own.rank < shows.rank { own } else { shows };
        if latest.rank >= earliest.rank {
            let shown_by = shown_by(input, length + 1);
            return Err(Refuted { operations: vec![latest.op, earliest.op], shown_by });
        }
    }
    let end = versions[shown.len()].latest_call;
    Ok(if end.rank > latest.rank { end } else { latest })
}

/// The shortest read of at least `length` elements.
fn shown_by(input: &Input, length: usize) -> Vec<usize> {
    let reads = input.reads.iter().enumerate();
    let reads = reads.filter(|(_, read)| read.len as usize >= length);
    reads.min_by_key(|(_, read)| read.len).map(|(at, _)| at).into_iter().collect()
}

/// What no read shows came after all of them, if it came.
fn unseen(input: &Input, shown: &[u32], last: Bound, planted: Planted) -> Result<(), Refuted> {
    let mut seen = vec![false; input.elements as usize];
    shown.iter().for_each(|element| seen[*element as usize] = true);
    for append in input.appends.iter().filter(|append| !seen[append.element as usize]) {
        let crashed = append.ret == NEVER;
        let bad = if crashed {
            planted.has(Trap::CrashedMustHappen) && append.call < last.rank
        } else {
            append.ret <= last.rank && !planted.has(Trap::UnseenAnyTime)
        };
        if bad {
            // The bound is a read that does not show it, or an append that a read shows without.
            let element = input.appends.iter().find(|other| other.op == last.op);
            let place = element
                .and_then(|other| shown.iter().position(|element| *element == other.element));
            let shown_by = place.map_or_else(Vec::new, |place| shown_by(input, place + 1));
            return Err(Refuted { operations: vec![append.op, last.op], shown_by });
        }
    }
    Ok(())
}

/// Version by version its append and its reads, then what no read shows; all by call.
fn order(input: &Input, shown: &[u32], versions: &[Version], appended: &[u32]) -> Vec<u32> {
    let mut order = vec![NONE; input.reads.len() + shown.len()];
    let mut next = Vec::with_capacity(versions.len());
    let mut places = 0;
    for (length, version) in versions.iter().enumerate() {
        if let Some(element) = length.checked_sub(1).map(|at| shown[at] as usize) {
            let append = input.appends.get(appended[element] as usize);
            order[places] = append.map_or(NONE, |append| append.op);
            places += 1;
        }
        next.push(places);
        places += version.reads as usize;
    }
    for read in &input.reads {
        let next = &mut next[read.len as usize];
        order[*next] = read.op;
        *next += 1;
    }
    let mut seen = vec![false; input.elements as usize];
    shown.iter().for_each(|element| seen[*element as usize] = true);
    let rest = input.appends.iter();
    let rest = rest.filter(|append| append.ret != NEVER && !seen[append.element as usize]);
    order.extend(rest.map(|append| append.op));
    order
}
