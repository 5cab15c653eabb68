//! A priority queue: the greatest value comes out first.

use std::collections::BinaryHeap;

use super::container::{self, Collection};
use super::family::Family;
use super::queue;

pub(super) const FAMILY: Family = Family {
    name: "priority-queue",
    summary: "a priority queue, the greatest value first; each value is put in once",
    model: "priority-queue",
    events: |shape, each| {
        container::events(Heap(BinaryHeap::new()), scattered, shape, each);
    },
    ..queue::FAMILY
};

/// Distinct values in no order: an odd factor permutes the numbers below 2^31.
fn scattered(before: i64) -> i64 {
    (before + 1).wrapping_mul(0x9e37_79b1) & ((1 << 31) - 1)
}

struct Heap(BinaryHeap<i64>);

impl Collection for Heap {
    fn put(&mut self, value: i64) {
        self.0.push(value);
    }

    fn take(&mut self) -> Option<i64> {
        self.0.pop()
    }
}
