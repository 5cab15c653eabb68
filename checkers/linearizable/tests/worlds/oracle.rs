//! Linearizability from its definition: some order of all that completed and some of what did not,
//! legal, in real time. No memo.

use super::{Act, Ended, World};

/// Whether `acts`, all on their own object by key, are linearizable.
pub(super) fn is_linearizable<W: World>(world: &W, acts: &[Act]) -> bool {
    let mut keys: Vec<_> = acts.iter().map(|act| act.op.key()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().all(|key| {
        let on_key = acts.iter().filter(|act| act.op.key() == key && act.ended != Ended::Fail);
        let acts: Vec<&Act> = on_key.collect();
        some_order(world, &acts, &mut vec![false; acts.len()], &world.object())
    })
}

fn some_order<W: World>(
    world: &W,
    acts: &[&Act],
    placed: &mut Vec<bool>,
    object: &W::Object,
) -> bool {
    let left = |at: &usize| !placed[*at] && acts[*at].ended == Ended::Ok;
    if !(0..acts.len()).any(|at| left(&at)) {
        return true;
    }
    for at in 0..acts.len() {
        let open = |other: usize| !placed[other] && acts[other].ended == Ended::Ok;
        let precedes = |other: usize| open(other) && acts[other].to < acts[at].from;
        if placed[at] || (0..acts.len()).any(precedes) {
            continue;
        }
        placed[at] = true;
        let next = world.effects(object, acts[at].process, &acts[at].op);
        let found = next.iter().any(|next| some_order(world, acts, placed, next));
        placed[at] = false;
        if found {
            return true;
        }
    }
    false
}
