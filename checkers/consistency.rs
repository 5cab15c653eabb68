//! Consistency models that some checker decides, and which of them imply which.
//!
//! Isolation: Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for
//! Distributed Transactions" (1999), PL-1 to PL-3; Cerone, Bernardi & Gotsman, "A Framework for
//! Transactional Consistency Models with Atomic Visibility" (CONCUR 2015), read atomic to
//! serializable; Bailis et al., "Highly Available Transactions" (VLDB 2013), monotonic atomic view;
//! Daudjee & Salem, "Lazy Database Replication with Snapshot Isolation" (VLDB 2006), strong and
//! strong-session forms. Single objects: Viotti & Vukolić, "Consistency in Non-Transactional
//! Distributed Storage Systems", ACM Computing Surveys 49 (2016), figure 1.
//!
//! A plain model says nothing about the order of one session's transactions; its strong-session
//! form keeps that order, its strong form the real time between any two. Causal consistency is
//! about sessions by definition, so it is implied by strong-session forms only. An entry is added
//! when a checker can rule it in or out.

use crate::AnomalyKind;

/// One promise about the order of operations or transactions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Consistency {
    /// Serializable in real time.
    StrictSerializable,
    /// Serializable in an order that keeps every session's.
    StrongSessionSerializable,
    /// As if one transaction ran after the other (PL-3).
    Serializable,
    /// Snapshots that hold everything that ended before in real time.
    StrongSnapshotIsolation,
    /// Snapshots that hold the session's earlier transactions.
    StrongSessionSnapshotIsolation,
    /// Reads from a snapshot, no two concurrent writers of one object.
    SnapshotIsolation,
    /// Serializable but for predicates (PL-2.99).
    RepeatableRead,
    /// Parallel snapshot isolation that keeps sessions.
    StrongSessionParallelSnapshotIsolation,
    /// Snapshots whose order need not be the same everywhere (Sovran et al., SOSP 2011).
    ParallelSnapshotIsolation,
    /// Consistent prefix that keeps sessions.
    StrongSessionPrefix,
    /// Snapshots are prefixes of one order; updates may be lost.
    Prefix,
    /// No read skew (PL-2+).
    ConsistentView,
    /// Causes before effects, sessions included, with one arbitration (CCv).
    Causal,
    /// Read atomic that keeps sessions.
    StrongSessionReadAtomic,
    /// Read atomic without lost updates.
    UpdateAtomic,
    /// All of another transaction or none of it (RAMP).
    ReadAtomic,
    /// Monotonic atomic view that keeps sessions: read committed as Biswas & Enea define it.
    StrongSessionMonotonicAtomicView,
    /// Once a part of a transaction is seen, all of it is.
    MonotonicAtomicView,
    /// No update is lost between a read and a write of one object.
    CursorStability,
    /// Read committed in real time.
    StrongReadCommitted,
    /// Read committed in an order that keeps every session's.
    StrongSessionReadCommitted,
    /// Nothing aborted, nothing intermediate, no circular information flow (PL-2).
    ReadCommitted,
    /// Writes in one order (PL-1).
    ReadUncommitted,
    /// One copy, in real time (Herlihy & Wing 1990).
    Linearizable,
    /// One copy, in the order of each process (Lamport 1979).
    Sequential,
    /// Causes before effects, in an order of its own for each session (CM; Ahamad et al. 1995).
    CausalMemory,
    /// Causes before effects for every read by itself, without one arbitration (CC).
    WeakCausal,
    /// The writes of each process in their order (Lipton & Sandberg 1988).
    Pram,
    /// A session sees what it wrote (Terry et al., PDIS 1994; so the next three).
    ReadYourWrites,
    /// Whoever saw a write saw what its session had read before; with monotonic reads.
    WritesFollowReads,
    /// Whoever saw a write saw what its session wrote before; with monotonic reads.
    MonotonicWrites,
    /// A session does not go back behind what it saw.
    MonotonicReads,
}

use AnomalyKind as A;
use Consistency as C;

