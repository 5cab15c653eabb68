//! Builds a well-formed history event by event, refusing what is not one.

use rustc_hash::FxHashMap;

use super::arena::Arena;
use super::columns::{MopRow, Row};
use super::times::Times;
use super::{History, HistoryError, OpIndex, Outcome};
use crate::{ErrorClass, FaultEvent, Mark, Nanos, NodeId, Op, Process, Session, brief};

/// What orders the events of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    ByTime,
    AsGiven,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open { op: OpIndex, event: u32 },
    Idle { since: Nanos },
    Retired { event: u32 },
}

/// Collects events in the order they were recorded. [`Builder::finish`] ranks them.
#[derive(Debug)]
pub struct Builder {
    order: Order,
    real_time: bool,
    pub(super) arena: Arena,
    /// The transaction being read, see [`Builder::draft`].
    pub(super) draft: Vec<MopRow>,
    /// Where its lists start.
    pub(super) draft_lists: u32,
    rows: Vec<Row>,
    invoked: Vec<Nanos>,
    completed: Vec<Nanos>,
    process: Vec<Process>,
    node: Vec<Option<NodeId>>,
    outcome: Vec<Outcome>,
    error: Vec<u8>,
    sessions: FxHashMap<u32, Session>,
    /// Events in the order given: operation number times two, plus one for a completion.
    events: Vec<u32>,
    processes: FxHashMap<Process, State>,
    faults: Vec<FaultEvent>,
    marks: Vec<Mark>,
    last: Nanos,
}

impl Builder {
    /// Events are ranked by time; an invocation comes before a completion of the same instant.
    ///
    /// Equal stamps are concurrent: intervals are closed. With half-open intervals a read that
    /// starts at the very nanosecond a write completes would be forced after it, although the two
    /// stamps were taken on different cores and say nothing about each other.
    pub fn by_time() -> Builder {
        Builder::new(Order::ByTime)
    }

    /// Events are ranked as given; times are kept for display only. For formats whose line order
    /// is the order in which one recorder saw the events.
    pub fn as_given() -> Builder {
        Builder::new(Order::AsGiven)
    }

    /// Events of one session are ordered as given, and nothing else is: between sessions ranks mean
    /// nothing, all of them overlap. For formats that list transactions session by session.
    ///
    /// Ranks alone cannot say this: they make an interval order, in which the first transaction of
    /// one session cannot overlap the last of another and the first of that one the last of this.
    pub fn per_session() -> Builder {
        Builder { real_time: false, ..Builder::as_given() }
    }

    /// The order of the events tells nothing between sessions, see [`Builder::per_session`].
    pub(crate) fn without_real_time(&mut self) {
        self.real_time = false;
    }

    /// Whether `process` has an open operation.
    pub(crate) fn is_open(&self, process: Process) -> bool {
        matches!(self.processes.get(&process), Some(State::Open { .. }))
    }

    /// Switches to [`Builder::as_given`] before the first event, keeping faults and marks.
    pub(crate) fn rank_as_given(&mut self) {
        debug_assert!(self.events.is_empty());
        self.order = Order::AsGiven;
    }

    fn new(order: Order) -> Builder {
        Builder {
            order,
            real_time: true,
            arena: Arena::default(),
            draft: Vec::new(),
            draft_lists: 0,
            rows: Vec::new(),
            invoked: Vec::new(),
            completed: Vec::new(),
            process: Vec::new(),
            node: Vec::new(),
            outcome: Vec::new(),
            error: Vec::new(),
            sessions: FxHashMap::default(),
            events: Vec::new(),
            processes: FxHashMap::default(),
            faults: Vec::new(),
            marks: Vec::new(),
            last: Nanos(0),
        }
    }

    /// Number of events taken so far: the position named by errors.
    pub fn events(&self) -> u32 {
        self.events.len() as u32
    }

    /// The open operation of a process, if it has one.
    pub fn open_op(&self, process: Process) -> Option<Op> {
        match self.processes.get(&process) {
            Some(State::Open { op, .. }) => Some(self.arena.op(self.rows[op.0 as usize])),
            _ => None,
        }
    }

