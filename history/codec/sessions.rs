//! Formats that list committed transactions over registers, session by session: what they share.
//!
//! None of them has times: see [`Builder::per_session`]. In all of them a read of 0 where nobody
//! writes 0 is a read of the initial value, which is that of the tools that write such files.
//! Without that rule a read that found nothing could not be told from one of a value nobody wrote.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::CodecError;
use super::losses::Losses;
use crate::{
    Builder, Code, Draft, F, History, HistoryError, MopView, Nanos, Observed, OpIndex, Operation,
    Outcome, Process, Session,
};

/// What a read of nothing looks like.
pub(super) const INITIAL: i64 = 0;

/// Longest line in bytes.
pub(super) const LINE_LIMIT: usize = 1 << 16;

/// Most reads and writes of one transaction: what every history has room for.
const STEPS_LIMIT: usize = 1 << 24;

/// What is said of every history in such a format.
pub(super) const UNTIMED: &str = "the format has no times: nothing is ordered between sessions";

/// One read or write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) writes: bool,
    pub(super) key: i64,
    /// `None`: the read found nothing.
    pub(super) value: Option<i64>,
}

/// Adds a transaction of `session` that ended as `outcome`.
pub(super) fn add(
    builder: &mut Builder,
    session: Process,
    outcome: Outcome,
    steps: &[Step],
) -> Result<(), HistoryError> {
    begin(builder, session, steps)?;
    fill(builder, steps).complete(Nanos(0), session, outcome, None)?;
    Ok(())
}

/// Adds a transaction of `session` of which nobody knows how it ended.
pub(super) fn begin(
    builder: &mut Builder,
    session: Process,
    steps: &[Step],
) -> Result<(), HistoryError> {
    if steps.len() > STEPS_LIMIT {
        return Err(HistoryError::TooLong);
    }
    fill(builder, steps).invoke(Nanos(0), session, None, None).map(drop)
}

fn fill<'b>(builder: &'b mut Builder, steps: &[Step]) -> Draft<'b> {
    let mut draft = builder.draft();
    for step in steps {
        let key = draft.int(step.key);
        match (step.writes, step.value) {
            (true, Some(value)) => {
                let value = draft.int(value);
                draft.write(key, value);
            }
            (_, None) => draft.read(key, Observed::Absent),
            (false, Some(value)) => {
                let value = draft.int(value);
                draft.read(key, Observed::Present(value));
            }
        }
    }
    draft
}

/// The history of everything added.
pub(super) fn finish(mut builder: Builder) -> (History, Vec<String>) {
    builder.settle_initial(INITIAL);
    let history = builder.finish();
    let warnings = if history.is_empty() { Vec::new() } else { vec![UNTIMED.to_owned()] };
    (history, warnings)
}

/// What such a format can say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds {
    /// Its name, for errors.
    pub(super) name: &'static str,
    /// Aborted transactions.
    pub(super) aborted: bool,
    /// A read that found nothing, where 0 is written.
    pub(super) nothing: bool,
    /// Integers below zero.
    pub(super) negative: bool,
    /// Which number a session has.
    pub(super) numbers: bool,
}

/// A transaction as such a format says it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) committed: bool,
    pub(super) steps: Vec<Step>,
}

/// The sessions of a history, each in its own order, and what of it cannot be said.
///
/// # Errors
/// A history such a format cannot hold at all.
pub(super) fn told(
    history: &History,
    holds: Holds,
    losses: &mut Losses,
) -> Result<Vec<(Session, Vec<Told>)>, CodecError> {
    history.faults().iter().for_each(|_| losses.count("steps of faults dropped"));
    history.marks().iter().for_each(|_| losses.count("marks dropped"));
    let mut sessions: BTreeMap<Session, Vec<OpIndex>> = BTreeMap::new();
    for operation in history.operations() {
        sessions.entry(operation.session()).or_default().push(operation.index());
    }
    let facts = Facts::of(history, holds);
    let (mut all, many) = (Vec::new(), sessions.len() > 1);
    for (session, mut operations) in sessions {
        operations.sort_unstable_by_key(|index| history.operation(*index).call());
        let mut transactions = Vec::new();
        let mut before: Option<Operation<'_>> = None;
        for index in operations {
            let operation = history.operation(index);
            if many && history.has_real_time() {
                losses.count("transactions whose order in real time beside other sessions is lost");
            }
            let overlaps =
                |before: Operation<'_>| before.ret().is_none_or(|r| r > operation.call());
            if before.is_some_and(overlaps) {
                losses
                    .count("transactions that overlap another of their session, written after it");
            }
            before = Some(operation);
            transactions.extend(facts.transaction(operation, holds, losses)?);
        }
        if transactions.is_empty() {
            continue;
        }
        if session.0 as usize != all.len() && !holds.numbers {
            losses.count("sessions numbered anew");
        }
        all.push((session, transactions));
    }
    Ok(all)
}

/// What the whole history says about single values.
struct Facts<'h> {
    history: &'h History,
    written: FxHashSet<(Code, Code)>,
    seen: FxHashSet<(Code, Code)>,
}

