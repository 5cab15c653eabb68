//! What is known of every level once the weak ones were judged.

use super::explain::Words;
use super::judge::Judged;
use super::table::{INITIAL, Registers};
use crate::{AnomalyKind, Consistency as C, LevelAnswer, Verdict};
use tribunal_history::OpIndex;

/// Every level that is spoken of, stronger ones first.
pub(super) const LEVELS: &[C] = &[
    C::StrictSerializable,
    C::StrongSessionSerializable,
    C::Sequential,
    C::Serializable,
    C::StrongSnapshotIsolation,
    C::StrongSessionSnapshotIsolation,
    C::SnapshotIsolation,
    C::RepeatableRead,
    C::StrongSessionParallelSnapshotIsolation,
    C::ParallelSnapshotIsolation,
    C::StrongSessionPrefix,
    C::Prefix,
    C::ConsistentView,
    C::Causal,
    C::StrongSessionReadAtomic,
    C::UpdateAtomic,
    C::ReadAtomic,
    C::StrongSessionMonotonicAtomicView,
    C::MonotonicAtomicView,
    C::CursorStability,
    C::StrongReadCommitted,
    C::StrongSessionReadCommitted,
    C::ReadCommitted,
    C::ReadUncommitted,
    C::CausalMemory,
    C::WeakCausal,
    C::Pram,
    C::ReadYourWrites,
    C::WritesFollowReads,
    C::MonotonicWrites,
    C::MonotonicReads,
];

const NOT_DECIDED: &str = "not decided of registers: neither a stronger level is shown nor a \
                           weaker one ruled out";

const NOT_ASKED: &str = "it takes several passes: ask for it by name";

const UNTOLD: &str = "what was read of aborted or intermediate versions is not judged here";

/// What is judged for a level: sequential consistency has the same orders under another name, for
/// each transaction is an operation of the one object that all keys are.
pub(super) fn judged_as(level: C) -> C {
    if level == C::Sequential { C::StrongSessionSerializable } else { level }
}

/// What came of every level; of sequential consistency where `asked` is about it.
pub(super) fn answers(judged: &Judged, registers: &Registers<'_>, asked: C) -> Vec<LevelAnswer> {
    let words = Words(registers.history);
    let op = |vertex: u32| words.txn(OpIndex(registers.ops[vertex as usize]));
    let unclear = registers.ambiguous.iter().next().map(|(key, (one, other))| {
        let key = words.value(registers.keys[*key as usize]);
        let (keys, all) = (registers.ambiguous.len(), registers.keys.len());
        let whose = match *one {
            INITIAL => format!("{} writes the initial value to key {key}", op(*other)),
            one => format!("{} and {} write the same value to key {key}", op(one), op(*other)),
        };
        format!(
            "values are not unique: {whose}, so reads of {keys} of {all} keys do not tell whose \
             write they saw"
        )
    });
    let untold = [AnomalyKind::G1B, AnomalyKind::FUTURE_READ, AnomalyKind::INTERNAL];
    let untold = judged.anomalies.iter().any(|anomaly| untold.contains(&anomaly.kind));
    let answer = |named: &C| {
        let level = &judged_as(*named);
        let against = judged.anomalies.iter().filter(|anomaly| level.forbids(anomaly.kind));
        let against = against.min_by_key(|anomaly| severity(anomaly.kind));
        let held = judged.held.iter().any(|held| held.implies(*level));
        let (verdict, because) = match (against, &unclear, judged.spent) {
            (Some(anomaly), _, _) => (Verdict::Invalid, anomaly.kind.0.to_string()),
            (None, Some(unclear), _) => (Verdict::Unknown, unclear.clone()),
            (None, None, _) if held && untold && !level.implies(C::ReadUncommitted) => {
                (Verdict::Unknown, UNTOLD.to_string())
            }
            (None, None, _) if held => (Verdict::Valid, String::new()),
            (None, None, Some(spent)) if C::Causal.implies(*level) || *level == C::CausalMemory => {
                (Verdict::Unknown, format!("{} budget spent before it was judged", spent.name()))
            }
            (None, None, _) if *level == C::CausalMemory => {
                (Verdict::Unknown, NOT_ASKED.to_string())
            }
            (None, None, _) => {
                let asked = judged.open.iter().find(|(open, _)| open == level);
                let why = asked.map_or(NOT_DECIDED, |(_, why)| why);
                (Verdict::Unknown, why.to_string())
            }
        };
        LevelAnswer { level: *named, verdict, because }
    };
    let wanted = |level: &&C| **level != C::Sequential || asked == C::Sequential;
    LEVELS.iter().filter(wanted).map(answer).collect()
}

/// Findings that say more come first.
pub(super) fn severity(kind: AnomalyKind) -> usize {
    const WORST_FIRST: [AnomalyKind; 25] = [
        AnomalyKind::THIN_AIR_READ,
        AnomalyKind::G1A,
        AnomalyKind::G1B,
        AnomalyKind::FUTURE_READ,
        AnomalyKind::INTERNAL,
        AnomalyKind::G1C,
        AnomalyKind::G1C.process(),
        AnomalyKind::NON_MONOTONIC_VIEW,
        AnomalyKind::NON_MONOTONIC_VIEW.process(),
        AnomalyKind::NON_REPEATABLE_READ,
        AnomalyKind::FRACTURED_READ,
        AnomalyKind::FRACTURED_READ.process(),
        AnomalyKind::READ_YOUR_WRITES,
        AnomalyKind::MONOTONIC_READS,
        AnomalyKind::MONOTONIC_WRITES,
        AnomalyKind::WRITES_FOLLOW_READS,
        AnomalyKind::PRAM,
        AnomalyKind::CYCLIC_CO,
        AnomalyKind::WRITE_CO_INIT_READ,
        AnomalyKind::WRITE_CO_READ,
        AnomalyKind::CYCLIC_CF,
        AnomalyKind::WRITE_HB_INIT_READ,
        AnomalyKind::CYCLIC_HB,
        AnomalyKind::LOST_UPDATE,
        AnomalyKind::DIRTY_UPDATE,
    ];
    WORST_FIRST.iter().position(|known| *known == kind).unwrap_or(WORST_FIRST.len())
}