    /// `process` asked for `op`.
    ///
    /// # Errors
    /// A process with an open operation, a retired process, time that runs backwards (by time, an
    /// invocation must be later than the last completion of its process), or too many operations.
    pub fn invoke(
        &mut self,
        time: Nanos,
        process: Process,
        session: Option<Session>,
        node: Option<NodeId>,
        op: &Op,
    ) -> Result<OpIndex, HistoryError> {
        self.may_invoke(time, process)?;
        let row = self.arena.row(op);
        Ok(self.opened(time, process, session, node, row))
    }

    /// Whether `process` may ask something at `time`.
    pub(super) fn may_invoke(&self, time: Nanos, process: Process) -> Result<(), HistoryError> {
        let event = self.events();
        match self.processes.get(&process) {
            Some(State::Open { event: first, .. }) => {
                return Err(HistoryError::OpenOperation { process, first: *first, second: event });
            }
            Some(State::Retired { event: first }) => {
                return Err(HistoryError::Retired { process, first: *first, second: event });
            }
            Some(State::Idle { since }) if self.order == Order::ByTime && time <= *since => {
                return Err(HistoryError::TimeBackwards { event, time, before: *since });
            }
            Some(State::Idle { .. }) | None => {}
        }
        match self.rows.len() >= (u32::MAX / 2) as usize || !self.arena.has_room() {
            true => Err(HistoryError::TooLong),
            false => Ok(()),
        }
    }

    /// Adds an invocation that may be.
    pub(super) fn opened(
        &mut self,
        time: Nanos,
        process: Process,
        session: Option<Session>,
        node: Option<NodeId>,
        row: Row,
    ) -> OpIndex {
        let event = self.events();
        let index = OpIndex(self.rows.len() as u32);
        self.rows.push(row);
        self.invoked.push(time);
        self.completed.push(time);
        self.process.push(process);
        self.node.push(node);
        self.outcome.push(Outcome::Open);
        self.error.push(0);
        if let Some(session) = session
            && session.0 != process.0
        {
            self.sessions.insert(index.0, session);
        }
        self.events.push(index.0 << 1);
        self.processes.insert(process, State::Open { op: index, event });
        self.last = self.last.max(time);
        index
    }

    /// The open operation of `process` ended. `op` is the invocation filled in; `None` stands for
    /// the invocation itself.
    ///
    /// # Errors
    /// No open operation, an answer to another question, or time that runs backwards.
    pub fn complete(
        &mut self,
        time: Nanos,
        process: Process,
        outcome: Outcome,
        op: Option<&Op>,
        error: Option<&ErrorClass>,
    ) -> Result<OpIndex, HistoryError> {
        let (index, first) = self.may_complete(time, process, outcome)?;
        if let Some(op) = op {
            self.answer(index.0 as usize, first, outcome, op)?;
        }
        self.closed(index, time, outcome, error);
        Ok(index)
    }

    /// The open operation of `process` and the event of its invocation, if it may end at `time`.
    pub(super) fn may_complete(
        &self,
        time: Nanos,
        process: Process,
        outcome: Outcome,
    ) -> Result<(OpIndex, u32), HistoryError> {
        let event = self.events();
        let Some(State::Open { op: index, event: first }) = self.processes.get(&process).copied()
        else {
            return Err(HistoryError::NoInvocation { process, event });
        };
        let at = index.0 as usize;
        if self.order == Order::ByTime && time < self.invoked[at] {
            return Err(HistoryError::TimeBackwards { event, time, before: self.invoked[at] });
        }
        if outcome == Outcome::Open {
            return Err(HistoryError::OpenCompletion { process, event });
        }
        if !self.arena.has_room() {
            return Err(HistoryError::TooLong);
        }
        Ok((index, first))
    }

    /// Adds a completion that may be.
    pub(super) fn closed(
        &mut self,
        index: OpIndex,
        time: Nanos,
        outcome: Outcome,
        error: Option<&ErrorClass>,
    ) {
        let (at, event) = (index.0 as usize, self.events());
        let process = self.process[at];
        self.completed[at] = time;
        self.outcome[at] = outcome;
        self.error[at] = self.arena.error_code(error);
        self.events.push(index.0 << 1 | 1);
        let state = match outcome {
            Outcome::Ok | Outcome::Fail => State::Idle { since: time },
            Outcome::Info | Outcome::Open => State::Retired { event },
        };
        self.processes.insert(process, state);
        self.last = self.last.max(time);
    }

