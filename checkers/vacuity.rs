//! Did the faults bite, was anybody there to feel it, and was every node read at the end?
//!
//! A run under a partition that never cut anything says as much as a run without one. This is one
//! of the few rules that read the fault track. It can only take confidence away: it answers valid
//! or unknown, never invalid, and a fault is in force only from its *verified* edge to the edge
//! that healed it.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{Code, F, FaultEdge, History, KeyRange, MopView, Nanos, Outcome};

use crate::{Budget, CheckError, Checker, Cost, Coverage, Fact, ReasonClass, Report};

/// What became of the faults of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KindAudit {
    /// Faults of this kind on record.
    pub planned: u64,
    /// Of them, how many were put in force.
    pub injected: u64,
    /// Of them, how many were measured to be in force.
    pub verified: u64,
    /// Injected without effect.
    pub did_not_bite: u64,
    /// Not applicable, or forbidden.
    pub refused: u64,
    /// Verified windows during which a client operation was open.
    pub felt: u64,
    /// Client operations open during a verified window, over all windows.
    pub operations: u64,
    /// Total length of the verified windows.
    pub verified_time: Nanos,
}

#[derive(Default)]
struct Life<'h> {
    kind: &'h str,
    injected: bool,
    did_not_bite: bool,
    refused: bool,
    verified: Option<Nanos>,
    healed: Option<Nanos>,
}

/// The faults of `history` by kind. O(faults * operations).
pub fn audit(history: &History) -> BTreeMap<String, KindAudit> {
    let mut lives: BTreeMap<u32, Life<'_>> = BTreeMap::new();
    for event in history.faults() {
        let life = lives.entry(event.fault).or_default();
        life.kind = &event.kind;
        match event.edge {
            FaultEdge::Injected => life.injected = true,
            FaultEdge::Verified => life.verified = life.verified.or(Some(event.time)),
            FaultEdge::DidNotBite => life.did_not_bite = true,
            FaultEdge::Refused => life.refused = true,
            FaultEdge::Healed | FaultEdge::HealVerified => {
                life.healed = life.healed.or(Some(event.time));
            }
            FaultEdge::Planned | FaultEdge::Armed | FaultEdge::Renewed | FaultEdge::HealFailed => {}
        }
    }
    let mut kinds: BTreeMap<String, KindAudit> = BTreeMap::new();
    for life in lives.values() {
        let kind = kinds.entry(life.kind.to_owned()).or_default();
        kind.planned += 1;
        kind.injected += u64::from(life.injected);
        kind.did_not_bite += u64::from(life.did_not_bite);
        kind.refused += u64::from(life.refused);
        let Some(from) = life.verified else { continue };
        let to = life.healed.unwrap_or(history.end());
        let open = operations_between(history, from, to);
        kind.verified += 1;
        kind.felt += u64::from(open > 0);
        kind.operations += open;
        kind.verified_time = kind.verified_time.saturating_add(to.saturating_sub(from));
    }
    kinds
}

fn operations_between(history: &History, from: Nanos, to: Nanos) -> u64 {
    let overlaps = history
        .operations()
        .filter(|operation| operation.invoked_at() <= to && operation.completed_at() >= from);
    overlaps.count() as u64
}

