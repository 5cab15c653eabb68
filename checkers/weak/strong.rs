//! From the table to the levels that ask for an order of versions, the strongest first: an order
//! that shows one shows every weaker one.

use tribunal_history::{Code, OpIndex};

use super::checker::NAME;
use super::direct::event;
use super::explain::Words;
use super::judge::{Judge, Judged};
use super::table::{INITIAL, Registers};
use crate::txn::polygraph::{
    self, Decided, Facts, Form, Kept, NEVER, Question, decide, holds_in_some_order, shows,
};
use crate::{Anomaly, AnomalyKind, Budget, CheckError, Consistency as C, Evidence, Step};

/// A level, what is asked for it, and the finding that says that it is the weakest one ruled out:
/// by items that were read, or by predicates, too.
struct Asked(C, Question, [AnomalyKind; 2]);

const fn ask(form: Form, kept: Kept) -> Question {
    Question { form, kept }
}

const SKEW: [AnomalyKind; 2] = [AnomalyKind::G2_ITEM, AnomalyKind::G2];
const FORK: [AnomalyKind; 2] = [AnomalyKind::G_NONADJACENT, AnomalyKind::G_NONADJACENT_PREDICATE];
const BEHIND: AnomalyKind = AnomalyKind::NON_PREFIX;

const fn process([item, predicate]: [AnomalyKind; 2]) -> [AnomalyKind; 2] {
    [item.process(), predicate.process()]
}

const fn realtime([item, predicate]: [AnomalyKind; 2]) -> [AnomalyKind; 2] {
    [item.realtime(), predicate.realtime()]
}

/// Every question, stronger ones first.
const QUESTIONS: [Asked; 9] = [
    Asked(C::StrictSerializable, ask(Form::Serializable, Kept::RealTime), realtime(SKEW)),
    Asked(C::StrongSnapshotIsolation, ask(Form::Snapshot, Kept::RealTime), realtime(FORK)),
    Asked(C::StrongSessionSerializable, ask(Form::Serializable, Kept::Sessions), process(SKEW)),
    Asked(C::StrongSessionSnapshotIsolation, ask(Form::Snapshot, Kept::Sessions), process(FORK)),
    Asked(C::Serializable, ask(Form::Serializable, Kept::Nothing), SKEW),
    // Serializable, where predicates are not counted.
    Asked(C::RepeatableRead, ask(Form::Serializable, Kept::Nothing), [AnomalyKind::G2_ITEM; 2]),
    Asked(C::SnapshotIsolation, ask(Form::Snapshot, Kept::Nothing), FORK),
    Asked(C::StrongSessionPrefix, ask(Form::Prefix, Kept::Sessions), [BEHIND.process(); 2]),
    Asked(C::Prefix, ask(Form::Prefix, Kept::Nothing), [BEHIND; 2]),
];

/// What is asked about.
struct Asking<'f> {
    facts: &'f Facts,
    /// What predicates found alone, where there are some.
    found: Option<&'f Facts>,
}

impl Asking<'_> {
    /// What a level counts: nothing where it is serializability by another name.
    fn counted(&self, level: C) -> Option<&Facts> {
        if level == C::RepeatableRead { self.found } else { Some(self.facts) }
    }

    fn violated(&self, Asked(level, question, _): &Asked, budget: &Budget) -> bool {
        let facts = self.counted(*level);
        facts.is_some_and(|it| matches!(decide(it, *question, budget), Decided::Violated(_)))
    }
}

const NO_REAL_TIME: &str = "the history has no real time";

const NOT_ASKED: &str = "it takes a search for an order of versions: ask for it by name";

/// Transactions x sessions of which every level is judged unasked.
const SMALL: u64 = 1 << 18;

