//! From the table to findings, and to levels that are proved: the strongest first.
//!
//! An order that keeps what causality forces keeps what every weaker level does, so that those are
//! looked at only where there is none.

use super::causal::{self, Found, Stale, View};
use super::certificate::Claim;
use super::direct::findings;
use super::explain::{Reason, Why, Words};
use super::memory::{self, Memory};
use super::order::{Forced, order};
use super::planted::Bug;
use super::problems::What;
use super::rule::Rule;
use super::table::{INITIAL, Reading, Registers};
use super::witness::{Circles, Edge};
use super::{atomic, checker::NAME};
use crate::txn::edges::{Kind, Kinds};
use crate::{
    Anomaly, AnomalyKind, Budget, CheckError, Consistency, Cost, Dependency, Evidence, Spent,
};

const READS: Kinds = Kinds::of(Kind::Wr);
pub(super) const FORCED: Kinds = Kinds::of(Kind::Ww);

/// Why what counts read by read says nothing of predicates.
pub(super) const NO_ORDER: &str = "it goes by the order of reads, and what a predicate saw at one \
                                   instant has none; no stronger level is shown";

/// Transactions x sessions of which causal memory is judged unasked.
const SMALL: usize = 1 << 20;

/// What a check of all levels came to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) anomalies: Vec<Anomaly>,
    /// Levels that no order contradicts, as far as reads say anything.
    pub(super) held: Vec<Consistency>,
    /// Levels that were asked for without an answer, and why.
    pub(super) open: Vec<(Consistency, String)>,
    /// Why not everything was looked at.
    pub(super) spent: Option<Spent>,
    pub(super) cost: Cost,
}

pub(super) struct Judge<'t, 'h> {
    pub(super) registers: &'t Registers<'h>,
    /// Of a history with predicates what they found alone; `None` where there are none.
    pub(super) found: Option<&'t Registers<'h>>,
    pub(super) reading: &'t Reading,
    /// Whether orders are replayed by the separate verifier; circles always are verified.
    pub(super) verify: bool,
    pub(super) budget: &'t Budget,
    /// The level that is asked for.
    pub(super) level: Consistency,
}

/// What came of one promise.
enum Tested {
    Held,
    /// A circle that contradicts it.
    Broken(Vec<Reason>),
}

impl Judge<'_, '_> {
    pub(super) fn everything(&self) -> Result<Judged, CheckError> {
        let mut judged = Judged { anomalies: self.direct(), ..Judged::default() };
        judged.held.push(Consistency::ReadUncommitted);
        judged.cost.peak_bytes = self.registers.bytes();
        if judged.cost.peak_bytes > self.budget.bytes {
            judged.spent = Some(Spent::Memory);
            return Ok(judged);
        }
        let acyclic = match order(self.registers, &Forced::default(), Rule::steps(true)) {
            Ok(order) => {
                judged.held.push(Consistency::StrongSessionReadCommitted);
                if self.asks_for_memory() {
                    self.memory(&order, &mut judged)?;
                }
                self.causal(order, &mut judged)?;
                true
            }
            Err(_) => {
                self.cyclic(&mut judged)?;
                false
            }
        };
        if !judged.held.contains(&Consistency::Causal) {
            self.weaker(acyclic, &mut judged)?;
            self.guarantees(&mut judged)?;
        }
        if judged.spent.is_none() {
            self.strong(&mut judged)?;
        }
        Ok(judged)
    }

    /// What needs no graph. Who wrote what a predicate had not found overwrote nothing that it had
    /// read.
    fn direct(&self) -> Vec<Anomaly> {
        let inserts = self.reading.planted.has(Bug::InsertsLoseUpdates);
        let lost = |what| what == What::LostUpdate && !inserts;
        let Some(found) = self.found else { return findings(self.registers, |_| true) };
        let mut anomalies = findings(self.registers, |what| !lost(what));
        anomalies.extend(findings(found, lost));
        anomalies
    }

    /// Causal memory takes several passes: it is judged where it is asked for, or costs little.
    fn asks_for_memory(&self) -> bool {
        let size = self.registers.len() as usize * self.registers.sessions.len();
        self.level == Consistency::CausalMemory || size < SMALL
    }

