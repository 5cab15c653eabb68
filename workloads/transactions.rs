//! Random transactions on a few live objects, each of which is retired after so many writes.
//!
//! Few objects make transactions meet; retiring them keeps what is read short. No value is written
//! to an object twice, so every value read names the transaction that wrote it.

use std::collections::BTreeSet;

use tribunal_harness::generator::{
    Context, Gen, Generator, Next, concat, each_slot, on_slots, sequence, until_ok,
};
use tribunal_harness::seed::{Draw, Stream};
use tribunal_history::{KeyRange, Mop, Observed, Op, TxnOp, Value};

use crate::keys::Seen;

/// Objects that one final read reads, at most.
const AT_ONCE: usize = 4;

/// What transactions are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objects {
    /// Lists: whole reads and appends.
    Lists,
    /// Registers: reads and writes.
    Registers,
    /// Ranges of registers, which are not there before they are written: reads of all that a range
    /// has, and of one register in four reads; writes of one.
    Ranges,
}

/// Registers of a range.
const WIDTH: i64 = 8;

impl Objects {
    fn read(self, object: i64, draw: &mut Draw) -> Mop {
        match self {
            Objects::Lists => {
                Mop::ReadList { key: Value::Int(object), elements: Observed::Pending }
            }
            Objects::Registers => Mop::Read { key: Value::Int(object), value: Observed::Pending },
            Objects::Ranges if draw.below(4) == 0 => {
                Mop::Read { key: Value::Int(some(object, draw)), value: Observed::Pending }
            }
            Objects::Ranges => scan(object),
        }
    }

    fn write(self, object: i64, value: i64, draw: &mut Draw) -> Mop {
        let value = Value::Int(value);
        match self {
            Objects::Lists => Mop::Append { key: Value::Int(object), element: value },
            Objects::Registers => Mop::Write { key: Value::Int(object), value },
            Objects::Ranges => Mop::Write { key: Value::Int(some(object, draw)), value },
        }
    }

    /// Reads of all that is behind these keys.
    fn read_all(self, keys: &BTreeSet<Value>) -> Vec<Mop> {
        let (mut reads, mut ranges) = (Vec::new(), BTreeSet::new());
        for key in keys.iter().cloned() {
            match (self, key) {
                (Objects::Lists, key) => {
                    reads.push(Mop::ReadList { key, elements: Observed::Pending });
                }
                (Objects::Ranges, Value::Int(key)) => drop(ranges.insert(key / WIDTH)),
                (Objects::Registers | Objects::Ranges, key) => {
                    reads.push(Mop::Read { key, value: Observed::Pending });
                }
            }
        }
        reads.extend(ranges.into_iter().map(scan));
        reads
    }
}

/// One register of a range.
fn some(range: i64, draw: &mut Draw) -> i64 {
    range * WIDTH + draw.below(WIDTH as u64) as i64
}

fn scan(range: i64) -> Mop {
    let (from, to) = (Some(range * WIDTH), Some((range + 1) * WIDTH));
    let predicate = KeyRange { from, to }.to_string().into();
    Mop::ReadPredicate { predicate, matches: Observed::Pending }
}

/// Which steps stand together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// Each step is a read or a write of any object.
    Steps,
    /// A transaction reads or writes, all of it.
    Whole,
    /// A transaction writes one object, or reads as many different ones as it may: two that read
    /// can see two writes in different orders.
    Forks,
}

/// The shape of the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// What is read and written.
    pub objects: Objects,
    /// Which steps stand together.
    pub mix: Mix,
    /// Objects in use at one time.
    pub live: u64,
    /// Writes to an object before another takes its place, whatever came of them.
    pub writes: u64,
    /// Longest transaction; lengths from one on are equally likely, but for [`Mix::Forks`].
    pub longest: u64,
}

/// One object in use.
#[derive(Clone, Copy, Debug)]
struct Live {
    key: i64,
    written: u64,
}