impl Judge<'_, '_> {
    /// Asks for every level that is neither shown nor ruled out, unless that takes long and the
    /// level in question needs none of them.
    pub(super) fn strong(&self, judged: &mut Judged) -> Result<(), CheckError> {
        let size = u64::from(self.registers.len()) * self.registers.sessions.len() as u64;
        if size > SMALL && C::Causal.implies(self.level) {
            let open = QUESTIONS.iter().map(|Asked(level, ..)| (*level, NOT_ASKED.into()));
            judged.open.extend(open);
            return Ok(());
        }
        let (facts, found) = (facts(self.registers), self.found.map(facts));
        judged.cost.peak_bytes += facts.bytes() + found.as_ref().map_or(0, Facts::bytes);
        let asking = Asking { facts: &facts, found: found.as_ref() };
        let left = self.budget.bytes.saturating_sub(judged.cost.peak_bytes);
        let budget = self.budget.clone().with_bytes(left);
        for asked @ Asked(level, question, _) in &QUESTIONS {
            let Some(facts) = asking.counted(*level) else { continue };
            let shown = judged.held.iter().any(|held| held.implies(*level));
            let ruled_out = judged.anomalies.iter().any(|anomaly| level.forbids(anomaly.kind));
            if shown || ruled_out {
                continue;
            }
            if question.kept == Kept::RealTime && facts.times.is_empty() {
                judged.open.push((*level, NO_REAL_TIME.into()));
                continue;
            }
            match decide(facts, *question, &budget) {
                Decided::Holds(order) => {
                    if self.verify && !shows(facts, *question, &order) {
                        return Err(internal(format!("an order that does not show {level:?}")));
                    }
                    judged.cost.certificates_verified += u64::from(self.verify);
                    judged.held.push(*level);
                }
                Decided::Violated(core) => {
                    let anomaly = self.ruled_out(&asking, asked, &core, &budget, judged)?;
                    judged.anomalies.push(anomaly);
                }
                Decided::Spent { spent, open } => {
                    let name = spent.name();
                    let why = format!(
                        "{name} budget spent while the order of {open} pairs of versions was open"
                    );
                    judged.open.push((*level, why));
                }
            }
        }
        Ok(())
    }

    /// What these transactions rule out, named by the weakest level among it that the level in
    /// question implies.
    fn ruled_out(
        &self,
        asking: &Asking<'_>,
        asked: &Asked,
        core: &[u32],
        budget: &Budget,
        judged: &mut Judged,
    ) -> Result<Anomaly, CheckError> {
        let Asked(level, question, _) = asked;
        let less = asking.facts.only(core);
        let found = asking.found.map(|found| found.only(core));
        let less = Asking { facts: &less, found: found.as_ref() };
        match less.counted(*level).and_then(|facts| holds_in_some_order(facts, *question)) {
            Some(true) => {
                return Err(internal(format!("{core:?} do have an order for {question:?}")));
            }
            Some(false) => judged.cost.certificates_verified += 1,
            None => {}
        }
        let weaker = |other: &&Asked| {
            // Another name of serializability, unless that is what is asked for.
            let named = other.0 != C::RepeatableRead || *level == C::RepeatableRead;
            named && level.implies(other.0) && less.violated(other, budget)
        };
        let Asked(level, weakest, kinds) = QUESTIONS
            .iter()
            .rev()
            .find(weaker)
            .ok_or_else(|| internal(format!("{core:?} are not refuted twice")))?;
        let by_items = less
            .found
            .is_none_or(|found| matches!(decide(found, *weakest, budget), Decided::Violated(_)));
        let kind = kinds[usize::from(!by_items)];
        let registers = if *level == C::RepeatableRead { self.found } else { None };
        let registers = registers.unwrap_or(self.registers);
        let steps = self.steps(registers, core, *weakest);
        let names: Vec<String> = core.iter().map(|txn| self.name(*txn)).collect();
        let names = match names.as_slice() {
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
            [] => String::new(),
        };
        let said: Vec<&str> = steps.iter().map(|step| step.because.as_str()).collect();
        let said = if said.len() <= 4 { format!(": {}", said.join("; ")) } else { String::new() };
        let summary = format!("no order of {names} is {}{said}", level.name());
        Ok(Anomaly {
            kind,
            subject: None,
            summary,
            evidence: Evidence::Events(steps),
            minimal: true,
        })
    }

    fn name(&self, vertex: u32) -> String {
        Words(self.registers.history).txn(OpIndex(self.registers.ops[vertex as usize]))
    }

