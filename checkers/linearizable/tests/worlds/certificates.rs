//! The verifiers refuse every certificate that proves nothing. What proves something is decided by
//! the sequential objects, not by the models.

use tribunal_history::{History, OpIndex};

use super::super::generate::Random;
use super::super::histories;
use super::conform::seed;
use super::oracle::is_linearizable;
use super::{Act, Ended, World, history, small};
use crate::linearizable::certificate::{verify_closed, verify_counterexample, verify_order};
use crate::linearizable::partition::{Component, components};
use crate::linearizable::tests::prepare;
use crate::linearizable::{Dialect, FromHistory, Interpreted, Options, judge};
use crate::{Budget, Evidence, Verdict};

const DIALECT: Dialect = Dialect::TRIBUNAL;

pub(super) fn corrupted<W: World>(name: &str, world: &W) {
    let mut random = Random(seed(name) + 2);
    let model = world.model();
    let (mut orders, mut counterexamples) = (0, 0);
    let number = histories(5_000).div_ceil(5);
    for _ in 0..number {
        let acts = small(world, &mut random);
        let history = history(&acts);
        let acts = recorded(&history, &acts);
        let options = Options { orders: true, ..Options::default() };
        let report = judge(&model, &history, DIALECT, &Budget::unlimited(), options);
        let report = report.expect("its family");
        let components = components(&model, &history);
        if report.verdict == Verdict::Valid {
            for (component, proof) in components.iter().zip(&report.linearizations) {
                orders += spoil_order(world, &mut random, &history, &acts, component, &proof.order);
            }
        } else if let Evidence::Counterexample { operations, failed, .. } =
            &report.anomalies[0].evidence
        {
            for missing in operations {
                let left = operations.iter().copied().filter(|index| index != missing).collect();
                let proof = (left, failed.0);
                counterexamples += spoil_counterexample(world, &model, &history, &acts, proof);
            }
        }
        // Anything at all, claimed of a history that may well be linearizable.
        for _ in 0..4 {
            let kept: Vec<OpIndex> =
                (0..acts.len() as u32).filter(|_| random.percent(60)).map(OpIndex).collect();
            let failed = random.below(u64::from(history.event_count())) as u32;
            counterexamples += spoil_counterexample(world, &model, &history, &acts, (kept, failed));
        }
    }
    println!("{name}: {orders} corrupted orders, {counterexamples} corrupted counterexamples");
    assert!(orders * 5 > number && counterexamples > number, "these are too few");
}

/// The acts in the order of the history's operations.
pub(super) fn recorded(history: &History, acts: &[Act]) -> Vec<Act> {
    let mut acts = acts.to_vec();
    acts.sort_by_key(|act| act.from);
    assert_eq!(acts.len(), history.len());
    acts
}

/// Spoils an order in one way; 1 if it is none any more and was refused.
fn spoil_order<W: World>(
    world: &W,
    random: &mut Random,
    history: &History,
    acts: &[Act],
    component: &Component,
    order: &[OpIndex],
) -> u64 {
    let mut spoiled = order.to_vec();
    let len = spoiled.len() as u64;
    if len == 0 {
        return 0;
    }
    let (one, other) = (random.below(len) as usize, random.below(len) as usize);
    match random.below(4) {
        0 => spoiled.swap(one, other),
        1 => drop(spoiled.remove(one)),
        2 => spoiled.insert(other, spoiled[one]),
        _ => spoiled.insert(other, OpIndex(random.below(acts.len() as u64) as u32)),
    }
    let model = world.model();
    let accepted = verify_order(&model, history, &component.operations, DIALECT, &spoiled).is_ok();
    let proves = is_proof(world, acts, component, &spoiled);
    assert!(proves || !accepted, "{spoiled:?} is no order of {acts:#?}");
    u64::from(!proves)
}