    /// The row of an operation.
    pub(super) fn row(&self, index: OpIndex) -> Row {
        self.rows[index.0 as usize]
    }

    /// Only `ok` observes: what a failed or unknown operation carries is checked and dropped.
    fn answer(
        &mut self,
        at: usize,
        first: u32,
        outcome: Outcome,
        op: &Op,
    ) -> Result<(), HistoryError> {
        let asked = self.rows[at];
        let answered = match outcome {
            Outcome::Ok => self.arena.answer(asked, op).inspect(|row| self.rows[at] = *row),
            Outcome::Fail | Outcome::Info | Outcome::Open => {
                op.answers(&self.arena.op(asked)).then_some(asked)
            }
        };
        if answered.is_none() {
            let second = self.events();
            let asked = brief(&self.arena.op(asked).pending());
            let answered = brief(op);
            return Err(HistoryError::OtherQuestion { first, second, asked, answered });
        }
        Ok(())
    }

    /// The worker sent the request of the open operation of `process` at `time`: later than the
    /// recorded invocation, which was stamped before the request was handed out. Narrowing is
    /// sound because no effect precedes the first byte.
    ///
    /// # Errors
    /// No open operation, or a time before the recorded invocation.
    pub fn sent(&mut self, process: Process, time: Nanos) -> Result<(), HistoryError> {
        let event = self.events();
        let Some(State::Open { op, .. }) = self.processes.get(&process) else {
            return Err(HistoryError::NoInvocation { process, event });
        };
        let invoked = &mut self.invoked[op.0 as usize];
        if time < *invoked {
            return Err(HistoryError::TimeBackwards { event, time, before: *invoked });
        }
        *invoked = time;
        Ok(())
    }

    /// Adds to the fault track.
    pub fn fault(&mut self, fault: FaultEvent) {
        self.last = self.last.max(fault.time);
        self.faults.push(fault);
    }

    /// Adds a named instant.
    pub fn mark(&mut self, mark: Mark) {
        self.last = self.last.max(mark.time);
        self.marks.push(mark);
    }

    /// The record goes on until `time`, whatever happens in it.
    pub(crate) fn lasts_until(&mut self, time: Nanos) {
        self.last = self.last.max(time);
    }

    /// Ranks the events. O(n) when they are already in order, O(n log n) otherwise.
    pub fn finish(mut self) -> History {
        if self.order == Order::ByTime {
            let (invoked, completed) = (&self.invoked, &self.completed);
            self.events.sort_by_key(|&event| {
                let op = (event >> 1) as usize;
                let completion = event & 1 == 1;
                (if completion { completed[op] } else { invoked[op] }, completion)
            });
        }
        self.arena.shrink();
        self.process.shrink_to_fit();
        self.error.shrink_to_fit();
        let ops = self.rows.len();
        let (mut call, mut ret) = (vec![u32::MAX; ops], vec![u32::MAX; ops]);
        for (rank, event) in self.events.iter().enumerate() {
            let side = if event & 1 == 1 { &mut ret } else { &mut call };
            side[(event >> 1) as usize] = rank as u32;
        }
        let times = Times::new(&self.invoked, &self.completed);
        let pack = |(row, outcome): (&Row, &Outcome)| row.f as u8 | (*outcome as u8) << 6;
        History {
            tag: self.rows.iter().zip(&self.outcome).map(pack).collect(),
            key: self.rows.iter().map(|row| row.key).collect(),
            a: self.rows.iter().map(|row| row.a).collect(),
            b: self.rows.iter().map(|row| row.b).collect(),
            process: self.process,
            node: self.node.iter().map(|node| node.map_or(u16::MAX, |node| node.0)).collect(),
            error: self.error,
            call,
            ret,
            times,
            real_time: self.real_time,
            sessions: self.sessions,
            arena: self.arena,
            events: self.events.len() as u32,
            order: std::sync::OnceLock::new(),
            faults: self.faults,
            marks: self.marks,
            end: self.last,
        }
    }
}
