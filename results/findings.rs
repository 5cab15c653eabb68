//! Anomalies as findings: one per signature, with the operations of the proof spelled out.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use tribunal_checkers::{Anomaly, Dependency, Evidence, Step, Unconfirmed};
use tribunal_history::{EventId, History, Mop, Op, OpIndex, Operation, Outcome, RegisterOp, Value};

use crate::bounded::{Typed, sentence, shortened};
use crate::faults;
use crate::human::grouped;
use crate::limits;
use crate::run_report::{
    EdgeReport, EvidenceReport, Fault, Finding, OpReport, StateReport, StepReport,
};

/// What turning an anomaly into a finding needs to know.
pub(crate) struct Scene<'a> {
    pub(crate) history: &'a History,
    pub(crate) faults: &'a [Fault],
    pub(crate) nodes: &'a [String],
    pub(crate) run: &'a str,
}

/// Collects findings over all guarantees, in the order given: worst first.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    by_signature: BTreeMap<String, usize>,
    /// The subjects of each of the list.
    subjects: Vec<BTreeSet<String>>,
    /// Anomalies beyond [`limits::FINDINGS`] signatures.
    pub(crate) dropped: u64,
}

impl Findings {
    /// Adds one anomaly; the reference of the finding it belongs to.
    pub(crate) fn add(
        &mut self,
        scene: &Scene<'_>,
        guarantee: &str,
        anomaly: &Anomaly,
    ) -> Option<String> {
        let ops = operations(scene.history, &anomaly.evidence);
        let failed = failed_operation(scene.history, &anomaly.evidence);
        let end = scene.history.end().0;
        let during = failed.map(|op| span(scene.history, &[op]));
        let during = during.map_or_else(Vec::new, |it| faults::active(scene.faults, it, end));
        let signature = signature(scene.history, guarantee, anomaly, &ops, &during);
        let subject = anomaly.subject.as_deref().map(|it| shortened(it, 512));
        if let Some(&at) = self.by_signature.get(&signature) {
            let finding = &mut self.list[at];
            finding.count += 1;
            if finding.more.len() < limits::EXAMPLES {
                finding.more.push(sentence(&anomaly.summary));
            }
            let seen = &mut self.subjects[at];
            match subject {
                Some(it) if seen.contains(&it) => {}
                Some(it) if seen.len() < limits::SUBJECTS => {
                    seen.insert(it.clone());
                    finding.subjects.push(it);
                }
                Some(_) => finding.subjects_cut += 1,
                None => {}
            }
            return Some(finding.r#ref.clone());
        }
        if self.list.len() >= limits::FINDINGS {
            self.dropped += 1;
            return None;
        }
        let name = format!("R-{}", self.list.len() + 1);
        self.by_signature.insert(signature.clone(), self.list.len());
        self.subjects.push(subject.iter().cloned().collect());
        let spanned = faults::active(scene.faults, span(scene.history, &ops), end);
        let moment = failed.map_or(0, |op| moment(scene.history, op));
        let place = place(scene.history, failed, moment);
        self.list.push(Finding {
            r#ref: name.clone(),
            signature,
            kind: anomaly.kind.0.to_owned(),
            guarantee: guarantee.to_owned(),
            subjects: subject.iter().cloned().collect(),
            subjects_cut: 0,
            subject,
            summary: sentence(&anomaly.summary),
            moment_ns: moment,
            moment: format!("{}#{name}@{place}", scene.run),
            during_faults: during.iter().map(|fault| fault.id.clone()).collect(),
            spanned_faults: spanned.iter().map(|fault| fault.id.clone()).collect(),
            count: 1,
            more: Vec::new(),
            minimal: anomaly.minimal,
            evidence: evidence(scene, &anomaly.evidence, &ops, failed),
        });
        Some(name)
    }

    /// The findings, in the order of their references.
    pub(crate) fn into_list(self) -> Vec<Finding> {
        self.list
    }
}

/// Operations a proof names, by invocation.
fn operations(history: &History, evidence: &Evidence) -> Vec<OpIndex> {
    let mut ops: BTreeSet<OpIndex> = BTreeSet::new();
    match evidence {
        Evidence::Events(steps) => {
            ops.extend(steps.iter().filter_map(|step| owner(history, step.event)));
        }
        Evidence::Cycle(edges) => {
            let named = edges.iter().flat_map(|edge| {
                edge.from.into_iter().chain(edge.to).chain(edge.witnesses.iter().copied())
            });
            ops.extend(named.filter(|op| known(history, *op)));
        }
        Evidence::Counterexample { operations, failed, prefix, .. } => {
            ops.extend(operations.iter().chain(prefix).filter(|op| known(history, **op)));
            ops.extend(owner(history, *failed));
        }
    }
    let mut ops: Vec<OpIndex> = ops.into_iter().collect();
    ops.sort_by_key(|op| history.operation(*op).call());
    ops
}

fn known(history: &History, op: OpIndex) -> bool {
    (op.0 as usize) < history.len()
}

fn owner(history: &History, event: EventId) -> Option<OpIndex> {
    (event.0 < history.event_count()).then(|| history.owner(event).0.index())
}

/// The operation a finding is about: the one no order survives, or the last of the proof.
fn failed_operation(history: &History, evidence: &Evidence) -> Option<OpIndex> {
    match evidence {
        Evidence::Counterexample { failed, .. } => owner(history, *failed),
        Evidence::Events(steps) => {
            let events = steps.iter().map(|step| step.event);
            events.max().and_then(|event| owner(history, event))
        }
        Evidence::Cycle(edges) => {
            let events = edges.iter().filter_map(|edge| edge.event(history));
            events.max().and_then(|event| owner(history, event))
        }
    }
}

fn moment(history: &History, op: OpIndex) -> u64 {
    let op = history.operation(op);
    op.completed_at().0
}

/// Where in the run a finding is, in words that can be copied: seconds since its start, or the rank
/// of the event where the record has no times.
fn place(history: &History, failed: Option<OpIndex>, moment: u64) -> String {
    let event = failed.map(|op| history.operation(op)).map(|op| op.ret().unwrap_or(op.call()).0);
    match (history.end().0, event) {
        (0, Some(event)) => format!("event={event}"),
        (_, Some(_) | None) => format!("t={:.3}", moment as f64 / 1e9),
    }
}

/// From the first invocation to the last answer. An operation without one counts to the moment its
/// client gave up: stretched to the end of the run, it would claim every later fault.
fn span(history: &History, ops: &[OpIndex]) -> (u64, u64) {
    let from = ops.iter().map(|op| history.operation(*op).invoked_at().0).min().unwrap_or(0);
    let to = ops.iter().map(|op| history.operation(*op).completed_at().0);
    (from, to.max().unwrap_or(from))
}

/// Equal for findings that are alike: no values, keys, times or ids go into it.
fn signature(
    history: &History,
    guarantee: &str,
    anomaly: &Anomaly,
    ops: &[OpIndex],
    during: &[&Fault],
) -> String {
    let mut shape: Vec<String> = ops
        .iter()
        .map(|op| history.operation(*op))
        .map(|op| format!("{}/{}", op.op().name(), outcome_name(op.outcome())))
        .collect();
    shape.sort();
    // Long proofs of one kind differ in length by accident: their set of operations is the shape.
    if shape.len() > 12 || !anomaly.minimal {
        shape.dedup();
    }
    let mut kinds: Vec<&str> = during.iter().map(|fault| fault.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let text = [anomaly.kind.0, &shape.join(","), guarantee, &kinds.join(",")].join("\n");
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("v1:{hex}")
}

fn evidence(
    scene: &Scene<'_>,
    evidence: &Evidence,
    ops: &[OpIndex],
    failed: Option<OpIndex>,
) -> EvidenceReport {
    let (kind, states, prefix, along) = match evidence {
        Evidence::Events(_) => ("events", &[][..], &[][..], &[][..]),
        Evidence::Cycle(_) => ("cycle", &[][..], &[][..], &[][..]),
        Evidence::Counterexample { states, prefix, prefix_states, .. } => {
            ("counterexample", &states[..], &prefix[..], &prefix_states[..])
        }
    };
    let steps = steps(scene.history, evidence);
    let event_ids = match evidence {
        Evidence::Counterexample { failed, .. } => vec![failed.0],
        Evidence::Events(_) | Evidence::Cycle(_) => steps.iter().map(|step| step.event).collect(),
    };
    let points = points(prefix, along);
    let shown = cut(ops, failed);
    EvidenceReport {
        r#type: kind.to_owned(),
        event_ids,
        steps,
        operations: shown
            .iter()
            .map(|op| {
                let mut row = op_report(scene, &scene.history.operation(*op));
                if let Some(point) = points.get(op) {
                    let told = |state: Option<&String>| {
                        state.map(|state| shortened(state, limits::STEP_STATE))
                    };
                    row.point = Some(point.number);
                    row.state_before = told(point.before);
                    row.state_after = told(point.after);
                }
                row.failed = kind == "counterexample" && failed == Some(*op);
                row
            })
            .collect(),
        operations_cut: (ops.len() - shown.len()) as u64,
        points: prefix.len() as u64,
        states: states
            .iter()
            .take(limits::PROOF_STATES)
            .map(|it| StateReport { state: sentence(&it.state), because: sentence(&it.because) })
            .collect(),
        states_cut: states.len().saturating_sub(limits::PROOF_STATES) as u64,
        states_open: matches!(evidence, Evidence::Counterexample { states_open: true, .. }),
        about: about(evidence),
        unconfirmed: unconfirmed(evidence),
    }
}

/// What is told step by step.
fn steps(history: &History, evidence: &Evidence) -> Vec<StepReport> {
    let number = |op: Option<OpIndex>| op.map(|op| op.0);
    let place = |mop: Option<usize>| mop.and_then(|mop| u32::try_from(mop).ok());
    let edge = |edge: &Dependency| StepReport {
        event: edge.event(history).map_or(0, |event| event.0),
        because: sentence(&edge.because),
        edge: Some(EdgeReport {
            kind: edge.kind.name().to_owned(),
            from: number(edge.from),
            to: number(edge.to),
            from_mop: place(edge.from_mop),
            to_mop: place(edge.to_mop),
        }),
    };
    let step = |step: &Step| {
        let because = sentence(&step.because);
        StepReport { event: step.event.0, because, edge: None }
    };
    match evidence {
        Evidence::Events(steps) => steps.iter().take(limits::PROOF_STEPS).map(step).collect(),
        Evidence::Cycle(edges) => edges.iter().take(limits::PROOF_STEPS).map(edge).collect(),
        Evidence::Counterexample { .. } => Vec::new(),
    }
}

/// What a counterexample is about, where that is not all that its operations say.
fn about(evidence: &Evidence) -> Option<String> {
    match evidence {
        Evidence::Counterexample { about, .. } => about.as_deref().map(sentence),
        Evidence::Events(_) | Evidence::Cycle(_) => None,
    }
}

/// What was not confirmed, why, and what would confirm it.
fn unconfirmed(evidence: &Evidence) -> Option<String> {
    let Evidence::Counterexample { operations, unconfirmed, .. } = evidence else { return None };
    let (of, why) = (grouped(operations.len() as u64), (*unconfirmed)?);
    Some(match why {
        Unconfirmed::TooWide => format!(
            "not confirmed: the search alone found that these {of} operations have no legal \
             order; the separate verifier, which knows no shortcuts, could not decide that again \
             within the part of --memory-limit that it may hold, nor would it be likely to with \
             more"
        ),
        Unconfirmed::Memory => format!(
            "not confirmed: the search found that these {of} operations have no legal order, but \
             to decide that again the separate verifier needs more than the part of \
             --memory-limit that it may hold; raise that to have it confirmed"
        ),
        Unconfirmed::Time => format!(
            "not confirmed: the search found that these {of} operations have no legal order, but \
             time was up before the separate verifier had decided that again; raise --time-limit \
             to have it confirmed"
        ),
    })
}

/// The last operations of a long proof, always with the failing one: it dies at its end.
fn cut(ops: &[OpIndex], failed: Option<OpIndex>) -> Vec<OpIndex> {
    let skip = ops.len().saturating_sub(limits::PROOF_OPERATIONS);
    let mut shown = ops[skip..].to_vec();
    if let Some(failed) = failed
        && ops.contains(&failed)
        && !shown.contains(&failed)
    {
        shown[0] = failed;
    }
    shown
}

/// A step of the longest legal order.
struct Point<'a> {
    /// From 1.
    number: u32,
    before: Option<&'a String>,
    after: Option<&'a String>,
}

/// Steps by operation; `along` are the states around the last of them.
fn points<'a>(prefix: &[OpIndex], along: &'a [String]) -> BTreeMap<OpIndex, Point<'a>> {
    let silent = (prefix.len() + 1).saturating_sub(along.len());
    let state = |at: usize| at.checked_sub(silent).and_then(|at| along.get(at));
    let point = |(at, op): (usize, &OpIndex)| {
        (*op, Point { number: at as u32 + 1, before: state(at), after: state(at + 1) })
    };
    prefix.iter().enumerate().map(point).collect()
}

