//! One life per fault, folded from the edges of the fault track.

use std::collections::BTreeMap;

use tribunal_history::{FaultEdge, FaultEvent, History};

use crate::bounded::{sentence, shortened};
use crate::limits;
use crate::run_report::{Bite, Fault};

/// Every fault of the history, by number.
///
/// Planned times are given by the schedule from the start of the load: the mark `main`.
pub(crate) fn fold(history: &History) -> Vec<Fault> {
    let load = history.marks().iter().find(|mark| mark.name == "main");
    let start = load.map_or(0, |mark| mark.time.0);
    let mut faults: BTreeMap<u32, Fault> = BTreeMap::new();
    for event in history.faults() {
        if faults.len() >= limits::FAULTS && !faults.contains_key(&event.fault) {
            continue;
        }
        let fault = faults.entry(event.fault).or_insert_with(|| blank(event));
        apply(fault, event, start);
    }
    faults.into_values().collect()
}

fn blank(event: &FaultEvent) -> Fault {
    Fault {
        id: format!("F{}", u64::from(event.fault) + 1),
        kind: shortened(&event.kind, 64),
        shape: String::new(),
        nodes: event.nodes.iter().map(|node| shortened(node, 253)).collect(),
        planned: None,
        injected_ns: None,
        verified: Bite::Unverified,
        verified_ns: None,
        ends_by_ns: None,
        healed_ns: None,
        heal_verified_ns: None,
        heal_failed: None,
        refused: None,
        evidence: Vec::new(),
    }
}

fn apply(fault: &mut Fault, event: &FaultEvent, start: u64) {
    let detail = Detail::parse(&event.detail);
    let now = event.time.0;
    if let Some(shape) = &detail.shape {
        fault.shape = shortened(shape, 64);
    }
    for node in &event.nodes {
        if !fault.nodes.contains(node) && fault.nodes.len() < 256 {
            fault.nodes.push(shortened(node, 253));
        }
    }
    match event.edge {
        FaultEdge::Planned => {
            let from = detail.at_ms.map_or(now, |ms| start.saturating_add(ms * 1_000_000));
            let hold = detail.hold_ms.unwrap_or(0).saturating_mul(1_000_000);
            let to = from.saturating_add(hold);
            fault.planned = Some((from, to));
            fault.ends_by_ns = detail.lease_ns.map(|lease| to.saturating_add(lease));
        }
        FaultEdge::Armed | FaultEdge::Renewed => {}
        FaultEdge::Injected => fault.injected_ns = fault.injected_ns.or(Some(now)),
        FaultEdge::Verified => {
            fault.verified = Bite::Bit;
            fault.verified_ns = Some(now);
        }
        FaultEdge::DidNotBite => {
            // A fault that bit once has bitten; a later measurement does not take that back.
            if fault.verified != Bite::Bit {
                fault.verified = Bite::DidNotBite;
                fault.verified_ns = Some(now);
            }
        }
        FaultEdge::Healed => fault.healed_ns = Some(now),
        FaultEdge::HealVerified => fault.heal_verified_ns = Some(now),
        FaultEdge::HealFailed => fault.heal_failed = Some(detail.reason_or(&event.detail)),
        FaultEdge::Refused => fault.refused = Some(detail.reason_or(&event.detail)),
    }
    for note in detail.evidence {
        if fault.evidence.len() < limits::FAULT_EVIDENCE {
            fault.evidence.push(format!("{}: {}", event.edge.name(), shortened(&note, 512)));
        }
    }
}

/// What the ledger writes beside an edge.
#[derive(Default)]
struct Detail {
    shape: Option<String>,
    at_ms: Option<u64>,
    hold_ms: Option<u64>,
    lease_ns: Option<u64>,
    reason: Option<String>,
    evidence: Vec<String>,
}

impl Detail {
    /// Fields that are there. Text that is no object is kept as evidence: nothing is dropped.
    fn parse(text: &str) -> Detail {
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else {
            let evidence = if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
            return Detail { evidence, ..Detail::default() };
        };
        let word = |name: &str| object.get(name).and_then(|it| it.as_str()).map(str::to_owned);
        let number = |name: &str| object.get(name).and_then(serde_json::Value::as_u64);
        let evidence = match object.get("evidence") {
            Some(serde_json::Value::Array(notes)) => notes.iter().map(in_words).collect(),
            Some(serde_json::Value::Null) | None => Vec::new(),
            Some(other) => vec![in_words(other)],
        };
        Detail {
            shape: word("shape"),
            at_ms: number("at_ms").map(|ms| ms.min(u64::MAX / 1_000_000)),
            hold_ms: number("hold_ms"),
            lease_ns: number("lease_ms").map(|ms| ms.saturating_mul(1_000_000)),
            reason: word("reason"),
            evidence,
        }
    }

    fn reason_or(&self, whole: &str) -> String {
        sentence(self.reason.as_deref().unwrap_or(whole))
    }
}

