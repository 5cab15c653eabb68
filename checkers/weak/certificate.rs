//! The separate verifier: accepts a proof from the raw history alone.
//!
//! It shares no tables with what it verifies. A circle is checked edge by edge, O(history) for
//! each. Orders are for `replay`.

use std::collections::BTreeSet;

use tribunal_history::{Code, F, History, MopView, Observed, OpIndex, Operation, Outcome, Value};

use super::explain::{Reason, Saw, Why};
use super::rule::{Rule, Walked};
use crate::txn::edges::{Kind, Kinds};

/// What a proof is about.
#[derive(Clone, Debug)]
pub(super) struct Claim<'h> {
    pub(super) history: &'h History,
    pub(super) rule: Rule,
    /// Whether sessions are kept.
    pub(super) sessions: bool,
    /// Whether a transaction sees its own writes.
    pub(super) own_writes: bool,
    /// What was shown already (causal memory), by the reads of one session.
    shown: BTreeSet<(Option<OpIndex>, Option<OpIndex>)>,
    /// Values that stand for the initial version.
    nothing: [Option<Code>; 2],
}

impl<'h> Claim<'h> {
    /// `initial` is what every key holds before the first write.
    pub(super) fn new(
        history: &'h History,
        initial: &Value,
        rule: Rule,
        sessions: bool,
        own_writes: bool,
    ) -> Claim<'h> {
        let nothing = [history.code(&Value::Nil), history.code(initial)];
        Claim { history, rule, sessions, own_writes, shown: BTreeSet::new(), nothing }
    }
}

impl Claim<'_> {
    /// Accepts that what one session read leaves no order: first what must come before what, each
    /// by what was shown before it, then a circle of it; or a read of the initial version at last.
    pub(super) fn no_memory(mut self, shown: &[Reason], circle: &[Reason]) -> Result<(), String> {
        let mut session = None;
        for reason in shown.iter().chain(circle) {
            if let Why::Missed { reader, .. } = &reason.why {
                let of = self.history.operation(*reader).session();
                if *session.get_or_insert(of) != of {
                    return Err("readers of two sessions".into());
                }
            }
        }
        for reason in shown {
            self.edge(reason, Rule::steps(true))?;
            self.shown.insert((reason.from, reason.to));
        }
        self.circle(circle)
    }

    /// Accepts a circle: each of its transactions must come before the next.
    pub(super) fn circle(&self, circle: &[Reason]) -> Result<(), String> {
        if circle.len() < 2 {
            return Err("a circle has two edges at least".into());
        }
        for (at, reason) in circle.iter().enumerate() {
            let next = &circle[(at + 1) % circle.len()];
            if reason.to != next.from || reason.from == reason.to {
                return Err(format!("edge {at} does not lead to the next"));
            }
            // Of writes follow reads a session counts after a read only.
            let wrote = |why: &Why| !matches!(why, Why::Session | Why::Read { .. });
            let follows = self.rule == Rule::WritesFollowReads;
            if follows && wrote(&reason.why) && matches!(next.why, Why::Session) {
                return Err(format!("edge {at} leads to a write, and not to what was read"));
            }
            let kinds = self.rule.base(self.sessions);
            self.edge(reason, kinds).map_err(|why| format!("edge {at}: {why}"))?;
        }
        Ok(())
    }

    fn edge(&self, reason: &Reason, kinds: Kinds) -> Result<(), String> {
        let ends = [reason.from, reason.to].into_iter().flatten();
        for op in ends.map(|op| self.history.operation(op)) {
            if !self.happened(op) {
                return Err(format!("T{} may not have happened", op.index().0));
            }
        }
        let op = |node: Option<OpIndex>| node.map(|op| self.history.operation(op));
        let holds = match (&reason.why, op(reason.from), op(reason.to)) {
            (Why::First, None, Some(_)) => true,
            (Why::Session, Some(from), Some(to)) => {
                let kept = kinds.has(Kind::Session) && from.session() == to.session();
                kept && from.index() < to.index()
            }
            (Why::Read { key, value }, Some(from), Some(to)) => {
                let seen = self.reads(to).contains(&(*key, Some(*value)));
                kinds.has(Kind::Wr) && seen && last(from, *key) == Some(*value)
            }
            (Why::Shown, Some(_), Some(_)) => self.shown.contains(&(reason.from, reason.to)),
            (Why::Missed { .. }, Some(from), to) => return self.missed(reason, from, to),
            _ => false,
        };
        if holds { Ok(()) } else { Err(format!("{:?} does not follow", reason.why)) }
    }

    fn missed(
        &self,
        reason: &Reason,
        from: Operation<'_>,
        to: Option<Operation<'_>>,
    ) -> Result<(), String> {
        let Why::Missed { key, wrote, reader, seen, how } = &reason.why else {
            return Err("it is of another kind".into());
        };
        let by = self.history.operation(*reader);
        let written = last(from, *key) == Some(*wrote);
        let of_whom = match (to, seen) {
            (Some(to), Some(seen)) => last(to, *key) == Some(*seen),
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !written || !of_whom || by.outcome() != Outcome::Ok {
            return Err("nobody wrote or read so".into());
        }
        let steps = self.reads(by);
        let mut at = (0..steps.len()).filter(|at| steps[*at] == (*key, *seen));
        let saw = match how {
            Saw::Before { key, value } if self.rule == Rule::Monotonic => {
                let earlier = at.next_back().map_or(&[][..], |at| &steps[..at]);
                earlier.contains(&(*key, Some(*value))) && last(from, *key) == Some(*value)
            }
            Saw::Before { .. } => false,
            Saw::Path(path) => {
                let read = at.next_back();
                let earlier = match path.last().map(|step| &step.why) {
                    Some(Why::Read { key, value }) if self.rule.read_by_read() => {
                        let up_to = read.map_or(&[][..], |read| &steps[..=read]);
                        up_to.contains(&(*key, Some(*value)))
                    }
                    _ => read.is_some(),
                };
                earlier && self.path(path, reason.from, *reader)?
            }
        };
        if saw { Ok(()) } else { Err("the reader had not seen it".into()) }
    }

    /// Whether steps along sessions and reads lead from one to the other, as the rule allows.
    fn path(&self, path: &[Reason], from: Option<OpIndex>, to: OpIndex) -> Result<bool, String> {
        let (mut at, mut walked) = (from, Walked::Nothing);
        for step in path {
            let kind = match step.why {
                Why::Session => Kind::Session,
                Why::Read { .. } => Kind::Wr,
                Why::Shown => Kind::Ww,
                Why::First | Why::Missed { .. } => return Ok(false),
            };
            let Some(further) = self.rule.step(walked, kind) else { return Ok(false) };
            self.edge(step, Rule::steps(self.sessions))?;
            if step.from != at {
                return Ok(false);
            }
            (at, walked) = (step.to, further);
        }
        Ok(at == Some(to) && self.rule.sees(walked))
    }

    /// Committed, or seen by a committed transaction.
    fn happened(&self, txn: Operation<'_>) -> bool {
        match txn.outcome() {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info | Outcome::Open => {
                let written: BTreeSet<(Code, Code)> = writes(txn).into_iter().collect();
                let mut committed = self.history.operations();
                committed.any(|other| {
                    let saw = |key, value| match value {
                        Observed::Present(value) => written.contains(&(key, value)),
                        Observed::Pending | Observed::Absent => false,
                    };
                    let (key, a) = (other.key(), other.a());
                    let single = matches!(other.f(), F::Read | F::Cas);
                    let mut mops = other.mops();
                    let any = mops.any(|mop| match mop {
                        MopView::Read { key, value } => saw(key, value),
                        _ => false,
                    });
                    other.outcome() == Outcome::Ok && (any || single && saw(key, a.observed()))
                })
            }
        }
    }
}