    /// Sessions and reads are a circle.
    fn cyclic(&self, judged: &mut Judged) -> Result<(), CheckError> {
        let circles = Circles::new(self.registers, &Forced::default(), true);
        let both = READS.and(Kinds::SESSION);
        let (kind, circle) = match circles.with(Kind::Wr, READS, READS) {
            Some(circle) => (AnomalyKind::G1C, Some(circle)),
            None => {
                judged.held.push(Consistency::ReadCommitted);
                (AnomalyKind::G1C.process(), circles.with(Kind::Wr, both, both))
            }
        };
        let anomaly = self.circle(kind, &circles, circle, Rule::Causal, true, judged)?;
        judged.anomalies.push(Anomaly { kind: AnomalyKind::CYCLIC_CO, ..anomaly.clone() });
        judged.anomalies.push(anomaly);
        Ok(())
    }

    fn causal(&self, past: Vec<u32>, judged: &mut Judged) -> Result<(), CheckError> {
        let planted = self.reading.planted;
        let found = match causal::forced(self.registers, &past, View::Past, planted, self.budget) {
            Ok(found) => found,
            Err(spent) => {
                judged.spent = Some(spent);
                return Ok(());
            }
        };
        let (stale, peak) = (found.stale, found.peak_bytes);
        let forced = Forced::new(self.registers.len(), found.pairs);
        judged.cost.configurations += forced.pairs().count() as u64;
        judged.cost.peak_bytes = self.registers.bytes() + peak.max(forced.bytes());
        let ordered = order(self.registers, &forced, Rule::steps(true));
        if let (true, Ok(order)) = (stale.is_empty(), &ordered) {
            judged.held.push(Consistency::Causal);
            return self.replay(order, Rule::Causal, true, judged);
        }
        let circles = Circles::new(self.registers, &forced, true);
        if let Some(stale) = stale.first() {
            let kind = AnomalyKind::WRITE_CO_INIT_READ;
            let anomaly = self.stale(kind, &circles, stale, Rule::Causal, true, judged)?;
            judged.anomalies.push(anomaly);
        }
        let back = match causal::backwards(self.registers, &past, &forced, self.budget) {
            Ok(back) => back,
            Err(spent) => {
                judged.spent = Some(spent);
                return Ok(());
            }
        };
        let base = READS.and(Kinds::SESSION);
        if !back.is_empty() {
            let circle = circles.through(&back, Kind::Ww, base, None);
            let kind = AnomalyKind::WRITE_CO_READ;
            let anomaly = self.circle(kind, &circles, circle, Rule::Causal, true, judged)?;
            judged.anomalies.push(anomaly);
        } else if ordered.is_err() {
            let circle = circles.with(Kind::Ww, base.and(FORCED), base);
            let kind = AnomalyKind::CYCLIC_CF;
            let anomaly = self.circle(kind, &circles, circle, Rule::Causal, true, judged)?;
            judged.anomalies.push(anomaly);
        }
        if back.is_empty() && stale.is_empty() {
            judged.held.push(Consistency::WeakCausal);
        }
        Ok(())
    }

