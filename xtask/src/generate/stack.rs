//! A stack.

use super::container::{self, Collection};
use super::family::Family;
use super::queue;

pub(super) const FAMILY: Family = Family {
    name: "stack",
    summary: "a stack; each value is put in once",
    model: "stack",
    events: |shape, each| {
        container::events(Lifo(Vec::new()), |before| before + 1, shape, each);
    },
    ..queue::FAMILY
};

struct Lifo(Vec<i64>);

impl Collection for Lifo {
    fn put(&mut self, value: i64) {
        self.0.push(value);
    }

    fn take(&mut self) -> Option<i64> {
        self.0.pop()
    }
}