fn in_words(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Total time at least one fault was in force, from when that was measured to when it was undone,
/// or to the end of its lease: what cannot be reached any more counts no longer.
pub(crate) fn verified_ns(faults: &[Fault], end: u64) -> u64 {
    let bit = faults.iter().filter(|fault| fault.verified == Bite::Bit);
    let measured = |fault: &Fault| {
        let (from, to) = fault.window(end)?;
        let to = fault.ends_by_ns.map_or(to, |by| by.min(to));
        Some((from.max(fault.verified_ns.unwrap_or(to)).min(to), to))
    };
    let mut windows: Vec<(u64, u64)> = bit.filter_map(measured).collect();
    windows.sort_unstable();
    let (mut total, mut covered) = (0, 0);
    for (from, to) in windows {
        total += to.saturating_sub(from.max(covered));
        covered = covered.max(to);
    }
    total
}

/// Names of the faults in force at some instant of `from..=to`.
pub(crate) fn active(faults: &[Fault], (from, to): (u64, u64), end: u64) -> Vec<&Fault> {
    let overlaps =
        |fault: &&Fault| fault.window(end).is_some_and(|(start, stop)| start <= to && from <= stop);
    faults.iter().filter(overlaps).collect()
}

#[cfg(test)]
mod tests {
    use super::{active, fold, verified_ns};
    use crate::run_report::Bite;
    use tribunal_history::{Builder, FaultEdge, FaultEvent, Mark, Nanos};

    /// Whatever its edges say, a fault counts within the load and its lease.
    #[test]
    fn what_was_never_healed_counts_until_its_lease_ended() {
        const SECOND: u64 = 1_000;
        const LOAD: u64 = 30 * SECOND;
        const LEASE: u64 = 10 * SECOND;
        let plan = format!(r#"{{"at_ms":5000,"hold_ms":25000,"lease_ms":{LEASE}}}"#);
        for (late, healed, expected) in [
            (0, None, 34 * SECOND),
            (0, Some(29), 23 * SECOND),
            (0, Some(300), 34 * SECOND),
            (300, None, 0),
        ] {
            let mut builder = Builder::by_time();
            builder.mark(Mark { time: Nanos(0), name: "main".to_owned() });
            builder.fault(event(0, 0, FaultEdge::Planned, &plan));
            builder.fault(event(5 * SECOND, 0, FaultEdge::Injected, "{}"));
            builder.fault(event((6 + late) * SECOND, 0, FaultEdge::Verified, "{}"));
            match healed {
                Some(at) => builder.fault(event(at * SECOND, 0, FaultEdge::Healed, "{}")),
                None => builder.fault(event(400 * SECOND, 0, FaultEdge::HealFailed, "{}")),
            };
            let counted = verified_ns(&fold(&builder.finish()), 500 * SECOND * 1_000_000);
            assert_eq!(counted / 1_000_000, expected, "{late} {healed:?}");
            assert!(counted <= (LOAD + LEASE) * 1_000_000);
        }
    }

    fn event(ms: u64, fault: u32, edge: FaultEdge, detail: &str) -> FaultEvent {
        let (kind, nodes) = ("partition".to_owned(), vec!["n1".to_owned()]);
        FaultEvent { time: Nanos::from_millis(ms), fault, edge, kind, nodes, detail: detail.into() }
    }

    #[test]
    fn a_life_is_folded_and_windows_are_counted_once() {
        let mut builder = Builder::by_time();
        builder.mark(Mark { time: Nanos::from_millis(100), name: "main".to_owned() });
        let plan = r#"{"shape":"halves","at_ms":10,"hold_ms":20}"#;
        builder.fault(event(0, 0, FaultEdge::Planned, plan));
        builder.fault(event(111, 0, FaultEdge::Injected, r#"{"evidence":["2 rules"]}"#));
        builder.fault(event(112, 0, FaultEdge::Verified, "not json"));
        builder.fault(event(115, 0, FaultEdge::DidNotBite, ""));
        builder.fault(event(120, 1, FaultEdge::Injected, "{}"));
        builder.fault(event(121, 1, FaultEdge::Verified, "{}"));
        builder.fault(event(131, 0, FaultEdge::Healed, "{}"));
        builder.fault(event(140, 2, FaultEdge::Refused, r#"{"reason":"no majority left"}"#));
        let faults = fold(&builder.finish());
        assert_eq!(faults[0].id, "F1");
        assert_eq!(faults[0].shape, "halves");
        assert_eq!(faults[0].planned, Some((110_000_000, 130_000_000)));
        assert_eq!(faults[0].verified, Bite::Bit);
        assert_eq!(faults[0].evidence, ["injected: 2 rules", "verified: not json"]);
        assert_eq!(faults[2].refused.as_deref(), Some("no majority left"));
        assert_eq!(verified_ns(&faults, 150_000_000), 38_000_000);
        let names = |at| active(&faults, (at, at), 150_000_000).len();
        assert_eq!([names(110_000_000), names(125_000_000), names(140_000_000)], [0, 2, 1]);
    }
}
