//! Containers from their definitions, and linearizability from its own: some choice of crashed
//! operations, some order, legal, in real time.

use super::World;
use crate::linearizable::NEVER;
use crate::linearizable::containers::{Act, Kind, What};

/// Whether some order of `world` is legal.
pub(super) fn is_linearizable(world: &World) -> bool {
    some_order(world, &mut vec![false; world.acts.len()], &[])
}

fn some_order(world: &World, placed: &mut Vec<bool>, inside: &[u32]) -> bool {
    let acts = &world.acts;
    let left = || acts.iter().zip(placed.iter()).filter(|(_, placed)| !**placed);
    let Some(first) = left().map(|(act, _)| act.ret).min() else { return true };
    if first == NEVER {
        return true;
    }
    for at in 0..acts.len() {
        if placed[at] || acts[at].call > first {
            continue;
        }
        placed[at] = true;
        let next = steps(world, &acts[at], inside);
        let found = next.iter().any(|next| some_order(world, placed, next));
        placed[at] = false;
        if found {
            return true;
        }
    }
    false
}

/// Whether `order` is a legal order of `world`.
pub(super) fn is_legal(world: &World, order: &[u32]) -> bool {
    let (mut states, mut latest) = (vec![Vec::new()], 0);
    let mut placed = vec![false; world.acts.len()];
    for at in order {
        let act = &world.acts[*at as usize];
        if std::mem::replace(&mut placed[*at as usize], true) || act.ret < latest {
            return false;
        }
        latest = latest.max(act.call);
        states = states.iter().flat_map(|inside| steps(world, act, inside)).collect();
        states.sort();
        states.dedup();
    }
    let all = world.acts.iter().zip(placed).all(|(act, placed)| placed || act.ret == NEVER);
    all && !states.is_empty()
}

/// What may be inside after `act`, in the order inserted.
fn steps(world: &World, act: &Act, inside: &[u32]) -> Vec<Vec<u32>> {
    let same = || vec![inside.to_vec()];
    let without = |at: usize| {
        let mut next = inside.to_vec();
        next.remove(at);
        next
    };
    let holds = inside.contains(&act.value);
    let out = next_out(world, inside);
    let found = out.iter().copied().find(|at| inside[*at] == act.value);
    match act.what {
        What::Insert if holds => Vec::new(),
        What::Insert => vec![[inside, &[act.value]].concat()],
        What::Remove => found.map(without).into_iter().collect(),
        What::Peek if found.is_some() => same(),
        What::Absent if !holds => same(),
        What::Empty if inside.is_empty() => same(),
        What::Peek | What::Absent | What::Empty => Vec::new(),
        What::Unknown => out.into_iter().map(without).collect(),
    }
}

/// Positions of what may come out next.
fn next_out(world: &World, inside: &[u32]) -> Vec<usize> {
    let all = 0..inside.len();
    match world.kind {
        Kind::Set => all.collect(),
        Kind::Queue => all.take(1).collect(),
        Kind::Stack => all.rev().take(1).collect(),
        Kind::PriorityQueue => {
            let priority = |at: usize| world.priorities[inside[at] as usize];
            let greatest = all.clone().map(priority).max();
            all.filter(|at| Some(priority(*at)) == greatest).collect()
        }
    }
}
