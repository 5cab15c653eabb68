//! The checker of registers: every weak level in one pass.

use tribunal_history::{History, Value};

use super::judge::{Judge, Judged};
use super::levels::{self, severity};
use super::planted::Planted;
use super::predicates::{Spelling, spell};
use super::table::{Reading, Registers};
use crate::{
    Anomaly, AnomalyKind, Budget, CheckError, Checker, Consistency, Cost, Coverage, ReasonClass,
    Report, Spent, Verdict,
};

pub(super) const NAME: &str = "rw-register";

/// How transactions are judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What every key holds before the first write; nil is nothing.
    pub initial: Value,
    /// Whether a transaction sees its own writes. Off for databases that do not promise it.
    pub own_writes: bool,
    /// Whether orders that prove a level are replayed. Circles always are verified.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { initial: Value::Nil, own_writes: true, verify: true }
    }
}

/// Judges transactions that read and write registers, for one level; the report says what came of
/// every other one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RwRegister {
    level: Consistency,
    options: Options,
    pub(super) planted: Planted,
}

impl RwRegister {
    /// The levels that are answered, stronger ones first. Those above causal consistency are ruled
    /// out or open.
    pub const LEVELS: &[Consistency] = levels::LEVELS;

    /// Judges for `level`.
    pub fn new(level: Consistency) -> RwRegister {
        RwRegister { level, options: Options::default(), planted: Planted::default() }
    }

    /// The same check done another way.
    pub fn with_options(self, options: Options) -> RwRegister {
        RwRegister { options, ..self }
    }
}

impl Checker for RwRegister {
    fn name(&self) -> &str {
        self.level.name()
    }

    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError> {
        let Options { initial, own_writes, verify } = self.options.clone();
        let reading = Reading { initial, own_writes, planted: self.planted };
        let spelled = match spell(history, budget.bytes, NAME, self.planted)? {
            Spelling::Needless => None,
            Spelling::Done(spelled) => Some(*spelled),
            Spelling::Spent => return Ok(unspelled()),
        };
        let whole = spelled.as_ref().map_or(history, |spelled| &spelled.whole);
        let registers = Registers::new(whole, &reading, NAME)?;
        let found = spelled.as_ref().map(|it| Registers::new(&it.found, &reading, NAME));
        let found = found.transpose()?;
        let (level, bytes) = (self.level, spelled.as_ref().map_or(0, |spelled| spelled.bytes));
        let budget = &budget.clone().with_bytes(budget.bytes.saturating_sub(bytes));
        let (registers, found, reading) = (&registers, found.as_ref(), &reading);
        let judge =
            Judge { registers, found, reading, verify, budget, level: levels::judged_as(level) };
        let mut judged = judge.everything()?;
        judged.anomalies.extend(spelled.iter().flat_map(|spelled| spelled.strays.clone()));
        judged.cost.peak_bytes += bytes;
        Ok(report(level, judged, registers))
    }
}

/// The answer where predicates take more room than there is.
fn unspelled() -> Report {
    let why = "memory budget spent while reads by predicates were spelled out, key by key";
    let cost = Cost { spent: Some(Spent::Memory), ..Cost::default() };
    Report::unknown(ReasonClass::Undecided, why, Coverage::default(), cost)
}

/// Patterns of causality, told where one asks for causality: for others a weaker finding says more.
const PATTERNS: [AnomalyKind; 6] = [
    AnomalyKind::WRITE_HB_INIT_READ,
    AnomalyKind::CYCLIC_HB,
    AnomalyKind::CYCLIC_CO,
    AnomalyKind::WRITE_CO_INIT_READ,
    AnomalyKind::WRITE_CO_READ,
    AnomalyKind::CYCLIC_CF,
];

/// The same circle in the words of a weaker level.
const WEAKER: [AnomalyKind; 11] = [
    AnomalyKind::G1C,
    AnomalyKind::G1C.process(),
    AnomalyKind::NON_MONOTONIC_VIEW,
    AnomalyKind::NON_MONOTONIC_VIEW.process(),
    AnomalyKind::FRACTURED_READ,
    AnomalyKind::FRACTURED_READ.process(),
    AnomalyKind::READ_YOUR_WRITES,
    AnomalyKind::MONOTONIC_READS,
    AnomalyKind::MONOTONIC_WRITES,
    AnomalyKind::WRITES_FOLLOW_READS,
    AnomalyKind::PRAM,
];

fn report(level: Consistency, judged: Judged, registers: &Registers<'_>) -> Report {
    let levels = levels::answers(&judged, registers, level);
    let coverage = Coverage::default();
    let Judged { anomalies, spent, cost, .. } = judged;
    let cost = Cost { spent, ..cost };
    let answer = levels.iter().find(|answer| answer.level == level);
    let mut report = match answer {
        _ if registers.len() == 0 => {
            Report::unknown(ReasonClass::NotExercised, "no transaction", coverage, cost)
        }
        Some(answer) if answer.verdict == Verdict::Valid => Report::valid(coverage, cost),
        Some(answer) if answer.verdict == Verdict::Invalid => {
            Report::invalid(told(levels::judged_as(level), anomalies), coverage, cost)
        }
        Some(answer) => {
            let why = answer.because.clone();
            Report::unknown(ReasonClass::Undecided, why, coverage, cost)
        }
        None => {
            let why = format!("{NAME} does not decide {}", level.name());
            Report::unknown(ReasonClass::Undecided, why, coverage, cost)
        }
    };
    report.levels = levels;
    report
}

/// What contradicts the level, worst first, and nothing of it twice.
fn told(level: Consistency, anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
    let mut against: Vec<Anomaly> =
        anomalies.into_iter().filter(|anomaly| level.forbids(anomaly.kind)).collect();
    against.sort_by_key(|anomaly| severity(anomaly.kind));
    let causal = [Consistency::Causal, Consistency::WeakCausal, Consistency::CausalMemory];
    let causal = causal.contains(&level);
    let pattern = |anomaly: &Anomaly| PATTERNS.contains(&anomaly.kind);
    let weaker = |anomaly: &Anomaly| WEAKER.contains(&anomaly.kind);
    if causal && against.iter().any(pattern) {
        against.retain(|anomaly| !weaker(anomaly));
    } else if against.iter().any(weaker) {
        let first = against.iter().position(weaker);
        let mut at = 0;
        against.retain(|anomaly| {
            let keep = !pattern(anomaly) && (!weaker(anomaly) || Some(at) == first);
            at += 1;
            keep
        });
    }
    against
}
