//! Crashed operations that nobody can have noticed.
//!
//! Of a legal order may be left out, by the contract of [`Model::observes`] and
//! [`Model::consumes`], whatever no kept operation observes and consumes nothing that is kept. A
//! crashed operation need not happen. So those stay that some completed operation observes, or
//! some crashed one that stays, unless that had returned before they were called; and without the
//! others there is a legal order iff there is one with them.
//!
//! Of transactions on registers, for one: take a crashed one that writes, and let nobody read any
//! of the last values that it gives to its keys. Leave it out of a legal order. What is different
//! lies, for each of its keys, between it and the next write of that key, be it one of a
//! transaction that reads too. A read of the key in there, of the state before its transaction,
//! finds that last value; nobody has read it; so there is none, and every read finds what it found
//! before, the initial value too: a write of that is a write of a value that was read.

use super::rules::{Bug, Rules};
use super::{Model, NEVER, Problem};

/// Most pairs of an observer and a crashed operation that are looked at, of distinct ones.
const PAIRS: usize = 1 << 20;

/// What is known of the operations of one class.
#[derive(Clone, Copy, Default)]
struct Class {
    /// The latest return of who observes.
    latest: Option<u32>,
    /// The first call of one that crashed.
    called: Option<u32>,
    /// Crashed ones called until then matter.
    until: Option<u32>,
    /// Whether a crashed one observes, because it matters.
    stays: bool,
}

/// Positions of the entries that matter, by call; `None` where that are all, or too many to look,
/// or when told to stop. O(n + distinct operations * distinct crashed ones).
pub(super) fn seen<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    rules: Rules,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<u32>> {
    let Problem { entries, ops } = problem;
    if M::CONSUMES {
        return None;
    }
    let mut classes = vec![Class::default(); ops.len()];
    for entry in entries {
        let class = &mut classes[entry.class as usize];
        match entry.ret {
            NEVER => class.called = class.called.or(Some(entry.call)),
            ret => class.latest = class.latest.max(Some(ret)),
        }
    }
    let numbered = classes.iter().enumerate();
    let crashed: Vec<(usize, u32)> =
        numbered.filter_map(|(at, class)| Some((at, class.called?))).collect();
    if crashed.is_empty() || crashed.len().saturating_mul(2 * ops.len()) > PAIRS {
        return None;
    }
    let numbered = classes.iter().enumerate();
    let mut observers: Vec<usize> =
        numbered.filter_map(|(at, class)| class.latest.map(|_| at)).collect();
    while let Some(observer) = observers.pop() {
        let ret = classes[observer].latest;
        for (at, first) in &crashed {
            // What one observes of another takes as long as both are.
            if stop() {
                return None;
            }
            let class = &mut classes[*at];
            if class.until >= ret || !model.observes(&ops[observer], &ops[*at]) {
                continue;
            }
            class.until = ret;
            if !class.stays && ret >= Some(*first) && !rules.has(Bug::CrashedSeeNothing) {
                (class.stays, class.latest) = (true, Some(NEVER));
                observers.push(*at);
            }
        }
    }
    let matters = |entry: &super::Entry| {
        entry.ret != NEVER || classes[entry.class as usize].until >= Some(entry.call)
    };
    if entries.iter().all(matters) {
        return None;
    }
    Some((0..).zip(entries).filter(|(_, entry)| matters(entry)).map(|(at, _)| at).collect())
}
