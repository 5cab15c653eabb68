//! Shapes by name: each trap once.

use super::{Answer, Kind, Tricks, World, oracle};
use crate::linearizable::NEVER;
use crate::linearizable::containers::{Act, What};

fn world(kind: Kind, acts: &[(What, u32, u32, u32)]) -> World {
    let mut acts: Vec<Act> = acts
        .iter()
        .map(|(what, value, call, ret)| Act { call: *call, ret: *ret, value: *value, what: *what })
        .collect();
    acts.sort_by_key(|act| act.call);
    World { kind, acts, priorities: (0..8).collect() }
}

fn judge(world: &World) -> Answer {
    let answer = world.judge(Tricks::default());
    match &answer {
        Answer::Order(order) => assert!(oracle::is_legal(world, order), "{order:?}"),
        Answer::Contradiction(few) => assert!(!oracle::is_linearizable(&world.part(few))),
        Answer::HandOver(_) => {}
    }
    answer
}

fn is_valid(kind: Kind, acts: &[(What, u32, u32, u32)]) -> bool {
    matches!(judge(&world(kind, acts)), Answer::Order(_))
}

fn contradiction(kind: Kind, acts: &[(What, u32, u32, u32)]) -> usize {
    match judge(&world(kind, acts)) {
        Answer::Contradiction(few) => few.len(),
        other => panic!("{other:?}"),
    }
}

const ORDERED: [Kind; 3] = [Kind::Queue, Kind::Stack, Kind::PriorityQueue];

#[test]
fn nothing_is_an_order_of_nothing() {
    for kind in super::KINDS {
        assert_eq!(judge(&world(kind, &[])), Answer::Order(Vec::new()));
    }
}

/// What nobody removed leaves at one time, in no order.
#[test]
fn what_stays_does_not_leave_in_an_order() {
    use What::Insert;
    for kind in ORDERED {
        assert!(is_valid(kind, &[(Insert, 0, 0, 1), (Insert, 1, 2, 3), (Insert, 2, 4, 5)]));
    }
}

/// A peek that returned before the remove was called.
#[test]
fn a_peek_before_the_remove() {
    use What::{Insert, Peek, Remove};
    for kind in super::KINDS {
        assert!(is_valid(kind, &[(Insert, 1, 0, 1), (Peek, 1, 2, 3), (Remove, 1, 4, 5)]));
        let late = [(Insert, 1, 0, 1), (Remove, 1, 2, 3), (Peek, 1, 4, 5)];
        assert_eq!(contradiction(kind, &late), 3);
    }
}

#[test]
fn out_of_order() {
    use What::{Insert, Remove};
    let fifo = [(Insert, 1, 0, 1), (Insert, 0, 2, 3), (Remove, 1, 4, 5), (Remove, 0, 6, 7)];
    assert!(is_valid(Kind::Queue, &fifo));
    assert_eq!(contradiction(Kind::Stack, &fifo), 4);
    assert!(is_valid(Kind::PriorityQueue, &fifo));
    let lifo = [(Insert, 1, 0, 1), (Insert, 0, 2, 3), (Remove, 0, 4, 5), (Remove, 1, 6, 7)];
    assert_eq!(contradiction(Kind::Queue, &lifo), 4);
    assert!(is_valid(Kind::Stack, &lifo));
    assert_eq!(contradiction(Kind::PriorityQueue, &lifo), 4);
}

#[test]
fn emptiness() {
    use What::{Empty, Insert, Remove};
    for kind in ORDERED {
        let between = [(Insert, 0, 0, 1), (Remove, 0, 2, 5), (Empty, 0, 3, 4)];
        assert!(is_valid(kind, &between));
        assert_eq!(contradiction(kind, &[(Insert, 0, 0, 1), (Empty, 0, 2, 3)]), 2);
    }
    // Two values that take turns; neither alone covers it.
    let turns = [
        (Insert, 0, 0, 1),
        (Empty, 0, 2, 9),
        (Insert, 1, 3, 4),
        (Remove, 0, 5, 6),
        (Remove, 1, 10, 11),
    ];
    assert_eq!(contradiction(Kind::Queue, &turns), 5);
}

#[test]
fn a_value_out_of_nowhere_and_a_value_twice() {
    use What::{Insert, Remove};
    for kind in super::KINDS {
        assert_eq!(contradiction(kind, &[(Insert, 1, 0, 1), (Remove, 0, 2, 3)]), 1);
        let twice = [(Insert, 0, 0, 1), (Remove, 0, 2, 3), (Remove, 0, 4, 5)];
        assert_eq!(contradiction(kind, &twice), 3);
    }
}

/// A crashed remove takes one value, not two, and need not take any.
#[test]
fn crashed_removes() {
    use What::{Empty, Insert, Peek, Unknown};
    for kind in ORDERED {
        let one = [(Insert, 0, 0, 1), (Unknown, 0, 2, NEVER), (Empty, 0, 3, 4)];
        assert!(is_valid(kind, &one));
        let never = [(Insert, 0, 0, 1), (Unknown, 0, 2, NEVER), (Peek, 0, 3, 4)];
        assert!(is_valid(kind, &never));
        let two = [(Insert, 0, 0, 1), (Insert, 1, 2, 3), (Unknown, 0, 4, NEVER), (Empty, 0, 5, 6)];
        assert_eq!(contradiction(kind, &two), 4);
        let late = [(Insert, 0, 0, 1), (Empty, 0, 2, 3), (Unknown, 0, 4, NEVER)];
        assert_eq!(contradiction(kind, &late), 3);
    }
}

#[test]
fn crashed_inserts() {
    use What::{Empty, Insert, Remove};
    for kind in ORDERED {
        assert!(is_valid(kind, &[(Insert, 0, 0, NEVER), (Remove, 0, 1, 2)]));
        assert!(is_valid(kind, &[(Insert, 0, 0, NEVER), (Empty, 0, 1, 2)]));
        assert_eq!(contradiction(kind, &[(Remove, 0, 0, 1), (Insert, 0, 2, NEVER)]), 2);
    }
}

/// Three values around the front of a queue of which no two contradict each other.
#[test]
fn three_at_the_front() {
    use What::{Insert, Peek};
    let acts = [
        (Insert, 2, 0, 1),
        (Insert, 0, 2, 20),
        (Insert, 1, 3, 21),
        (Peek, 1, 4, 9),
        (Peek, 2, 5, 30),
        (Peek, 0, 6, 11),
        (Peek, 1, 10, 12),
        (Peek, 0, 7, 13),
    ];
    let world = world(Kind::Queue, &acts);
    let valid = oracle::is_linearizable(&world);
    assert_eq!(matches!(judge(&world), Answer::Order(_)), valid);
}

#[test]
fn what_is_outside_is_handed_over() {
    use What::{Insert, Peek, Remove};
    let handed_over = |kind, acts: &[_]| matches!(judge(&world(kind, acts)), Answer::HandOver(_));
    for kind in super::KINDS {
        assert!(handed_over(kind, &[(Insert, 0, 0, 1), (Insert, 0, 2, 3)]));
        assert!(handed_over(kind, &[(Insert, 0, 0, 1), (Peek, 0, 2, NEVER)]));
        assert!(handed_over(kind, &[(Insert, 9, 0, 1)]));
        let perhaps = [(Insert, 0, 0, 1), (Remove, 0, 2, NEVER), (Remove, 0, 3, 4)];
        assert!(handed_over(kind, &perhaps));
    }
    assert!(handed_over(Kind::Set, &[(What::Empty, 0, 0, 1)]));
    assert!(handed_over(Kind::Queue, &[(What::Absent, 0, 0, 1)]));
}
