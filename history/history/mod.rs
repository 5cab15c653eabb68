//! A history: well-formed by construction, columnar, immutable.

mod builder;
mod columns;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::{
    ErrorClass, Event, EventId, FaultEvent, Kind, Mark, Nanos, NodeId, Op, Process, Session, Value,
};
pub use builder::Builder;
use columns::{Arena, Row};
pub use columns::{Code, F};

/// Position of an operation among the operations of its history, in the order recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OpIndex(pub u32);

/// What came of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// It happened, between invocation and completion.
    Ok = 0,
    /// It did not happen and never will.
    Fail = 1,
    /// Unknown, said so: at any time after the invocation, or never.
    Info = 2,
    /// Unknown because the record ends: read exactly like `Info`.
    Open = 3,
}

/// Why a sequence of events is not a history. Positions count events from 0 in the order given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HistoryError {
    /// A process is single-threaded.
    #[error("{process} invoked at event {second} while its invocation at event {first} is open")]
    OpenOperation {
        /// Who.
        process: Process,
        /// The open invocation.
        first: u32,
        /// The second one.
        second: u32,
    },
    /// A process whose operation ended unknown may still be at work: it cannot go on.
    #[error("{process} invoked at event {second} after its info at event {first} retired it")]
    Retired {
        /// Who.
        process: Process,
        /// The `info`.
        first: u32,
        /// The invocation after it.
        second: u32,
    },
    /// A completion needs an invocation.
    #[error("{process} completed at event {event} without an open invocation")]
    NoInvocation {
        /// Who.
        process: Process,
        /// The completion.
        event: u32,
    },
    /// To end is to be no longer open.
    #[error("{process} completed at event {event} with outcome `open`; leave the event out")]
    OpenCompletion {
        /// Who.
        process: Process,
        /// The completion.
        event: u32,
    },
    /// A completion is its invocation filled in.
    #[error("event {second} answers `{answered}` but event {first} asked `{asked}`")]
    OtherQuestion {
        /// The invocation.
        first: u32,
        /// The completion.
        second: u32,
        /// What was asked.
        asked: String,
        /// What was answered.
        answered: String,
    },
    /// A process' own events are ordered in time.
    #[error("event {event} at {time} comes before {before}, when its process was already there")]
    TimeBackwards {
        /// The event.
        event: u32,
        /// Its time.
        time: Nanos,
        /// The time it must not precede.
        before: Nanos,
    },
    /// Ranks are 32 bits wide.
    #[error("more operations, micro-operations or values than 32 bits can number; split by key")]
    TooLong,
}

/// Invocation times, and durations as 32 bits with the long ones aside.
#[derive(Debug)]
struct Times {
    invoked: Vec<u64>,
    duration: Vec<u32>,
    long: FxHashMap<u32, u64>,
}

impl Times {
    fn new(invoked: &[Nanos], completed: &[Nanos]) -> Times {
        let mut long = FxHashMap::default();
        let mut duration = Vec::with_capacity(invoked.len());
        for (op, (from, to)) in invoked.iter().zip(completed).enumerate() {
            let nanos = to.saturating_sub(*from).0;
            duration.push(u32::try_from(nanos).unwrap_or_else(|_| {
                long.insert(op as u32, nanos);
                u32::MAX
            }));
        }
        Times { invoked: invoked.iter().map(|time| time.0).collect(), duration, long }
    }

    fn completed(&self, op: usize) -> Nanos {
        let short = self.duration[op];
        let nanos = match short {
            u32::MAX => self.long.get(&(op as u32)).copied().unwrap_or(u64::from(short)),
            short => u64::from(short),
        };
        Nanos(self.invoked[op] + nanos)
    }
}

/// Everything the clients saw, and beside it what was done to the cluster.
#[derive(Debug)]
pub struct History {
    tag: Vec<u8>,
    key: Vec<Code>,
    a: Vec<u32>,
    b: Vec<u32>,
    process: Vec<Process>,
    node: Vec<u16>,
    error: Vec<u8>,
    call: Vec<u32>,
    ret: Vec<u32>,
    times: Times,
    sessions: FxHashMap<u32, Session>,
    arena: Arena,
    events: u32,
    order: OnceLock<Vec<u32>>,
    faults: Vec<FaultEvent>,
    marks: Vec<Mark>,
    end: Nanos,
}

impl History {
    /// From events in rank order, with times that do not run backwards within a process.
    ///
    /// # Errors
    /// The first event that does not belong to a history.
    pub fn new(
        events: impl IntoIterator<Item = Event>,
        faults: Vec<FaultEvent>,
    ) -> Result<History, HistoryError> {
        let mut builder = Builder::as_given();
        for event in events {
            let (time, process, op) = (event.time, event.process, &event.op);
            let error = event.error.as_ref();
            match event.kind {
                Kind::Invoke => {
                    builder.invoke(time, process, Some(event.session), event.node, op)?;
                }
                Kind::Ok => {
                    builder.complete(time, process, Outcome::Ok, Some(op), error)?;
                }
                Kind::Fail => {
                    builder.complete(time, process, Outcome::Fail, Some(op), error)?;
                }
                Kind::Info => {
                    builder.complete(time, process, Outcome::Info, Some(op), error)?;
                }
            }
        }
        for fault in faults {
            builder.fault(fault);
        }
        Ok(builder.finish())
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.tag.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.tag.is_empty()
    }

