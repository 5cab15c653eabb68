//! Session guarantees by their definition: what each read has seen as a least set, and whether
//! some order of writes has what was seen before what was returned.
//!
//! Viotti & Vukolić (2016), Terry et al. (1994). No clock, no graph.

use super::oracle::{Case, Keep, cases};
use tribunal_history::History;

/// What is promised to sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Promise {
    pub(super) own_writes: bool,
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) follows: bool,
}

/// Whether some choice of what happened keeps the promise; reads that nothing explains are not
/// looked at.
pub(super) fn kept(history: &History, promise: Promise) -> bool {
    let cases = cases(history, Keep::Sessions);
    // What was seen happened.
    let least = cases.iter().map(|case| case.absent).min();
    cases.iter().filter(|case| Some(case.absent) == least).any(|case| {
        let before = edges(case, promise);
        let n = case.txns.len();
        // A circle shows within as many steps as there are transactions.
        let mut reach = before.clone();
        for _ in 0..n {
            let next: Vec<u32> = (0..n)
                .map(|a| {
                    (0..n).filter(|b| reach[a] >> b & 1 == 1).fold(reach[a], |r, b| r | reach[b])
                })
                .collect();
            reach = next;
        }
        let stale = before.get(n) == Some(&1);
        !stale && (0..n).all(|t| reach[t] >> t & 1 == 0)
    })
}

/// By transaction: those that it comes before; and one more entry, 1 if one is said to come before
/// the initial transaction.
fn edges(case: &Case, promise: Promise) -> Vec<u32> {
    let n = case.txns.len();
    let there = |t: usize| case.there >> t & 1 == 1;
    let members = || (0..n).filter(|t| there(*t));
    let earlier = |a: usize, b: usize| case.txns[b].after >> a & 1 == 1;
    let bits = |set: u32| (0..n).filter(move |t| set >> t & 1 == 1);
    // Reads, each with what it has seen so far.
    let mut seen: Vec<(usize, usize, u32)> = Vec::new();
    for t in members().filter(|t| case.txns[*t].committed) {
        seen.extend((0..case.txns[t].reads.len()).map(|at| (t, at, 0)));
    }
    loop {
        let old = seen.clone();
        for (t, at, set) in &mut seen {
            if let Some(from) = case.txns[*t].reads[*at].from {
                *set |= 1 << from;
            }
            if promise.own_writes {
                members().filter(|a| earlier(*a, *t)).for_each(|a| *set |= 1 << a);
            }
            for (other, place, its) in &old {
                let before = earlier(*other, *t) || other == t && place < at;
                let followed = bits(*set).any(|w| earlier(*other, w) || *other == w);
                if promise.reads && before || promise.follows && followed {
                    *set |= its;
                }
            }
            if promise.writes {
                let all = bits(*set).collect::<Vec<_>>();
                members()
                    .filter(|a| all.iter().any(|w| earlier(*a, *w)))
                    .for_each(|a| *set |= 1 << a);
            }
        }
        if seen == old {
            break;
        }
    }
    let mut before = vec![0_u32; n + 1];
    for (t, at, set) in &seen {
        let read = &case.txns[*t].reads[*at];
        let writes = |w: &usize| case.txns[*w].writes.contains_key(&read.key);
        for w in bits(*set).filter(|w| writes(w) && Some(*w) != read.from) {
            match read.from {
                Some(from) => before[w] |= 1 << from,
                None => before[n] = 1,
            }
        }
        if promise.follows {
            let writers = members().filter(|w| *w == *t || earlier(*t, *w));
            for w in writers.filter(|w| !case.txns[*w].writes.is_empty()) {
                bits(*set).filter(|x| *x != w).for_each(|x| before[x] |= 1 << w);
                // Who had seen its own later write: a circle.
                if set >> w & 1 == 1 {
                    before[w] |= 1 << w;
                }
            }
        }
    }
    if promise.writes {
        for w in members() {
            members().filter(|a| earlier(*a, w)).for_each(|a| before[a] |= 1 << w);
        }
    }
    before
}
