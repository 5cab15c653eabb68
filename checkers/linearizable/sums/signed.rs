//! Operations as numbers. Everything here is said of a number that is too great; of one that is
//! too small the same is said with every sign turned.

use crate::linearizable::model::{FAR, Number};
use crate::linearizable::{Entry, NEVER, Problem};

/// Which of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// It is at least so much, and that is too much.
    Great,
    /// It is at most so much, and that is too little.
    Small,
}

pub(super) const SIDES: [Side; 2] = [Side::Great, Side::Small];

impl Side {
    /// The number with its sign turned where that is the side.
    pub(super) fn of(self, number: i128) -> i128 {
        match self {
            Side::Great => number,
            Side::Small => -number,
        }
    }

    /// The upper end of a range.
    pub(super) fn most(self, (least, most): (i128, i128)) -> i128 {
        match self {
            Side::Great => most,
            Side::Small => -least,
        }
    }

    /// The lower end of a range.
    pub(super) fn least(self, (least, most): (i128, i128)) -> i128 {
        match self {
            Side::Great => least,
            Side::Small => -most,
        }
    }
}

/// An operation, seen from one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its position in the problem.
    pub(super) at: u32,
    pub(super) call: u32,
    /// [`NEVER`] beyond the event in question.
    pub(super) ret: u32,
    /// What it adds.
    pub(super) change: i128,
    /// The most that it can find.
    pub(super) most_before: i128,
    /// The least that it leaves behind; less than `-FAR / 2` where that is not known.
    pub(super) least_after: i128,
}

/// Bytes that looking for a proof takes for each operation: five times what is known of it.
pub(in crate::linearizable) const BYTES: u64 = 5 * size_of::<Item>() as u64;

impl Item {
    /// Whether it certainly happened by the event in question.
    pub(super) fn is_done(&self) -> bool {
        self.ret != NEVER
    }
}

/// The operations of `problem` that were invoked before the event of rank `rank`, by call.
pub(super) fn items<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
    rank: u32,
    side: Side,
) -> Vec<Item> {
    let counts: Vec<_> = problem.ops.iter().map(|op| (number.count)(op)).collect();
    let item = |(at, entry): (u32, &Entry)| {
        let count = counts[entry.class as usize];
        Item {
            at,
            call: entry.call,
            ret: if entry.ret > rank { NEVER } else { entry.ret },
            change: side.of(count.change),
            most_before: side.most(count.before),
            least_after: side.least(count.before).max(-FAR) + side.of(count.change),
        }
    };
    (0..).zip(&problem.entries).take_while(|(_, entry)| entry.call < rank).map(item).collect()
}
