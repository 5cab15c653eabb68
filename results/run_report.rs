//! The one value every output renders: schema `tribunal.report`.
//!
//! Declaration order is output order, maps are sorted, and nothing here reads a clock: the same
//! history and the same [`crate::RunInfo`] give the same bytes. Minor versions only add fields;
//! readers ignore unknown ones and refuse a newer major.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounded::Typed;
use crate::class::Class;
use crate::info::{LateReplies, NodeInfo, SelfNoise, Warning};

/// Name of the schema.
pub const SCHEMA: &str = "tribunal.report";
/// Version of the schema written here.
pub const SCHEMA_VERSION: &str = "1.6";

/// Everything a run came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// What made the report.
    pub tool: Tool,
    /// The outcome.
    pub class: Class,
    /// Its exit code.
    pub exit_code: u8,
    /// Whether a flag turned an undecided or vacuous outcome into success.
    pub relaxed: bool,
    /// One sentence for the top of every output.
    pub headline: String,
    /// Which run.
    pub run: Run,
    /// Operations by outcome.
    pub counts: Counts,
    /// Replies that came after their operations had been counted as `info`. Since 1.1.
    #[serde(default)]
    pub late_replies: LateReplies,
    /// What was done to the cluster, by fault.
    pub faults: Vec<Fault>,
    /// What was promised and what came of it.
    pub guarantees: Vec<Guarantee>,
    /// What was found, one per signature.
    pub findings: Vec<Finding>,
    /// Coverage facts of all checkers, by name.
    pub coverage_facts: Vec<CoverageFact>,
    /// What went wrong and changed no verdict.
    pub warnings: Vec<Warning>,
    /// Why the experiment failed, if it did.
    pub failures: Vec<String>,
    /// Waits inside the harness.
    pub self_noise: Option<SelfNoise>,
    /// What the target said about itself.
    pub target: BTreeMap<String, String>,
    /// Client settings.
    pub driver: BTreeMap<String, String>,
    /// Options of the run.
    pub options: BTreeMap<String, String>,
}

/// What made the report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tool {
    /// Always `tribunal`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Versions of what it used.
    pub versions: BTreeMap<String, String>,
}

/// Which run it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Name of its directory.
    pub id: String,
    /// Start.
    pub started_utc: String,
    /// Length.
    pub duration_ns: u64,
    /// Seed.
    pub seed: u64,
    /// Suite.
    pub suite: String,
    /// Provider of nodes.
    pub provider: String,
    /// Whether no real system was involved.
    pub simulated: bool,
    /// System under test.
    pub target: String,
    /// Workload.
    pub workload: String,
    /// Clients at work at once.
    pub concurrency: u32,
    /// Nodes.
    pub nodes: Vec<NodeInfo>,
    /// The one line that asks for it again.
    pub repro: String,
    /// Why it ended early.
    pub stopped_early: Option<String>,
}

/// Operations by outcome. `info` includes operations the record leaves open.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Happened.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Unknown.
    pub info: u64,
    /// By operation name.
    pub by_f: BTreeMap<String, Tally>,
    /// By error class.
    pub by_error: BTreeMap<String, u64>,
}

/// Operations of one kind by outcome.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Happened.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Unknown.
    pub info: u64,
}

/// The life of one fault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// `F1` is the first of the schedule.
    pub id: String,
    /// Kind: `partition`, `kill`, `pause` ...
    pub kind: String,
    /// Shape (`halves`), when the schedule names one.
    pub shape: String,
    /// Nodes concerned.
    pub nodes: Vec<String>,
    /// Planned start and end.
    pub planned: Option<(u64, u64)>,
    /// When it came into force.
    pub injected_ns: Option<u64>,
    /// Whether its effect was measured.
    pub verified: Bite,
    /// When that was decided.
    pub verified_ns: Option<u64>,
    /// When it has ended at the latest: its planned end and its lease.
    #[serde(skip)]
    pub ends_by_ns: Option<u64>,
    /// When it was undone.
    pub healed_ns: Option<u64>,
    /// When its absence was measured.
    pub heal_verified_ns: Option<u64>,
    /// Why it could not be undone.
    pub heal_failed: Option<String>,
    /// Why it was not injected.
    pub refused: Option<String>,
    /// What was measured, in words.
    pub evidence: Vec<String>,
}

/// Whether a fault had a measured effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bite {
    /// Its effect was measured.
    Bit,
    /// It was injected and had no measurable effect.
    DidNotBite,
    /// Nobody measured.
    Unverified,
}

