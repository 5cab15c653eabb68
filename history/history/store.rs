//! The history itself: columns, and beside them what was done to the cluster.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::arena::Arena;
use super::columns::Code;
use super::times::Times;
use super::{Builder, HistoryError, OpIndex, Operation, Outcome};
use crate::{Event, EventId, FaultEvent, Kind, Mark, Nanos, Process, Session, Value};

/// Everything the clients saw, and beside it what was done to the cluster.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) tag: Vec<u8>,
    pub(super) key: Vec<Code>,
    pub(super) a: Vec<u32>,
    pub(super) b: Vec<u32>,
    pub(super) process: Vec<Process>,
    pub(super) node: Vec<u16>,
    pub(super) error: Vec<u8>,
    pub(super) call: Vec<u32>,
    pub(super) ret: Vec<u32>,
    pub(super) times: Times,
    pub(super) real_time: bool,
    pub(super) sessions: FxHashMap<u32, Session>,
    pub(super) arena: Arena,
    pub(super) events: u32,
    pub(super) order: OnceLock<Vec<u32>>,
    pub(super) faults: Vec<FaultEvent>,
    pub(super) marks: Vec<Mark>,
    pub(super) end: Nanos,
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
        let mut last: FxHashMap<Process, Nanos> = FxHashMap::default();
        for event in events {
            let before = last.entry(event.process).or_default();
            if event.time < *before {
                let (event, time, before) = (builder.events(), event.time, *before);
                return Err(HistoryError::TimeBackwards { event, time, before });
            }
            *before = event.time;
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
    #[inline]
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
    #[inline]
    pub fn operation(&self, index: OpIndex) -> Operation<'_> {
        assert!((index.0 as usize) < self.len(), "operation {} of {}", index.0, self.len());
        Operation::new(self, index)
    }

    /// Whether ranks tell what happened before what. Without it they order the events of each
    /// session and nothing else: operations of different sessions all overlap, and no level that
    /// speaks of real time can be judged.
    pub fn has_real_time(&self) -> bool {
        self.real_time
    }

    /// Every invocation with what came of it, in the order recorded.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> {
        (0..self.len() as u32).map(|index| Operation::new(self, OpIndex(index)))
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
        (Operation::new(self, OpIndex(event >> 1)), event & 1 == 1)
    }

    /// What was done to the cluster, in the order it was recorded.
    pub fn faults(&self) -> &[FaultEvent] {
        &self.faults
    }

    /// Named instants of the run.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Adds a named instant, before the others.
    pub fn put_mark_first(&mut self, mark: Mark) {
        self.marks.insert(0, mark);
    }

    /// The last instant on record.
    pub fn end(&self) -> Nanos {
        self.end
    }

    /// The value behind a code of this history. `PENDING` and `ABSENT` are not values.
    pub fn value(&self, code: Code) -> Value {
        self.arena.value(code)
    }

    /// The integer behind a code, without a copy; `None` of `PENDING`, `ABSENT` and every value
    /// that is no integer.
    pub fn int(&self, code: Code) -> Option<i64> {
        self.arena.int(code)
    }

    /// The text behind a code, without a copy; `None` of `PENDING`, `ABSENT` and every value that
    /// is no text.
    pub fn text(&self, code: Code) -> Option<&str> {
        self.arena.text(code)
    }

    /// The code of a value, if the value occurs here. Small integers always have one.
    pub fn code(&self, value: &Value) -> Option<Code> {
        self.arena.lookup(value)
    }
}
