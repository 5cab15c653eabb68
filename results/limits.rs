//! Every limit of what is written, in one place. Every cut is stated where it was made.

/// Findings kept, one per signature.
pub const FINDINGS: usize = 200;
/// Further examples named per finding.
pub const EXAMPLES: usize = 2;
/// Operations of one proof kept.
pub const PROOF_OPERATIONS: usize = 200;
/// Steps of one proof kept.
pub const PROOF_STEPS: usize = 200;
/// States before a failing operation kept.
pub const PROOF_STATES: usize = 64;
/// Faults kept in the report.
pub const FAULTS: usize = 10_000;
/// Sentences of evidence kept per fault.
pub const FAULT_EVIDENCE: usize = 32;
/// Error classes shown apart; the rest are summed.
pub const ERROR_CLASSES: usize = 64;
/// Operations drawn in one picture.
pub const PICTURE_OPERATIONS: usize = 60;
/// Findings drawn with a picture; later ones keep their tables.
pub const PICTURES: usize = 20;
/// Rows of the fault audit shown.
pub const FAULT_ROWS: usize = 500;
/// Bytes of `report.html`.
pub const REPORT_BYTES: usize = 10_000_000;
/// Bytes of strings shipped with the timeline.
pub const TIMELINE_TEXT: usize = 1_000_000;
/// Time bins of the throughput and latency charts.
pub const BINS: usize = 240;