    /// Number of events: invocations and completions.
    pub fn event_count(&self) -> u32 {
        self.events
    }

    /// The operation at `index`.
    ///
    /// # Panics
    /// When `index` is not an operation of this history.
    pub fn operation(&self, index: OpIndex) -> Operation<'_> {
        assert!((index.0 as usize) < self.len(), "operation {} of {}", index.0, self.len());
        Operation { history: self, index }
    }

    /// Every invocation with what came of it, in the order recorded.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> {
        (0..self.len() as u32).map(|index| Operation { history: self, index: OpIndex(index) })
    }

    /// Every event in rank order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event> + '_ {
        (0..self.events).map(|id| self.event(EventId(id)))
    }

    /// The event of rank `id`. The first call costs O(n).
    ///
    /// # Panics
    /// When `id` is not an event of this history.
    pub fn event(&self, id: EventId) -> Event {
        let (operation, completion) = self.owner(id);
        let op = operation.op();
        Event {
            id,
            time: if completion { operation.completed_at() } else { operation.invoked_at() },
            process: operation.process(),
            session: operation.session(),
            node: operation.node(),
            kind: match (completion, operation.outcome()) {
                (false, _) => Kind::Invoke,
                (true, Outcome::Ok) => Kind::Ok,
                (true, Outcome::Fail) => Kind::Fail,
                (true, Outcome::Info | Outcome::Open) => Kind::Info,
            },
            op: if completion { op } else { op.pending() },
            error: if completion { operation.error() } else { None },
        }
    }

    /// The operation an event belongs to, and whether the event is its completion.
    pub fn owner(&self, id: EventId) -> (Operation<'_>, bool) {
        let order = self.order.get_or_init(|| {
            let mut order = vec![0; self.events as usize];
            for op in 0..self.len() {
                order[self.call[op] as usize] = (op as u32) << 1;
                if self.ret[op] != u32::MAX {
                    order[self.ret[op] as usize] = (op as u32) << 1 | 1;
                }
            }
            order
        });
        let event = order[id.0 as usize];
        (Operation { history: self, index: OpIndex(event >> 1) }, event & 1 == 1)
    }

    /// What was done to the cluster, in the order it was recorded.
    pub fn faults(&self) -> &[FaultEvent] {
        &self.faults
    }

    /// Named instants of the run.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The last instant on record.
    pub fn end(&self) -> Nanos {
        self.end
    }

    /// The value behind a code of this history. `PENDING` and `ABSENT` are not values.
    pub fn value(&self, code: Code) -> Value {
        self.arena.value(code)
    }

    /// The code of a value, if the value occurs here. Small integers always have one.
    pub fn code(&self, value: &Value) -> Option<Code> {
        self.arena.lookup(value)
    }
}

/// One operation: a view into its history.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    history: &'h History,
    index: OpIndex,
}

impl Operation<'_> {
    fn at(&self) -> usize {
        self.index.0 as usize
    }

    /// Its position.
    pub fn index(&self) -> OpIndex {
        self.index
    }

    /// Rank of its invocation.
    pub fn call(&self) -> EventId {
        EventId(self.history.call[self.at()])
    }

    /// Rank of its completion; an `info` has one too, and it bounds nothing.
    pub fn ret(&self) -> Option<EventId> {
        let rank = self.history.ret[self.at()];
        (rank != u32::MAX).then_some(EventId(rank))
    }

    /// Who.
    pub fn process(&self) -> Process {
        self.history.process[self.at()]
    }

    /// In which conversation.
    pub fn session(&self) -> Session {
        let own = Session(self.process().0);
        self.history.sessions.get(&self.index.0).copied().unwrap_or(own)
    }

    /// Who was asked, when known.
    pub fn node(&self) -> Option<NodeId> {
        let node = self.history.node[self.at()];
        (node != u16::MAX).then_some(NodeId(node))
    }

    /// What came of it.
    pub fn outcome(&self) -> Outcome {
        match self.history.tag[self.at()] >> 6 {
            0 => Outcome::Ok,
            1 => Outcome::Fail,
            2 => Outcome::Info,
            _ => Outcome::Open,
        }
    }

    /// Why it did not end `ok`.
    pub fn error(&self) -> Option<ErrorClass> {
        self.history.arena.error(self.history.error[self.at()])
    }

    /// When it was sent.
    pub fn invoked_at(&self) -> Nanos {
        Nanos(self.history.times.invoked[self.at()])
    }

    /// When it was answered; of an open operation, when it was sent.
    pub fn completed_at(&self) -> Nanos {
        self.history.times.completed(self.at())
    }

    /// Which operation of its family it is.
    pub fn f(&self) -> F {
        F::from_tag(self.history.tag[self.at()])
    }

    /// Code of the key; meaningless for a transaction.
    pub fn key(&self) -> Code {
        self.history.key[self.at()]
    }

    /// First argument, see [`F`].
    pub fn a(&self) -> Code {
        Code(self.history.a[self.at()])
    }

    /// Second argument, see [`F`].
    pub fn b(&self) -> Code {
        Code(self.history.b[self.at()])
    }

    /// The operation with what it observed, owned.
    pub fn op(&self) -> Op {
        let row = Row { f: self.f(), key: self.key(), a: self.a().0, b: self.b().0 };
        self.history.arena.op(row)
    }
}
