//! Transactions over registers as numbers: who read from whom, and who wrote what.
//!
//! A transaction is a vertex. Vertices of one session follow each other, so that the order of a
//! session is the order of numbers, and a clock of one number per session says what a transaction
//! has seen. The initial transaction, which writes the initial version of every key before
//! everything else, has no number: it is [`INITIAL`]. Values must be unique by key; a key where
//! they are not is left out, and it is said so.

use std::collections::BTreeMap;

use tribunal_history::{
    Code, F, History, MopView, Observed, OpIndex, Operation, Outcome, Value, brief,
};

use super::dense::Dense;
use super::planted::{Bug, Planted};
use super::problems::{Problem, Problems, What};
use super::step::{Does, Step, VOID};
use super::updates::Updates;
use super::versions::Versions;
use crate::CheckError;

/// The initial transaction: before every other.
pub(crate) const INITIAL: u32 = u32::MAX;

/// What came of a transaction, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Committed,
    /// Nobody knows, but a committed transaction saw a write of it: it happened.
    Observed,
    /// Nobody knows, and nobody saw it: leaving it out removes only constraints.
    Unobserved,
    Aborted,
}

/// The history as numbers.
#[derive(Debug)]
pub(crate) struct Registers<'h> {
    pub(crate) history: &'h History,
    /// By number of a key.
    pub(crate) keys: Vec<Code>,
    /// By vertex: which operation it is.
    pub(crate) ops: Vec<u32>,
    /// By vertex: the number of its session.
    pub(crate) session: Vec<u32>,
    /// By session: its first vertex; and one more, the number of vertices.
    pub(crate) sessions: Vec<u32>,
    pub(crate) status: Vec<Status>,
    start: Vec<u32>,
    steps: Vec<Step>,
    writers_start: Vec<u32>,
    writers: Vec<u32>,
    /// Keys whose values are not unique, with two vertices that wrote the same one.
    pub(crate) ambiguous: BTreeMap<u32, (u32, u32)>,
    pub(crate) problems: Problems,
}

/// How a history is read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// What every key holds before the first write; nil is nothing.
    pub(crate) initial: Value,
    /// Whether a transaction sees its own writes.
    pub(crate) own_writes: bool,
    pub(super) planted: Planted,
}

impl<'h> Registers<'h> {
    /// Of a history of transactions over registers; a single read, write or compare-and-set is a
    /// transaction of its own. Expected O(micro-operations).
    ///
    /// # Errors
    /// An operation or a micro-operation that is about anything else.
    pub(crate) fn new(
        history: &'h History,
        reading: &Reading,
        checker: &str,
    ) -> Result<Registers<'h>, CheckError> {
        let mut building = Building::new(history, reading, checker);
        building.number_sessions();
        building.steps()?;
        building.resolve();
        Ok(building.finish())
    }

    /// Number of transactions, whatever came of them.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ops.len() as u32
    }

    /// Where its steps are, left out ones between them.
    #[inline]
    pub(super) fn span(&self, vertex: u32) -> &[Step] {
        &self.steps[self.start[vertex as usize] as usize..self.start[vertex as usize + 1] as usize]
    }

    /// Reads of others' versions and last writes of a transaction that happened, in their order.
    #[inline]
    pub(crate) fn steps(&self, vertex: u32) -> impl DoubleEndedIterator<Item = Step> + '_ {
        self.span(vertex).iter().copied().filter(|step| !step.is_void())
    }

    /// Key and source of what it read from others, in its order.
    #[inline]
    pub(crate) fn reads(&self, vertex: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> + '_ {
        let reads = self.steps(vertex).filter(|step| step.does() == Does::Read);
        reads.map(|step| (step.key(), step.other))
    }

    /// Keys it wrote, each once.
    #[inline]
    pub(crate) fn writes(&self, vertex: u32) -> impl Iterator<Item = u32> + '_ {
        self.steps(vertex).filter(|step| step.does() == Does::Write).map(Step::key)
    }

    /// Who wrote a key, ascending: session by session, each in its order.
    #[inline]
    pub(crate) fn writers(&self, key: u32) -> &[u32] {
        let (from, to) = (self.writers_start[key as usize], self.writers_start[key as usize + 1]);
        &self.writers[from as usize..to as usize]
    }

    /// Whether a transaction wrote a key.
    #[inline]
    pub(crate) fn wrote(&self, vertex: u32, key: u32) -> bool {
        self.writers(key).binary_search(&vertex).is_ok()
    }

    /// The code of the value a transaction left in a key.
    pub(crate) fn value(&self, vertex: u32, key: u32) -> Option<Code> {
        let mut writes = self.steps(vertex).filter(|step| step.does() == Does::Write);
        writes.find(|step| step.key() == key).map(|step| Code(step.other))
    }

    /// Whether the transaction takes part in orders.
    #[inline]
    pub(crate) fn happened(&self, vertex: u32) -> bool {
        matches!(self.status[vertex as usize], Status::Committed | Status::Observed)
    }

    /// The transaction before it in its session, whatever came of that.
    #[inline]
    pub(crate) fn before(&self, vertex: u32) -> Option<u32> {
        let session = self.session[vertex as usize];
        (vertex > self.sessions[session as usize]).then(|| vertex - 1)
    }

    /// Bytes held beside the history.
    pub(crate) fn bytes(&self) -> u64 {
        let words = self.keys.capacity()
            + self.ops.capacity()
            + self.session.capacity()
            + self.sessions.capacity()
            + self.start.capacity()
            + 2 * self.steps.capacity()
            + self.writers_start.capacity()
            + self.writers.capacity();
        4 * words as u64 + self.status.capacity() as u64
    }
}

