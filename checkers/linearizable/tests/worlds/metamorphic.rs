//! Changes to a history whose effect on the verdict is known beforehand.

use super::super::generate::Random;
use super::super::histories;
use super::conform::judged;
use super::{Act, Ended, World, settle, small};
use crate::Verdict;
use crate::linearizable::Engines;

pub(super) fn changes<W: World>(world: &W) {
    let mut random = Random(11);
    for _ in 0..histories(5_000).div_ceil(10) {
        let acts = small(world, &mut random);
        let other = small(world, &mut random);
        let before = invalid(world, &acts);
        dropping_a_crashed_operation_never_cures(world, &mut random, &acts, before);
        adding_a_crashed_operation_never_condemns(world, &mut random, &acts, before);
        widening_an_interval_never_condemns(world, &mut random, &acts, before);
        let renamed: Vec<Act> = acts
            .iter()
            .map(|act| Act {
                op: world.renamed(&act.op),
                process: act.process + 5_000_000,
                ..act.clone()
            })
            .collect();
        assert_eq!(invalid(world, &renamed), before, "{acts:#?}");
        let worse = before || invalid(world, &other);
        assert_eq!(invalid(world, &beside(world, &acts, &other)), worse, "{acts:#?} {other:#?}");
    }
}

/// Invalid or not; a history that asserts nothing counts as not.
fn invalid<W: World>(world: &W, acts: &[Act]) -> bool {
    judged(&world.model(), acts, Engines::Auto).verdict == Verdict::Invalid
}

fn dropping_a_crashed_operation_never_cures<W: World>(
    world: &W,
    random: &mut Random,
    acts: &[Act],
    before: bool,
) {
    let crashed: Vec<usize> =
        (0..acts.len()).filter(|at| acts[*at].ended == Ended::Crashed).collect();
    if before && !crashed.is_empty() {
        let mut fewer = acts.to_vec();
        fewer.remove(crashed[random.below(crashed.len() as u64) as usize]);
        assert!(invalid(world, &fewer), "{acts:#?}");
    }
}

fn adding_a_crashed_operation_never_condemns<W: World>(
    world: &W,
    random: &mut Random,
    acts: &[Act],
    before: bool,
) {
    if before {
        return;
    }
    let mut more = acts.to_vec();
    let process = 3_000_000;
    let asked = world.ask(random, process, &world.object());
    let op = match acts[0].op.key() {
        Some(key) => asked.on_key(key),
        None => asked,
    };
    let from = acts[random.below(acts.len() as u64) as usize].from;
    more.push(Act { process, op, ended: Ended::Crashed, from, to: u32::MAX });
    settle(&mut more);
    assert!(!invalid(world, &more), "{more:#?}");
}

fn widening_an_interval_never_condemns<W: World>(
    world: &W,
    random: &mut Random,
    acts: &[Act],
    before: bool,
) {
    if before {
        return;
    }
    let mut wider = acts.to_vec();
    let at = random.below(acts.len() as u64) as usize;
    match random.below(2) {
        // The other operations of its process may not be overlapped.
        0 if wider[at].to != u32::MAX => {
            let same = |act: &&Act| act.process == acts[at].process && act.from > acts[at].from;
            let next = acts.iter().filter(same).map(|act| act.from).min();
            wider[at].to = next.unwrap_or(1_000_000);
        }
        _ => {
            let same = |act: &&Act| act.process == acts[at].process && act.from < acts[at].from;
            let last = acts.iter().filter(same).map(|act| act.to).max();
            wider[at].from = last.unwrap_or(0);
        }
    }
    spread(&mut wider, at);
    assert!(!invalid(world, &wider), "{acts:#?}\n{wider:#?}");
}

/// Ends of the widened operation stand just inside the ones they touch.
fn spread(acts: &mut [Act], widened: usize) {
    for (at, act) in acts.iter_mut().enumerate() {
        let (begin, end) = if at == widened { (1, 1) } else { (2, 0) };
        act.from = 3 * act.from + begin;
        if act.to != u32::MAX {
            act.to = 3 * act.to + end;
        }
    }
    settle(acts);
}

/// Both, each on its own object, with their events by turns.
fn beside<W: World>(world: &W, acts: &[Act], other: &[Act]) -> Vec<Act> {
    let moved = other.iter().map(|act| Act {
        op: world.moved(&act.op),
        process: act.process + 2_000_000,
        from: 2 * act.from + 1,
        to: if act.to == u32::MAX { act.to } else { 2 * act.to + 1 },
        ended: act.ended,
    });
    let kept = acts.iter().map(|act| Act {
        from: 2 * act.from,
        to: if act.to == u32::MAX { act.to } else { 2 * act.to },
        ..act.clone()
    });
    kept.chain(moved).collect()
}