    /// Read atomic and read committed, with sessions where they do not contradict reads already,
    /// and without.
    fn weaker(&self, sessions: bool, judged: &mut Judged) -> Result<(), CheckError> {
        let planted = self.reading.planted;
        let tests = [
            (
                Rule::Atomic,
                Consistency::StrongSessionReadAtomic,
                Consistency::ReadAtomic,
                AnomalyKind::FRACTURED_READ,
            ),
            (
                Rule::Monotonic,
                Consistency::StrongSessionMonotonicAtomicView,
                Consistency::MonotonicAtomicView,
                AnomalyKind::NON_MONOTONIC_VIEW,
            ),
        ];
        for (rule, strong, plain, kind) in tests {
            let found = |sessions: bool| {
                let mut found = match rule {
                    Rule::Monotonic => atomic::monotonic(self.registers, planted),
                    _ => atomic::whole(self.registers, planted),
                };
                if sessions && rule == Rule::Atomic {
                    let more = atomic::followed(self.registers, planted);
                    found.pairs.extend(more.pairs);
                    found.stale.extend(more.stale);
                }
                found
            };
            let unordered = self.found.is_some() && !planted.has(Bug::MatchesAreInOrder);
            if rule == Rule::Monotonic && unordered {
                judged.open.extend([strong, plain].map(|level| (level, NO_ORDER.into())));
                continue;
            }
            let torn = rule == Rule::Atomic && self.registers.problems.has(What::NonRepeatable);
            if torn || judged.held.iter().any(|held| held.implies(strong)) {
                continue;
            }
            let with_sessions = match sessions {
                true => Some(self.test(rule, true, found(true), judged)?),
                false => None,
            };
            if let Some(Tested::Held) = with_sessions {
                judged.held.push(strong);
                continue;
            }
            if judged.held.iter().any(|held| held.implies(plain)) {
                self.tell(kind.process(), with_sessions, judged);
                continue;
            }
            match self.test(rule, false, found(false), judged)? {
                Tested::Held => {
                    judged.held.push(plain);
                    self.tell(kind.process(), with_sessions, judged);
                }
                broken @ Tested::Broken(_) => self.tell(kind, Some(broken), judged),
            }
            if self.budget.is_cancelled() {
                judged.spent = Some(Spent::Time);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Causal memory, which neither follows from causal convergence nor the other way round.
    fn memory(&self, past: &[u32], judged: &mut Judged) -> Result<(), CheckError> {
        let (shown, circle) =
            match memory::memory(self.registers, past, self.reading.planted, self.budget) {
                Ok(Memory::Held) => {
                    judged.held.push(Consistency::CausalMemory);
                    return Ok(());
                }
                Ok(Memory::Long) => return Ok(()),
                Ok(Memory::Broken(shown, circle)) => (shown, circle),
                Err(spent) => {
                    judged.spent = Some(spent);
                    return Ok(());
                }
            };
        let (mut shown, kind) = (shown, AnomalyKind::CYCLIC_HB);
        let (circle, kind) = match circle.as_slice() {
            [] => {
                let last = shown.pop().ok_or_else(|| internal("a proof of nothing".into()))?;
                let back = Reason { from: None, to: last.from, why: Why::First };
                (vec![last, back], AnomalyKind::WRITE_HB_INIT_READ)
            }
            edges => {
                let circles = Circles::new(self.registers, &Forced::default(), true);
                let reasons = circles.reasons(edges, Rule::Memory);
                (reasons.ok_or_else(|| internal("an edge without a reason".into()))?, kind)
            }
        };
        self.claim(Rule::Memory, true).no_memory(&shown, &circle).map_err(internal)?;
        judged.cost.certificates_verified += 1;
        let mut steps = shown;
        let summary = self.anomaly(kind, &circle).summary;
        steps.extend(circle);
        judged.anomalies.push(Anomaly { summary, ..self.anomaly(kind, &steps) });
        Ok(())
    }

    fn tell(&self, kind: AnomalyKind, tested: Option<Tested>, judged: &mut Judged) {
        if let Some(Tested::Broken(circle)) = tested {
            judged.anomalies.push(self.anomaly(kind, &circle));
        }
    }

    /// Whether some order keeps what `found` forces.
    fn test(
        &self,
        rule: Rule,
        sessions: bool,
        found: Found,
        judged: &mut Judged,
    ) -> Result<Tested, CheckError> {
        let forced = Forced::new(self.registers.len(), found.pairs);
        judged.cost.configurations += forced.pairs().count() as u64;
        let circles = || Circles::new(self.registers, &forced, sessions);
        if let Some(stale) = found.stale.first() {
            let Stale { writer, reader, key } = *stale;
            let circle = circles().stale(writer, reader, key, rule);
            return Ok(Tested::Broken(self.verified(circle, rule, sessions, judged)?));
        }
        match order(self.registers, &forced, rule.base(sessions)) {
            Ok(order) => {
                self.replay(&order, rule, sessions, judged)?;
                Ok(Tested::Held)
            }
            Err(_) => {
                let (circles, base) = (circles(), rule.base(sessions));
                let circle = circles.with(Kind::Ww, base.and(FORCED), base);
                // Reads alone may be the circle.
                let circle = circle.or_else(|| circles.with(Kind::Wr, base, base));
                let reasons = circle.and_then(|circle| circles.reasons(&circle, rule));
                Ok(Tested::Broken(self.verified(reasons, rule, sessions, judged)?))
            }
        }
    }

    pub(super) fn circle(
        &self,
        kind: AnomalyKind,
        circles: &Circles<'_, '_>,
        circle: Option<Vec<Edge>>,
        rule: Rule,
        sessions: bool,
        judged: &mut Judged,
    ) -> Result<Anomaly, CheckError> {
        let reasons = circle.and_then(|circle| circles.reasons(&circle, rule));
        let reasons = self.verified(reasons, rule, sessions, judged)?;
        Ok(self.anomaly(kind, &reasons))
    }

    fn stale(
        &self,
        kind: AnomalyKind,
        circles: &Circles<'_, '_>,
        stale: &Stale,
        rule: Rule,
        sessions: bool,
        judged: &mut Judged,
    ) -> Result<Anomaly, CheckError> {
        let reasons = circles.stale(stale.writer, stale.reader, stale.key, rule);
        let reasons = self.verified(reasons, rule, sessions, judged)?;
        Ok(self.anomaly(kind, &reasons))
    }

    fn claim(&self, rule: Rule, sessions: bool) -> Claim<'_> {
        let Reading { initial, own_writes, .. } = self.reading;
        Claim::new(self.registers.history, initial, rule, sessions, *own_writes)
    }

    /// The circle, which the separate verifier accepted.
    pub(super) fn verified(
        &self,
        circle: Option<Vec<Reason>>,
        rule: Rule,
        sessions: bool,
        judged: &mut Judged,
    ) -> Result<Vec<Reason>, CheckError> {
        let circle =
            circle.ok_or_else(|| internal(format!("an edge of {rule:?} without a reason")))?;
        self.claim(rule, sessions).circle(&circle).map_err(internal)?;
        judged.cost.certificates_verified += 1;
        Ok(circle)
    }

    /// Has the separate verifier replay an order, unless reads were left out.
    fn replay(
        &self,
        order: &[u32],
        rule: Rule,
        sessions: bool,
        judged: &mut Judged,
    ) -> Result<(), CheckError> {
        let registers = self.registers;
        let mut problems = registers.problems.list.iter();
        let whole = problems.all(|it| matches!(it.what, What::LostUpdate | What::NonRepeatable));
        if !self.verify || !whole || !registers.ambiguous.is_empty() {
            return Ok(());
        }
        let op = |vertex: u32| registers.ops.get(vertex as usize).copied().unwrap_or(INITIAL);
        let mut vertex = vec![0; registers.ops.len()];
        (0..).zip(&registers.ops).for_each(|(at, op)| vertex[*op as usize] = at);
        let happened = order.iter().filter(|vertex| registers.happened(**vertex));
        let order: Vec<u32> = happened.map(|vertex| op(*vertex)).collect();
        let sources = |op_: u32| registers.reads(vertex[op_ as usize]).map(|read| op(read.1));
        self.claim(rule, sessions).order(&order, sources).map_err(internal)?;
        judged.cost.certificates_verified += 1;
        Ok(())
    }

    pub(super) fn anomaly(&self, kind: AnomalyKind, circle: &[Reason]) -> Anomaly {
        let history = self.registers.history;
        let words = Words(history);
        let steps: Vec<Dependency> = circle.iter().map(|reason| words.dependency(reason)).collect();
        let sentences: Vec<&str> = steps.iter().map(|step| step.because.as_str()).collect();
        let summary = match sentences.as_slice() {
            [one, other] => format!("{one}; yet {other}"),
            [first, .., last] if sentences.len() <= 4 => {
                let middle = sentences[1..sentences.len() - 1].join("; ");
                format!("{first}; {middle}; yet {last}")
            }
            _ => format!("{} transactions each come before the next, in a circle", circle.len()),
        };
        let evidence = Evidence::Cycle(steps);
        Anomaly { kind, subject: None, summary, evidence, minimal: true }
    }
}

fn internal(what: String) -> CheckError {
    CheckError::Internal { checker: NAME.into(), what }
}