struct Building<'r, 'h> {
    reading: &'r Reading,
    checker: &'r str,
    made: Registers<'h>,
    numbers: Dense,
    versions: Versions,
    /// Codes that say that nobody wrote yet, and so may not be written.
    nothing: [Option<Code>; 2],
}

impl<'r, 'h> Building<'r, 'h> {
    fn new(history: &'h History, reading: &'r Reading, checker: &'r str) -> Building<'r, 'h> {
        let made = Registers {
            history,
            keys: Vec::new(),
            ops: vec![0; history.len()],
            session: vec![0; history.len()],
            sessions: Vec::new(),
            status: vec![Status::Unobserved; history.len()],
            start: Vec::with_capacity(history.len() + 1),
            steps: Vec::new(),
            writers_start: Vec::new(),
            writers: Vec::new(),
            ambiguous: BTreeMap::new(),
            problems: Problems::default(),
        };
        let nothing = [history.code(&Value::Nil), history.code(&reading.initial)];
        let (numbers, versions) = (Dense::default(), Versions::default());
        Building { reading, checker, made, numbers, versions, nothing }
    }

    /// Vertices by session, sessions as they appear.
    fn number_sessions(&mut self) {
        let mut numbers = Dense::default();
        let of: Vec<u32> = (self.made.history.operations())
            .map(|operation| numbers.number(operation.session().0).0)
            .collect();
        let mut next = vec![0_u32; numbers.len() as usize + 1];
        of.iter().for_each(|session| next[*session as usize + 1] += 1);
        for session in 1..next.len() {
            next[session] += next[session - 1];
        }
        self.made.sessions = next.clone();
        for (op, session) in (0..).zip(of) {
            let vertex = next[session as usize];
            next[session as usize] += 1;
            self.made.ops[vertex as usize] = op;
            self.made.session[vertex as usize] = session;
        }
    }

