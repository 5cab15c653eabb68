//! Every decider against the definition on random histories, its proofs, and the proof that this
//! finds mistakes.

use super::generate::{Shape, corrupt, small, valid};
use super::{Answer, KINDS, Kind, Random, Tricks, World, histories, is_closed, oracle};
use crate::linearizable::containers::tricks::Bug;

/// What became of many histories.
#[derive(Default, Debug)]
struct Tally {
    valid: u64,
    invalid: u64,
    handed_over: u64,
}

/// Judges `world` and checks the answer with its proof against the oracle.
fn agrees(world: &World, number: u64, tally: &mut Tally) {
    let expected = oracle::is_linearizable(world);
    match world.judge(Tricks::default()) {
        Answer::Order(order) => {
            assert!(expected, "history {number} has no order: {world:#?}");
            assert!(oracle::is_legal(world, &order), "history {number}: {order:?} {world:#?}");
            tally.valid += 1;
        }
        Answer::Contradiction(few) => {
            assert!(!expected, "history {number} has an order: {world:#?}");
            assert!(is_closed(world, &few), "history {number}: {few:?} {world:#?}");
            let part = world.part(&few);
            assert!(!oracle::is_linearizable(&part), "history {number}: {few:?} {world:#?}");
            tally.invalid += 1;
        }
        Answer::HandOver(_) => tally.handed_over += 1,
    }
}

fn differ(kind: Kind) {
    let mut random = Random(kind as u64 + 1);
    let mut tally = Tally::default();
    let count = histories(100_000);
    for number in 0..count {
        agrees(&small(&mut random, kind), number, &mut tally);
    }
    println!("{kind:?}: {tally:?}, 0 mismatches");
    assert!(tally.valid > count / 5 && tally.invalid > count / 20, "{kind:?}: {tally:?}");
    assert!(tally.handed_over < count / 4, "{kind:?}: {tally:?}");
}

#[test]
fn sets_agree_with_the_definition() {
    differ(Kind::Set);
}

#[test]
fn queues_agree_with_the_definition() {
    differ(Kind::Queue);
}

#[test]
fn stacks_agree_with_the_definition() {
    differ(Kind::Stack);
}

#[test]
fn priority_queues_agree_with_the_definition() {
    differ(Kind::PriorityQueue);
}

/// Long histories that are valid by construction have an order, and it is one; spoilt ones get a
/// small contradiction or an order that is one.
#[test]
fn long_histories() {
    let mut random = Random(9);
    for number in 0..histories(100_000) / 10 {
        let kind = KINDS[number as usize % KINDS.len()];
        let shape = Shape {
            ops: 40 + random.below(200) as usize,
            clients: 2 + random.below(10),
            crash_percent: (random.below(3) / 2) * random.below(8),
            peek_percent: random.below(2) * random.below(40),
            priorities: random.below(2) * 5,
        };
        let mut world = valid(&mut random, kind, shape);
        match world.judge(Tricks::default()) {
            Answer::Order(order) => assert!(oracle::is_legal(&world, &order), "{number}"),
            Answer::Contradiction(few) => panic!("{number}: {few:?} {world:#?}"),
            Answer::HandOver(_) => {}
        }
        corrupt(&mut random, &mut world);
        match world.judge(Tricks::default()) {
            Answer::Order(order) => assert!(oracle::is_legal(&world, &order), "{number}"),
            Answer::Contradiction(few) => {
                assert!(is_closed(&world, &few), "{number}: {few:?} {world:#?}");
                let part = world.part(&few);
                let small = few.len() <= 12;
                assert!(!small || !oracle::is_linearizable(&part), "{number} {part:#?}");
            }
            Answer::HandOver(_) => {}
        }
    }
}

/// The negative proof: every mistake shows within the histories that the tests above look at.
#[test]
fn planted_mistakes_are_caught() {
    let bugs = [
        (Bug::VirtualRemovesSuccessive, Kind::Queue),
        (Bug::TuningLeftOut, Kind::Queue),
        (Bug::TuningLeftOut, Kind::Stack),
        (Bug::EmptiesIgnored, Kind::Queue),
        (Bug::EmptiesIgnored, Kind::Stack),
        (Bug::EmptiesIgnored, Kind::PriorityQueue),
        (Bug::PeekRemoves, Kind::Stack),
        (Bug::PeeksIgnored, Kind::Queue),
        (Bug::EqualPrioritiesBlock, Kind::PriorityQueue),
        (Bug::CrashedInsertsDropped, Kind::Set),
        (Bug::CrashedRemovesIgnored, Kind::Queue),
        (Bug::CrashedRemovesShared, Kind::Queue),
        (Bug::CoveredGapIsFree, Kind::Stack),
        (Bug::DelayedForgotten, Kind::Queue),
        (Bug::AbsentAlwaysLegal, Kind::Set),
    ];
    for (bug, kind) in bugs {
        let mut random = Random(kind as u64 + 1);
        let tricks = Tricks { trap: Some(bug) };
        let caught = (0..histories(20_000)).find(|_| {
            let world = small(&mut random, kind);
            match world.judge(tricks) {
                Answer::Order(_) => !oracle::is_linearizable(&world),
                Answer::Contradiction(_) => oracle::is_linearizable(&world),
                Answer::HandOver(_) => false,
            }
        });
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} of a {kind:?} was not caught"));
        println!("{bug:?} of a {kind:?} caught by history {caught}");
    }
}

/// Where many removes crashed, long valid histories are seldom handed over, and never invalid.
#[test]
fn many_crashed_removes() {
    let mut random = Random(13);
    let (mut handed_over, count) = (0, histories(100_000) / 100);
    for number in 0..count {
        let kind = KINDS[1 + number as usize % 3];
        let shape = Shape {
            ops: 100 + random.below(300) as usize,
            clients: 2 + random.below(8),
            crash_percent: 5 + random.below(10),
            peek_percent: random.below(2) * random.below(40),
            priorities: 0,
        };
        let world = valid(&mut random, kind, shape);
        match world.judge(Tricks::default()) {
            Answer::Order(order) => assert!(oracle::is_legal(&world, &order), "{number}"),
            Answer::Contradiction(few) => panic!("{number}: {few:?} {world:#?}"),
            Answer::HandOver(_) => handed_over += 1,
        }
    }
    println!("{handed_over} of {count} handed over");
    assert!(handed_over <= count / 50, "{handed_over} of {count}");
}