/// Each model with the models it directly implies.
const IMPLIES: &[(C, &[C])] = &[
    (
        C::StrictSerializable,
        &[C::StrongSessionSerializable, C::StrongSnapshotIsolation, C::Linearizable],
    ),
    (
        C::StrongSessionSerializable,
        &[C::Serializable, C::StrongSessionSnapshotIsolation, C::Sequential],
    ),
    (C::Serializable, &[C::SnapshotIsolation, C::RepeatableRead]),
    (C::StrongSnapshotIsolation, &[C::StrongSessionSnapshotIsolation, C::StrongReadCommitted]),
    (
        C::StrongSessionSnapshotIsolation,
        &[C::SnapshotIsolation, C::StrongSessionParallelSnapshotIsolation, C::StrongSessionPrefix],
    ),
    (C::SnapshotIsolation, &[C::ParallelSnapshotIsolation, C::Prefix]),
    // Not consistent view, whose read skew may be over a predicate.
    (C::RepeatableRead, &[C::CursorStability, C::MonotonicAtomicView]),
    (C::StrongSessionParallelSnapshotIsolation, &[C::ParallelSnapshotIsolation, C::Causal]),
    (C::ParallelSnapshotIsolation, &[C::ConsistentView, C::UpdateAtomic]),
    (C::StrongSessionPrefix, &[C::Prefix, C::Causal]),
    (C::Prefix, &[C::ReadAtomic]),
    (C::ConsistentView, &[C::CursorStability]),
    (C::Causal, &[C::StrongSessionReadAtomic, C::WeakCausal, C::Pram, C::WritesFollowReads]),
    (C::StrongSessionReadAtomic, &[C::ReadAtomic, C::StrongSessionMonotonicAtomicView]),
    (C::UpdateAtomic, &[C::ReadAtomic, C::CursorStability]),
    (C::ReadAtomic, &[C::MonotonicAtomicView]),
    (C::StrongSessionMonotonicAtomicView, &[C::MonotonicAtomicView, C::StrongSessionReadCommitted]),
    (C::MonotonicAtomicView, &[C::ReadCommitted]),
    (C::CursorStability, &[C::ReadCommitted]),
    (C::StrongReadCommitted, &[C::StrongSessionReadCommitted]),
    (C::StrongSessionReadCommitted, &[C::ReadCommitted]),
    (C::ReadCommitted, &[C::ReadUncommitted]),
    (C::ReadUncommitted, &[]),
    (C::Linearizable, &[C::Sequential]),
    (C::Sequential, &[C::Causal, C::CausalMemory]),
    (C::CausalMemory, &[C::WeakCausal]),
    (C::WeakCausal, &[]),
    (C::Pram, &[C::ReadYourWrites, C::MonotonicWrites]),
    (C::ReadYourWrites, &[]),
    (C::WritesFollowReads, &[C::MonotonicReads]),
    (C::MonotonicWrites, &[C::MonotonicReads]),
    (C::MonotonicReads, &[]),
];

