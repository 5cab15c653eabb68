//! A FIFO queue.

use std::collections::VecDeque;

use super::container::{self, Collection};
use super::family::{Expected, Family};

pub(super) const FAMILY: Family = Family {
    name: "queue",
    summary: "a FIFO queue; each value is put in once",
    model: "fifo-queue",
    initial: "",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: |shape, each| {
        container::events(Fifo(VecDeque::new()), |before| before + 1, shape, each);
    },
};

struct Fifo(VecDeque<i64>);

impl Collection for Fifo {
    fn put(&mut self, value: i64) {
        self.0.push_back(value);
    }

    fn take(&mut self) -> Option<i64> {
        self.0.pop_front()
    }
}