    /// Every step as it is told, and a number for every key.
    fn steps(&mut self) -> Result<(), CheckError> {
        let history = self.made.history;
        let (mut steps, mut writes) = (0, 0);
        for operation in history.operations() {
            each(operation, |mop| {
                steps += 1;
                writes += u32::from(matches!(mop, MopView::Write { .. }));
            });
        }
        self.made.steps.reserve_exact(steps);
        self.versions = Versions::with_room(writes);
        // By key: who wrote it last, and where that step is.
        let mut own: Vec<(u32, u32)> = Vec::new();
        for vertex in 0..self.made.len() {
            self.made.start.push(self.made.steps.len() as u32);
            let operation = history.operation(OpIndex(self.made.ops[vertex as usize]));
            self.made.status[vertex as usize] = match operation.outcome() {
                Outcome::Ok => Status::Committed,
                Outcome::Fail => Status::Aborted,
                Outcome::Info | Outcome::Open => Status::Unobserved,
            };
            let (mut refused, mut known) = (false, false);
            each(operation, |mop| {
                known = true;
                match mop {
                    MopView::Read { key, value } => self.read(vertex, key, value, &mut own),
                    MopView::Write { key, value } => self.write(vertex, key, value, &mut own),
                    MopView::Append { .. }
                    | MopView::ReadList { .. }
                    | MopView::Add { .. }
                    | MopView::ReadPredicate { .. } => refused = true,
                }
            });
            if refused || (!known && operation.f() != F::Txn) {
                return Err(self.unsupported(operation));
            }
        }
        self.made.start.push(self.made.steps.len() as u32);
        Ok(())
    }

    fn unsupported(&self, operation: Operation<'_>) -> CheckError {
        CheckError::Unsupported {
            checker: self.checker.into(),
            what: format!("{}, which is not about registers", brief(&operation.op())),
            event: format!("event {}", operation.call().0),
        }
    }

    fn key(&mut self, code: Code, own: &mut Vec<(u32, u32)>) -> u32 {
        let (key, new) = self.numbers.number(code.0);
        if new {
            self.made.keys.push(code);
            own.push((u32::MAX, 0));
        }
        key
    }

    fn read(&mut self, v: u32, key: Code, value: Observed<Code>, own: &mut Vec<(u32, u32)>) {
        let key = self.key(key, own);
        let seen = match value {
            Observed::Pending => return,
            Observed::Absent => Code::ABSENT,
            Observed::Present(value) if self.nothing.contains(&Some(value)) => Code::ABSENT,
            Observed::Present(value) => value,
        };
        let (last, at) = own[key as usize];
        if last != v {
            self.made.steps.push(Step::new(key, Does::Read, seen.0));
        } else if self.made.steps[at as usize].other != seen.0 {
            if self.reading.own_writes {
                let (other, seen) = (v, (seen != Code::ABSENT).then_some(seen));
                self.made.problems.add(Problem {
                    what: What::Internal,
                    reader: v,
                    key,
                    seen,
                    other,
                });
            }
            self.made.steps.push(Step::new(key, Does::Own, seen.0));
        }
    }

    fn write(&mut self, v: u32, key: Code, value: Code, own: &mut Vec<(u32, u32)>) {
        let key = self.key(key, own);
        let at = self.made.steps.len() as u32;
        let (last, before) = std::mem::replace(&mut own[key as usize], (v, at));
        if last == v {
            let value = self.made.steps[before as usize].other;
            self.made.steps[before as usize] = Step::new(key, Does::Middle, value);
        }
        self.made.steps.push(Step::new(key, Does::Write, value.0));
        if self.nothing.contains(&Some(value)) {
            self.made.ambiguous.entry(key).or_insert((INITIAL, v));
        }
        let steps = &self.made.steps;
        let same = |other: u32| {
            let step = steps[other as usize];
            step.key() == key && step.other == value.0
        };
        if let Some((_, other)) = self.versions.insert(key, value.0, (at, v), same) {
            self.made.ambiguous.entry(key).or_insert((other, v));
        }
    }

    /// Replaces what reads saw by whom they saw it of.
    fn resolve(&mut self) {
        let keys = self.made.keys.len();
        let mut updates = Updates::new(keys, self.made.steps.len());
        for v in 0..self.made.len() {
            let range = self.made.start[v as usize]..self.made.start[v as usize + 1];
            for at in range.clone() {
                let step = self.made.steps[at as usize];
                if matches!(step.does(), Does::Write | Does::Middle) {
                    updates.writes(v, step.key());
                }
            }
            for at in range {
                let step = self.made.steps[at as usize];
                if !matches!(step.does(), Does::Read | Does::Own) {
                    continue;
                }
                let source = self.source(v, step).filter(|_| step.does() == Does::Read);
                let Some((source, version)) = source else {
                    self.made.steps[at as usize] = VOID;
                    continue;
                };
                let key = step.key();
                self.made.steps[at as usize] = Step::new(key, Does::Read, source);
                if let Some((what, other)) = updates.read(v, key, source, version) {
                    let seen = (source != INITIAL).then_some(Code(step.other));
                    self.made.problems.add(Problem { what, reader: v, key, seen, other });
                }
            }
        }
    }