/// Each model with the findings that contradict it and none of the models it implies.
const PROSCRIBES: &[(C, &[AnomalyKind])] = &[
    (C::StrictSerializable, &[A::G2_ITEM.realtime(), A::G2.realtime()]),
    (C::StrongSessionSerializable, &[A::G2_ITEM.process(), A::G2.process()]),
    (C::Serializable, &[A::G2_ITEM, A::G2]),
    (
        C::StrongSnapshotIsolation,
        &[
            A::G_SINGLE.realtime(),
            A::G_NONADJACENT.realtime(),
            A::G_NONADJACENT_PREDICATE.realtime(),
            A::UNEXPLAINED_BALANCES,
        ],
    ),
    (
        C::StrongSessionSnapshotIsolation,
        &[A::G_NONADJACENT.process(), A::G_NONADJACENT_PREDICATE.process()],
    ),
    (C::SnapshotIsolation, &[A::G_NONADJACENT, A::G_NONADJACENT_PREDICATE]),
    // An anti-dependency on an item is in each of them, whatever else is.
    (C::RepeatableRead, &[A::G2_ITEM, A::G_NONADJACENT, A::G_SINGLE, A::LOST_UPDATE]),
    (C::StrongSessionParallelSnapshotIsolation, &[A::G_SINGLE.process()]),
    (C::StrongSessionPrefix, &[A::NON_PREFIX.process()]),
    (C::Prefix, &[A::NON_PREFIX]),
    // What a reader depends on, with all of its changes, leaves the sum as it was, and a balance
    // that was checked not below zero: else a key is read or added to behind what it saw.
    (C::ConsistentView, &[A::G_SINGLE, A::WRONG_TOTAL, A::NEGATIVE_BALANCE]),
    (C::Causal, &[A::CYCLIC_CF]),
    (C::StrongSessionReadAtomic, &[A::FRACTURED_READ.process()]),
    (C::ReadAtomic, &[A::INTERNAL, A::FRACTURED_READ, A::NON_REPEATABLE_READ]),
    (C::StrongSessionMonotonicAtomicView, &[A::NON_MONOTONIC_VIEW.process()]),
    (C::MonotonicAtomicView, &[A::NON_MONOTONIC_VIEW]),
    (C::CursorStability, &[A::LOST_UPDATE]),
    (C::StrongReadCommitted, &[A::G0.realtime(), A::G1C.realtime()]),
    (C::StrongSessionReadCommitted, &[A::G0.process(), A::G1C.process()]),
    (
        C::ReadCommitted,
        &[A::G1A, A::G1B, A::G1C, A::DIRTY_UPDATE, A::FUTURE_READ, A::INCOMPATIBLE_ORDER],
    ),
    (C::ReadUncommitted, &[A::G0, A::DUPLICATE_ELEMENTS, A::THIN_AIR_READ, A::UNPARSEABLE]),
    (C::Linearizable, &[A::NONLINEARIZABLE]),
    (C::CausalMemory, &[A::CYCLIC_HB, A::WRITE_HB_INIT_READ, A::NON_REPEATABLE_READ]),
    (C::WeakCausal, &[A::CYCLIC_CO, A::WRITE_CO_INIT_READ, A::WRITE_CO_READ]),
    // A version that is no transaction's last write is explained by none of them.
    (C::WeakCausal, &[A::G1B, A::FUTURE_READ, A::INTERNAL]),
    // A value that nobody wrote is legal in no model that has legality at all.
    (C::WeakCausal, &[A::UNPARSEABLE, A::THIN_AIR_READ, A::G1A]),
    (C::ReadYourWrites, &[A::UNPARSEABLE, A::THIN_AIR_READ, A::G1A, A::INTERNAL]),
    (C::MonotonicReads, &[A::UNPARSEABLE, A::THIN_AIR_READ, A::G1A]),
    (C::Pram, &[A::PRAM]),
    (C::ReadYourWrites, &[A::READ_YOUR_WRITES]),
    (C::WritesFollowReads, &[A::WRITES_FOLLOW_READS]),
    (C::MonotonicWrites, &[A::MONOTONIC_WRITES]),
    (C::MonotonicReads, &[A::MONOTONIC_READS]),
];

impl Consistency {
    /// Every model, stronger ones first.
    pub const ALL: [Consistency; IMPLIES.len()] = {
        let mut all = [C::Pram; IMPLIES.len()];
        let mut at = 0;
        while at < IMPLIES.len() {
            all[at] = IMPLIES[at].0;
            at += 1;
        }
        all
    };