/// Offers transactions without end, each step a read or a write of a live object.
#[derive(Clone, Debug)]
pub struct Transactions {
    shape: Shape,
    stream: Option<Stream>,
    committed: u64,
    live: Vec<Live>,
    /// Next object that was never used.
    fresh: i64,
    /// What the live objects become when the last offer is taken.
    offer: Option<(Vec<Live>, i64)>,
}

impl Transactions {
    /// Of a shape in which no number is 0.
    pub fn new(shape: Shape) -> Transactions {
        let live = (0..shape.live as i64).map(|key| Live { key, written: 0 }).collect();
        let fresh = shape.live as i64;
        Transactions { shape, stream: None, committed: 0, live, fresh, offer: None }
    }

    fn op(&mut self) -> Op {
        let stream = self.stream.as_ref().expect("a generator is bound before it is asked");
        let mut draw = stream.draw(0, self.committed);
        let (mut live, mut fresh) = (self.live.clone(), self.fresh);
        let Shape { objects, mix, writes, longest, .. } = self.shape;
        let count = live.len();
        let mut write = |at: usize, live: &mut [Live], draw: &mut Draw| {
            let object = &mut live[at];
            object.written += 1;
            let mop = objects.write(object.key, object.written as i64, draw);
            if object.written == writes {
                *object = Live { key: fresh, written: 0 };
                fresh += 1;
            }
            mop
        };
        let read = |at: usize, live: &[Live], draw: &mut Draw| objects.read(live[at].key, draw);
        let mops: Vec<Mop> = match mix {
            Mix::Steps => (0..1 + draw.below(longest))
                .map(|_| match (draw.below(count as u64) as usize, draw.below(2)) {
                    (at, 0) => read(at, &live, &mut draw),
                    (at, _) => write(at, &mut live, &mut draw),
                })
                .collect(),
            Mix::Whole => {
                let (length, reads) = (1 + draw.below(longest), draw.below(2) == 0);
                let places = draw.permutation(count).into_iter().cycle().take(length as usize);
                let mut step = |at| match reads {
                    true => read(at, &live, &mut draw),
                    false => write(at, &mut live, &mut draw),
                };
                places.map(&mut step).collect()
            }
            Mix::Forks if draw.below(2) == 0 => {
                let places = draw.permutation(count).into_iter().take(longest as usize);
                places.map(|at| read(at, &live, &mut draw)).collect()
            }
            Mix::Forks => {
                let at = draw.below(count as u64) as usize;
                vec![write(at, &mut live, &mut draw)]
            }
        };
        let txn = TxnOp { mops };
        self.offer = Some((live, fresh));
        Op::Txn(txn)
    }
}

impl Generator for Transactions {
    fn bind(&mut self, stream: &Stream) {
        self.stream = Some(stream.clone());
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let stream = self.stream.as_ref().expect("a generator is bound before it is asked");
        let free = u64::from(cx.free.len());
        if free == 0 {
            return Next::Pending { until: None };
        }
        let at = stream.draw(1, self.committed).below(free) as u32;
        let Some(slot) = cx.free.nth(at) else {
            return Next::Pending { until: None };
        };
        Next::Invoke { slot, at: cx.time, node: None, op: self.op() }
    }

    fn commit(&mut self) {
        self.committed += 1;
        if let Some((live, fresh)) = self.offer.take() {
            (self.live, self.fresh) = (live, fresh);
        }
    }

    fn fork(&self) -> Box<dyn Generator> {
        Box::new(self.clone())
    }

    fn name(&self) -> &'static str {
        "transactions"
    }
}

/// On one client of each node: every touched object is read until the node answers.
pub(crate) fn final_reads(objects: Objects, touched: &Seen, nodes: u32, attempts: u64) -> Gen {
    let keys = touched.lock().expect("no panic while the keys are locked").clone();
    let reads = |mops: &[Mop]| {
        let mops = mops.to_vec();
        until_ok(sequence(vec![Op::Txn(TxnOp { mops }); attempts as usize]))
    };
    let keys = objects.read_all(&keys);
    let all = keys.chunks(AT_ONCE).map(reads).collect();
    on_slots(move |slot| slot < nodes, each_slot(concat(all)))
}
