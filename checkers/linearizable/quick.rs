//! A refutation that needs no search: an operation that nothing explains. For histories whose
//! windows are too wide to search.

use super::{Model, NEVER, Problem, Steps};

/// Above this many pairs of distinct operations the search is asked at once.
const PAIRS: usize = 1 << 22;

/// A completed operation that is illegal in the initial state, and that observes nothing invoked
/// before it returned: no order of any kind makes it legal. The one that returned first.
///
/// Sound by the contract of [`Model::observes`]: the state it needs is the initial one or that of
/// the last operation before it that is not pure, and in all of those it is illegal.
pub(super) fn unexplained<M: Model>(model: &M, problem: &Problem<M::Op>) -> Option<u32> {
    let classes = problem.ops.len();
    if classes.saturating_mul(classes) > PAIRS {
        return None;
    }
    let mut first_call = vec![NEVER; classes];
    for entry in &problem.entries {
        let first = &mut first_call[entry.class as usize];
        *first = (*first).min(entry.call);
    }
    let producers: Vec<usize> =
        (0..classes).filter(|class| !model.is_pure(&problem.ops[*class])).collect();
    let explained_from: Vec<u32> = problem
        .ops
        .iter()
        .map(|op| {
            let initially = model.step(&model.initial(), op);
            if model.is_blind(op) || !matches!(initially, Steps::None) {
                return 0;
            }
            let explain = producers.iter().filter(|class| {
                first_call[**class] != NEVER && model.observes(op, &problem.ops[**class])
            });
            explain.map(|class| first_call[*class]).min().unwrap_or(NEVER)
        })
        .collect();
    let unexplained = problem.entries.iter().enumerate().filter(|(_, entry)| {
        entry.ret != NEVER && entry.ret < explained_from[entry.class as usize]
    });
    unexplained.min_by_key(|(_, entry)| entry.ret).map(|(at, _)| at as u32)
}