    /// The name, as on the command line and in every format.
    pub fn name(self) -> &'static str {
        match self {
            C::StrictSerializable => "strict-serializable",
            C::StrongSessionSerializable => "strong-session-serializable",
            C::Serializable => "serializable",
            C::StrongSnapshotIsolation => "strong-snapshot-isolation",
            C::StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            C::SnapshotIsolation => "snapshot-isolation",
            C::RepeatableRead => "repeatable-read",
            C::StrongSessionParallelSnapshotIsolation => {
                "strong-session-parallel-snapshot-isolation"
            }
            C::ParallelSnapshotIsolation => "parallel-snapshot-isolation",
            C::StrongSessionPrefix => "strong-session-prefix",
            C::Prefix => "prefix",
            C::ConsistentView => "consistent-view",
            C::Causal => "causal",
            C::StrongSessionReadAtomic => "strong-session-read-atomic",
            C::UpdateAtomic => "update-atomic",
            C::ReadAtomic => "read-atomic",
            C::StrongSessionMonotonicAtomicView => "strong-session-monotonic-atomic-view",
            C::MonotonicAtomicView => "monotonic-atomic-view",
            C::CursorStability => "cursor-stability",
            C::StrongReadCommitted => "strong-read-committed",
            C::StrongSessionReadCommitted => "strong-session-read-committed",
            C::ReadCommitted => "read-committed",
            C::ReadUncommitted => "read-uncommitted",
            C::Linearizable => "linearizable",
            C::Sequential => "sequential",
            C::CausalMemory => "causal-memory",
            C::WeakCausal => "weak-causal",
            C::Pram => "pram",
            C::ReadYourWrites => "read-your-writes",
            C::WritesFollowReads => "writes-follow-reads",
            C::MonotonicWrites => "monotonic-writes",
            C::MonotonicReads => "monotonic-reads",
        }
    }

    /// The model called `name`.
    pub fn named(name: &str) -> Option<Consistency> {
        C::ALL.into_iter().find(|model| model.name() == name)
    }

    /// Whether every history that keeps this promise keeps `weaker` too.
    pub fn implies(self, weaker: Consistency) -> bool {
        let direct = IMPLIES.iter().find(|(model, _)| *model == self);
        let direct = direct.map_or(&[][..], |(_, weaker)| weaker);
        self == weaker || direct.iter().any(|next| next.implies(weaker))
    }

    /// Whether a finding of `kind` contradicts this promise.
    pub fn forbids(self, kind: AnomalyKind) -> bool {
        let mut rows = PROSCRIBES.iter().filter(|(_, kinds)| kinds.contains(&kind));
        rows.any(|(model, _)| self.implies(*model))
    }

    /// The models a finding of `kind` rules out, stronger ones first.
    pub fn ruled_out_by(kind: AnomalyKind) -> Vec<Consistency> {
        C::ALL.into_iter().filter(|model| model.forbids(kind)).collect()
    }

    /// Those of `models` that imply no other of them.
    pub fn weakest(models: &[Consistency]) -> Vec<Consistency> {
        let other = |model: &C, than: &C| than != model && model.implies(*than);
        let weakest = models.iter().filter(|model| !models.iter().any(|than| other(model, than)));
        weakest.copied().collect()
    }

    /// Those of `models` that no other of them implies.
    pub fn strongest(models: &[Consistency]) -> Vec<Consistency> {
        let other = |model: &C, than: &C| than != model && than.implies(*model);
        let strongest = models.iter().filter(|model| !models.iter().any(|than| other(model, than)));
        strongest.copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{C, IMPLIES, PROSCRIBES};
    use crate::AnomalyKind as A;

    #[test]
    fn stronger_models_imply_weaker_ones() {
        assert!(C::Linearizable.implies(C::Sequential) && C::Sequential.implies(C::Causal));
        assert!(!C::Causal.implies(C::Sequential) && C::Pram.implies(C::Pram));
        assert!(C::StrictSerializable.implies(C::ReadUncommitted));
        assert!(C::SnapshotIsolation.implies(C::UpdateAtomic));
        assert!(!C::SnapshotIsolation.implies(C::RepeatableRead), "write skew");
        assert!(!C::RepeatableRead.implies(C::SnapshotIsolation), "predicates");
        assert!(!C::Serializable.implies(C::Causal), "a plain model knows no sessions");
    }

    #[test]
    fn the_lattice_has_no_circle_and_every_model_a_row_and_a_name() {
        for (at, (model, weaker)) in IMPLIES.iter().enumerate() {
            assert_eq!(C::named(model.name()), Some(*model));
            for next in *weaker {
                let place = C::ALL.iter().position(|other| other == next).expect("a row");
                assert!(place > at || *next == C::Causal, "{next:?} is later");
                assert!(!next.implies(*model), "{model:?} and {next:?}");
            }
        }
        assert_eq!(C::named("strong"), None);
        assert!(PROSCRIBES.iter().all(|(model, _)| C::ALL.contains(model)));
    }

    #[test]
    fn a_finding_rules_out_what_implies_what_it_rules_out() {
        assert_eq!(C::ruled_out_by(A::NONLINEARIZABLE), [C::StrictSerializable, C::Linearizable]);
        assert_eq!(C::ruled_out_by(A("no such kind")), []);
        let write_skew = C::ruled_out_by(A::G2_ITEM);
        assert_eq!(C::weakest(&write_skew), [C::RepeatableRead]);
        assert!(!write_skew.contains(&C::StrongSnapshotIsolation));
        let phantom = C::ruled_out_by(A::G2);
        assert_eq!(C::weakest(&phantom), [C::Serializable]);
        assert!(!phantom.contains(&C::RepeatableRead), "it does not count predicates");
        let read_skew = C::ruled_out_by(A::G_SINGLE);
        assert!(read_skew.contains(&C::SnapshotIsolation) && !read_skew.contains(&C::Prefix));
        let late = C::ruled_out_by(A::G1C.realtime());
        assert_eq!(C::weakest(&late), [C::StrongReadCommitted]);
        assert_eq!(C::ruled_out_by(A::UNPARSEABLE).len(), C::ALL.len());
    }

    #[test]
    fn extremes_of_a_set() {
        let some = [C::Serializable, C::SnapshotIsolation, C::Causal, C::ReadCommitted];
        assert_eq!(C::weakest(&some), [C::ReadCommitted]);
        assert_eq!(C::strongest(&some), [C::Serializable, C::Causal]);
    }
}
