//! What was found, and the proof of it. Terminal, JSON and HTML render the same values.

use tribunal_history::{EventId, OpIndex};

/// The field's name for a kind of anomaly, such as `nonlinearizable`. Defined in `docs/models.md`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnomalyKind(pub &'static str);

impl AnomalyKind {
    /// No order of a key's operations is legal and respects real time.
    pub const NONLINEARIZABLE: AnomalyKind = AnomalyKind("nonlinearizable");
    /// A reply that could not be parsed: no value that anyone wrote.
    pub const UNPARSEABLE: AnomalyKind = AnomalyKind("unparseable-reply");
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// What kind.
    pub kind: AnomalyKind,
    /// The key or object it concerns, as shown to people; `None` for the whole history.
    pub subject: Option<String>,
    /// One sentence that names processes, values and the contradiction.
    pub summary: String,
    /// The proof.
    pub evidence: Evidence,
    /// Whether dropping any operation of the evidence makes it no proof.
    pub minimal: bool,
}

/// A proof, by event and operation numbers of the judged history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// These events, each with what it contributes.
    Events(Vec<Step>),
    /// A set of operations no order of which is legal, and where every order dies.
    Counterexample {
        /// The sub-history that is already not linearizable, by invocation.
        operations: Vec<OpIndex>,
        /// The completion no order survives.
        failed: EventId,
        /// The longest legal order found, as far as it goes.
        prefix: Vec<OpIndex>,
        /// What the object held along the end of `prefix`, as the model prints it and cut at
        /// 1 KiB: the last is after its last operation, and there is one more than operations they
        /// stand around, at most 257. Empty where nobody replayed it.
        prefix_states: Vec<String>,
        /// Every state possible just before the failed operation, and why each refuses it.
        states: Vec<StateBefore>,
    },
    /// A cycle of happens-before steps.
    Cycle(Vec<Step>),
}

/// One step of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The event.
    pub event: EventId,
    /// What it contributes, in words.
    pub because: String,
}

/// A state that could have held just before the failed operation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StateBefore {
    /// The state, as the model prints it.
    pub state: String,
    /// Why the failed operation is illegal there, in the model's own words.
    pub because: String,
}