/// One promise and what came of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Guarantee {
    /// Name of the checker.
    pub id: String,
    /// `valid`, `unknown` or `invalid`.
    pub verdict: String,
    /// Why it is unknown.
    pub reason: Option<String>,
    /// `undecided` or `not-exercised`.
    pub reason_class: Option<String>,
    /// What came of every level, where the checker decides several. Since 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// What a pass rests on.
    pub strength: Strength,
    /// Coverage facts of this checker.
    pub coverage: Vec<CoverageFact>,
    /// What the check took, without any clock.
    pub cost: CheckCost,
    /// Its findings, worst first.
    pub findings: Vec<String>,
}

/// What a history says about levels of consistency, by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Levels {
    /// The weakest that are ruled out, each with the kind of finding that does it.
    pub not: Vec<(String, String)>,
    /// Everything that implies one of them.
    pub also_not: Vec<String>,
    /// The strongest that are not ruled out.
    pub holds: Vec<String>,
    /// Those that are not decided, each with the reason.
    pub undecided: Vec<(String, String)>,
}

/// What a pass rests on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Strength {
    /// Operations that ended `ok`.
    pub ops: u64,
    /// Operations open at once, median over invocations.
    pub median_concurrency: u64,
    /// Time under faults that were verified as biting.
    pub fault_ns_verified: u64,
    /// Trials behind the rate.
    pub runs: u64,
    /// With this confidence the rate of runs with an anomaly is below `rate_upper`.
    pub confidence: f64,
    /// One-sided upper bound.
    pub rate_upper: f64,
}

/// One coverage fact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CoverageFact {
    /// Its name.
    pub fact: String,
    /// Least count for a pass.
    pub required: u64,
    /// Count seen.
    pub seen: u64,
}

/// What a check took.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CheckCost {
    /// Configurations visited.
    pub configurations: u64,
    /// Largest memory at once.
    pub peak_bytes: u64,
    /// Which limit was hit.
    pub budget_hit: Option<String>,
    /// Algorithms and how many partitions each decided.
    pub engines: Vec<(String, u64)>,
    /// Certificates a separate verifier accepted.
    pub certificates_verified: u64,
}

/// All anomalies of one signature, with the first as evidence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// `R-1`, `R-2` ...
    pub r#ref: String,
    /// Digest of kind, shape, guarantee and active fault kinds.
    pub signature: String,
    /// Kind of anomaly.
    pub kind: String,
    /// Which guarantee it breaks.
    pub guarantee: String,
    /// The key or object.
    pub subject: Option<String>,
    /// The keys or objects of all anomalies with this signature, in the order in which they were
    /// found, at most [`crate::limits::SUBJECTS`]. Since 1.3.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// Anomalies beyond that, whose keys or objects are not named.
    #[serde(default)]
    pub subjects_cut: u64,
    /// One sentence.
    pub summary: String,
    /// When, since the start of the run.
    pub moment_ns: u64,
    /// `RUN#R-1@t=12.418`, or `RUN#R-1@event=7` where the record has no times.
    pub moment: String,
    /// Faults in force while the failing operation was open.
    pub during_faults: Vec<String>,
    /// Faults in force at any time the evidence spans.
    pub spanned_faults: Vec<String>,
    /// Anomalies with this signature.
    pub count: u64,
    /// Sentences of further examples, at most [`crate::limits::EXAMPLES`].
    pub more: Vec<String>,
    /// Whether dropping any operation makes it no proof.
    pub minimal: bool,
    /// The proof.
    pub evidence: EvidenceReport,
}

/// A proof with the operations it names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// `events`, `cycle` or `counterexample`.
    pub r#type: String,
    /// Events named, in the order of the proof.
    pub event_ids: Vec<u32>,
    /// Each event with what it contributes.
    pub steps: Vec<StepReport>,
    /// Operations of the proof, by invocation.
    pub operations: Vec<OpReport>,
    /// Operations of the proof that were left out of `operations`.
    pub operations_cut: u64,
    /// Length of the longest legal order; its points in `operations` count from 1. Since 1.1.
    #[serde(default)]
    pub points: u64,
    /// States possible just before the failing operation.
    pub states: Vec<StateReport>,
    /// States left out of `states`.
    pub states_cut: u64,
    /// Whether there may be states beside these, which refuse the failing operation, too. Since
    /// 1.6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub states_open: bool,
    /// Elements, in words, where it is about what the operations say of these alone; `points` and
    /// `states` are of what is said of them. Since 1.5.
    #[serde(default)]
    pub about: Option<String>,
    /// Why a separate verifier has not decided the operations again, and how it would; `None` where
    /// it has. Since 1.4.
    #[serde(default)]
    pub unconfirmed: Option<String>,
}

