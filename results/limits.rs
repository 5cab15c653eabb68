//! Every limit of what is written, in one place. Every cut is stated where it was made.

/// Findings kept, one per signature.
pub const FINDINGS: usize = 200;
/// Further examples named per finding.
pub const EXAMPLES: usize = 2;
/// Keys named per finding; those of anomalies that are alike are all shown by one of them.
pub const SUBJECTS: usize = 100_000;
/// Keys named per finding where people read.
pub const SUBJECTS_SHOWN: usize = 20;
/// Keys named per finding in the page, behind a click.
pub const SUBJECTS_PAGE: usize = 1000;
/// Operations of one proof kept.
pub const PROOF_OPERATIONS: usize = 200;
/// Steps of one proof kept.
pub const PROOF_STEPS: usize = 200;
/// Bytes of a state before or after one step of a proof.
pub const STEP_STATE: usize = 256;
/// States before a failing operation kept.
pub const PROOF_STATES: usize = 64;
/// Faults kept in the report.
pub const FAULTS: usize = 10_000;
/// Sentences of evidence kept per fault.
pub const FAULT_EVIDENCE: usize = 32;
/// Error classes shown apart; the rest are summed.
pub const ERROR_CLASSES: usize = 64;
/// Operations drawn in one of the first [`PICTURES_LARGE`] pictures.
pub const PICTURE_OPERATIONS: usize = 200;
/// Pictures with that many operations.
pub const PICTURES_LARGE: usize = 4;
/// Operations drawn in any later picture.
pub const PICTURE_OPERATIONS_LATER: usize = 40;
/// Processes drawn in one picture, of those that the order shown uses.
pub const PICTURE_LANES: usize = 40;
/// Further processes drawn, of those that it does not use.
pub const PICTURE_LANES_UNUSED: usize = 8;
/// Transactions drawn in the picture of a circle; a longer one is drawn as operations.
pub const CYCLE_TRANSACTIONS: usize = 12;
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