    /// What each transaction did on keys that concern the others, and what keeps them in order.
    fn steps(&self, registers: &Registers<'_>, core: &[u32], question: Question) -> Vec<Step> {
        let reads = |txn: u32, key: u32| registers.reads(txn).any(|read| read.0 == key);
        let shared = |txn: u32, key: u32| {
            let wrote = |other: u32| registers.wrote(other, key);
            let others = || core.iter().copied().filter(|other| *other != txn);
            others().any(wrote) || (wrote(txn) && others().any(|other| reads(other, key)))
        };
        let step = |(at, txn): (usize, &u32)| {
            let mut acts = self.acts(registers, *txn, |key| shared(*txn, key));
            let earlier = core[..at].iter().rev().copied();
            acts.extend(self.follows(*txn, earlier, question.kept));
            Step {
                event: event(registers.history, OpIndex(registers.ops[*txn as usize])),
                because: format!("{} {}", self.name(*txn), acts.join(", ")),
            }
        };
        core.iter().enumerate().map(step).collect()
    }

    /// Reads and writes of a transaction, in words.
    fn acts(
        &self,
        registers: &Registers<'_>,
        txn: u32,
        shared: impl Fn(u32) -> bool,
    ) -> Vec<String> {
        let words = Words(registers.history);
        let name = |key: u32| words.value(registers.keys[key as usize]);
        let mut acts: Vec<String> = Vec::new();
        for (key, source) in registers.reads(txn).filter(|(key, _)| shared(*key)) {
            let act = match source {
                INITIAL if self.by_predicate(txn, registers.keys[key as usize]) => {
                    format!("did not find {}", name(key))
                }
                INITIAL => format!("read {} as nobody had written it", name(key)),
                source => {
                    let value = registers.value(source, key).map(|code| words.value(code));
                    let value = value.unwrap_or_default();
                    format!("read {value} in {}, which {} wrote", name(key), self.name(source))
                }
            };
            if !acts.contains(&act) {
                acts.push(act);
            }
        }
        for key in registers.writes(txn).filter(|key| shared(*key)) {
            let value = registers.value(txn, key).map(|code| words.value(code));
            acts.push(format!("wrote {} to {}", value.unwrap_or_default(), name(key)));
        }
        acts
    }

    /// Whether a key that nobody had written is one that a predicate did not find.
    fn by_predicate(&self, txn: u32, key: Code) -> bool {
        let reads = |found: &Registers<'_>| {
            found.reads(txn).any(|(read, _)| found.keys[read as usize] == key)
        };
        self.found.is_some_and(|found| !reads(found))
    }

    /// Who of these must come before, if that is kept.
    fn follows(
        &self,
        txn: u32,
        mut others: impl Iterator<Item = u32>,
        kept: Kept,
    ) -> Option<String> {
        let registers = self.registers;
        let op = |txn: u32| registers.history.operation(OpIndex(registers.ops[txn as usize]));
        match kept {
            Kept::Nothing => None,
            Kept::Sessions => {
                let session = |txn: u32| registers.session[txn as usize];
                let before = others.find(|other| session(*other) == session(txn))?;
                let number = op(txn).session().0;
                Some(format!("after {} in session {number}", self.name(before)))
            }
            Kept::RealTime => {
                let ended = |other: &u32| op(*other).ret().is_some_and(|ret| ret < op(txn).call());
                let before = others.find(ended)?;
                Some(format!("began after {} had completed", self.name(before)))
            }
        }
    }
}

/// The table without values.
fn facts(registers: &Registers<'_>) -> Facts {
    let history = registers.history;
    let mut facts = Facts::new(registers.keys.len() as u32);
    let mut ends = registers.sessions.iter().skip(1).copied().peekable();
    for txn in 0..registers.len() {
        while ends.next_if(|end| *end <= txn).is_some() {
            facts.end_session();
        }
        let source = |source: u32| if source == INITIAL { polygraph::INITIAL } else { source };
        let wrote = |key: u32, from: u32| from == INITIAL || registers.wrote(from, key);
        let reads = registers.reads(txn).filter(|(key, from)| wrote(*key, *from));
        let reads = reads.map(|(key, from)| (key, source(from)));
        facts.push(reads, registers.writes(txn));
        if history.has_real_time() {
            let operation = history.operation(OpIndex(registers.ops[txn as usize]));
            let committed = registers.status[txn as usize] == super::table::Status::Committed;
            let end = operation.ret().filter(|_| committed).map_or(NEVER, |ret| u64::from(ret.0));
            facts.times.push((u64::from(operation.call().0), end));
        }
    }
    for _ in ends {
        facts.end_session();
    }
    facts
}

fn internal(what: String) -> CheckError {
    CheckError::Internal { checker: NAME.into(), what }
}