impl<'h> Facts<'h> {
    fn of(history: &'h History, holds: Holds) -> Facts<'h> {
        let (mut written, mut seen) = (FxHashSet::default(), FxHashSet::default());
        for operation in history.operations() {
            if operation.outcome() == Outcome::Fail && !holds.aborted {
                continue;
            }
            for step in steps(operation) {
                match step {
                    MopView::Write { key, value } => drop(written.insert((key, value))),
                    MopView::Read { key, value: Observed::Present(value) } => {
                        seen.insert((key, value));
                    }
                    MopView::Read { .. }
                    | MopView::Append { .. }
                    | MopView::ReadList { .. }
                    | MopView::Add { .. }
                    | MopView::ReadPredicate { .. } => {}
                }
            }
        }
        Facts { history, written, seen }
    }

    fn transaction(
        &self,
        operation: Operation<'h>,
        holds: Holds,
        losses: &mut Losses,
    ) -> Result<Option<Told>, CodecError> {
        if !matches!(operation.f(), F::Txn | F::Read | F::Write) {
            return Err(refused(holds, &format!("operation {}", operation.op())));
        }
        let single = operation.f() != F::Txn;
        count_extras(operation, single, losses);
        let committed = match operation.outcome() {
            Outcome::Ok => true,
            Outcome::Fail if holds.aborted => false,
            Outcome::Fail => {
                losses.count("aborted transactions dropped: reads of them look like thin air");
                return Ok(None);
            }
            Outcome::Info | Outcome::Open if self.is_seen(operation) => {
                losses
                    .count("transactions of unknown outcome written as committed: they were seen");
                true
            }
            Outcome::Info | Outcome::Open => {
                losses.count("transactions of unknown outcome dropped: nobody saw them");
                return Ok(None);
            }
        };
        let mut told = Vec::new();
        for step in steps(operation) {
            match self.step(step, holds)? {
                Some(step) => told.push(step),
                None => losses.count("reads without an answer dropped"),
            }
        }
        if told.is_empty() {
            losses.count("transactions that say nothing dropped");
            return Ok(None);
        }
        Ok(Some(Told { committed, steps: told }))
    }

    fn is_seen(&self, operation: Operation<'h>) -> bool {
        steps(operation).any(|step| match step {
            MopView::Write { key, value } => self.seen.contains(&(key, value)),
            MopView::Read { .. }
            | MopView::Append { .. }
            | MopView::ReadList { .. }
            | MopView::Add { .. }
            | MopView::ReadPredicate { .. } => false,
        })
    }

    /// `None` of a read that was not answered.
    fn step(&self, step: MopView<'h>, holds: Holds) -> Result<Option<Step>, CodecError> {
        let int = |code: Code| self.int(code, holds);
        match step {
            MopView::Write { key, value } => {
                let (key, value) = (int(key)?, Some(int(value)?));
                Ok(Some(Step { writes: true, key, value }))
            }
            MopView::Read { value: Observed::Pending, .. } => Ok(None),
            MopView::Read { key, value: Observed::Absent } => {
                let initial = Code(INITIAL as u32);
                let value = match holds.nothing {
                    true => None,
                    false if !self.written.contains(&(key, initial)) => Some(INITIAL),
                    false => {
                        let key = self.history.value(key);
                        let what = format!("a read of nothing under key {key}, where 0 is written");
                        return Err(refused(holds, &what));
                    }
                };
                Ok(Some(Step { writes: false, key: int(key)?, value }))
            }
            MopView::Read { key, value: Observed::Present(value) } => {
                if value == Code(INITIAL as u32) && !self.written.contains(&(key, value)) {
                    let what = "a read of 0 that nobody wrote and that is not the initial value";
                    return Err(refused(holds, what));
                }
                Ok(Some(Step { writes: false, key: int(key)?, value: Some(int(value)?) }))
            }
            MopView::Append { .. } | MopView::ReadList { .. } | MopView::ReadPredicate { .. } => {
                Err(refused(holds, "lists and predicates"))
            }
            MopView::Add { .. } => Err(refused(holds, "additions to balances")),
        }
    }

    fn int(&self, code: Code, holds: Holds) -> Result<i64, CodecError> {
        match self.history.int(code) {
            Some(int) if int >= 0 || holds.negative => Ok(int),
            Some(int) => Err(refused(holds, &format!("the integer {int}"))),
            None => Err(refused(holds, &format!("the value {}", self.history.value(code)))),
        }
    }
}

/// The micro-operations of a transaction; an operation on a register is one of its own.
fn steps(operation: Operation<'_>) -> impl Iterator<Item = MopView<'_>> {
    let (key, a) = (operation.key(), operation.a());
    let single = match operation.f() {
        F::Read => Some(MopView::Read { key, value: a.observed() }),
        F::Write => Some(MopView::Write { key, value: a }),
        _ => None,
    };
    single.into_iter().chain(operation.mops())
}

fn count_extras(operation: Operation<'_>, single: bool, losses: &mut Losses) {
    if single {
        losses.count("operations on registers written as transactions");
    }
    if operation.completed_at() != Nanos(0) {
        losses.count("times dropped");
    }
    if operation.node().is_some() {
        losses.count("node names dropped");
    }
    if operation.session().0 != operation.process().0 {
        losses.count("processes dropped: their sessions are kept");
    }
    if operation.error().is_some() {
        losses.count("error classes dropped");
    }
}

fn refused(holds: Holds, what: &str) -> CodecError {
    let message = format!(
        "{} holds transactions over registers of integers, not {what}; write jsonl or edn instead",
        holds.name
    );
    CodecError::Unsupported(message)
}
