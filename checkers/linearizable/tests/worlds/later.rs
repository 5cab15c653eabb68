//! The returns that are named because of what happened since some call: what a mistake in that
//! would name for nothing, or miss.

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::locks::{mutex, semaphore};
use super::minimal::wide;
use super::sums::{drawn, kept_of, model_number};
use super::{Act, World, history, settle};
use crate::linearizable::Dialect;
use crate::linearizable::partition::components;
use crate::linearizable::sums::{Base, HintBug, HintSlips, Slips, fewest, find, first, proves};

/// What is wrong with the returns that are named because of what happened since some call: no sum
/// refutes one, or a sum refutes an earlier one, or another by fewer operations. Whatever is named,
/// what is told of it is proved.
fn misnamed<W: World>(world: &W, acts: &[Act], slips: HintSlips) -> bool {
    let (model, history) = (world.model(), history(acts));
    components(&model, &history).iter().any(|component| {
        let problem = prepare(&model, &history, component, Dialect::TRIBUNAL).expect("its family");
        let number = model_number(&model);
        let (early, few) = (first(&number, &problem, slips), fewest(&number, &problem, slips));
        let told = |rank: u32| {
            let sum = find(&number, &problem, rank)?;
            let keep = kept_of(problem.entries.len(), &sum.kept);
            assert!(proves(&model, &problem, &keep, rank, Slips::default()), "{sum:?}");
            Some(sum)
        };
        let named = [early, few].into_iter().flatten();
        if named.map(told).any(|sum| sum.is_none()) {
            return true;
        }
        let few = few.and_then(told).map(|sum| sum.kept.len());
        let ranks = problem.entries.iter().map(|entry| entry.ret).filter(|ret| *ret != u32::MAX);
        let sums = ranks.filter_map(|rank| Some((rank, find(&number, &problem, rank)?)));
        sums.filter(|(_, sum)| matches!(sum.from, Base::Call(_))).any(|(rank, sum)| {
            early.is_none_or(|early| early > rank) || few.is_none_or(|few| few > sum.kept.len())
        })
    })
}

/// The first history of which a return is misnamed.
fn misnaming<W: World>(world: &W, slips: HintSlips, of: u64) -> Option<u64> {
    let mut random = Random(71);
    (0..of).find(|at| {
        let acts = match at % 2 {
            0 => drawn(world, &mut random),
            _ => {
                let mut acts = wide(world, &mut random);
                settle(&mut acts);
                acts
            }
        };
        misnamed(world, &acts, slips)
    })
}

#[test]
fn planted_mistakes_of_later_sums_are_caught() {
    let bugs = [
        HintBug::TakenAtReturn,
        HintBug::CrashedTakesForgotten,
        HintBug::TakenBeforeCounts,
        HintBug::FullIsTooMuch,
        HintBug::NeverTooSmall,
        HintBug::FirstIsFewest,
        HintBug::GoneIsKept,
    ];
    for bug in bugs {
        let slips = HintSlips { trap: Some(bug) };
        let (mutex, lock) =
            (misnaming(&mutex(), slips, 2_000), misnaming(&semaphore(), slips, 20_000));
        assert!(mutex.or(lock).is_some(), "{bug:?} was not caught");
        println!("{bug:?} caught by history {mutex:?} of a mutex, {lock:?} of a semaphore");
    }
    let none = HintSlips::default();
    assert_eq!(misnaming(&mutex(), none, histories(10_000)), None, "without a mistake");
    assert_eq!(misnaming(&semaphore(), none, histories(10_000)), None, "without a mistake");
}