/// Every completed operation once, others at most once, legal, in real time.
fn is_proof<W: World>(world: &W, acts: &[Act], component: &Component, order: &[OpIndex]) -> bool {
    let own = |index: &OpIndex| component.operations.contains(index);
    let times = |index: &OpIndex| order.iter().filter(|other| *other == index).count();
    let complete = component.operations.iter().all(|index| match acts[index.0 as usize].ended {
        // What asserts nothing may be left out.
        Ended::Ok => times(index) == 1 || (times(index) == 0 && says_nothing(acts, index)),
        Ended::Fail => times(index) == 0,
        Ended::Crashed => times(index) <= 1,
    });
    let late = order.iter().enumerate().any(|(at, index)| {
        let end = |index: &OpIndex| match acts[index.0 as usize].ended {
            Ended::Ok => acts[index.0 as usize].to,
            Ended::Fail | Ended::Crashed => u32::MAX,
        };
        order[..at].iter().any(|before| end(index) < acts[before.0 as usize].from)
    });
    if !complete || late || !order.iter().all(own) {
        return false;
    }
    let mut objects = vec![world.object()];
    for index in order {
        let act = &acts[index.0 as usize];
        let effects = objects.iter().flat_map(|object| world.effects(object, act.process, &act.op));
        objects = effects.collect();
    }
    !objects.is_empty()
}

fn says_nothing(acts: &[Act], index: &OpIndex) -> bool {
    let op = &acts[index.0 as usize].op;
    *op == op.pending() && !matches!(op, tribunal_history::Op::Lock(_))
}

/// 1 if the operations kept are no proof and were refused.
fn spoil_counterexample<W: World>(
    world: &W,
    model: &W::Model,
    history: &History,
    acts: &[Act],
    (kept, failed): (Vec<OpIndex>, u32),
) -> u64 {
    let part = prefix(history, acts, &kept, failed);
    let legal = is_linearizable(world, &part);
    for component in components(model, history) {
        let own = |index: &OpIndex| component.operations.contains(index);
        let mine: Vec<OpIndex> = kept.iter().copied().filter(own).collect();
        let problem = prepare(model, history, &component, DIALECT).expect("its family");
        let place = |index: &OpIndex| {
            let found = problem.entries.iter().position(|entry| entry.origin == *index);
            found.map(|at| at as u32)
        };
        let positions: Vec<u32> = mine.iter().filter_map(place).collect();
        let accepted =
            verify_counterexample(model, &problem, &positions, failed, 1 << 27, &|| false);
        assert!(!legal || accepted.is_err(), "{kept:?} up to {failed} of {acts:#?}");
        // A part of a linearizable whole that could be left alone is linearizable.
        let asserting: Vec<OpIndex> =
            mine.iter().copied().filter(|it| place(it).is_some()).collect();
        let all = &component.operations;
        if verify_closed(model, history, all, DIALECT, &asserting, failed).is_ok()
            && is_linearizable(world, acts)
        {
            let alone = prefix(history, acts, &asserting, failed);
            assert!(is_linearizable(world, &alone), "{asserting:?} up to {failed} of {acts:#?}");
        }
    }
    u64::from(legal)
}

/// Whether some operations are accepted as all that matters of `acts`, which are linearizable, and
/// are not linearizable themselves.
pub(super) fn is_misled<W: World>(
    world: &W,
    model: &impl FromHistory,
    random: &mut Random,
    acts: &[Act],
) -> bool {
    let history = history(acts);
    let acts = recorded(&history, acts);
    let failed = random.below(u64::from(history.event_count())) as u32;
    let kept = random.below(101);
    components(model, &history).iter().any(|component| {
        let asserts = |index: &OpIndex| {
            let told = model.interpret(&history.operation(*index), DIALECT);
            told.expect("its family") != Interpreted::Nothing
        };
        let mine = component.operations.iter().copied().filter(asserts);
        let mine: Vec<OpIndex> = mine.filter(|_| random.percent(kept)).collect();
        let all = &component.operations;
        verify_closed(model, &history, all, DIALECT, &mine, failed).is_ok()
            && !is_linearizable(world, &prefix(&history, &acts, &mine, failed))
    })
}

/// The operations kept, as far as the event `failed`; what ends later is unfinished there, although
/// its answer is known.
pub(super) fn prefix(history: &History, acts: &[Act], kept: &[OpIndex], failed: u32) -> Vec<Act> {
    let begun = kept.iter().filter(|index| history.operation(**index).call().0 <= failed);
    begun
        .map(|index| {
            let act = &acts[index.0 as usize];
            let ends = history.operation(*index).ret().is_some_and(|ret| ret.0 <= failed);
            match act.ended {
                Ended::Ok if !ends => Act { ended: Ended::Crashed, to: u32::MAX, ..act.clone() },
                Ended::Ok | Ended::Fail | Ended::Crashed => act.clone(),
            }
        })
        .collect()
}