/// Pairs of a node and a key, and how many of them were read after the faults were over. `None`
/// of a history that is no run of ours: nobody promised final reads there.
fn final_reads(history: &History) -> Option<(u64, u64)> {
    let at = |name: &str| history.marks().iter().find(|mark| mark.name == name);
    at("main")?;
    let over = at("final-reads").map_or(Nanos(u64::MAX), |mark| mark.time);
    let (mut nodes, mut keys, mut read) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut ranges = BTreeSet::new();
    for operation in history.operations() {
        let Some(node) = operation.node() else { continue };
        let counts = operation.outcome() == Outcome::Ok && operation.invoked_at() >= over;
        let mut touches = |key: Code, reads: bool| {
            nodes.insert(node);
            keys.insert(key);
            if counts && reads {
                read.insert((node, key));
            }
        };
        match operation.f() {
            F::Read | F::Write | F::Cas => touches(operation.key(), operation.f() == F::Read),
            F::Txn => operation.mops().for_each(|mop| match mop {
                MopView::Read { key, .. } | MopView::ReadList { key, .. } => touches(key, true),
                MopView::Write { key, .. }
                | MopView::Append { key, .. }
                | MopView::Add { key, .. } => touches(key, false),
                MopView::ReadPredicate { predicate, .. } if counts => {
                    ranges.insert((node, predicate));
                }
                MopView::ReadPredicate { .. } => {}
            }),
            // No workload of ours that promises final reads asks for anything else.
            _ => {}
        }
    }
    // Who reads by a range reads every key of it, found or not.
    let numbers: BTreeMap<i64, Code> =
        keys.iter().filter_map(|key| Some((history.int(*key)?, *key))).collect();
    for (node, predicate) in ranges {
        let range = history.text(predicate).and_then(|text| text.parse().ok());
        let Some(KeyRange { from, to }) = range else { continue };
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        let within = numbers.range(from..to.max(from));
        read.extend(within.map(|(_, key)| (node, *key)));
    }
    Some((nodes.len() as u64 * keys.len() as u64, read.len() as u64))
}

/// Requires that of every planned kind of fault one was verified, while clients were at work, and
/// that afterwards every node answered a read of every key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vacuity;

impl Checker for Vacuity {
    fn name(&self) -> &str {
        "vacuity"
    }

    fn check(&self, history: &History, _budget: &Budget) -> Result<Report, CheckError> {
        let kinds = audit(history);
        let sum = |count: fn(&KindAudit) -> u64| kinds.values().map(count).sum::<u64>();
        let having = |count: fn(&KindAudit) -> u64| {
            kinds.values().filter(|kind| count(kind) > 0).count() as u64
        };
        let planned = kinds.len() as u64;
        let fact = |name, required, seen| Fact { name, required, seen };
        let last = final_reads(history);
        let mut coverage = Coverage {
            facts: vec![
                fact("fault-planned", 0, sum(|kind| kind.planned)),
                fact("fault-injected", 0, sum(|kind| kind.injected)),
                fact("fault-verified", 0, sum(|kind| kind.verified)),
                fact("fault-kind-verified", planned, having(|kind| kind.verified)),
                fact("fault-kind-felt", planned, having(|kind| kind.felt)),
                fact("operation-during-fault", planned.min(1), sum(|kind| kind.operations)),
            ],
        };
        coverage.facts.extend(last.map(|(wanted, seen)| fact("final-read", wanted, seen)));
        if let Some((wanted, seen)) = last.filter(|(wanted, seen)| seen < wanted) {
            let reason = format!(
                "final reads are missing: {seen} of {wanted}, one of each key on each node, \
                 were answered"
            );
            let class = ReasonClass::Undecided;
            return Ok(Report::unknown(class, reason, coverage, Cost::default()));
        }
        let idle: Vec<String> = kinds
            .iter()
            .filter(|(_, kind)| kind.felt == 0)
            .map(|(name, kind)| format!("{name} ({})", why_not(kind)))
            .collect();
        if idle.is_empty() {
            return Ok(Report::valid(coverage, Cost::default()));
        }
        let reason = format!("faults that nobody felt: {}", idle.join("; "));
        Ok(Report::unknown(ReasonClass::NotExercised, reason, coverage, Cost::default()))
    }
}

