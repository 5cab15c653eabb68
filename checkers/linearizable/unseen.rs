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

/// Positions of the entries that matter, by call; `None` where that are all, or too many to look.
/// O(n + distinct operations * distinct crashed ones).
pub(super) fn seen<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    rules: Rules,
) -> Option<Vec<u32>> {
    let Problem { entries, ops } = problem;
    if M::CONSUMES {
        return None;
    }
    // By class: the latest return of who observes, and the first call of one that crashed.
    let (mut latest, mut called) = (vec![None; ops.len()], vec![None; ops.len()]);
    for entry in entries {
        let class = entry.class as usize;
        match entry.ret {
            NEVER => called[class] = called[class].or(Some(entry.call)),
            ret => latest[class] = latest[class].max(Some(ret)),
        }
    }
    let crashed: Vec<(usize, u32)> =
        called.iter().enumerate().filter_map(|(class, call)| Some((class, (*call)?))).collect();
    if crashed.is_empty() || crashed.len().saturating_mul(2 * ops.len()) > PAIRS {
        return None;
    }
    let mut observers: Vec<usize> =
        (0..ops.len()).filter(|class| latest[*class].is_some()).collect();
    // By class: crashed ones called until then matter.
    let mut until = vec![None; ops.len()];
    let mut stays = vec![false; ops.len()];
    while let Some(observer) = observers.pop() {
        for (class, first) in &crashed {
            let ret = latest[observer];
            if until[*class] >= ret || !model.observes(&ops[observer], &ops[*class]) {
                continue;
            }
            until[*class] = ret;
            if !stays[*class] && ret >= Some(*first) && !rules.has(Bug::CrashedSeeNothing) {
                (stays[*class], latest[*class]) = (true, Some(NEVER));
                observers.push(*class);
            }
        }
    }
    let matters = |entry: &super::Entry| {
        entry.ret != NEVER || until[entry.class as usize] >= Some(entry.call)
    };
    let kept: Vec<u32> =
        (0..).zip(entries).filter(|(_, entry)| matters(entry)).map(|(at, _)| at).collect();
    (kept.len() < entries.len()).then_some(kept)
}