/// One step of a proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// Event.
    pub event: u32,
    /// What it contributes.
    pub because: String,
    /// Of a cycle, which transactions it orders. Since 1.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeReport>,
}

/// One transaction comes before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EdgeReport {
    /// `ww`, `wr`, `rw`, `process`, `realtime`, `initial` or `derived`.
    pub kind: String,
    /// [`OpReport::index`] of the earlier; `None` for the initial state.
    pub from: Option<u32>,
    /// That of the later.
    pub to: Option<u32>,
    /// The micro-operation of the earlier that shows it, by its place in the transaction.
    pub from_mop: Option<u32>,
    /// That of the later.
    pub to_mop: Option<u32>,
}

/// A state that could have held, and why the failing operation is illegal in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StateReport {
    /// The state.
    pub state: String,
    /// Why not.
    pub because: String,
}

/// One operation of a proof.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OpReport {
    /// Number of the operation, by which sentences call a transaction: `T5`. Since 1.4.
    #[serde(default)]
    pub index: u32,
    /// Rank of the invocation.
    pub call: u32,
    /// Rank of the completion.
    pub ret: Option<u32>,
    /// Who.
    pub process: u32,
    /// Name of the node asked.
    pub node: Option<String>,
    /// Operation name.
    pub f: String,
    /// Named arguments and observations, in order.
    pub args: Vec<(String, Typed)>,
    /// `ok`, `fail`, `info` or `open`.
    pub outcome: String,
    /// Why it did not end `ok`.
    pub error: Option<String>,
    /// When it was sent.
    pub invoked_ns: u64,
    /// When it was answered; `None` when its effect may come at any later time.
    pub completed_ns: Option<u64>,
    /// Position in the longest legal order, from 1.
    pub point: Option<u32>,
    /// The state before that point, in the legal order shown. Since 1.1.
    #[serde(default)]
    pub state_before: Option<String>,
    /// The state after that point, in the legal order shown.
    pub state_after: Option<String>,
    /// Whether this is the operation no order survives.
    pub failed: bool,
}

impl RunReport {
    /// The report as the bytes of `verdicts.json`.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a report has string keys and finite floats");
        text.push('\n');
        text
    }

    /// Kinds of anomaly found, worst first.
    pub fn kinds(&self) -> Vec<String> {
        self.findings.iter().map(|finding| finding.kind.clone()).collect()
    }
}

impl Levels {
    /// Sentences for a person: what is ruled out, what is not, what is open.
    pub fn sentences(&self) -> Vec<String> {
        let because = |(level, why): &(String, String)| format!("{level} ({why})");
        let all = |levels: &[(String, String)]| {
            levels.iter().map(because).collect::<Vec<String>>().join(", ")
        };
        let mut sentences = Vec::new();
        if !self.not.is_empty() {
            let also = match self.also_not.len() {
                0 => String::new(),
                1 => " and what implies it".to_owned(),
                more => format!(" and {more} levels that imply them"),
            };
            sentences.push(format!("ruled out: {}{also}", all(&self.not)));
        }
        if !self.holds.is_empty() {
            sentences.push(format!("not ruled out: {} and weaker", self.holds.join(", ")));
        }
        if let [(first, why), rest @ ..] = self.undecided.as_slice() {
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            sentences.push(format!("not decided: {first}{more} ({why})"));
        }
        sentences
    }
}

impl Guarantee {
    /// Whether its checker only counts what happened in the run and searches no answers.
    pub fn requires(&self) -> bool {
        self.cost.configurations == 0 && self.coverage.iter().any(|fact| fact.required > 0)
    }

    /// What it required, as seen.
    pub fn seen(&self) -> String {
        let required = self.coverage.iter().filter(|fact| fact.required > 0);
        let words: Vec<String> =
            required.map(|it| format!("{} {}", it.fact, crate::human::grouped(it.seen))).collect();
        format!("seen as required: {}", words.join(", "))
    }
}

impl Fault {
    /// From injection to the end of its effect; where it was never healed that of its lease, or
    /// `end` where none is known.
    pub fn window(&self, end: u64) -> Option<(u64, u64)> {
        let last = self.ends_by_ns.map_or(end, |by| by.min(end));
        self.injected_ns.map(|from| (from, self.healed_ns.unwrap_or(last).max(from)))
    }
}

impl Bite {
    /// The word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            Bite::Bit => "bit",
            Bite::DidNotBite => "did-not-bite",
            Bite::Unverified => "unverified",
        }
    }
}
