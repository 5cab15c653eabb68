//! What queues, stacks and priority queues share: half of what is asked puts in a value that was
//! never there, half takes one out; nobody looks without taking. Where nothing can be left to take
//! values are put in.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Observed, Op, Outcome, QueueOp, Value};

use super::event::Event;
use super::family::Shape;
use super::random::Random;
use super::schedule::{self, Object};

/// A collection that knows which value is next.
pub(super) trait Collection {
    fn put(&mut self, value: i64);
    fn take(&mut self) -> Option<i64>;
}

/// What happens to a collection that is empty at first. `draw` makes the number of a value, which
/// is at most 2^31, out of how many there were before.
pub(super) fn events(
    collection: impl Collection,
    draw: fn(i64) -> i64,
    shape: &Shape,
    each: &mut dyn FnMut(Event),
) {
    let mut container = Container { collection, draw, put: 0, asked_out: 0 };
    schedule::run(&mut container, shape, &mut Random::new(shape.seed), each);
}

struct Container<C> {
    collection: C,
    draw: fn(i64) -> i64,
    /// Asked to put in, and asked to take out.
    put: i64,
    asked_out: i64,
}

impl<C: Collection> Object for Container<C> {
    fn ask(&mut self, random: &mut Random) -> Op {
        let key = SOLE_KEY;
        Op::Queue(if random.below(2) == 0 || self.asked_out >= self.put {
            let value = Value::Int((self.draw)(self.put));
            self.put += 1;
            QueueOp::Enqueue { key, value }
        } else {
            self.asked_out += 1;
            QueueOp::Dequeue { key, value: Observed::Pending }
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        match op {
            Op::Queue(QueueOp::Enqueue { value: Value::Int(value), .. }) => {
                self.collection.put(*value);
            }
            Op::Queue(QueueOp::Dequeue { value, .. }) => {
                let taken = self.collection.take();
                *value = taken.map_or(Observed::Absent, |int| Observed::Present(Value::Int(int)));
            }
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