fn why_not(kind: &KindAudit) -> String {
    let KindAudit { planned, injected, verified, did_not_bite, refused, .. } = kind;
    match (verified, injected) {
        (0, 0) => format!("{planned} planned, {refused} refused, none injected"),
        (0, _) => format!("{injected} injected, {did_not_bite} without effect, none verified"),
        _ => format!("{verified} verified, no client operation meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use tribunal_history::{Builder, FaultEdge, FaultEvent, History, Mark, Nanos, NodeId};
    use tribunal_history::{Mop, Observed, Op, Outcome, Process, RegisterOp, TxnOp, Value};

    use super::Vacuity;
    use crate::{Budget, Checker, ReasonClass, Report, Verdict};

    /// One read from 10 to 20 ms, and these edges of one fault each: (fault, kind, edge, ms).
    fn history(edges: &[(u32, &str, FaultEdge, u64)]) -> History {
        let mut builder = Builder::by_time();
        let read = |value| Op::Register(RegisterOp::Read { key: Value::Int(0), value });
        let (asked, found) = (read(Observed::Pending), read(Observed::Absent));
        let process = Process(0);
        builder.invoke(Nanos::from_millis(10), process, None, None, &asked).expect("asks");
        builder
            .complete(Nanos::from_millis(20), process, Outcome::Ok, Some(&found), None)
            .expect("answers");
        for (fault, kind, edge, ms) in edges {
            builder.fault(FaultEvent {
                time: Nanos::from_millis(*ms),
                fault: *fault,
                edge: *edge,
                kind: (*kind).to_owned(),
                nodes: vec!["n1".into()],
                detail: String::new(),
            });
        }
        builder.finish()
    }

    #[test]
    fn a_run_whose_nodes_were_not_all_read_at_the_end_is_undecided() {
        let read = |value| Op::Register(RegisterOp::Read { key: Value::Int(0), value });
        let judged = |nodes: &[u16]| {
            let mut builder = Builder::by_time();
            builder.mark(Mark { time: Nanos(0), name: "main".into() });
            builder.mark(Mark { time: Nanos(500), name: "final-reads".into() });
            let main = [(1, 0), (2, 1)];
            let last = nodes.iter().zip(51..).map(|(node, at)| (at, *node));
            for (at, node) in main.into_iter().chain(last) {
                let (time, node) = (Nanos(at * 10), Some(NodeId(node)));
                builder
                    .invoke(time, Process(0), None, node, &read(Observed::Pending))
                    .expect("asks");
                let answer = read(Observed::Absent);
                let after = Nanos(time.0 + 1);
                builder
                    .complete(after, Process(0), Outcome::Ok, Some(&answer), None)
                    .expect("answers");
            }
            Vacuity.check(&builder.finish(), &Budget::unlimited()).expect("a history")
        };
        assert_eq!(judged(&[0, 1]).verdict, Verdict::Valid);
        for nodes in [&[][..], &[0], &[1, 1]] {
            let report = judged(nodes);
            assert_eq!(report.verdict, Verdict::Unknown);
            assert_eq!(report.reason_class, Some(ReasonClass::Undecided), "{:?}", report.reason);
        }
    }

    #[test]
    fn the_final_reads_of_transactions_count_by_key() {
        let list = |key: i64, seen: &Observed<Vec<Value>>| Mop::ReadList {
            key: Value::Int(key),
            elements: seen.clone(),
        };
        let judged = |last: &[i64]| {
            let mut builder = Builder::by_time();
            builder.mark(Mark { time: Nanos(0), name: "main".into() });
            builder.mark(Mark { time: Nanos(500), name: "final-reads".into() });
            let append = |key: i64| Mop::Append { key: Value::Int(key), element: Value::Int(1) };
            let mut ask = |at: u64, mops: [Vec<Mop>; 2]| {
                let [asked, answered] = mops.map(|mops| Op::Txn(TxnOp { mops }));
                let node = Some(NodeId(0));
                builder.invoke(Nanos(at), Process(0), None, node, &asked).expect("asks");
                builder
                    .complete(Nanos(at + 1), Process(0), Outcome::Ok, Some(&answered), None)
                    .expect("answers");
            };
            let both = vec![append(1), append(2)];
            ask(10, [both.clone(), both]);
            for (key, at) in last.iter().zip((600..).step_by(10)) {
                let found = Observed::Present(vec![Value::Int(1)]);
                ask(at, [vec![list(*key, &Observed::Pending)], vec![list(*key, &found)]]);
            }
            Vacuity.check(&builder.finish(), &Budget::unlimited()).expect("a history")
        };
        assert_eq!(judged(&[1, 2]).verdict, Verdict::Valid);
        for last in [&[][..], &[1], &[2, 2]] {
            let report = judged(last);
            assert_eq!(report.verdict, Verdict::Unknown);
            assert_eq!(report.reason_class, Some(ReasonClass::Undecided), "{:?}", report.reason);
        }
    }

    /// Also of a key that it does not find.
    #[test]
    fn a_final_read_by_a_range_is_one_of_each_of_its_keys() {
        let judged = |predicate: &str| {
            let mut builder = Builder::by_time();
            builder.mark(Mark { time: Nanos(0), name: "main".into() });
            builder.mark(Mark { time: Nanos(500), name: "final-reads".into() });
            let write = |key| Mop::Write { key: Value::Int(key), value: Value::Int(1) };
            let scan = |matches| Mop::ReadPredicate { predicate: predicate.into(), matches };
            let found = vec![(Value::Int(2), Value::Int(1))];
            for (at, mops, outcome) in [
                (10, vec![write(2)], Outcome::Ok),
                (20, vec![write(5)], Outcome::Fail),
                (600, vec![scan(Observed::Present(found))], Outcome::Ok),
            ] {
                let (op, node) = (Op::Txn(TxnOp { mops }), Some(NodeId(0)));
                let process = Process(0);
                builder.invoke(Nanos(at), process, None, node, &op.pending()).expect("asks");
                builder.complete(Nanos(at + 1), process, outcome, Some(&op), None).expect("ends");
            }
            Vacuity.check(&builder.finish(), &Budget::unlimited()).expect("a history").verdict
        };
        assert_eq!(judged("keys 0..8"), Verdict::Valid);
        assert_eq!(judged("keys"), Verdict::Valid);
        for predicate in ["keys 0..5", "keys 3..8", "something else"] {
            assert_eq!(judged(predicate), Verdict::Unknown, "{predicate}");
        }
    }

    fn check(edges: &[(u32, &str, FaultEdge, u64)]) -> Report {
        Vacuity.check(&history(edges), &Budget::unlimited()).expect("a history")
    }

    #[test]
    fn without_planned_faults_nothing_is_required() {
        assert_eq!(check(&[]).verdict, Verdict::Valid);
    }

    #[test]
    fn a_verified_fault_that_clients_felt_counts() {
        use FaultEdge::{Healed, Injected, Planned, Verified};
        let edges = [(Planned, 0), (Injected, 5), (Verified, 12), (Healed, 18)];
        let report = check(&edges.map(|(edge, ms)| (0, "partition", edge, ms)));
        assert_eq!(report.verdict, Verdict::Valid);
    }

    #[test]
    fn each_planned_kind_must_bite() {
        use FaultEdge::{DidNotBite, Healed, Injected, Planned, Verified};
        let report = check(&[
            (0, "partition", Verified, 12),
            (0, "partition", Healed, 18),
            (1, "pause", Planned, 0),
            (1, "pause", Injected, 11),
            (1, "pause", DidNotBite, 12),
        ]);
        assert_eq!(report.reason_class, Some(ReasonClass::NotExercised));
        let reason = "faults that nobody felt: pause (1 injected, 1 without effect, none verified)";
        assert_eq!(report.reason.as_deref(), Some(reason));
    }

    #[test]
    fn a_fault_while_no_client_is_at_work_does_not_count() {
        use FaultEdge::{Healed, Verified};
        let report = check(&[(0, "kill", Verified, 21), (0, "kill", Healed, 30)]);
        let reason = "faults that nobody felt: kill (1 verified, no client operation meanwhile)";
        assert_eq!(report.reason.as_deref(), Some(reason));
    }
}
