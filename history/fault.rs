//! The fault track: beside the history, shown with it, never used to judge it.

use crate::Nanos;

/// A step in the life of one fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FaultEdge {
    /// In the schedule.
    Planned,
    /// Its undo record is durable on every target node.
    Armed,
    /// In force.
    Injected,
    /// Its effect was measured.
    Verified,
    /// It was injected and had no measurable effect.
    DidNotBite,
    /// Its lease was extended.
    Renewed,
    /// Undone.
    Healed,
    /// Its absence was measured.
    HealVerified,
    /// It could not be undone.
    HealFailed,
    /// It does not apply, or a guard forbade it.
    Refused,
}

/// One edge of one fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultEvent {
    /// When.
    pub time: Nanos,
    /// Which fault of the schedule (0 is the first).
    pub fault: u32,
    /// Which step.
    pub edge: FaultEdge,
    /// Fault kind: `partition`, `kill`, `pause` ...
    pub kind: String,
    /// Names of the nodes it concerns, in cluster order.
    pub nodes: Vec<String>,
    /// Parameters, evidence or the reason of a refusal: one JSON object as text.
    pub detail: String,
}

/// A named instant of the run: `main`, `heal`, `quiet`, `final-reads`, `end`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// When.
    pub time: Nanos,
    /// Its name.
    pub name: String,
}

impl FaultEdge {
    /// Every edge; the position is the wire code.
    pub const ALL: [FaultEdge; 10] = [
        FaultEdge::Planned,
        FaultEdge::Armed,
        FaultEdge::Injected,
        FaultEdge::Verified,
        FaultEdge::DidNotBite,
        FaultEdge::Renewed,
        FaultEdge::Healed,
        FaultEdge::HealVerified,
        FaultEdge::HealFailed,
        FaultEdge::Refused,
    ];

    /// The edge's name in every format.
    pub fn name(self) -> &'static str {
        match self {
            FaultEdge::Planned => "planned",
            FaultEdge::Armed => "armed",
            FaultEdge::Injected => "injected",
            FaultEdge::Verified => "verified",
            FaultEdge::DidNotBite => "did-not-bite",
            FaultEdge::Renewed => "renewed",
            FaultEdge::Healed => "healed",
            FaultEdge::HealVerified => "heal-verified",
            FaultEdge::HealFailed => "heal-failed",
            FaultEdge::Refused => "refused",
        }
    }
}
