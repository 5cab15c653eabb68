//! As few transactions as have no order by themselves. Every step decides again: what is left is
//! refuted like the whole was.

use super::facts::Facts;

/// Most decisions of one shrinking.
const DECISIONS: usize = 2_000;

/// Shrinks transactions of which `refuted` tells some that have no order, if they have none: at
/// first those it told, then by leaving out halves, quarters and so on (Zeller & Hildebrandt,
/// "Simplifying and Isolating Failure-Inducing Input", TSE 2002). `candidates` are tried in turn,
/// and `None` is answered if none of them is refuted.
pub(super) fn smallest(
    facts: &Facts,
    candidates: impl IntoIterator<Item = Vec<u32>>,
    mut refuted: impl FnMut(&Facts) -> Option<Vec<u32>>,
) -> Option<Vec<u32>> {
    let mut decisions = 0;
    // Transactions of `facts` that are refuted among these.
    let mut within = |txns: &[u32]| {
        decisions += 1;
        if decisions > DECISIONS {
            return None;
        }
        let told = refuted(&facts.only(txns))?;
        Some(told.into_iter().map(|at| txns[at as usize]).collect::<Vec<u32>>())
    };
    let mut core = candidates.into_iter().find_map(|txns| within(&txns).map(|_| txns))?;
    while let Some(told) = within(&core).filter(|told| told.len() < core.len()) {
        if within(&told).is_none() {
            break;
        }
        core = told;
    }
    let mut chunk = core.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < core.len() {
            let to = (from + chunk).min(core.len());
            let less = [&core[..from], &core[to..]].concat();
            if !less.is_empty() && within(&less).is_some() {
                core = less;
            } else {
                from = to;
            }
        }
        if chunk == 1 {
            return Some(core);
        }
        chunk = chunk.div_ceil(2);
    }
}