fn op_report(scene: &Scene<'_>, operation: &Operation<'_>) -> OpReport {
    let op = operation.op();
    let node = operation.node().map(|node| {
        let known = scene.nodes.get(usize::from(node.0));
        known.map_or_else(|| node.to_string(), |name| shortened(name, 253))
    });
    let done = matches!(operation.outcome(), Outcome::Ok | Outcome::Fail);
    OpReport {
        index: operation.index().0,
        call: operation.call().0,
        ret: operation.ret().map(|event| event.0),
        process: operation.process().0,
        node,
        f: op.name().to_owned(),
        args: arguments(&op),
        outcome: outcome_name(operation.outcome()).to_owned(),
        error: operation.error().map(|error| shortened(&error.0, 256)),
        invoked_ns: operation.invoked_at().0,
        completed_ns: done.then_some(operation.completed_at().0),
        point: None,
        state_before: None,
        state_after: None,
        failed: false,
    }
}

pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
        Outcome::Open => "open",
    }
}

fn arguments(op: &Op) -> Vec<(String, Typed)> {
    let named = |list: Vec<(&str, Typed)>| {
        list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    match op {
        Op::Register(RegisterOp::Read { key, value }) => {
            named(vec![("key", Typed::of(key)), ("value", Typed::observed(value))])
        }
        Op::Register(RegisterOp::Write { key, value }) => {
            named(vec![("key", Typed::of(key)), ("value", Typed::of(value))])
        }
        Op::Register(RegisterOp::Cas { key, from, to }) => {
            named(vec![("key", Typed::of(key)), ("from", Typed::of(from)), ("to", Typed::of(to))])
        }
        Op::Txn(txn) => txn.mops.iter().take(64).map(mop).collect(),
        Op::Register(RegisterOp::Append { key, .. }) => words(key, op),
        Op::Set(of) => words(of.key(), op),
        Op::Counter(of) => words(of.key(), op),
        Op::Queue(of) => words(of.key(), op),
        Op::Lock(of) => words(of.key(), op),
        Op::Id(of) => words(of.key(), op),
    }
}

/// The key, and the operation in its own words, bounded.
fn words(key: &Value, op: &Op) -> Vec<(String, Typed)> {
    vec![("key".to_owned(), Typed::of(key)), ("op".to_owned(), text(&op.to_string()))]
}

/// A micro-operation as one argument: its own words, bounded.
fn mop(mop: &Mop) -> (String, Typed) {
    let name = match mop {
        Mop::Read { .. } => "read",
        Mop::Write { .. } => "write",
        Mop::Append { .. } => "append",
        Mop::ReadList { .. } => "read-list",
        Mop::Add { .. } => "add",
        Mop::ReadPredicate { .. } => "read-predicate",
    };
    (name.to_owned(), text(&mop.to_string()))
}

fn text(text: &str) -> Typed {
    let v = crate::bounded::prefix(text, crate::bounded::TEXT_LIMIT).to_owned();
    Typed { t: "text".to_owned(), v, len: text.len() as u64 }
}

impl Finding {
    /// Who did an operation of the proof: the process, and before it the name of a transaction
    /// where steps call it by one.
    pub(crate) fn who(&self, op: &OpReport) -> String {
        // Edges join transactions, of which a single read or write is one.
        let circle = self.evidence.steps.iter().any(|step| step.edge.is_some());
        match circle || op.f == "txn" && !self.evidence.steps.is_empty() {
            true => format!("T{} p{}", op.index, op.process),
            false => format!("p{}", op.process),
        }
    }

    /// `key 7`, or `keys 1, 2, 3 and 97 more`; `None` where it is about no key, or the only one.
    pub(crate) fn whom(&self, limit: usize) -> Option<String> {
        let shown: Vec<&str> = self.subjects.iter().take(limit).map(String::as_str).collect();
        match (shown[..].first(), self.subjects.len()) {
            (None | Some(&"nil"), 0 | 1) => None,
            (_, 1) => Some(format!("key {}", shown[0])),
            (_, all) if all <= limit => Some(format!("keys {}", shown.join(", "))),
            (_, all) => {
                let more = (all - shown.len()) as u64 + self.subjects_cut;
                Some(format!("keys {} and {more} more", shown.join(", ")))
            }
        }
    }
}

impl OpReport {
    /// The operation as people write it, values within about `limit` bytes each.
    pub fn text(&self, limit: usize) -> String {
        let get = |name: &str| {
            let found = self.args.iter().find(|(key, _)| key == name);
            found.map_or_else(|| "?".to_owned(), |(_, value)| value.short(limit))
        };
        match self.f.as_str() {
            "read" => format!("read → {}", get("value")),
            "write" => format!("write {}", get("value")),
            "cas" => format!("cas {} → {}", get("from"), get("to")),
            _ if self.args.iter().any(|(name, _)| name == "op") => get("op"),
            _ => {
                let words: Vec<String> =
                    self.args.iter().map(|(_, value)| value.short(limit)).collect();
                words.join(" ")
            }
        }
    }

    /// The key, when the operation has one.
    pub fn key(&self, limit: usize) -> Option<String> {
        let found = self.args.iter().find(|(name, _)| name == "key");
        found.map(|(_, value)| value.short(limit))
    }
}

/// Every operation of a history, as a proof would show it.
#[cfg(test)]
pub(crate) fn op_report_for_tests(history: &History) -> Vec<OpReport> {
    let scene = Scene { history, faults: &[], nodes: &[], run: "" };
    history.operations().map(|op| op_report(&scene, &op)).collect()
}