    /// Whom a read saw, and which step wrote that; `None` if it says nothing about others.
    fn source(&mut self, v: u32, step: Step) -> Option<(u32, u32)> {
        let (key, seen) = (step.key(), step.other);
        let clear = !self.made.ambiguous.contains_key(&key);
        if Code(seen) == Code::ABSENT {
            return clear.then_some((INITIAL, INITIAL));
        }
        let steps = &self.made.steps;
        let found = self.versions.find(key, seen, |other: u32| {
            let step = steps[other as usize];
            let write = matches!(step.does(), Does::Write | Does::Middle);
            write && step.key() == key && step.other == seen
        });
        let mut tell = |what, other| {
            let problem = Problem { what, reader: v, key, seen: Some(Code(seen)), other };
            self.made.problems.add(problem);
        };
        let Some((at, writer)) = found else {
            tell(What::ThinAir, INITIAL);
            return None;
        };
        let status = self.made.status[writer as usize];
        if !clear {
            return None;
        }
        if status == Status::Aborted {
            if !self.reading.planted.has(Bug::AbortedReadsIgnored) {
                tell(What::Aborted, writer);
            }
            return None;
        }
        if writer == v {
            if step.does() == Does::Read {
                tell(What::Future, writer);
            }
            return None;
        }
        if status == Status::Unobserved && !self.reading.planted.has(Bug::UnknownNeverHappened) {
            self.made.status[writer as usize] = Status::Observed;
        }
        if self.made.steps[at as usize].does() == Does::Middle {
            if step.does() == Does::Read {
                tell(What::Intermediate, writer);
            }
            return None;
        }
        Some((writer, at))
    }

    /// Leaves out what did not happen, and collects the writers of every key.
    fn finish(self) -> Registers<'h> {
        let Building { mut made, versions, .. } = self;
        drop(versions);
        let mut counts = vec![0_u32; made.keys.len() + 1];
        for v in 0..made.len() {
            let happened = made.happened(v);
            for at in made.start[v as usize]..made.start[v as usize + 1] {
                let step = made.steps[at as usize];
                if step.is_void() {
                    continue;
                }
                let clear = made.ambiguous.is_empty() || !made.ambiguous.contains_key(&step.key());
                match step.does() {
                    Does::Write if happened && clear => counts[step.key() as usize + 1] += 1,
                    Does::Read if happened && clear => {}
                    Does::Read | Does::Write | Does::Middle | Does::Own => {
                        made.steps[at as usize] = VOID;
                    }
                }
            }
        }
        for key in 1..counts.len() {
            counts[key] += counts[key - 1];
        }
        made.writers_start = counts.clone();
        made.writers = vec![0; counts[made.keys.len()] as usize];
        for v in 0..made.len() {
            for at in made.start[v as usize]..made.start[v as usize + 1] {
                let step = made.steps[at as usize];
                if !step.is_void() && step.does() == Does::Write {
                    let place = &mut counts[step.key() as usize];
                    made.writers[*place as usize] = v;
                    *place += 1;
                }
            }
        }
        made
    }
}

/// The micro-operations of a transaction; an operation on a register is one of its own.
pub(super) fn each<'h>(operation: Operation<'h>, mut one: impl FnMut(MopView<'h>)) {
    let (key, ok) = (operation.key(), operation.outcome() == Outcome::Ok);
    match operation.f() {
        F::Read => one(MopView::Read { key, value: operation.a().observed() }),
        F::Write => one(MopView::Write { key, value: operation.a() }),
        F::Cas => {
            let value = if ok { Observed::Present(operation.a()) } else { Observed::Pending };
            one(MopView::Read { key, value });
            one(MopView::Write { key, value: operation.b() });
        }
        _ => operation.mops().for_each(one),
    }
}