/// Key and value of each write, in program order.
fn writes(txn: Operation<'_>) -> Vec<(Code, Code)> {
    match txn.f() {
        F::Write => vec![(txn.key(), txn.a())],
        F::Cas => vec![(txn.key(), txn.b())],
        _ => {
            let write = |mop| match mop {
                MopView::Write { key, value } => Some((key, value)),
                _ => None,
            };
            txn.mops().filter_map(write).collect()
        }
    }
}

/// The last value a transaction wrote to a key.
fn last(txn: Operation<'_>, key: Code) -> Option<Code> {
    writes(txn).iter().rev().find(|(written, _)| *written == key).map(|(_, value)| *value)
}

impl Claim<'_> {
    /// Key and value of every read that was answered and that no own write of the key precedes.
    fn reads(&self, txn: Operation<'_>) -> Vec<(Code, Option<Code>)> {
        let mut own = BTreeSet::new();
        let mut reads = Vec::new();
        match txn.f() {
            F::Read => reads.push((txn.key(), txn.a().observed())),
            F::Cas if txn.outcome() == Outcome::Ok => {
                reads.push((txn.key(), Observed::Present(txn.a())));
            }
            _ => {
                for mop in txn.mops() {
                    match mop {
                        MopView::Write { key, .. } => drop(own.insert(key)),
                        MopView::Read { key, value } if !own.contains(&key) => {
                            reads.push((key, value));
                        }
                        _ => {}
                    }
                }
            }
        }
        let seen = |(key, value)| self.seen(value).map(|value| (key, value));
        reads.into_iter().filter_map(seen).collect()
    }

    /// What a read saw; `Some(None)` is the initial version, `None` that it says nothing.
    pub(super) fn seen(&self, value: Observed<Code>) -> Option<Option<Code>> {
        match value {
            Observed::Pending => None,
            Observed::Absent => Some(None),
            Observed::Present(value) => {
                Some(Some(value).filter(|_| !self.nothing.contains(&Some(value))))
            }
        }
    }
}
